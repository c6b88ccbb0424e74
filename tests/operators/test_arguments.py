"""Arguments of operators and sensors: wrong ones end the parsing of a DAG, and never start anything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.operators.databricks_jobs import (
    DatabricksRunNowOperator,
    DatabricksSubmitRunOperator,
)
from airflow_provider_pipehooks.operators.dbt_cloud import DbtCloudRunJobOperator
from airflow_provider_pipehooks.sensors.databricks_jobs import DatabricksJobRunSensor
from airflow_provider_pipehooks.sensors.dbt_cloud import DbtCloudJobRunSensor
from airflow_provider_pipehooks.standin import StandIn
from tests.task_context import Try

pytestmark = pytest.mark.usefixtures("connections")

# Any: templates and outputs of tasks are given where values of other types are asked for.
DBT: Any = DbtCloudRunJobOperator
NOW: Any = DatabricksRunNowOperator
SUBMIT: Any = DatabricksSubmitRunOperator
DBT_SENSOR: Any = DbtCloudJobRunSensor
DATABRICKS_SENSOR: Any = DatabricksJobRunSensor

WRONG: list[tuple[Any, dict[str, Any], str]] = [
    (DBT, {}, "names no job"),
    (DBT, {"project_name": "p", "job_name": "j"}, "names no job"),
    (DBT, {"job_id": "x"}, "job_id of task 't' must be a whole number above 0, not 'x'."),
    (DBT, {"job_id": 5, "steps_override": "dbt run"}, "steps_override of task 't' must be a list"),
    (DBT, {"job_id": 5, "additional_run_config": "x"}, "additional_run_config of task 't' must be an object"),
    (DBT, {"job_id": 5, "trigger_reason": ["a"]}, "trigger_reason of task 't' must be a text"),
    (DBT, {"job_id": 5, "account_id": "a"}, "account_id of task 't'"),
    (DBT, {"job_id": 5, "dbt_cloud_conn_id": ""}, "dbt_cloud_conn_id of task 't' must not be empty"),
    (DBT, {"job_id": 5, "hook_params": {"a": 1}}, "hook_params of task 't' has no 'a'"),
    (DBT, {"job_id": 5, "timeout": "soon"}, "timeout of task 't'"),
    (NOW, {}, "names no job"),
    (NOW, {"job_id": 5, "job_name": "j"}, "give job_id or job_name, not both"),
    (NOW, {"job_id": 5, "json": {"job_name": "j"}}, "give job_id or job_name, not both"),
    (NOW, {"job_id": 5, "json": {"t": datetime(2026, 1, 1)}}, "json of task 't'[\"t\"] is a datetime"),
    (NOW, {"job_id": 5, "notebook_params": {"day": None}}, "notebook_params of task 't'[\"day\"] is None"),
    (NOW, {"job_id": 5, "json": {"notebook_params": {"a": None}}}, 'json["notebook_params"] of task'),
    (NOW, {"job_id": 5, "jar_params": "a"}, "jar_params of task 't' must be a list"),
    (NOW, {"job_id": 5, "databricks_retry_limit": 0}, "retry_limit in hook_params of task 't'"),
    (SUBMIT, {"tasks": ["a"]}, "tasks of task 't'[0] must be an object"),
    (SUBMIT, {"tasks": {}}, "tasks of task 't' must be a list"),
    (SUBMIT, {"notebook_task": "x"}, "notebook_task of task 't' must be an object"),
    (SUBMIT, {"timeout_seconds": -1}, "timeout_seconds of task 't'"),
    (SUBMIT, {"dbt_task": {"commands": []}}, "a dbt_task needs git_source"),
    (DBT_SENSOR, {"run_id": "x"}, "run_id of task 't' must be a whole number"),
    (DATABRICKS_SENSOR, {}, "give one of run_id, job_id and job_name; none given"),
    (DATABRICKS_SENSOR, {"run_id": 5, "job_name": "a"}, "run_id, job_name given"),
    (DATABRICKS_SENSOR, {"run_id": 5, "task_key": 5.5j}, "task_key of task 't' must be a text"),
]


@pytest.mark.parametrize(("kind", "given", "says"), WRONG)
def test_a_wrong_argument_ends_the_parsing(kind: Any, given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        kind(task_id="t", **given)
    assert says in str(raised.value)


#: What a template may give: an operator that is right as the DAG is parsed.
RIGHT: dict[Any, dict[str, Any]] = {
    DBT: {"job_id": 5},
    NOW: {"job_id": 5},
    SUBMIT: {},
    DBT_SENSOR: {"run_id": 5},
    DATABRICKS_SENSOR: {"run_id": 5},
}
TEMPLATED = [(kind, given) for kind, given, _ in WRONG if not set(given) - set(kind.template_fields)]


@pytest.mark.parametrize(("kind", "given"), TEMPLATED)
def test_a_template_that_gives_a_wrong_argument_starts_nothing(
    kind: Any, given: dict[str, Any], standin: StandIn
) -> None:
    """Given after the parsing, as rendering does it."""
    operator = kind(task_id="t", **RIGHT[kind])
    for name, value in {**dict.fromkeys(RIGHT[kind]), **given}.items():
        setattr(operator, name, value)
    context = Try()
    with pytest.raises(ConfigurationError):
        operator.execute(context)
    assert not [entry for entry in standin.journal.entries if entry.method == "POST"]
    assert not context.store, "what was not even right is no intent"


def test_the_output_of_another_task_is_not_judged_before_it_is_there() -> None:
    with DAG("d", schedule=None):

        @task
        def other() -> None:
            """Gives whatever."""

        found = other()
        tasks = [
            DBT(task_id="a", job_id=found, steps_override=found, additional_run_config={"a": found}),
            NOW(task_id="b", job_id=found, json=found, notebook_params={"day": found}),
            SUBMIT(task_id="c", tasks=found),
            DBT_SENSOR(task_id="d", run_id=found),
            DATABRICKS_SENSOR(task_id="e", run_id=found, job_id="{{ '' }}"),
        ]
    assert all(each.upstream_task_ids == {"other"} for each in tasks)


PARAMS = {
    "day": 20260101,
    "steps": ["dbt seed", "it's"],
    "config": {"threads_override": 2},
    "named": {"p": "it's", "n": 1},
    "texts": ["a", "b"],
    "tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "/n", "base_parameters": {"q": "it's"}}}],
}


@pytest.mark.parametrize("native", [False, True], ids=["texts", "native"])
def test_templates_give_fields_of_every_kind_in_either_rendering(
    native: bool, run_dag: Callable[..., Any], standin: StandIn
) -> None:
    job = standin.dbt_cloud.add_job("j")
    databricks = standin.databricks_jobs.add_job("2026", max_concurrent_runs=9)
    quick = {"polling_period_seconds": 0.1, "forward_dag_params": False}
    with DAG(f"forms_{native}", schedule=None, params=PARAMS, render_template_as_native_obj=native) as dag:
        DBT(
            task_id="dbt",
            job_id=f"{{{{ {job} }}}}",
            check_interval=0.1,
            trigger_reason="{{ params.day }}",
            schema_override="{{ params.day }}",
            steps_override="{{ params.steps }}",
            additional_run_config="{{ params.config }}",
        )
        NOW(task_id="named", job_name="{{ 2026 }}", notebook_params="{{ params.named }}", **quick)
        NOW(
            task_id="listed",
            job_id=databricks,
            jar_params="{{ params.texts }}",
            idempotency_token="{{ params.day }}",
            **quick,
        )
        SUBMIT(task_id="tasks", tasks="{{ params.tasks }}", polling_period_seconds=0.1)
        SUBMIT(task_id="body", json="{{ {'tasks': params.tasks} | tojson }}", polling_period_seconds=0.1)
    assert set(run_dag(dag).tasks.values()) == {"success"}
    sent = [entry.body for entry in standin.journal.entries if entry.method == "POST" and entry.body]
    (dbt,) = [body for body in sent if "cause" in body]
    assert dbt.pop("cause").startswith("20260101 [pipehooks:")
    assert dbt == {
        "schema_override": "20260101",
        "steps_override": ["dbt seed", "it's"],
        "threads_override": 2,
    }
    assert {"p": "it's", "n": "1"} in [body.get("notebook_params") for body in sent]
    assert ["a", "b"] in [body.get("jar_params") for body in sent]
    assert "20260101" in [body.get("idempotency_token") for body in sent]
    filled = [body["tasks"] for body in sent if "tasks" in body]
    assert filled == [PARAMS["tasks"]] * 2
