"""Shape: one operator."""

from datetime import datetime

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.sdk import DAG

with DAG("dbt_plain", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
    DbtCloudRunJobOperator(task_id="build", job_id=1001)
