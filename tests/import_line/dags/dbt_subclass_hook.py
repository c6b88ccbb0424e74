"""Shape: a subclass with a hook of its own."""

from functools import cached_property

from airflow.providers.dbt.cloud.hooks.dbt import DbtCloudHook
from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.sdk import DAG


class OtherConnectionOperator(DbtCloudRunJobOperator):
    @cached_property
    def hook(self):
        return DbtCloudHook("dbt_cloud_other", **self.hook_params)


with DAG("dbt_subclass_hook", schedule=None) as dag:
    OtherConnectionOperator(
        task_id="build", dbt_cloud_conn_id="dbt_cloud_wrong", job_id=1001, check_interval=1
    )
