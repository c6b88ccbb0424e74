"""Shape: sensors of every mode, on a good and on a bad run."""

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.providers.dbt.cloud.sensors.dbt import DbtCloudJobRunSensor
from airflow.sdk import DAG

with DAG("dbt_sensor_modes", schedule=None, default_args={"poke_interval": 1}) as dag:
    for name, job_id in (("good", 1001), ("bad", 1002)):
        start = DbtCloudRunJobOperator(task_id=f"start_{name}", job_id=job_id, wait_for_termination=False)
        DbtCloudJobRunSensor(task_id=f"poke_{name}", run_id=start.output)
        DbtCloudJobRunSensor(task_id=f"defer_{name}", run_id=start.output, deferrable=True)
        DbtCloudJobRunSensor(task_id=f"soft_{name}", run_id=start.output, soft_fail=True)
