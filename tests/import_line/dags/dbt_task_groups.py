"""Shape: task groups, nested, with default_args of their own."""

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.providers.dbt.cloud.sensors.dbt import DbtCloudJobRunSensor
from airflow.sdk import DAG, task_group

with DAG("dbt_task_groups", schedule=None) as dag:

    @task_group(default_args={"check_interval": 1})
    def layer(job_id: int):
        start = DbtCloudRunJobOperator(task_id="start", job_id=job_id, wait_for_termination=False)

        @task_group
        def checks():
            DbtCloudJobRunSensor(task_id="finished", run_id=start.output, poke_interval=1)

        checks()

    layer.override(group_id="staging")(1001) >> layer.override(group_id="marts")(1003)
