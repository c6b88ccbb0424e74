"""Shape: names that part: SQL stays official."""

from airflow.providers.databricks.operators.databricks import (
    DatabricksJobRunLink,  # a link of one's own
    DatabricksRunNowOperator,
)
from airflow.providers.databricks.operators.databricks_sql import DatabricksSqlOperator
from airflow.sdk import DAG


class WithLink(DatabricksSqlOperator):
    operator_extra_links = (DatabricksJobRunLink(),)

    def execute(self, context):
        return "not really"


with DAG("databricks_split", schedule=None) as dag:
    run = DatabricksRunNowOperator(task_id="run", job_id=2001, polling_period_seconds=1)
    run >> WithLink(task_id="sql", sql="SELECT 1")
