"""Shape: tenacity's arguments for the hook."""

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.providers.dbt.cloud.sensors.dbt import DbtCloudJobRunSensor
from airflow.sdk import DAG
from tenacity import stop_after_attempt, wait_fixed

HOOK = {"retry_args": {"stop": stop_after_attempt(2), "wait": wait_fixed(0.1)}}

with DAG("dbt_retry_args", schedule=None) as dag:
    start = DbtCloudRunJobOperator(task_id="start", job_id=1001, hook_params=HOOK, wait_for_termination=False)
    DbtCloudJobRunSensor(task_id="wait", run_id=start.output, hook_params=HOOK, poke_interval=1)
