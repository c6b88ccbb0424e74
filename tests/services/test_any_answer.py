"""Whatever a remote answers, a procedure comes to an end: with its result, or with an error that is ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.core.errors import ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.core.events import WaitEnded
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import TERMINAL, RunState
from airflow_provider_pipehooks.services import (
    databricks_pipelines,
    databricks_sql,
    databricks_states,
    dbt_cloud,
)
from airflow_provider_pipehooks.services.base import Procedure, Request
from airflow_provider_pipehooks.services.batch import Batch, Found
from airflow_provider_pipehooks.services.databricks_calls import DatabricksCalls
from airflow_provider_pipehooks.services.databricks_jobs import DatabricksJobs
from airflow_provider_pipehooks.services.databricks_pipelines import DatabricksPipelines
from airflow_provider_pipehooks.services.databricks_sql import DatabricksSql
from airflow_provider_pipehooks.services.databricks_tasks import (
    failed_among,
    is_over_with,
    newest_attempts,
    repair_body,
)
from airflow_provider_pipehooks.services.databricks_values import (
    ClusterState,
    SQLStatementState,
    WarehouseState,
)
from airflow_provider_pipehooks.services.databricks_values import RunState as RemoteState
from airflow_provider_pipehooks.services.dbt_cloud import DbtCloud, parse_failed_nodes
from airflow_provider_pipehooks.services.dbt_cloud_calls import DbtCloudCalls
from airflow_provider_pipehooks.services.run_pages import DatabricksRunPages
from tests.core.anything import a_run, bounded, fewer, objects, shaped, values
from tests.services.driving import Body, Driven

_States = (RemoteState, ClusterState, SQLStatementState, WarehouseState)
TAG = "pipehooks:0123456789abcdef"
_words = st.sampled_from(
    [
        *databricks_states.GOING_ON,
        *databricks_states.ENDED,
        *databricks_states.RESULTS,
        *databricks_states.CODES,
        "TERMINATED",
        "HIBERNATING",
    ]
)
_ids = st.integers(min_value=1, max_value=300)

dbt_runs = shaped(
    id=_ids,
    status=st.sampled_from([1, 2, 3, 10, 20, 30, 99]),
    status_message=st.sampled_from(["timed out", ""]),
    status_humanized=st.just("Success"),
    job_definition_id=_ids,
    job=shaped(name=st.just("nightly")),
    trigger=shaped(cause=st.sampled_from(["by hand", TAG])),
    retrying_run_id=_ids,
    audit=shaped(cancellation=shaped(actor=shaped(name=st.just("ada")))),
    created_at=st.just("2026-05-27 10:42:16+00:00"),
    run_steps=st.lists(
        shaped(
            index=_ids, name=st.sampled_from(["Invoke dbt", "Clone"]), status=st.just(20), logs=st.just("x")
        ),
        max_size=3,
    ),
    name=st.just("nightly"),
)
#: One object a hundred times is a full page; so is a page of a hundred ids.
_pages = st.one_of(
    st.lists(dbt_runs, max_size=3),
    dbt_runs.map(lambda item: [item] * 100),
    dbt_runs.map(lambda item: [{**item, "id": number} for number in range(1, 101)]),
    values.map(lambda item: [item] * 100),
)
dbt_bodies = shaped(data=dbt_runs | _pages)

_tasks = shaped(
    task_key=st.sampled_from(["load", "check"]),
    run_id=_ids,
    attempt_number=st.integers(0, 3),
    max_retries=st.integers(-1, 3),
    start_time=st.integers(0, 10**13),
    state=shaped(life_cycle_state=_words, result_state=_words, state_message=st.just("x")),
    status=shaped(state=_words, termination_details=shaped(code=_words, message=st.just("timed out"))),
)
databricks_bodies = shaped(
    run_id=_ids,
    job_id=_ids,
    repair_id=_ids,
    state=shaped(life_cycle_state=_words, result_state=_words),
    status=shaped(state=_words, termination_details=shaped(code=_words)),
    tasks=st.lists(_tasks, max_size=3),
    runs=st.lists(shaped(run_id=_ids, start_time=st.sampled_from([7000, 8000, 9000])), max_size=2),
    jobs=st.lists(shaped(job_id=_ids, settings=shaped(name=st.just("nightly"))), max_size=3),
    repair_history=st.lists(shaped(id=_ids, type=st.just("REPAIR")), max_size=3),
    next_page_token=st.sampled_from(["", "p2", "p3"]),
    error=st.just("boom"),
)

DBT: dict[str, Callable[[], Procedure[Any]]] = {
    "get_run": lambda: DbtCloud().get_run(7, "job"),
    "start_run": lambda: DbtCloud().start_run(5, cause="x", overrides={}),
    "retry_run": lambda: DbtCloud().retry_run(7),
    "cancel_run": lambda: DbtCloud().cancel_run(7),
    "runs": lambda: DbtCloud().runs(limit=1),
    "active_run": lambda: DbtCloud().active_run(5),
    "newest_run_id": lambda: DbtCloud().newest_run_id(5),
    "newest_with_tag": lambda: DbtCloud().newest_with_tag(5, TAG),
    "run_with_tag": lambda: DbtCloud().run_with_tag(5, TAG, above=0),
    "run_retrying": lambda: DbtCloud().run_retrying(5, 7),
    "job_id_by_name": lambda: DbtCloud().job_id_by_name("nightly", "nightly", "nightly"),
    "read_batch": lambda: DbtCloud().read_batch(Found(Batch({7: None, 8: None}))),
    "jobs": lambda: DbtCloud().jobs(3, "name"),
    "artifact": lambda: DbtCloud().artifact(7, "manifest.json", 1),
    "explain_run": lambda: DbtCloud().explain_run(a_run(RunState.ERROR, run_id=7)),
}
DATABRICKS: dict[str, Callable[[], Procedure[Any]]] = {
    "get_run": lambda: DatabricksJobs().get_run(7),
    "get_run of a task": lambda: DatabricksJobs(task_key="load").get_run(7),
    "whole_run": lambda: DatabricksJobs().whole_run(7),
    "whole_run in a page": lambda: DatabricksRunPages({"expand_tasks": True}).page({}),
    "whole_run in a later page": lambda: DatabricksRunPages({}).page({"page_token": "t"}),
    "run_now": lambda: DatabricksJobs().run_now({"job_id": 5}),
    "submit": lambda: DatabricksJobs().submit({"tasks": []}),
    "repair": lambda: DatabricksJobs().repair(7),
    "repair_tasks": lambda: DatabricksJobs().repair_tasks({"run_id": 7}, ["load"]),
    "output_of": lambda: DatabricksJobs().output_of(7),
    "output_of a task": lambda: DatabricksJobs(task_key="load").output_of(7),
    "update_job": lambda: DatabricksJobs().update_job(5, {}),
    "cancel_run": lambda: DatabricksJobs().cancel_run(7),
    "cancel_run of a task": lambda: DatabricksJobs(task_key="load").cancel_run(7),
    "cancel_all_runs": lambda: DatabricksJobs().cancel_all_runs(5),
    "newest_run": lambda: DatabricksJobs().newest_run(5),
    "job_id_by_name": lambda: DatabricksJobs().job_id_by_name("nightly"),
    "read_batch of new runs": lambda: DatabricksJobs().read_batch(Found(Batch(dict.fromkeys(range(1, 80))))),
    "read_batch": lambda: DatabricksJobs().read_batch(Found(Batch({7: made(7), 8: made(8), 9: made(8)}))),
    "read_batch of tasks": lambda: DatabricksJobs(task_key="load").read_batch(
        Found(Batch({"7/load": None, "7/check": None}))
    ),
    "explain_run": lambda: DatabricksJobs().explain_run(a_run(RunState.ERROR, run_id=7)),
    "explain_run of a task": lambda: DatabricksJobs(task_key="load").explain_run(
        a_run(RunState.ERROR, run_id=7)
    ),
}
_UPDATE = "4518bf9e-1d2c-4c83-a2f5-2a6b5a1c9d70"
_update = shaped(
    update_id=st.sampled_from([_UPDATE, "u2", "u3"]),
    pipeline_id=st.just("p"),
    state=st.sampled_from([*databricks_pipelines.STATES, "HIBERNATING"]),
    cause=st.sampled_from(["API_CALL", databricks_pipelines.RETRY]),
    creation_time=st.sampled_from([1_700_000_000_000, "2026-11-28T02:30:00.123Z"]),
    parameters=st.just({databricks_pipelines.MARK: TAG}),
)
_events = shaped(
    id=st.sampled_from(["e1", "e2"]),
    timestamp=st.just("2026-11-28T02:30:00.123456Z"),
    event_type=st.sampled_from(["update_progress", "flow_progress"]),
    message=st.just("Update 4518bf has failed."),
    origin=shaped(flow_name=st.just("orders"), update_id=st.just(_UPDATE)),
    error=shaped(exceptions=st.lists(shaped(error_class=st.just("X"), message=st.just("boom")), max_size=2)),
)
pipeline_bodies = shaped(
    update=_update,
    updates=st.lists(_update, max_size=4),
    latest_updates=st.lists(_update, max_size=3),
    statuses=st.lists(
        shaped(
            pipeline_id=st.just("p"), name=st.just("nightly"), latest_updates=st.lists(_update, max_size=3)
        ),
        max_size=3,
    ),
    state=st.sampled_from(["IDLE", "RUNNING", "RECOVERING", "FAILED"]),
    spec=shaped(development=st.booleans()),
    events=st.lists(_events, max_size=3),
    update_id=st.just(_UPDATE),
    next_page_token=st.sampled_from(["", "p2", "p3"]),
)
PIPELINES: dict[str, Callable[[], Procedure[Any]]] = {
    "get_run": lambda: DatabricksPipelines("p").get_run(_UPDATE),
    "updates": lambda: DatabricksPipelines("p").updates(until=_UPDATE),
    "updates_of": lambda: DatabricksPipelines("p").updates_of(_UPDATE),
    "newest_update": lambda: DatabricksPipelines("p").newest_update(),
    "active_update": lambda: DatabricksPipelines("p").active_update(),
    "something_new": lambda: DatabricksPipelines("p").something_new("e1"),
    "newest_event_id": lambda: DatabricksPipelines("p").newest_event_id(),
    "pipeline": lambda: DatabricksPipelines("p").pipeline(),
    "start_update": lambda: DatabricksPipelines("p").start_update({}),
    "marked_update": lambda: DatabricksPipelines("p").marked_update(TAG),
    "unmarked_update": lambda: DatabricksPipelines("p").unmarked_update(1_699_999_999_000),
    "server_time_ms": lambda: DatabricksPipelines("p").server_time_ms(),
    "cancel_run": lambda: DatabricksPipelines("p").cancel_run(_UPDATE),
    "pipeline_id_by_name": lambda: DatabricksPipelines().pipeline_id_by_name("nightly"),
    "read_batch": lambda: DatabricksPipelines("p").read_batch(Found(Batch({_UPDATE: None, "u2": None}))),
    "explain_run": lambda: DatabricksPipelines("p").explain_run(failed_update()),
}
DBT_CALLS: dict[str, Callable[[], Procedure[Any]]] = {
    "ask": lambda: DbtCloudCalls(2).ask("GET", "2/runs/"),
    "ask of a file": lambda: DbtCloudCalls().ask("GET", "2/runs/7/artifacts/x.json"),
    "ask of a POST": lambda: DbtCloudCalls().ask("POST", "2/jobs/5/run/", {"cause": "x"}),
    "pages": lambda: DbtCloudCalls().pages("2/runs/", {"order_by": "id"}),
    "start": lambda: DbtCloudCalls().start(5, {"cause": "x"}),
    "rerun": lambda: DbtCloudCalls().rerun(5),
    "newest_failed": lambda: DbtCloudCalls().newest_failed(5),
    "status": lambda: DbtCloudCalls().status(7),
    "here": lambda: DbtCloudCalls(2).here(DbtCloud().explain_run(a_run(RunState.ERROR, run_id=7))),
}
dbt_call_bodies = shaped(
    data=dbt_runs | _pages,
    extra=shaped(
        filters=shaped(limit=st.sampled_from([0, 1, 3, 100])),
        pagination=shaped(total_count=st.sampled_from([0, 5, 10**9])),
    ),
)
_CALLS = DatabricksCalls()
DATABRICKS_CALLS: dict[str, Callable[[], Procedure[Any]]] = {
    "ask": lambda: _CALLS.ask("GET", "2.2/jobs/list", {"a": [1, "b"], "c": True, "d": {"e": 1}}),
    "ask of a POST": lambda: _CALLS.ask("POST", "2.2/jobs/create", {}),
    "create_job": lambda: _CALLS.create_job({}),
    "reset_job": lambda: _CALLS.reset_job("5", {"access_control_list": [{}]}),
    "update_job": lambda: _CALLS.update_job("5", {}),
    "permit": lambda: _CALLS.permit(5, {}),
    "jobs": lambda: _CALLS.jobs("nightly", limit=25),
    "job_id_by_name": lambda: _CALLS.job_id_by_name("nightly"),
    "run_now": lambda: _CALLS.run_now({"job_id": 5}),
    "submit": lambda: _CALLS.submit({"tasks": []}),
    "get_run": lambda: _CALLS.get_run(7),
    "run_value": lambda: _CALLS.run_value(7, "run_page_url", str),
    "run_state": lambda: _CALLS.run_state(7),
    "run_output": lambda: _CALLS.run_output(7),
    "cancel_run": lambda: _CALLS.cancel_run(7),
    "cancel_all_runs": lambda: _CALLS.cancel_all_runs(5),
    "delete_run": lambda: _CALLS.delete_run(7),
    "repair": lambda: _CALLS.repair({"run_id": 7}),
    "latest_repair_id": lambda: _CALLS.latest_repair_id(7),
    "pipelines": lambda: _CALLS.pipelines(25, "nightly", None),
    "pipeline_id_by_name": lambda: _CALLS.pipeline_id_by_name("nightly"),
    "cluster_state": lambda: _CALLS.cluster_state("c"),
    "warehouse_state": lambda: _CALLS.warehouse_state("w"),
    "post_statement": lambda: _CALLS.post_statement({}),
    "statement_state": lambda: _CALLS.statement_state("s"),
    "repo_id_by_path": lambda: _CALLS.repo_id_by_path("/Repos/x"),
}
databricks_call_bodies = shaped(
    run_id=_ids,
    job_id=_ids,
    repair_id=_ids,
    run_page_url=st.just("https://x"),
    state=shaped(life_cycle_state=_words, result_state=_words, state_message=st.just("x")) | _words,
    state_message=st.just("x"),
    status=shaped(state=_words, error=shaped(error_code=st.just("X"), message=st.just("boom"))),
    tasks=st.lists(_tasks, max_size=3),
    jobs=st.lists(shaped(job_id=_ids, settings=shaped(name=st.just("nightly"))), max_size=3),
    statuses=st.lists(shaped(pipeline_id=st.just("p"), name=st.just("nightly")), max_size=3),
    repair_history=st.lists(shaped(id=_ids), max_size=3),
    statement_id=st.just("s"),
    object_type=st.sampled_from(["REPO", "NOTEBOOK"]),
    object_id=_ids,
    next_page_token=st.sampled_from(["", "p2", "p3"]),
)
SQL: dict[str, Callable[[], Procedure[Any]]] = {
    "get_run": lambda: DatabricksSql().get_run("s1"),
    "start_statement": lambda: DatabricksSql().start_statement({"statement": "SELECT 1"}),
    "cancel_run": lambda: DatabricksSql().cancel_run("s1"),
    "marked_statement": lambda: DatabricksSql().marked_statement("w", TAG, 0),
    "past_statement": lambda: DatabricksSql().past_statement("s1"),
    "read_batch": lambda: DatabricksSql().read_batch(Found(Batch({}))),
    "explain_run": lambda: DatabricksSql().explain_run(a_run(RunState.ERROR, run_id="s1")),
}
_queries = shaped(
    query_id=st.sampled_from(["s1", "s2"]),
    status=st.sampled_from([*databricks_sql.IN_HISTORY, "HIBERNATING"]),
    error_message=st.just("no"),
    query_start_time_ms=st.integers(0, 10**13),
    query_tags=st.just([{"key": databricks_sql.MARK, "value": TAG}]),
)
sql_bodies = shaped(
    statement_id=st.sampled_from(["s1", "s2"]),
    status=shaped(
        state=st.sampled_from([*databricks_sql.STATES, "HIBERNATING"]),
        error=shaped(
            error_code=st.sampled_from([*databricks_sql.KINDS, "BAD_REQUEST"]), message=st.just("no")
        ),
    ),
    res=st.lists(_queries, max_size=3),
    next_page_token=st.sampled_from(["", "p2"]),
)
DRIVEN = {
    DbtCloud: DBT,
    DbtCloudCalls: DBT_CALLS,
    DatabricksJobs: DATABRICKS,
    DatabricksCalls: DATABRICKS_CALLS,
    DatabricksPipelines: PIPELINES,
    DatabricksSql: SQL,
}


def failed_update() -> Run:
    return a_run(RunState.ERROR, service=databricks_pipelines.NAME, run_id=_UPDATE)


def made(second: int) -> Run:
    return replace(a_run(), created_at=datetime.fromtimestamp(second, tz=timezone.utc))


def come_to_an_end(procedure: Procedure[Any], bodies: list[dict[str, Any]]) -> Any:
    """The result, or None for an error that is ours; the bodies are given over and over."""
    asked = count()

    def reply(request: Request) -> Body:
        body = bodies[next(asked) % len(bodies)]
        return json.dumps(body) if request.expects == "text" else body

    try:
        return Driven(procedure, reply, most=100).result
    except (RemoteCallError, ConfigurationError):
        return None


def check(result: Any, words: set[str]) -> None:
    """A result can be written down, and an end that it tells was told by the remote."""
    if isinstance(result, Run):
        record = json.loads(json.dumps(result.to_json()))
        assert Run.from_json(record) == result
        if result.state in TERMINAL:
            assert words & said(result)
            WaitEnded.from_json(WaitEnded(reason="run_ended", run=result).to_json())


def said(run: Run) -> set[str]:
    """The words that can have told of such an end, from the fact sheets."""
    if run.service == "dbt_cloud":
        return {str(int(run.state or 0))}
    if run.service == databricks_pipelines.NAME:
        return {"COMPLETED"} if run.is_success else {"FAILED", "CANCELED"}
    if run.service == databricks_sql.NAME:
        return {"SUCCEEDED", "CLOSED", "FINISHED"} if run.is_success else {"FAILED", "CANCELED"}
    return {"TERMINATED"} if run.is_success else {"TERMINATED", "SKIPPED", "INTERNAL_ERROR"}


def words_in(value: Any) -> set[str]:
    """Every text and number anywhere in an answer."""
    if isinstance(value, dict):
        return set().union(*map(words_in, value.values()))
    if isinstance(value, list):
        return set().union(*map(words_in, value))
    return {str(value)}


@pytest.mark.parametrize("name", DBT)
@fewer
@given(bodies=st.lists(dbt_bodies | objects, min_size=1, max_size=4))
def test_any_answer_of_dbt_cloud_ends_in_a_result_or_our_error(name: str, bodies: list[Any]) -> None:
    result = come_to_an_end(DBT[name](), bodies)
    check(result, {"20"} if name == "explain_run" else words_in(bodies))


@pytest.mark.parametrize("name", DATABRICKS)
@fewer
@given(bodies=st.lists(databricks_bodies | objects, min_size=1, max_size=4))
def test_any_answer_of_databricks_ends_in_a_result_or_our_error(name: str, bodies: list[Any]) -> None:
    result = come_to_an_end(DATABRICKS[name](), bodies)
    check(result, {"TERMINATED", "20"} if name.startswith("explain_run") else words_in(bodies))


@pytest.mark.parametrize("name", DBT_CALLS)
@fewer
@given(bodies=st.lists(dbt_call_bodies | objects, min_size=1, max_size=4))
def test_any_answer_to_a_hooks_call_of_dbt_cloud_ends_in_a_result_or_our_error(
    name: str, bodies: list[Any]
) -> None:
    come_to_an_end(DBT_CALLS[name](), bodies)


@pytest.mark.parametrize("name", DATABRICKS_CALLS)
@fewer
@given(bodies=st.lists(databricks_call_bodies | objects, min_size=1, max_size=4))
def test_any_answer_to_a_hooks_call_of_databricks_ends_in_a_result_or_our_error(
    name: str, bodies: list[Any]
) -> None:
    result = come_to_an_end(DATABRICKS_CALLS[name](), bodies)
    if isinstance(result, _States):
        assert type(result).from_json(result.to_json()) == result


@pytest.mark.parametrize("name", PIPELINES)
@fewer
@given(bodies=st.lists(pipeline_bodies | objects, min_size=1, max_size=4))
def test_any_answer_of_databricks_pipelines_ends_in_a_result_or_our_error(
    name: str, bodies: list[Any]
) -> None:
    result = come_to_an_end(PIPELINES[name](), bodies)
    check(result, {"FAILED"} if name == "explain_run" else words_in(bodies))


@pytest.mark.parametrize("name", SQL)
@fewer
@given(bodies=st.lists(sql_bodies | objects, min_size=1, max_size=4))
def test_any_answer_of_databricks_sql_ends_in_a_result_or_our_error(name: str, bodies: list[Any]) -> None:
    result = come_to_an_end(SQL[name](), bodies)
    check(result, {"20", "TERMINATED"} if name == "explain_run" else words_in(bodies))


@bounded
@given(databricks_bodies | objects, st.sampled_from(["load", "check"]), st.integers(0, 3))
def test_any_run_can_be_repaired_or_not(whole: dict[str, Any], key: str, waited_for: int) -> None:
    assert is_over_with(whole, key, waited_for) in (True, False)
    assert failed_among(whole, [key]) <= {key}
    assert json.dumps(repair_body(whole, [key]))


@pytest.mark.parametrize("service", DRIVEN)
def test_every_call_of_a_service_is_driven(service: type) -> None:
    driven = {name.split()[0] for name in DRIVEN[service]}
    public = {name for name, member in vars(service).items() if callable(member) and name[0] != "_"}
    assert public - {"batches_of", "key_of", "parse", "path"} == driven  # these ask for nothing


@bounded
@given(dbt_runs | objects)
def test_any_object_is_a_dbt_run_or_a_value_error(data: dict[str, Any]) -> None:
    try:
        run = dbt_cloud.parse_run(data)
    except ValueError:
        return
    assert (str(run.run_id), run.state) == (str(data["id"]), dbt_cloud.STATES.get(data["status"]))
    check(run, words_in(data))


@bounded
@given(databricks_bodies | _tasks | objects)
def test_any_object_is_a_databricks_run_or_a_value_error(data: dict[str, Any]) -> None:
    try:
        run = databricks_states.parse_run(data)
    except ValueError:
        return
    assert str(run.run_id) == str(data["run_id"])  # digits where a database cannot hold the number
    check(run, words_in([data.get("state"), data.get("status")]))
    assert not run.is_success or "SUCCESS" in words_in([data.get("state"), data.get("status")])


_results = shaped(results=st.lists(shaped(unique_id=st.just("m"), status=st.just("error")), max_size=3))


@bounded
@given(st.text() | (values | _results).map(json.dumps))
def test_any_text_is_a_list_of_failed_nodes(text: str) -> None:
    assert all(isinstance(failure.message, str) for failure in parse_failed_nodes(text))


@bounded
@given(st.lists(_tasks | objects, max_size=6))
def test_any_tasks_have_newest_attempts(tasks: list[dict[str, Any]]) -> None:
    newest = newest_attempts(tasks)
    assert set(newest) == {
        key for task in tasks if isinstance(key := task.get("task_key"), str) and key.strip()
    }
    assert all(task in tasks for task in newest.values())
