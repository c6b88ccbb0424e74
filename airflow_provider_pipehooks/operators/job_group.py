"""A start, a verification and, once per DAG, an alert: the tutorial's shape as one line per job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import TaskGroup

from airflow_provider_pipehooks.hooks.registry import class_at, row_of
from airflow_provider_pipehooks.operators.sns_alert import notify_if_one_failed

if TYPE_CHECKING:
    from airflow.sdk import DAG, BaseOperator

#: Arguments that belong to the waiting, so they go to the sensor.
_VERIFY = frozenset({"poke_interval", "timeout", "mode", "soft_fail", "deferrable", "task_key"})
#: Arguments that both need.
_BOTH = frozenset(
    {"dbt_cloud_conn_id", "databricks_conn_id", "account_id", "hook_params", "success_with_failures"}
)


def job_group(
    group_id: str,
    *,
    service: str = "dbt_cloud",
    notify: str | None = "notify_if_one_failed",
    alert: Mapping[str, Any] | None = None,
    **job: Any,
) -> TaskGroup:
    """Tasks ``start`` and ``verify`` of one job; chain groups with ``>>``.

    :param group_id: of the task group; the tasks are ``<group_id>.start`` and ``<group_id>.verify``.
    :param service: ``dbt_cloud`` or ``databricks_jobs``.
    :param notify: task id of the DAG's one alert, which the first group makes and the others join; None
        for no alert.
    :param alert: arguments of the alert, such as ``target_arn``; from the group that makes it.
    :param job: arguments of the service's operator, such as ``job_id``; those about waiting
        (``poke_interval``, ``timeout``, ``mode``, ``deferrable``, ...) go to its sensor.
    :raises ConfigurationError: no such service; lists them.
    """
    row = row_of(service)
    starter, verifier = class_at(row.operator), class_at(row.sensor)
    to_start = {key: value for key, value in job.items() if key not in _VERIFY}
    to_verify = {key: value for key, value in job.items() if key in _VERIFY | _BOTH}
    with TaskGroup(group_id) as group:
        # A retry of the verification alone could never help: the failed run stays failed.
        start = starter(task_id="start", wait_for_termination=False, **to_start)
        verify = verifier(task_id="verify", run_id=start.output, retries=0, **to_verify)
    if notify is not None:
        verify >> _alert_of(group.dag, notify, alert)
    return group


def _alert_of(dag: DAG, task_id: str, arguments: Mapping[str, Any] | None) -> BaseOperator:
    """The DAG's one alert, outside of all groups."""
    if task_id in dag.task_dict:
        return dag.task_dict[task_id]  # type: ignore[return-value]
    return notify_if_one_failed(task_id, dag=dag, task_group=dag.task_group, **(arguments or {}))
