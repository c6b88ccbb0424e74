"""Shape: a job that fails, and tasks after it."""

from airflow.providers.databricks.operators.databricks import DatabricksRunNowOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

with DAG("databricks_fails", schedule=None, default_args={"polling_period_seconds": 1}) as dag:
    run = DatabricksRunNowOperator(task_id="run", job_id=2002)
    run >> EmptyOperator(task_id="publish")
    run >> EmptyOperator(task_id="clean_up", trigger_rule="one_failed")
