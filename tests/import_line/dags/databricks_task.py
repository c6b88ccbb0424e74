"""Shape: a task operator."""

from airflow.providers.databricks.operators.databricks import DatabricksTaskOperator
from airflow.sdk import DAG

with DAG("databricks_task", schedule=None) as dag:
    DatabricksTaskOperator(
        task_id="python",
        task_config={"spark_python_task": {"python_file": "/a.py", "parameters": ["1"]}},
        existing_cluster_id="c-1",
        polling_period_seconds=1,
    )
