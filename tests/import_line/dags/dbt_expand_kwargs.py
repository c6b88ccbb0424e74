"""Shape: jobs and their settings from a task before."""

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.sdk import DAG, task

with DAG("dbt_expand_kwargs", schedule=None) as dag:

    @task
    def choose():
        return [
            {"job_id": 1001, "steps_override": ["dbt run"]},
            {"job_id": 1003, "additional_run_config": {"threads_override": 4}},
        ]

    @task(trigger_rule="all_done")
    def count(ids):
        return len(list(ids))

    runs = DbtCloudRunJobOperator.partial(task_id="build", check_interval=1, deferrable=True).expand_kwargs(
        choose()
    )
    count(runs.output)
