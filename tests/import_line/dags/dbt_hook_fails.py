"""Shape: except with the official names."""

from airflow.providers.dbt.cloud.hooks.dbt import (
    DbtCloudHook,
    DbtCloudJobRunException,
    DbtCloudResourceLookupError,  # no such name
)
from airflow.sdk import DAG, task

with DAG("dbt_hook_fails", schedule=None) as dag:

    @task
    def missing():
        try:
            DbtCloudHook().get_job_by_name(
                project_name="Analytics", environment_name="Production", job_name="nothing like it"
            )
        except DbtCloudResourceLookupError:
            return "not there"

    @task
    def failed():
        hook = DbtCloudHook()
        run_id = hook.trigger_job_run(job_id=1002, cause="to fail").json()["data"]["id"]
        try:
            hook.wait_for_job_run_status(run_id=run_id, check_interval=1, timeout=60)
        except DbtCloudJobRunException:
            return "failed"

    missing() >> failed()
