"""Shape: one operator, mapped over jobs."""

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.sdk import DAG

with DAG("dbt_mapped", schedule=None) as dag:
    DbtCloudRunJobOperator.partial(task_id="build", check_interval=1, trigger_reason="mapped").expand(
        job_id=[1001, 1002, 1003]
    )
