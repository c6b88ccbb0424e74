"""Shape: define a job, then run it."""

from airflow.providers.databricks.operators.databricks import (
    DatabricksCreateJobsOperator,
    DatabricksRunNowOperator,
)
from airflow.sdk import DAG

with DAG("databricks_create_jobs", schedule=None) as dag:
    define = DatabricksCreateJobsOperator(
        task_id="define",
        name="made by airflow",
        tasks=[{"task_key": "a", "notebook_task": {"notebook_path": "/a"}}],
    )
    DatabricksRunNowOperator(task_id="run", job_id=define.output, polling_period_seconds=1)
