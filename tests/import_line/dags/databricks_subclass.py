"""Shape: a subclass that changes its body, and a hook of its own."""

from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator
from airflow.sdk import DAG


class ClusterOperator(DatabricksSubmitRunOperator):
    """Runs a notebook on the team's cluster."""

    def __init__(self, *, notebook: str, workers: int = 1, **kwargs):
        super().__init__(**kwargs)
        self.notebook = notebook
        self.workers = workers

    def _get_hook(self, caller: str) -> DatabricksHook:
        return DatabricksHook("databricks_other", retry_limit=self.databricks_retry_limit, caller="cluster")

    def execute(self, context):
        self.json = {
            "notebook_task": {"notebook_path": self.notebook},
            "new_cluster": {"num_workers": self.workers, "spark_version": "15.4.x-scala2.12"},
        }
        super().execute(context)
        context["ti"].xcom_push(key="told", value=[self.polling_period_seconds, self.run_id is not None])


with DAG("databricks_subclass", schedule=None) as dag:
    ClusterOperator(
        task_id="run",
        notebook="/team",
        workers=3,
        databricks_conn_id="databricks_wrong",
        polling_period_seconds=1,
    )
