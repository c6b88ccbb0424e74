"""Shape: Databricks first, then dbt Cloud, joined by a sensor, with groups."""

from airflow.providers.databricks.operators.databricks import DatabricksRunNowOperator
from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.providers.dbt.cloud.sensors.dbt import DbtCloudJobRunSensor
from airflow.sdk import DAG, TaskGroup

with DAG("both_services", schedule=None) as dag:
    with TaskGroup("ingest") as ingest:
        for source in ("shop", "erp"):
            DatabricksRunNowOperator(
                task_id=source, job_id=2001, job_parameters={"source": source}, polling_period_seconds=1
            )
    with TaskGroup("transform") as transform:
        start = DbtCloudRunJobOperator(task_id="start", job_id=1003, wait_for_termination=False)
        DbtCloudJobRunSensor(task_id="wait", run_id=start.output, deferrable=True, poke_interval=1)
    ingest >> transform
