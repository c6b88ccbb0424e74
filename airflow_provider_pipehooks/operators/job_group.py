"""A start, a verification and, once per DAG, an alert: the tutorial's shape as one line per job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule, TaskGroup

from airflow_provider_pipehooks.core.errors import RunEnded
from airflow_provider_pipehooks.hooks.registry import class_at, row_of
from airflow_provider_pipehooks.operators.sns_alert import notify_if_one_failed

if TYPE_CHECKING:
    from airflow.sdk import DAG, BaseOperator

#: Arguments that belong to the waiting, so they go to the sensor.
_VERIFY = frozenset({"poke_interval", "timeout", "mode", "soft_fail", "deferrable", "task_key"})
#: Arguments that both need.
_BOTH = frozenset(
    {"dbt_cloud_conn_id", "databricks_conn_id", "account_id", "hook_params", "success_with_failures"}
    | {"retries", "retry_delay", "retry_exponential_backoff", "max_retry_delay"}
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
        (``poke_interval``, ``timeout``, ``mode``, ``deferrable``, ...) go to its sensor, and those about
        retries to both.

    A run that ended badly is not verified again; whatever else ends a verification follows ``retries``.

    :raises ConfigurationError: no such service; lists them.
    """
    row = row_of(service)
    starter, verifier = class_at(row.operator), class_at(row.sensor)
    to_start = {key: value for key, value in job.items() if key not in _VERIFY}
    to_verify = {key: value for key, value in job.items() if key in _VERIFY | _BOTH}
    with TaskGroup(group_id) as group:
        start = starter(task_id="start", wait_for_termination=False, **to_start)
        # Not the return value, which a DAG may do without.
        run_id = start.output[starter.official_keys_of("run_id")[0]]
        verify = verifier(task_id="verify", run_id=run_id, retry_policy=_unless_the_run_ended(), **to_verify)
    if notify is not None:
        verify >> _alert_of(group.dag, notify, alert)
    return group


def _unless_the_run_ended() -> ExceptionRetryPolicy:
    """Another look at a failed run finds it failed."""
    over = RetryRule(exception=RunEnded, action=RetryAction.FAIL, reason="the run stays as it ended")
    return ExceptionRetryPolicy(rules=[over])


def _alert_of(dag: DAG, task_id: str, arguments: Mapping[str, Any] | None) -> BaseOperator:
    """The DAG's one alert, outside of all groups."""
    if task_id in dag.task_dict:
        return dag.task_dict[task_id]  # type: ignore[return-value]
    return notify_if_one_failed(task_id, dag=dag, task_group=dag.task_group, **(arguments or {}))
