"""Shape: one job with parameters."""

from airflow.providers.databricks.operators.databricks import DatabricksRunNowOperator
from airflow.sdk import DAG

with DAG("databricks_run_now", schedule=None) as dag:
    DatabricksRunNowOperator(
        task_id="run",
        job_id=2001,
        notebook_params={"day": "{{ params.day | default('1') }}", "dry": "true"},
        polling_period_seconds=1,
    )
