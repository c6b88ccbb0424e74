"""Shape: default_args with everything that is the same."""

from datetime import timedelta

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.providers.dbt.cloud.sensors.dbt import DbtCloudJobRunSensor
from airflow.sdk import DAG

default_args = {
    "owner": "analytics",
    "dbt_cloud_conn_id": "dbt_cloud_default",
    "account_id": 1,
    "check_interval": 1,
    "poke_interval": 1,
    "timeout": 300,
    "retries": 1,
    "retry_delay": timedelta(seconds=0),
}
with DAG("dbt_default_args", schedule=None, default_args=default_args, tags=["dbt"]) as dag:
    start = DbtCloudRunJobOperator(task_id="start", job_id=1001, wait_for_termination=False)
    wait = DbtCloudJobRunSensor(task_id="wait", run_id=start.output)
    wait >> DbtCloudRunJobOperator(task_id="next", job_id=1003)
