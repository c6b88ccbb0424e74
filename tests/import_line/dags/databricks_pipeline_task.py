"""Shape: a pipeline by name in a one-time run."""

from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator
from airflow.sdk import DAG

with DAG("databricks_pipeline_task", schedule=None) as dag:
    DatabricksSubmitRunOperator(
        task_id="refresh", pipeline_task={"pipeline_name": "daily sales"}, polling_period_seconds=1
    )
