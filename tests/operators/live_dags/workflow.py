"""Five tasks of one Databricks run: half wait on a worker, half in the triggerer."""

from __future__ import annotations

from airflow.sdk import DAG, TaskGroup

from airflow_provider_pipehooks.operators.databricks_jobs import (
    DatabricksNotebookOperator,
    DatabricksWorkflowTaskGroup,
)

with (
    DAG("shop", schedule=None),
    DatabricksWorkflowTaskGroup(
        group_id="flow",
        databricks_conn_id="databricks_default",
        job_clusters=[{"job_cluster_key": "small", "new_cluster": {"num_workers": 1}}],
    ),
):

    def notebook(key: str, *, deferrable: bool) -> DatabricksNotebookOperator:
        return DatabricksNotebookOperator(
            task_id=key,
            notebook_path=f"/{key}",
            source="WORKSPACE",
            databricks_task_key=key,
            job_cluster_key="small",
            polling_period_seconds=1,
            deferrable=deferrable,
            push_notebook_output=True,
        )

    extract, other = notebook("extract", deferrable=False), notebook("other", deferrable=True)
    with TaskGroup("inner"):
        load, check = notebook("load", deferrable=True), notebook("check", deferrable=False)
    extract >> [load, check] >> notebook("report", deferrable=True)
