"""Shape: tasks from a table of settings, with dependencies."""

from airflow.providers.databricks.operators.databricks import (
    DatabricksRunNowOperator,
    DatabricksSubmitRunOperator,
)
from airflow.sdk import DAG

TABLE = {
    "ingest": {"kind": "job", "job_id": 2001, "after": []},
    "clean": {"kind": "notebook", "path": "/clean", "after": ["ingest"]},
    "model": {"kind": "job", "job_id": 2003, "after": ["clean", "ingest"]},
}


def task_of(name, row):
    if row["kind"] == "job":
        return DatabricksRunNowOperator(task_id=name, job_id=row["job_id"], polling_period_seconds=1)
    return DatabricksSubmitRunOperator(
        task_id=name, notebook_task={"notebook_path": row["path"]}, polling_period_seconds=1
    )


with DAG("databricks_factory", schedule=None) as dag:
    tasks = {name: task_of(name, row) for name, row in TABLE.items()}
    for name, row in TABLE.items():
        [tasks[before] for before in row["after"]] >> tasks[name]
