"""Shape: deferrable, of both kinds."""

from airflow.providers.databricks.operators.databricks import (
    DatabricksRunNowOperator,
    DatabricksSubmitRunOperator,
)
from airflow.sdk import DAG

common = {"deferrable": True, "polling_period_seconds": 1, "databricks_conn_id": "databricks_default"}
with DAG("databricks_deferrable", schedule=None, default_args=common) as dag:
    good = DatabricksRunNowOperator(task_id="good", job_id=2003)
    bad = DatabricksRunNowOperator(task_id="bad", job_id=2004)
    once = DatabricksSubmitRunOperator(task_id="once", notebook_task={"notebook_path": "/n"})
    good >> once
