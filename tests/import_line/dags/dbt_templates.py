"""Shape: templates in every field, with native rendering."""

from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.sdk import DAG

with DAG(
    "dbt_templates",
    schedule=None,
    params={"job": 1001, "steps": ["dbt run", "dbt test"], "conn": "dbt_cloud_default"},
    render_template_as_native_obj=True,
) as dag:
    DbtCloudRunJobOperator(
        task_id="build",
        dbt_cloud_conn_id="{{ params.conn }}",
        job_id="{{ params.job }}",
        trigger_reason="by {{ task.task_id }} of {{ dag.dag_id }}",
        steps_override="{{ params.steps }}",
        schema_override="ci_{{ params.job }}",
        additional_run_config={"threads_override": "{{ 2 * 2 }}"},
        check_interval=1,
    )
