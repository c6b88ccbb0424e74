"""Every Monday: what ran on dbt Cloud and Databricks in the last 60 days, as a page and as a message.

The history is brought up to date by the default connections. The report lies beside it, in ``reports``; what
it says in short goes to the topic of the Variable ``sns_arn``.
"""

# [start weekly_report]
from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG

from airflow_provider_pipehooks.operators.run_report import RunReportOperator

with DAG(
    "weekly_report",
    schedule="0 6 * * 1",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    default_args={"retries": 2},
    tags=["pipehooks"],
    doc_md=__doc__,
) as dag:
    RunReportOperator(task_id="report", window="60d", sync=True)
# [end weekly_report]
