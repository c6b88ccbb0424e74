"""One Databricks task on its own: what is sent, one run for each intent, what a notebook returned."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_pipehooks.core.errors import ConfigurationError, RunFailed
from airflow_provider_pipehooks.operators import databricks_jobs
from airflow_provider_pipehooks.operators.databricks_tasks import (
    LONGEST_OUTPUT,
    DatabricksNotebookOperator,
    DatabricksTaskOperator,
)
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from tests.dag_runs import Finished
from tests.task_context import Try, crashed_before_the_answer, run

pytestmark = pytest.mark.usefixtures("connections")
FAST: dict[str, Any] = {"polling_period_seconds": 0.01, "databricks_retry_delay": 0.001}
both = pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])
SQL = {"sql_task": {"warehouse_id": "w", "query": {"query_id": "q"}}}


def notebook(**given: Any) -> DatabricksNotebookOperator:
    needed = {"task_id": "t", "notebook_path": "/n", "source": "WORKSPACE", "existing_cluster_id": "c"}
    return DatabricksNotebookOperator(**{**needed, **FAST, **given})


def task(**given: Any) -> DatabricksTaskOperator:
    return DatabricksTaskOperator(
        **{"task_id": "t", "task_config": SQL, "existing_cluster_id": "c", **FAST, **given}
    )


def sent(standin: StandIn) -> dict[str, Any]:
    (entry,) = standin.journal.find("POST", "submit")
    return {key: value for key, value in entry.body.items() if key != "idempotency_token"}


def test_a_notebook_is_submitted_as_a_run_of_its_own(standin: StandIn) -> None:
    operator = notebook(
        databricks_task_key="nightly",
        notebook_params={"day": 7, "dry": True},
        notebook_packages=[{"pypi": {"package": "simplejson"}}],
        execution_timeout=timedelta(minutes=1),
    )
    run(operator, Try())
    assert sent(standin) == {
        "run_name": "nightly",
        "timeout_seconds": 60,
        "email_notifications": {},
        "notebook_task": {
            "notebook_path": "/n",
            "source": "WORKSPACE",
            "base_parameters": {"day": "7", "dry": "true"},
        },
        "libraries": [{"pypi": {"package": "simplejson"}}],
        "existing_cluster_id": "c",
    }


@pytest.mark.parametrize(
    "given",
    [{"max_retries": "2"}, {"task_config": {**SQL, "max_retries": 2}}],
    ids=["given", "in the config"],
)
def test_retries_of_databricks_need_a_list_of_tasks(given: dict[str, Any], standin: StandIn) -> None:
    run(task(databricks_task_key="k", retry_on_timeout="yes", **given), Try())
    (only,) = sent(standin)["tasks"]
    assert only == {
        **SQL,
        "task_key": "k",
        "max_retries": 2,
        "retry_on_timeout": True,
        "existing_cluster_id": "c",
    }


@pytest.mark.parametrize("key", ["", "k" * 101])
def test_without_a_usable_key_there_is_a_hash_of_dag_and_task(key: str) -> None:
    with DAG("d", schedule=None):
        operator = task(databricks_task_key=key)
    # What the official class makes, so that jobs that were defined by it stay as they are.
    assert operator.databricks_task_key == hashlib.md5(b"d__t").hexdigest()


@both
def test_a_failed_notebook_says_what_it_printed(deferrable: bool, standin: StandIn) -> None:
    standin.databricks_jobs.submit_plan = Plan(outcome="failed", polls=2)
    with pytest.raises(RunFailed, match="ZeroDivisionError"):
        run(notebook(deferrable=deferrable), Try())


@pytest.mark.parametrize("answered", [True, False], ids=["id stored", "no id stored"])
def test_after_a_crash_the_next_try_joins_the_run(answered: bool, standin: StandIn) -> None:
    standin.databricks_jobs.submit_plan = Plan(hold=True)
    context = Try()
    started = run(notebook(wait_for_termination=False), context)
    if not answered:
        crashed_before_the_answer(context.store)
    standin.databricks_jobs.set_plan(started, Plan())
    assert run(notebook(), context.next()) == started
    assert list(standin.databricks_jobs.runs) == [started]


def test_a_kill_cancels_the_run(standin: StandIn) -> None:
    standin.databricks_jobs.submit_plan = Plan(hold=True)
    operator, context = task(wait_for_termination=False), Try()
    run_id = run(operator, context)
    context.state = "failed"
    operator.on_kill()
    assert standin.databricks_jobs.runs[run_id].is_over


def test_the_official_xcoms_are_pushed(standin: StandIn) -> None:
    context = Try()
    run_id = run(notebook(), context)
    assert context.pushed["run_id"] == run_id
    assert context.pushed["run_page_url"].startswith(standin.url)
    assert "databricks_job_run_link" not in context.pushed


# --- what a notebook returned -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "pushed"),
    [
        ({"result": "42", "truncated": False}, {"result": "42", "truncated": False}),
        ({"result": "4", "truncated": True}, {"result": "4", "truncated": True}),
        ({"result": ["<script>"], "truncated": "yes"}, {"result": "", "truncated": False}),
        ("<html>", {"result": "", "truncated": False}),
        ({"result": "a\0b"}, {"result": "a b", "truncated": False}),
    ],
    ids=["whole", "cut by Databricks", "wrong types", "no object", "a NUL"],
)
@both
def test_what_a_notebook_returned_is_pushed_when_asked_for(
    deferrable: bool, told: Any, pushed: Any, standin: StandIn
) -> None:
    standin.databricks_jobs.submit_plan = Plan(polls=2, details={"output": {"notebook_output": told}})
    context = Try()
    run(notebook(push_notebook_output=True, deferrable=deferrable), context)
    output = context.pushed["notebook_output"]
    assert output["truncated"] is pushed["truncated"]
    assert "\0" not in output["result"]
    assert output["result"].replace("\N{REPLACEMENT CHARACTER}", " ") == pushed["result"]


def test_a_long_result_is_cut_and_says_so(standin: StandIn) -> None:
    output = {"notebook_output": {"result": "x" * 200_000, "truncated": False}}
    standin.databricks_jobs.submit_plan = Plan(details={"output": output})
    context = Try()
    run(notebook(push_notebook_output=True), context)
    assert len(context.pushed["notebook_output"]["result"]) == LONGEST_OUTPUT
    assert context.pushed["notebook_output"]["truncated"] is True


def test_a_result_that_cannot_be_read_is_read_by_the_next_try(standin: StandIn) -> None:
    standin.databricks_jobs.submit_plan = Plan(details={"result": "42"})
    standin.faults.add(Fault(path="get-output", status=403, times=1))
    context = Try()
    with pytest.raises(Exception, match="get-output"):
        run(notebook(push_notebook_output=True), context)
    context = context.next()
    run(notebook(push_notebook_output=True), context)
    assert context.pushed["notebook_output"]["result"] == "42"
    assert len(standin.databricks_jobs.runs) == 1


def test_nothing_is_asked_for_unless_it_is_wanted(standin: StandIn) -> None:
    context = Try()
    run(notebook(), context)
    assert standin.journal.count("GET", "get-output") == 0
    assert "notebook_output" not in context.pushed


# --- refused when the DAG is parsed -----------------------------------------------------------------------

WRONG: dict[str, tuple[Callable[..., Any], dict[str, Any], str]] = {
    "no cluster": (notebook, {"existing_cluster_id": ""}, "one of new_cluster and existing_cluster_id"),
    "two clusters": (notebook, {"new_cluster": {"num_workers": 1}}, "new_cluster, existing_cluster_id given"),
    "cluster": (notebook, {"new_cluster": "big", "existing_cluster_id": ""}, "new_cluster of task 't'"),
    "path": (notebook, {"notebook_path": " "}, "notebook_path of task 't'"),
    "params": (notebook, {"notebook_params": ["a"]}, "notebook_params of task 't'"),
    "packages": (notebook, {"notebook_packages": ["simplejson"]}, "notebook_packages of task 't'"),
    "retries": (notebook, {"max_retries": "often"}, "max_retries of task 't'"),
    "fewer than none": (task, {"max_retries": -2}, "max_retries of task 't'"),
    "flag": (task, {"retry_on_timeout": "maybe"}, "retry_on_timeout of task 't'"),
    "interval": (task, {"min_retry_interval_millis": 1.5}, "min_retry_interval_millis of task 't'"),
    "config": (task, {"task_config": ["a"]}, "task_config of task 't'"),
    "no time": (notebook, {"execution_timeout": timedelta(0)}, "execution_timeout of 0"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_literal_is_refused_by_name(name: str) -> None:
    kind, given, says = WRONG[name]
    with pytest.raises(ConfigurationError, match=says):
        kind(**given)


def test_a_parameter_of_nobody_is_refused() -> None:
    for name in ("json", "notebok_path"):
        with pytest.raises(TypeError, match=name):
            notebook(**{name: {}})


def test_templates_are_not_refused(standin: StandIn, run_dag: Callable[..., Finished]) -> None:
    with DAG("templates", schedule=None, params={"n": 3}) as dag:
        notebook(notebook_params={"day": "{{ params.n }}"}, max_retries="{{ params.n }}")
    assert run_dag(dag).tasks == {"t": "success"}
    (only,) = sent(standin)["tasks"]
    assert only["max_retries"] == 3
    assert only["notebook_task"]["base_parameters"] == {"day": "3"}


@pytest.mark.parametrize("name", sorted(databricks_jobs.__all__))
def test_every_name_is_where_the_official_module_has_it(name: str) -> None:
    from airflow.providers.databricks.operators import databricks as official

    ours, theirs = getattr(databricks_jobs, name), getattr(official, name)
    assert ours == theirs or ours.__name__ == theirs.__name__


def test_a_name_that_is_nowhere_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="DatabricksNotebok"):
        databricks_jobs.DatabricksNotebok  # type: ignore[attr-defined] # noqa: B018
