"""Shape: a run, then its files."""

import json
import tempfile
from pathlib import Path

from airflow.providers.dbt.cloud.operators.dbt import (
    DbtCloudGetJobRunArtifactOperator,
    DbtCloudRunJobOperator,
)
from airflow.sdk import DAG, task

with DAG("dbt_artifacts", schedule=None) as dag:
    build = DbtCloudRunJobOperator(task_id="build", job_id=1001, check_interval=1)
    results = DbtCloudGetJobRunArtifactOperator(
        task_id="results",
        run_id=build.output,
        path="run_results.json",
        output_file_name=f"{tempfile.gettempdir()}/import_line/{{{{ dag.dag_id }}}}.json",
    )

    @task
    def count(name):
        found = len(json.loads(Path(name).read_text())["results"])
        Path(name).unlink()
        return found

    count(results.output)
