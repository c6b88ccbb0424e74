"""Shape: a one-time run of several tasks, with the DAG's params."""

from airflow.providers.databricks.operators.databricks import DatabricksSubmitRunOperator
from airflow.sdk import DAG

with DAG("databricks_submit_tasks", schedule=None, params={"day": "7", "full": True}) as dag:
    DatabricksSubmitRunOperator(
        task_id="two",
        tasks=[
            {"task_key": "a", "notebook_task": {"notebook_path": "/a"}},
            {"task_key": "b", "depends_on": [{"task_key": "a"}], "spark_python_task": {"python_file": "b"}},
        ],
        timeout_seconds=3600,
        access_control_list=[{"user_name": "a@example.com", "permission_level": "CAN_VIEW"}],
        polling_period_seconds=1,
    )
