"""Shape: Airflow's retry continues the run where it failed."""

from datetime import timedelta

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.sdk import DAG

with DAG("dbt_retries", schedule=None) as dag:
    DbtCloudRunJobOperator(
        task_id="flaky",
        job_id=1006,
        retries=1,
        retry_delay=timedelta(seconds=0),
        check_interval=1,
        trigger_reason="flaky",
    )
