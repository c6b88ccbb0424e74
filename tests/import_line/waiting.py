"""Texts that use what this package does not have yet."""

from __future__ import annotations

from airflow_provider_pipehooks.hooks.databricks import DatabricksHook
from airflow_provider_pipehooks.hooks.dbt_cloud import DbtCloudHook

_METHODS = {
    "dbt_hook_in_task": (DbtCloudHook, "trigger_job_run"),
    "dbt_hook_reads": (DbtCloudHook, "list_jobs"),
    "dbt_hook_fails": (DbtCloudHook, "get_job_by_name"),
    "databricks_hook": (DatabricksHook, "get_run_state"),
    "databricks_subclass": (DatabricksHook, "get_run_state"),
}


def reason_to_wait(name: str) -> str | None:
    """Why a text cannot be run yet; None if it can."""
    kind, method = _METHODS.get(name, (None, ""))
    if kind is not None and not hasattr(kind, method):
        return f"{kind.__name__}.{method}"
    return None
