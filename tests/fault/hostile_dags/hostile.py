"""Many good waits, and beside them those of a remote that sends anything, and one with an odd interval."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from airflow.sdk import DAG, task

from airflow_provider_pipehooks.operators.dbt_cloud import DbtCloudRunJobOperator


class Odd(DbtCloudRunJobOperator):
    """Defers a trigger with an interval that no version of ours would write."""

    def defer(self, *, trigger: Any, **kwargs: Any) -> None:
        trigger.arguments = replace(trigger.arguments, poll_interval="soon")
        super().defer(trigger=trigger, **kwargs)


many: dict[str, Any] = {"max_active_runs": 10, "max_active_tasks": 1000, "start_date": datetime(2026, 1, 1)}
waits: dict[str, Any] = {"check_interval": 2, "deferrable": True, "retries": 0}

with DAG("hostile", schedule=None, **many):

    @task
    def jobs(kind: str, **context: Any) -> list[int]:
        return list(context["dag_run"].conf[kind])

    DbtCloudRunJobOperator.partial(task_id="good", **waits).expand(job_id=jobs.override(task_id="g")("good"))
    DbtCloudRunJobOperator.partial(
        task_id="evil",
        dbt_cloud_conn_id="evil",
        # A remote may ask to be left alone for a day: the wait's own limit counts.
        timeout=60,
        hook_params={"timeout_seconds": 3, "retry_delay": 0.2},
        **waits,
    ).expand(job_id=jobs.override(task_id="e")("evil"))
    Odd.partial(task_id="odd", **waits).expand(job_id=jobs.override(task_id="o")("odd"))
