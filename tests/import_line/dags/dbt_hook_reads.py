"""Shape: the hook lists and finds."""

from airflow.providers.dbt.cloud.hooks.dbt import DbtCloudHook
from airflow.sdk import DAG, task

with DAG("dbt_hook_reads", schedule=None) as dag:

    @task
    def names():
        hook = DbtCloudHook()
        return sorted(job["name"] for page in hook.list_jobs() for job in page.json()["data"])

    @task
    def one():
        hook = DbtCloudHook()
        job = hook.get_job_by_name(
            project_name="Analytics", environment_name="Production", job_name="nightly"
        )
        return [job["id"], hook.get_job(job_id=job["id"]).json()["data"]["name"]]

    names() >> one()
