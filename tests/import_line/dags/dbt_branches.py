"""Shape: a branch and a short circuit on what the run has left."""

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, task

with DAG("dbt_branches", schedule=None) as dag:
    build = DbtCloudRunJobOperator(task_id="build", job_id=1001, check_interval=1)

    @task.branch
    def which(run_id, url):
        return "told" if f"/{run_id}" in url else "not_told"

    @task.short_circuit
    def go_on(run_id):
        return run_id < 0

    told = which(build.output, build.output["job_run_url"])
    told >> [EmptyOperator(task_id="told"), EmptyOperator(task_id="not_told")]
    go_on(build.output) >> EmptyOperator(task_id="never")
