"""Shape: a function that makes a DAG for each client."""

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.sdk import DAG


def make_dag(client: str, job_id: int) -> DAG:
    with DAG(f"dbt_factory_{client}", schedule=None) as made:
        DbtCloudRunJobOperator(
            task_id="build", job_id=job_id, trigger_reason=f"for {client}", check_interval=1
        )
    return made


for name, job in {"acme": 1001, "initech": 1002}.items():
    globals()[f"dag_{name}"] = make_dag(name, job)
