"""Shape: the arguments that few use."""

from airflow.providers.databricks.operators.databricks import (
    DatabricksRunNowOperator,
    DatabricksSubmitRunOperator,
)
from airflow.sdk import DAG
from tenacity import stop_after_attempt, wait_exponential

with DAG("databricks_arguments", schedule=None) as dag:
    DatabricksRunNowOperator(
        task_id="run",
        json={"job_id": 2001, "queue": {"enabled": True}},
        job_parameters={"day": "7"},
        databricks_retry_limit=5,
        databricks_retry_delay=1,
        databricks_retry_args={"stop": stop_after_attempt(4), "wait": wait_exponential(multiplier=1)},
        polling_period_seconds=1,
        do_xcom_push=True,
        cancel_previous_runs=True,
    )
    DatabricksSubmitRunOperator(
        task_id="submit",
        dbt_task={"commands": ["dbt build"], "warehouse_id": "w"},
        git_source={"git_url": "https://example.com/r", "git_provider": "gitHub", "git_branch": "main"},
        durable=False,
        polling_period_seconds=1,
    )
