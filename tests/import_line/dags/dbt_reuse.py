"""Shape: wait for a run that goes on already, instead of starting one."""

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.sdk import DAG

with DAG("dbt_reuse", schedule=None) as dag:
    start = DbtCloudRunJobOperator(task_id="start", job_id=1005, wait_for_termination=False)
    start >> DbtCloudRunJobOperator(task_id="same", job_id=1005, reuse_existing_run=True, check_interval=1)
