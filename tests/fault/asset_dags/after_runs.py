"""DAGs that finished runs start: one per service that goes by its own DAG runs, one that goes by time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset

from airflow_provider_pipehooks.triggers.asset_events import run_finished_watcher


def started_by(name: str, service: str, **options: Any) -> None:
    watcher = run_finished_watcher(name, service, poll_interval=2, **options)
    asset = Asset(f"runs_for_{name}", watchers=[watcher])
    with DAG(name, schedule=asset, start_date=datetime(2026, 1, 1)):
        EmptyOperator(task_id="started")


started_by("after_dbt_cloud", "dbt_cloud", dag_id="after_dbt_cloud")
started_by("after_databricks_jobs", "databricks_jobs", dag_id="after_databricks_jobs")
started_by("after_dbt_cloud_by_time", "dbt_cloud")
