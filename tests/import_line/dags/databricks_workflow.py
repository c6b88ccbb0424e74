"""Shape: a workflow group: many tasks, one run."""

from airflow.providers.databricks.operators.databricks import (
    DatabricksNotebookOperator,
    DatabricksTaskOperator,
)
from airflow.providers.databricks.operators.databricks_workflow import DatabricksWorkflowTaskGroup
from airflow.sdk import DAG

cluster = [{"job_cluster_key": "small", "new_cluster": {"num_workers": 1, "spark_version": "15.4.x"}}]
with (
    DAG("databricks_workflow", schedule=None) as dag,
    DatabricksWorkflowTaskGroup(
        group_id="flow", databricks_conn_id="databricks_default", job_clusters=cluster
    ),
):
    first = DatabricksNotebookOperator(
        task_id="first",
        notebook_path="/a",
        source="WORKSPACE",
        job_cluster_key="small",
        databricks_conn_id="databricks_default",
        polling_period_seconds=1,
    )
    second = DatabricksTaskOperator(
        task_id="second",
        task_config={"notebook_task": {"notebook_path": "/b", "source": "WORKSPACE"}},
        job_cluster_key="small",
        databricks_conn_id="databricks_default",
        polling_period_seconds=1,
    )
    first >> second
