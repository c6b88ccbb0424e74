"""Shape: notebooks, mapped, by two arguments."""

from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator
from airflow.sdk import DAG, task

with DAG("databricks_mapped", schedule=None) as dag:

    @task
    def notebooks():
        return [{"notebook_path": f"/n/{number}"} for number in range(3)]

    DatabricksSubmitRunOperator.partial(
        task_id="run", existing_cluster_id="c-1", polling_period_seconds=1
    ).expand(notebook_task=notebooks())
