"""Shape: whole modules are imported."""

import airflow.providers.dbt.cloud.sensors.dbt as sensors
from airflow.providers.dbt.cloud.operators import dbt
from airflow.sdk import DAG

with DAG("dbt_module", schedule=None) as dag:
    start = dbt.DbtCloudRunJobOperator(task_id="start", job_id=1001, wait_for_termination=False)
    sensors.DbtCloudJobRunSensor(task_id="wait", run_id=start.output, poke_interval=1)
