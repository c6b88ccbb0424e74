"""The tables of ``system.lakeflow`` and their columns; ``lakeflow.sql`` fills them. Pure.

Columns and order are those of "Jobs system table reference" (docs.databricks.com, read in November 2026: the
page of early 2026 with six tables and the columns that rows have since December 2025). Where it says only
``map``, ``array`` or ``struct``, the type is what ``DESCRIBE`` shows on a workspace.
"""

from __future__ import annotations

from collections.abc import Mapping

_COMPUTE = 'STRUCT("type" VARCHAR, cluster_id VARCHAR, warehouse_id VARCHAR)'
_HEALTH = "STRUCT(metric VARCHAR, operator VARCHAR, value BIGINT)"
_TABLE = "STRUCT(table_catalog VARCHAR, table_schema VARCHAR, table_name VARCHAR)"
_TRIGGER = (
    "STRUCT(file_arrival STRUCT(url VARCHAR, min_time_between_triggers_seconds INTEGER, "
    "wait_after_last_change_seconds INTEGER), periodic STRUCT(interval INTEGER, units VARCHAR), "
    "continuous STRUCT(enabled BOOLEAN), table_update STRUCT(table_names VARCHAR[], "
    "min_time_between_triggers_seconds BIGINT, wait_after_last_change_seconds BIGINT, condition VARCHAR), "
    "schedule STRUCT(quartz_cron_expression VARCHAR, timezone_id VARCHAR))"
)
_DURATIONS = ("setup", "queue", "run", "cleanup", "execution")


def _columns(text: str, **typed: str) -> dict[str, str]:
    """Names in their order; what is not typed is text."""
    return {name: typed.get(name, "VARCHAR") for name in text.split()}


_TIMES = {"period_start_time": "TIMESTAMPTZ", "period_end_time": "TIMESTAMPTZ"}
_CHANGES = {"change_time": "TIMESTAMPTZ", "delete_time": "TIMESTAMPTZ"}

#: Table -> column -> its type in DuckDB.
TABLES: Mapping[str, Mapping[str, str]] = {
    "jobs": _columns(
        "account_id workspace_id job_id name description creator_id tags change_time delete_time run_as "
        "trigger trigger_type run_as_user_name creator_user_name paused timeout_seconds health_rules "
        "deployment create_time",
        tags="MAP(VARCHAR, VARCHAR)",
        **_CHANGES,
        trigger=_TRIGGER,
        paused="BOOLEAN",
        timeout_seconds="BIGINT",
        health_rules=f"{_HEALTH}[]",
        deployment="STRUCT(kind VARCHAR, metadata_file_path VARCHAR)",
        create_time="TIMESTAMPTZ",
    ),
    "job_tasks": _columns(
        "account_id workspace_id job_id task_key depends_on_keys change_time delete_time timeout_seconds "
        "health_rules",
        depends_on_keys="VARCHAR[]",
        **_CHANGES,
        timeout_seconds="BIGINT",
        health_rules=f"{_HEALTH}[]",
    ),
    "job_run_timeline": _columns(
        "account_id workspace_id job_id run_id period_start_time period_end_time trigger_type run_type "
        "run_name compute_ids result_state termination_code job_parameters source_task_run_id "
        "root_task_run_id compute termination_type "
        + " ".join(f"{each}_duration_seconds" for each in _DURATIONS),
        **_TIMES,
        compute_ids="VARCHAR[]",
        job_parameters="MAP(VARCHAR, MAP(VARCHAR, VARCHAR))",
        compute=f"{_COMPUTE}[]",
        **{f"{each}_duration_seconds": "BIGINT" for each in _DURATIONS},
    ),
    "job_task_run_timeline": _columns(
        "account_id workspace_id job_id run_id job_run_id parent_run_id period_start_time period_end_time "
        "task_key compute_ids result_state termination_code compute termination_type task_parameters "
        "setup_duration_seconds cleanup_duration_seconds execution_duration_seconds",
        **_TIMES,
        compute_ids="VARCHAR[]",
        compute=f"{_COMPUTE}[]",
        task_parameters="MAP(VARCHAR, VARCHAR)",
        **{f"{each}_duration_seconds": "BIGINT" for each in ("setup", "cleanup", "execution")},
    ),
    "pipelines": _columns(
        "account_id workspace_id pipeline_id pipeline_type name created_by run_as tags settings "
        "configuration change_time delete_time",
        tags="MAP(VARCHAR, VARCHAR)",
        settings="STRUCT(photon BOOLEAN, development BOOLEAN, continuous BOOLEAN, serverless BOOLEAN, "
        "edition VARCHAR, channel VARCHAR)",
        configuration="MAP(VARCHAR, VARCHAR)",
        **_CHANGES,
    ),
    "pipeline_update_timeline": _columns(
        "account_id workspace_id pipeline_id update_id update_type request_id run_as_user_name trigger_type "
        "trigger_details result_state compute period_start_time period_end_time refresh_selection "
        "full_refresh_selection reset_checkpoint_selection",
        trigger_details="STRUCT(job_task STRUCT(job_id VARCHAR, job_task_run_id VARCHAR, "
        "performance_target VARCHAR))",
        compute='STRUCT("type" VARCHAR, cluster_id VARCHAR)',
        **_TIMES,
        refresh_selection=f"{_TABLE}[]",
        full_refresh_selection=f"{_TABLE}[]",
        reset_checkpoint_selection="VARCHAR[]",
    ),
}
