"""Shape: lists of jobs and of runs."""

from airflow.providers.dbt.cloud.operators.dbt import (
    DbtCloudListJobRunsOperator,
    DbtCloudListJobsOperator,
    DbtCloudRunJobOperator,
)
from airflow.sdk import DAG, task

with DAG("dbt_lists", schedule=None) as dag:
    build = DbtCloudRunJobOperator(task_id="build", job_id=1001, check_interval=1)
    jobs = DbtCloudListJobsOperator(task_id="jobs", order_by="id")
    runs = DbtCloudListJobRunsOperator(task_id="runs", job_id=1001, order_by="-id", status_filter=[10])
    latest = DbtCloudListJobRunsOperator(task_id="latest", latest_only=True, include_related=["job"])

    @task
    def ids(runs, latest):
        return [[run["id"] for run in runs], latest["id"], latest["job"]["name"]]

    build >> [jobs, runs, latest]
    ids(runs.output, latest.output)
