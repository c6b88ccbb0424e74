"""Shape: operators executed inside tasks of one's own."""

from airflow.providers.databricks.operators.databricks import DatabricksRunNowOperator
from airflow.sdk import DAG, task

with DAG("databricks_inside_tasks", schedule=None) as dag:

    @task
    def both(**context):
        for job_id in (2001, 2003):
            operator = DatabricksRunNowOperator(
                task_id=f"inner_{job_id}", job_id=job_id, polling_period_seconds=1, durable=False
            )
            operator.execute(context)
        return operator.run_id is not None

    both()
