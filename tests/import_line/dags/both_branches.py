"""Shape: both services, one fails, and a task that reports whatever happened."""

from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator
from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.sdk import DAG, dag, task


@dag("both_branches", schedule=None, default_args={"check_interval": 1, "polling_period_seconds": 1})
def pipeline():
    @task(trigger_rule="all_done")
    def report(**context):
        states = context["ti"].get_task_states(
            dag_id="both_branches", task_ids=["dbt", "spark"], run_ids=[context["run_id"]]
        )
        return states[context["run_id"]]

    good = DatabricksSubmitRunOperator(task_id="spark", notebook_task={"notebook_path": "/n"})
    bad = DbtCloudRunJobOperator(task_id="dbt", job_id=1002)
    [good, bad] >> report()


made: DAG = pipeline()
