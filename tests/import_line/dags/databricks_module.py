"""Shape: one module, of which a part stays."""

from airflow.providers.databricks.operators import databricks as db
from airflow.sdk import DAG

with DAG("databricks_module", schedule=None) as dag:
    run = db.DatabricksRunNowOperator(task_id="run", job_id=2001, polling_period_seconds=1)
    dag.doc_md = f"XCom key {db.XCOM_RUN_ID_KEY}"
