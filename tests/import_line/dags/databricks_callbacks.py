"""Shape: callbacks, and the address of the run pulled from XCom."""

from airflow.providers.databricks.operators.databricks import DatabricksRunNowOperator
from airflow.sdk import DAG, task

SEEN = []


def tell(context):
    ti = context["ti"]
    url = ti.xcom_pull(task_ids=ti.task_id, key="run_page_url")
    SEEN.append((ti.task_id, str(ti.state), url is not None))


with DAG("databricks_callbacks", schedule=None) as dag:
    common = {"polling_period_seconds": 1, "on_failure_callback": tell, "on_success_callback": tell}
    good = DatabricksRunNowOperator(task_id="good", job_id=2001, **common)
    bad = DatabricksRunNowOperator(task_id="bad", job_id=2002, **common)

    @task(trigger_rule="all_done")
    def report(**context):
        ti = context["ti"]
        return [ti.xcom_pull(task_ids=name, key="run_id") is not None for name in ("good", "bad")]

    [good, bad] >> report()
