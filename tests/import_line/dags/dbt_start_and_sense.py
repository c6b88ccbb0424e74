"""Shape: start, then a sensor on the output."""

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.providers.dbt.cloud.sensors.dbt import DbtCloudJobRunSensor
from airflow.sdk import DAG

with DAG("dbt_start_and_sense", schedule=None) as dag:
    start = DbtCloudRunJobOperator(task_id="start", job_id=1003, wait_for_termination=False)
    DbtCloudJobRunSensor(task_id="sense", run_id=start.output, timeout=60, poke_interval=1)
