"""Shape: a notebook operator."""

from airflow.providers.databricks.operators.databricks import DatabricksNotebookOperator
from airflow.sdk import DAG

with DAG("databricks_notebook", schedule=None) as dag:
    DatabricksNotebookOperator(
        task_id="notebook",
        notebook_path="/n",
        source="WORKSPACE",
        existing_cluster_id="c-1",
        notebook_params={"day": "7"},
        polling_period_seconds=1,
    )
