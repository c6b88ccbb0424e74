"""A one-time run, then a job that is started, joined and repaired, and one e-mail when anything fails."""

# [start databricks_nightly]
from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG, Param

from airflow_provider_pipehooks.operators.databricks_jobs import (
    DatabricksRunNowOperator,
    DatabricksSubmitRunOperator,
)
from airflow_provider_pipehooks.operators.sns_alert import notify_if_one_failed
from airflow_provider_pipehooks.sensors.databricks_jobs import DatabricksJobRunSensor

with DAG(
    "databricks_nightly",
    schedule="0 3 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={"ingest_job": Param(201, type="integer"), "report_job": Param(202, type="integer")},
    # The job ids are this DAG's own business, not the jobs' parameters.
    default_args={"forward_dag_params": False, "deferrable": True, "polling_period_seconds": 5},
    tags=["pipehooks"],
):
    prepare = DatabricksSubmitRunOperator(
        task_id="prepare",
        notebook_task={"notebook_path": "/Shared/prepare"},
        existing_cluster_id="1121-220000-demo",
    )
    # Started here, waited for by a sensor: other tasks may join the same run.
    ingest = DatabricksRunNowOperator(
        task_id="ingest", job_id="{{ params.ingest_job }}", wait_for_termination=False
    )
    ingested = DatabricksJobRunSensor(task_id="ingested", run_id=ingest.output, poke_interval=5)
    # A failed run is repaired once: only its failed tasks run again, in the same run.
    report = DatabricksRunNowOperator(
        task_id="report",
        job_id="{{ params.report_job }}",
        repair_run=True,
    )
    prepare >> ingest
    ingested >> report
    [prepare, ingested, report] >> notify_if_one_failed()
# [end databricks_nightly]
