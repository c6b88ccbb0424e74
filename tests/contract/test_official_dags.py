"""A DAG written for the official providers runs with only its import lines changed."""

from __future__ import annotations

import hashlib
import inspect
import itertools
import json
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp
import pytest
from airflow.providers.databricks.operators import databricks as official_databricks
from airflow.providers.databricks.sensors import databricks as official_databricks_sensors
from airflow.providers.dbt.cloud.operators import dbt as official_dbt
from airflow.providers.dbt.cloud.sensors import dbt as official_dbt_sensors
from airflow.sdk import DAG

from airflow_provider_pipehooks.operators import databricks_jobs, dbt_cloud
from airflow_provider_pipehooks.sensors import databricks_jobs as databricks_sensors
from airflow_provider_pipehooks.sensors import dbt_cloud as dbt_cloud_sensors
from airflow_provider_pipehooks.services.databricks_sql import MARK
from airflow_provider_pipehooks.standin import Plan, StandIn
from tests.dag_runs import Finished

_numbers = itertools.count()

DBT_CLOUD = """
from airflow.providers.dbt.cloud.operators.dbt import DbtCloudRunJobOperator
from airflow.providers.dbt.cloud.sensors.dbt import DbtCloudJobRunSensor
from airflow.sdk import DAG

with DAG("DAG_ID", schedule=None, default_args={"dbt_cloud_conn_id": "dbt_official"}) as dag:
    DbtCloudRunJobOperator(task_id="good", job_id=GOOD, check_interval=0, deferrable=DEFERRABLE)
    DbtCloudRunJobOperator(task_id="bad", job_id=BAD, check_interval=0, deferrable=DEFERRABLE)
    start = DbtCloudRunJobOperator(
        task_id="start",
        project_name="Analytics",
        environment_name="Production",
        job_name="joined",
        trigger_reason="{{ dag.dag_id }}",
        steps_override=["dbt run"],
        additional_run_config={"threads_override": 8},
        wait_for_termination=False,
    )
    DbtCloudJobRunSensor(task_id="join", run_id=start.output, poke_interval=1, deferrable=DEFERRABLE)
"""

DATABRICKS = """
from airflow.providers.databricks.operators.databricks import (
    DatabricksRunNowOperator,
    DatabricksSubmitRunOperator,
)
from airflow.sdk import DAG

common = {"databricks_conn_id": "databricks_official", "polling_period_seconds": 0, "deferrable": DEFERRABLE}
with DAG("DAG_ID", schedule=None, default_args=common, params={"day": "7"}) as dag:
    DatabricksRunNowOperator(task_id="good", job_id=GOOD, python_params=["{{ dag.dag_id }}"])
    DatabricksRunNowOperator(task_id="by_name", job_name="good", json={"queue": {"enabled": True}})
    DatabricksRunNowOperator(task_id="bad", job_id=BAD)
    DatabricksSubmitRunOperator(
        task_id="submit",
        tasks=[{"task_key": "a", "notebook_task": {"notebook_path": "/n"}}],
    )
    DatabricksSubmitRunOperator(
        task_id="submit_old_form",
        json={"notebook_task": {"notebook_path": "/n"}, "existing_cluster_id": "c"},
        run_name="old form",
    )
"""

