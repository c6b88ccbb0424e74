"""Shape: operators executed inside tasks of one's own."""

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.sdk import DAG, get_current_context, task

with DAG("dbt_inside_tasks", schedule=None) as dag:

    @task
    def build_some(jobs):
        context = get_current_context()
        return [
            DbtCloudRunJobOperator(
                task_id=f"inner_{job_id}", job_id=job_id, check_interval=1, trigger_reason="inside"
            ).execute(context)
            for job_id in jobs
        ]

    build_some([1001, 1003])
