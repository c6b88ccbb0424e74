"""Shape: the hook in a task: start, ask, wait."""

from airflow.providers.dbt.cloud.hooks.dbt import DbtCloudHook, DbtCloudJobRunStatus
from airflow.sdk import DAG, task

with DAG("dbt_hook_in_task", schedule=None) as dag:

    @task
    def start():
        answer = DbtCloudHook("dbt_cloud_default").trigger_job_run(job_id=1001, cause="by a hook")
        return answer.json()["data"]["id"]

    @task
    def ended_well(run_id):
        hook = DbtCloudHook()
        hook.wait_for_job_run_status(run_id=run_id, check_interval=1, timeout=60)
        return hook.get_job_run_status(run_id=run_id) == DbtCloudJobRunStatus.SUCCESS.value

    ended_well(start())
