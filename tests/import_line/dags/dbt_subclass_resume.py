"""Shape: a subclass that does something when a deferred task goes on."""

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.sdk import DAG


class TellingOperator(DbtCloudRunJobOperator):
    def execute_complete(self, context, event=None):
        run_id = super().execute_complete(context, event)
        context["ti"].xcom_push(key="resumed", value=[event["status"], event["run_id"] == run_id])
        return run_id


with DAG("dbt_subclass_resume", schedule=None) as dag:
    TellingOperator(task_id="build", job_id=1003, deferrable=True, check_interval=1)
