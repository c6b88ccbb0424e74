"""Shape: a one-time run from one object, as the old tutorials have it."""

from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator
from airflow.sdk import DAG

new_cluster = {"spark_version": "15.4.x-scala2.12", "node_type_id": "i3.xlarge", "num_workers": 2}
notebook = {
    "new_cluster": new_cluster,
    "notebook_task": {"notebook_path": "/Users/a@example.com/Prepare", "base_parameters": {"n": 3}},
}

with DAG("databricks_submit_json", schedule=None) as dag:
    first = DatabricksSubmitRunOperator(task_id="notebook", json=notebook, polling_period_seconds=1)
    second = DatabricksSubmitRunOperator(
        task_id="jar",
        new_cluster=new_cluster,
        spark_jar_task={"main_class_name": "com.example.Main"},
        libraries=[{"jar": "dbfs:/lib/etl.jar"}],
        run_name="etl {{ dag.dag_id }}",
        polling_period_seconds=1,
    )
    first >> second
