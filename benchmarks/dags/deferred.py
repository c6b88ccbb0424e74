"""Tasks that start a remote run and wait for it in the triggerer: fifty of each service in one DAG run."""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import DAG

from airflow_provider_pipehooks.operators.databricks_jobs import DatabricksRunNowOperator
from airflow_provider_pipehooks.operators.dbt_cloud import DbtCloudRunJobOperator

MAPPED = 50

with DAG(
    "deferred",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    max_active_runs=1000,
    max_active_tasks=1000,
    # SQLite may answer "database is locked" when many tasks end at once; that try is then repeated.
    default_args={"deferrable": True, "retries": 5, "retry_delay": timedelta(seconds=5)},
):
    DbtCloudRunJobOperator.partial(task_id="dbt_cloud", check_interval=5).expand(
        job_id=["{{ dag_run.conf['dbt_cloud'] }}"] * MAPPED
    )
    DatabricksRunNowOperator.partial(task_id="databricks_jobs", polling_period_seconds=5).expand(
        job_id=["{{ dag_run.conf['databricks_jobs'] }}"] * MAPPED
    )
