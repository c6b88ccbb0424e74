"""Shape: deferrable operators, one good and one bad."""

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.sdk import DAG

with DAG("dbt_deferrable", schedule=None, default_args={"deferrable": True, "check_interval": 1}) as dag:
    DbtCloudRunJobOperator(task_id="good", job_id=1003)
    DbtCloudRunJobOperator(task_id="bad", job_id=1004, timeout=3600)
