"""Shape: tasks made of YAML that names operators by their path."""

import yaml
from airflow.sdk import DAG
from airflow.sdk.module_loading import import_string

CONFIG = """
build:
  operator: OPERATOR
  job_id: 1001
  check_interval: 1
test:
  operator: OPERATOR
  job_id: 1003
  check_interval: 1
  upstream: build
"""
OPERATOR = "airflow.providers.dbt.cloud.operators.dbt.DbtCloudRunJobOperator"

with DAG("dbt_yaml", schedule=None) as dag:
    tasks = {}
    for task_id, given in yaml.safe_load(CONFIG.replace("OPERATOR", OPERATOR)).items():
        kind, upstream = import_string(given.pop("operator")), given.pop("upstream", None)
        tasks[task_id] = kind(task_id=task_id, **given)
        if upstream:
            tasks[upstream] >> tasks[task_id]
