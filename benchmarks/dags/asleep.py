"""As many tasks as in the other DAG, which wait in the triggerer for nothing."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG

from benchmarks.asleep import Sleep

with DAG(
    "asleep",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    max_active_runs=1000,
    max_active_tasks=1000,
    default_args={"retries": 5, "retry_delay": timedelta(seconds=5)},
):
    Sleep.partial(task_id="sleep", file="{{ dag_run.conf['file'] }}").expand(
        then_s=[f"{{{{ dag_run.conf['then_s'] + {number} * 0.12 }}}}" for number in range(100)]
    )
