"""Shape: a subclass with defaults of its own, that sets attributes before it executes."""

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.sdk import DAG


class NightlyOperator(DbtCloudRunJobOperator):
    template_fields = (*DbtCloudRunJobOperator.template_fields, "select")

    def __init__(self, *, select: str, **kwargs):
        kwargs.setdefault("job_id", 1001)
        super().__init__(**kwargs)
        self.select = select
        self.check_interval = 1

    def execute(self, context):
        self.steps_override = [f"dbt build --select {self.select}"]
        run_id = super().execute(context)
        context["ti"].xcom_push(key="told", value=[run_id == self.run_id, self.job_id, self.check_interval])
        return run_id


with DAG("dbt_subclass", schedule=None, params={"select": "orders"}) as dag:
    NightlyOperator(task_id="nightly", select="{{ params.select }}")
