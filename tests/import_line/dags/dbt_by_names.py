"""Shape: a job by its names, with overrides."""

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.sdk import DAG

with DAG("dbt_by_names", schedule=None) as dag:
    DbtCloudRunJobOperator(
        task_id="build",
        project_name="Analytics",
        environment_name="Production",
        job_name="nightly",
        steps_override=["dbt seed", "dbt build --select +orders"],
        schema_override="dbt_ci",
        trigger_reason="nightly, by names",
        additional_run_config={"threads_override": 8, "git_branch": "main"},
    )
