"""Twenty Databricks jobs at once by dynamic task mapping, and one e-mail that names those that failed."""

# [start mapped_jobs]
from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.sdk import DAG, Param, task

from airflow_provider_pipehooks.operators.databricks_jobs import DatabricksRunNowOperator
from airflow_provider_pipehooks.operators.sns_alert import notify_if_one_failed

with DAG(
    "mapped_jobs",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    catchup=False,
    params={"job_ids": Param(list(range(301, 321)), type="array")},
    tags=["pipehooks"],
):

    @task
    def list_jobs(**context: Any) -> list[int]:
        return list(context["params"]["job_ids"])

    run_job = DatabricksRunNowOperator.partial(
        task_id="run_job",
        polling_period_seconds=5,
        deferrable=True,
        # The job ids are this DAG's own business, not the jobs' parameters.
        forward_dag_params=False,
    ).expand(job_id=list_jobs())
    # Not before all have ended: the rule of one_failed would name only the first one that fails.
    run_job >> notify_if_one_failed(trigger_rule="all_done")
# [end mapped_jobs]
