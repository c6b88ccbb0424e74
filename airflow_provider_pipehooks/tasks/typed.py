"""Airflow's own arguments by name and type, so that a type checker sees a misspelt one.

Only for ``**kwargs: Unpack[...]``: read by type checkers, and imported by nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict

from airflow.sdk import DAG, TaskGroup
from typing_extensions import Required

#: One or several, as functions or notifiers.
_Callback = Callable[[Any], Any] | Sequence[Callable[[Any], Any]] | None


class TaskArguments(TypedDict, total=False):
    """Of every operator: Airflow's, and those of state handlers."""

    task_id: Required[str]
    owner: str
    email: str | Sequence[str] | None
    email_on_retry: bool
    email_on_failure: bool
    retries: int | None
    retry_delay: timedelta | float
    retry_exponential_backoff: float
    max_retry_delay: timedelta | float | None
    retry_policy: Any
    start_date: datetime | None
    end_date: datetime | None
    depends_on_past: bool
    ignore_first_depends_on_past: bool
    wait_for_past_depends_before_skipping: bool
    wait_for_downstream: bool
    dag: DAG | None
    params: MutableMapping[str, Any] | None
    default_args: dict[str, Any] | None
    priority_weight: int
    weight_rule: Any
    queue: str
    pool: str | None
    pool_slots: int
    sla: timedelta | None
    execution_timeout: timedelta | None
    on_execute_callback: _Callback
    on_failure_callback: _Callback
    on_success_callback: _Callback
    on_retry_callback: _Callback
    on_skipped_callback: _Callback
    pre_execute: Callable[[Any], Any] | None
    post_execute: Callable[[Any, Any], Any] | None
    trigger_rule: str
    resources: dict[str, Any] | None
    run_as_user: str | None
    map_index_template: str | None
    max_active_tis_per_dag: int | None
    max_active_tis_per_dagrun: int | None
    executor: str | None
    executor_config: dict[str, Any] | None
    do_xcom_push: bool
    multiple_outputs: bool
    inlets: Any
    outlets: Any
    task_group: TaskGroup | None
    doc: str | None
    doc_md: str | None
    doc_json: str | None
    doc_yaml: str | None
    doc_rst: str | None
    task_display_name: str | None
    logger_name: str | None
    allow_nested_operators: bool
    render_template_as_native_obj: bool | None
    state_handlers: Sequence[Any] | None
    on_failure: Any
    on_handler_error: Literal["fail", "log"]
    handler_error_retries: bool


class PokeArguments(TaskArguments, total=False):
    """Of every sensor, but for its times."""

    soft_fail: bool
    mode: str
    exponential_backoff: bool
    max_wait: timedelta | float | None
    silent_fail: bool
    never_fail: bool


class SensorArguments(PokeArguments, total=False):
    """Of every sensor."""

    poke_interval: timedelta | float
    timeout: timedelta | float | None


class DbtCloudArguments(TaskArguments, total=False):
    """Of the operators that read from dbt Cloud."""

    dbt_cloud_conn_id: str
    account_id: int | str | None
    hook_params: dict[str, Any] | None


class DatabricksRunArguments(TaskArguments, total=False):
    """Of both operators that start a run on Databricks."""

    json: Any
    databricks_conn_id: str
    polling_period_seconds: float | timedelta
    databricks_retry_limit: int
    databricks_retry_delay: float
    databricks_retry_args: dict[Any, Any] | None
    wait_for_termination: bool
    timeout: float | timedelta | None
    deferrable: bool
    on_cancel: Literal["cancel", "keep"]
    success_with_failures: bool
    hook_params: dict[str, Any] | None
    durable: bool | None
    openlineage_inject_parent_job_info: bool
    openlineage_inject_transport_info: bool
