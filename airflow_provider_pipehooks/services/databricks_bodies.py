"""Bodies of Databricks' Jobs API, where people write numbers and the API wants texts.

``map<string, string>`` and ``array<string>`` in Jobs API 2.2, ``runs/submit``, as read in November 2026. The
official operators send every number as a text, everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_pipehooks.core.arguments import as_parameter

#: Part of a task -> its fields whose values are texts.
TEXTS: Mapping[str, tuple[str, ...]] = {
    "notebook_task": ("base_parameters",),
    "python_wheel_task": ("named_parameters", "parameters"),
    "sql_task": ("parameters",),
    "run_job_task": ("job_parameters",),
    "spark_jar_task": ("parameters",),
    "spark_python_task": ("parameters",),
    "spark_submit_task": ("parameters",),
    "dbt_task": ("commands",),
    "new_cluster": ("spark_conf", "spark_env_vars", "custom_tags"),
}


def write_texts(task: Mapping[str, Any]) -> None:
    """Make texts of the numbers and flags in a submitted task, where the API wants texts; in place."""
    for name, fields in TEXTS.items():
        part = task.get(name)
        if isinstance(part, dict):
            part.update({field: _texts(part[field]) for field in fields if field in part})


def _texts(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _text(item) for name, item in value.items()}
    return [_text(item) for item in value] if isinstance(value, list) else value


def _text(value: Any) -> Any:
    return as_parameter(value, "a parameter") if isinstance(value, (int, float)) else value
