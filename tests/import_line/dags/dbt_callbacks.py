"""Shape: callbacks that look at the exception and at XCom."""

from airflow.providers.dbt.cloud.hooks.dbt import DbtCloudJobRunException
from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.sdk import DAG

SEEN = []


def failed(context):
    SEEN.append(("failed", context["ti"].task_id, isinstance(context["exception"], DbtCloudJobRunException)))


def worked(context):
    ti = context["ti"]
    SEEN.append(("worked", ti.task_id, ti.xcom_pull(task_ids=ti.task_id, key="job_run_id") is not None))


with DAG("dbt_callbacks", schedule=None) as dag:
    common = {"check_interval": 1, "on_failure_callback": failed, "on_success_callback": [worked]}
    DbtCloudRunJobOperator(task_id="good", job_id=1001, **common)
    DbtCloudRunJobOperator(task_id="bad", job_id=1002, **common)
