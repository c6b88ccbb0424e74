"""Shape: a job by name, repaired when it fails."""

from airflow.providers.databricks.operators.databricks import DatabricksRunNowOperator
from airflow.sdk import DAG

with DAG("databricks_repair", schedule=None) as dag:
    DatabricksRunNowOperator(
        task_id="run", job_name="flaky", repair_run=True, deferrable=True, polling_period_seconds=1
    )
