"""Alerts as people get them, out of a queue that subscribes to the topic: of a real dbt project, a repaired
Databricks run and a pipeline. The texts are in ``golden/``.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from airflow.sdk import DAG

from airflow_provider_pipehooks.notifications.sns import sns_on_failure
from airflow_provider_pipehooks.operators.databricks_pipelines import DatabricksPipelineUpdateOperator
from airflow_provider_pipehooks.operators.dbt_cloud import DbtCloudRunJobOperator
from airflow_provider_pipehooks.sensors.databricks_jobs import DatabricksJobRunSensor
from airflow_provider_pipehooks.standin import Plan, StandIn
from airflow_provider_pipehooks.standin.command import EXAMPLE_PROJECT
from tests.aws import Queue, Topic
from tests.dag_runs import Finished
from tests.notifications.golden import golden, text_of

RunDag = Callable[..., Finished]
MODELS = {
    "models/marts/orders_by_shop.sql": "select shop_id, count(*) from {{ ref('stg_orders') }} group by 1",
    "models/marts/revenue_ratio.sql": "select amount_eur / nothing.amount from {{ ref('stg_orders') }}",
    "models/staging/stg_refunds.sql": "select 1 as id union all select 1",
    "tests/refunds_are_unique.sql": "select id from {{ ref('stg_refunds') }} group by 1 having count(*) > 1",
}
ERRORS = {
    "orders": "[TABLE_OR_VIEW_NOT_FOUND] raw.orders cannot be found",
    "refunds": "ValueError: 3 rows without an id",
    "stock": "[DIVIDE_BY_ZERO] Division by zero",
}


@pytest.fixture
def building(tmp_path: Path, connections: Callable[..., None]) -> Iterator[StandIn]:
    """dbt Cloud with a project in which two models and a test fail."""
    project = tmp_path / "project"
    shutil.copytree(EXAMPLE_PROJECT, project)
    profile = project / "profiles.yml"
    # One after the other: the alert tells failures in dbt's order.
    profile.write_text(profile.read_text().replace("threads: 2", "threads: 1"))
    for name, text in MODELS.items():
        (project / name).write_text(text)
    with StandIn(dbt_project=project) as standin:
        connections(
            "dbt_cloud_default",
            conn_type="pipehooks_dbt_cloud",
            host=standin.url,
            login="1",
            password="dbt-token",
        )
        yield standin


def a_dag(name: str, topic: Topic) -> DAG:
    tell = sns_on_failure(topic.arn)
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return DAG(name, schedule=None, start_date=start, default_args={"on_failure_callback": tell})


def test_a_dbt_build_with_two_failing_models_and_a_failing_test(
    run_dag: RunDag, queue: Queue, topic: Topic, building: StandIn
) -> None:
    job_id = building.dbt_cloud.add_job("nightly build", execute_steps=["dbt build"])
    with a_dag("sales", topic) as dag:
        DbtCloudRunJobOperator(task_id="build", job_id=job_id, check_interval=0.2)
    run_dag(dag)
    (message,) = queue.take()
    for name in (
        "model.analytics.orders_by_shop",
        "model.analytics.revenue_ratio",
        "test.analytics.refunds_are_unique",
    ):
        assert f"  - {name}: " in message.text
    assert building.url in message.text
    text = text_of(message, made_alike=True)
    assert text == golden("dbt_build.txt", text)


def test_a_databricks_run_with_three_failed_tasks_of_which_one_was_repaired(
    run_dag: RunDag, queue: Queue, topic: Topic, standin: StandIn, connections: Callable[..., None]
) -> None:
    world = standin.databricks_jobs
    job_id = world.add_job(
        "load the shops",
        plan=Plan(outcome="failed"),
        tasks=[
            *({"task_key": key, "outcome": "failed", "error": error} for key, error in ERRORS.items()),
            {"task_key": "report", "depends_on": list(ERRORS)},
        ],
    )
    run_id = world.start(job_id)
    world.look(world.runs[run_id])
    world.repair(run_id, {"run_id": run_id, "rerun_tasks": ["refunds"]})
    with a_dag("shops", topic) as dag:
        DatabricksJobRunSensor(task_id="wait", run_id=run_id, poke_interval=0.2)
    run_dag(dag)
    (message,) = queue.take()
    tasks = {task.task_key: task.run_id for task in world.runs[run_id].tasks}
    for key in ERRORS:
        assert f"  - {key}: " in message.text
        # Of the repaired one the page of its latest attempt.
        assert f"/run/{tasks[key]}" in message.text
    assert "- report" not in message.text
    text = text_of(message, made_alike=True)
    assert text == golden("databricks_run.txt", text)


def test_a_pipeline_with_a_failed_flow(
    run_dag: RunDag, queue: Queue, topic: Topic, standin: StandIn, connections: Callable[..., None]
) -> None:
    error = {
        "message": "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column with name `amount` cannot be resolved.",
        "class_name": "org.apache.spark.sql.AnalysisException",
        "error_class": "UNRESOLVED_COLUMN.WITH_SUGGESTION",
        "sql_state": "42703",
    }
    pipeline_id = standin.databricks_pipelines.add_pipeline(
        "orders",
        flows=["bronze_orders", "silver_orders"],
        plan=Plan(outcome="failed", details={"failed_flows": ["silver_orders"], "error": error}),
    )
    with a_dag("lake", topic) as dag:
        DatabricksPipelineUpdateOperator(
            task_id="update", pipeline_id=pipeline_id, polling_period_seconds=0.2
        )
    run_dag(dag)
    (message,) = queue.take()
    assert "  - silver_orders: Flow 'silver_orders' has FAILED. [UNRESOLVED_COLUMN" in message.text
    assert pipeline_id in message.text
    text = text_of(message, made_alike=True)
    assert text == golden("pipeline_update.txt", text)
