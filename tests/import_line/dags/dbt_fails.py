"""Shape: a job that fails, and tasks after it."""

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

with DAG("dbt_fails", schedule=None) as dag:
    build = DbtCloudRunJobOperator(task_id="build", job_id=1002, check_interval=1)
    build >> EmptyOperator(task_id="publish")
    build >> EmptyOperator(task_id="clean_up", trigger_rule="all_done")