WORKFLOW = """
from airflow.providers.databricks.operators.databricks import (
    DatabricksCreateJobsOperator,
    DatabricksNotebookOperator,
    DatabricksTaskOperator,
)
from airflow.providers.databricks.operators.databricks_workflow import DatabricksWorkflowTaskGroup
from airflow.sdk import DAG

common = {"databricks_conn_id": "databricks_official", "deferrable": DEFERRABLE}
fast = {"polling_period_seconds": 0}
with DAG("DAG_ID", schedule=None, default_args=common, params={"day": "7"}) as dag:
    alone = DatabricksNotebookOperator(
        task_id="alone",
        notebook_path="/n",
        source="WORKSPACE",
        notebook_params={"dag": "{{ dag.dag_id }}"},
        notebook_packages=[{"pypi": {"package": "simplejson"}}],
        existing_cluster_id="c",
        **fast,
    )
    retried = DatabricksTaskOperator(
        task_id="retried",
        task_config={"spark_python_task": {"python_file": "/f.py"}},
        new_cluster={"num_workers": 1},
        max_retries=2,
        **fast,
    )
    define = DatabricksCreateJobsOperator(
        task_id="define",
        name="made",
        tasks=[{"task_key": "a", "notebook_task": {"notebook_path": "/n"}}],
        access_control_list=[{"user_name": "a@example.com", "permission_level": "CAN_VIEW"}],
    )
    define_again = DatabricksCreateJobsOperator(
        task_id="define_again",
        json={"name": "made", "tasks": [{"task_key": "b", "notebook_task": {"notebook_path": "/n"}}]},
        access_control_list=[{"user_name": "b@example.com", "permission_level": "CAN_VIEW"}],
    )
    with DatabricksWorkflowTaskGroup(
        group_id="flow",
        databricks_conn_id="databricks_official",
        job_clusters=[{"job_cluster_key": "small", "new_cluster": {"num_workers": 1}}],
        notebook_params={"shared": "yes"},
        notebook_packages=[{"pypi": {"package": "simplejson"}}],
        extra_job_params={"email_notifications": {"on_failure": ["a@example.com"]}, "tags": {"a": "b"}},
    ) as flow:
        first = DatabricksNotebookOperator(
            task_id="first",
            notebook_path="/first",
            source="GIT",
            notebook_params={"own": "1"},
            job_cluster_key="small",
            **fast,
        )
        bad = DatabricksTaskOperator(
            task_id="bad",
            task_config={"notebook_task": {"notebook_path": "/bad"}},
            databricks_task_key="bad",
            job_cluster_key="small",
            **fast,
        )
        last = DatabricksTaskOperator(
            task_id="last",
            task_config={"notebook_task": {"notebook_path": "/last"}},
            job_cluster_key="small",
            trigger_rule="all_done",
            **fast,
        )
        first >> bad >> last
    alone >> retried >> define >> define_again >> flow
"""

SQL = """
from airflow.providers.databricks.operators.databricks import DatabricksSQLStatementsOperator
from airflow.providers.databricks.sensors.databricks import DatabricksSQLStatementsSensor
from airflow.sdk import DAG

common = {"databricks_conn_id": "databricks_official", "deferrable": DEFERRABLE, "warehouse_id": "w"}
with DAG("DAG_ID", schedule=None, default_args=common) as dag:
    good = DatabricksSQLStatementsOperator(
        task_id="good",
        statement="SELECT :day",
        parameters=[{"name": "day", "value": "7"}],
        catalog="main",
        query_tags={"team": "{{ dag.dag_id }}"},
        polling_period_seconds=0,
    )
    joined = DatabricksSQLStatementsSensor(
        task_id="joined",
        statement_id="{{ ti.xcom_pull(task_ids='good', key='statement_id') }}",
        poke_interval=1,
    )
    sensed = DatabricksSQLStatementsSensor(
        task_id="sensed",
        statement="SELECT '{{ dag.dag_id }}'",
        include_airflow_query_tags=False,
        poke_interval=1,
    )
    bad = DatabricksSQLStatementsOperator(task_id="bad", statement="SELECT x", polling_period_seconds=0)
    good >> joined >> sensed >> bad
"""

OURS = "airflow_provider_pipehooks"
IMPORTS = {
    "airflow.providers.dbt.cloud.operators.dbt": f"{OURS}.operators.dbt_cloud",
    "airflow.providers.dbt.cloud.sensors.dbt": f"{OURS}.sensors.dbt_cloud",
    "airflow.providers.databricks.operators.databricks": f"{OURS}.operators.databricks_jobs",
    "airflow.providers.databricks.operators.databricks_workflow": f"{OURS}.operators.databricks_workflow",
    "airflow.providers.databricks.sensors.databricks": f"{OURS}.sensors.databricks_jobs",
}
STATES = {
    DBT_CLOUD: {"good": "success", "bad": "failed", "start": "success", "join": "success"},
    DATABRICKS: {
        "good": "success",
        "by_name": "success",
        "bad": "failed",
        "submit": "success",
        "submit_old_form": "success",
    },
    WORKFLOW: {
        "alone": "success",
        "retried": "success",
        "define": "success",
        "define_again": "success",
        "flow.launch": "success",
        "flow.first": "success",
        "flow.bad": "failed",
        "flow.last": "success",
    },
    SQL: {"good": "success", "joined": "success", "sensed": "success", "bad": "failed"},
}


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn(tls=True) as standin:
        yield standin


@pytest.fixture
def secured(server: StandIn, connections: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """A stand-in that the official clients can speak to, with connections of their types."""
    server.reset()
    connections(
        "dbt_official", conn_type="dbt_cloud", host=f"localhost:{server.port}", login="1", password="t"
    )
    connections(
        "databricks_official", conn_type="databricks", host="localhost", port=server.port, password="dapi"
    )
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(server.ca_file))
    # aiohttp reads SSL_CERT_FILE once, on import: in time for the process of a triggerer, too early here.
    trusting = ssl.create_default_context(cafile=str(server.ca_file))
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting)
    return server


