"""Shape: a chain made in a loop."""

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.sdk import DAG, chain

JOBS = {"staging": 1001, "intermediate": 1003, "marts": 1001}

with DAG("dbt_loop", schedule=None) as dag:
    chain(
        *(
            DbtCloudRunJobOperator(task_id=f"build_{layer}", job_id=job_id, check_interval=1)
            for layer, job_id in JOBS.items()
        )
    )