def with_our_imports(source: str) -> str:
    for theirs, ours in IMPORTS.items():
        source = source.replace(f"from {theirs} import", f"from {ours} import")
    return source


def dag_of(source: str, jobs: dict[str, int], deferrable: bool) -> DAG:
    values = {**jobs, "DEFERRABLE": deferrable, "DAG_ID": f"official_{next(_numbers)}"}
    for name, value in values.items():
        source = source.replace(name, str(value))
    names: dict[str, Any] = {}
    exec(source, names)
    dag: DAG = names["dag"]
    return dag


def run_it(
    source: str, deferrable: bool, standin: StandIn, run_dag: Callable[..., Finished]
) -> tuple[Finished, list[dict[str, Any]]]:
    """The finished DAG run and the bodies its starts sent, without what each client puts there of its own."""
    standin.reset()
    world = standin.dbt_cloud if source.count("DbtCloud") else standin.databricks_jobs
    failing = Plan(outcome="error", polls=2)
    # Of its own: a dbt job runs once at a time, and nobody looks at this run until it is joined.
    world.add_job("joined", plan=Plan(polls=2))
    jobs = {"GOOD": world.add_job("good", plan=Plan(polls=2)), "BAD": world.add_job("bad", plan=failing)}
    dag = dag_of(source, jobs, deferrable)
    # The official launch task fails where it finds the run over, and looks every five seconds before it runs.
    path = ("RUNNING", "TERMINATED")
    standin.databricks_jobs.expect_job(
        f"{dag.dag_id}.flow",
        tasks=[{"task_key": "bad", "plan": Plan(outcome="failed", states=path, polls=4)}],
        plan=Plan(states=path, polls=2),
    )
    standin.databricks_sql.plans = [Plan(polls=2), Plan(polls=2), Plan(outcome="failed", polls=2)]
    finished = run_dag(dag)
    starts = [entry for entry in standin.journal.find("POST") if "token" not in entry.path]
    bodies = [comparable(entry.body) for entry in starts]
    text = json.dumps(bodies).replace(finished.dag_run.dag_id, "the DAG")
    text = text.replace(finished.dag_run.run_id, "the DAG run")
    for task in dag.tasks:
        key = hashlib.md5(f"{dag.dag_id}__{task.task_id}".encode()).hexdigest()
        text = text.replace(key, f"the key of {task.task_id}")
    return finished, json.loads(text)


def comparable(body: dict[str, Any]) -> dict[str, Any]:
    """Without token and mark, which are ours, and what is empty; the official operators send ids as text."""
    empty: tuple[Any, ...] = (None, [], {})
    kept = {key: value for key, value in body.items() if value not in empty and key != "idempotency_token"}
    if tags := [each for each in kept.pop("query_tags", ()) if each["key"] != MARK]:
        kept["query_tags"] = tags
    return {**kept, "job_id": str(kept["job_id"])} if "job_id" in kept else kept


def without_causes(bodies: list[dict[str, Any]]) -> list[str]:
    """Each as text, in an order that does not depend on which task came first."""
    kept = [{key: value for key, value in body.items() if key != "cause"} for body in bodies]
    return sorted(json.dumps(body, sort_keys=True) for body in kept)


@pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])
@pytest.mark.parametrize(
    "source",
    [DBT_CLOUD, DATABRICKS, WORKFLOW, SQL],
    ids=["dbt_cloud", "databricks_jobs", "workflow", "databricks_sql"],
)
def test_only_the_import_lines_change(
    source: str, deferrable: bool, secured: StandIn, run_dag: Callable[..., Finished]
) -> None:
    theirs, their_bodies = run_it(source, deferrable, secured, run_dag)
    ours, our_bodies = run_it(with_our_imports(source), deferrable, secured, run_dag)

    assert theirs.tasks == STATES[source], "the official providers themselves"
    assert ours.tasks == STATES[source]
    for task_id in STATES[source]:
        keys = {key for key in theirs.xcom_keys(task_id) if not key.startswith("_link")}
        assert keys <= ours.xcom_keys(task_id), task_id
        for key in keys:
            assert type(ours.xcom(task_id, key)) is type(theirs.xcom(task_id, key)), (task_id, key)
    assert without_causes(our_bodies) == without_causes(their_bodies)
    for theirs_cause, ours_cause in zip(causes(their_bodies), causes(our_bodies), strict=True):
        assert ours_cause.startswith(f"{theirs_cause} [pipehooks:")


def causes(bodies: list[dict[str, Any]]) -> list[str]:
    return sorted(body["cause"] for body in bodies if "cause" in body)


# --- every parameter --------------------------------------------------------------------------------------

PAIRS = {
    official_dbt.DbtCloudRunJobOperator: dbt_cloud.DbtCloudRunJobOperator,
    official_dbt_sensors.DbtCloudJobRunSensor: dbt_cloud_sensors.DbtCloudJobRunSensor,
    official_databricks.DatabricksRunNowOperator: databricks_jobs.DatabricksRunNowOperator,
    official_databricks.DatabricksSubmitRunOperator: databricks_jobs.DatabricksSubmitRunOperator,
    official_databricks.DatabricksNotebookOperator: databricks_jobs.DatabricksNotebookOperator,
    official_databricks.DatabricksTaskOperator: databricks_jobs.DatabricksTaskOperator,
    official_databricks.DatabricksCreateJobsOperator: databricks_jobs.DatabricksCreateJobsOperator,
    official_databricks.DatabricksSQLStatementsOperator: databricks_jobs.DatabricksSQLStatementsOperator,
    official_databricks_sensors.DatabricksSQLStatementsSensor: (
        databricks_sensors.DatabricksSQLStatementsSensor
    ),
}
#: Parameters without a default, and a value for them.
NEEDED: dict[str, Any] = {
    "run_id": 1,
    "notebook_path": "/n",
    "source": "WORKSPACE",
    "task_config": {"notebook_task": {"notebook_path": "/n"}},
    "statement": "SELECT 1",
    "warehouse_id": "w",
}
#: The official operators take none of these, too, and fail when the task runs; ours when the DAG is parsed.
WHAT_TO_RUN: dict[type, dict[str, Any]] = {
    dbt_cloud.DbtCloudRunJobOperator: {"job_id": 1},
    dbt_cloud_sensors.DbtCloudJobRunSensor: {"run_id": 1},
    databricks_jobs.DatabricksRunNowOperator: {"job_id": 1},
    databricks_jobs.DatabricksSubmitRunOperator: {},
    databricks_jobs.DatabricksNotebookOperator: {
        "notebook_path": "/n",
        "source": "WORKSPACE",
        "existing_cluster_id": "c",
    },
    databricks_jobs.DatabricksTaskOperator: {
        "task_config": NEEDED["task_config"],
        "existing_cluster_id": "c",
    },
    databricks_jobs.DatabricksCreateJobsOperator: {"name": "made"},
    databricks_jobs.DatabricksSQLStatementsOperator: {"statement": "SELECT 1", "warehouse_id": "w"},
    databricks_sensors.DatabricksSQLStatementsSensor: {"statement": "SELECT 1", "warehouse_id": "w"},
}


def parameters_of(kind: type) -> dict[str, Any]:
    """The named parameters of a class's own ``__init__``, with their defaults."""
    signature = inspect.signature(inspect.unwrap(kind.__init__))  # type: ignore[misc]
    return {
        name: NEEDED[name] if parameter.default is parameter.empty else parameter.default
        for name, parameter in signature.parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD) and name != "self"
    }


EVERY = [
    pytest.param(theirs, ours, name, default, id=f"{ours.__name__}-{name}")
    for theirs, ours in PAIRS.items()
    for name, default in parameters_of(theirs).items()
]


@pytest.mark.parametrize(("theirs", "ours", "name", "default"), EVERY)
def test_every_official_parameter_is_taken_with_its_default(
    theirs: type, ours: type, name: str, default: Any
) -> None:
    made = ours(**{"task_id": "t", name: default, **WHAT_TO_RUN[ours]})
    assert made.task_id == "t"


@pytest.mark.parametrize(("theirs", "ours"), PAIRS.items(), ids=lambda kind: kind.__module__)
def test_all_official_parameters_are_taken_together(theirs: type, ours: type) -> None:
    defaults = parameters_of(theirs)
    assert len(defaults) >= 5
    ours(**{"task_id": "t", **defaults, **WHAT_TO_RUN[ours]})


@pytest.mark.parametrize(("theirs", "ours"), PAIRS.items(), ids=lambda kind: kind.__module__)
def test_what_is_a_template_there_is_one_here(theirs: Any, ours: Any) -> None:
    assert set(theirs.template_fields) <= set(ours.template_fields)
    assert set(theirs.template_ext) <= set(ours.template_ext)
