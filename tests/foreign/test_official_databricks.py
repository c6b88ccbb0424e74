"""The official Databricks provider, unchanged, against the stand-in over TLS."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from airflow.providers.databricks.hooks.databricks import DatabricksHook
from airflow.providers.databricks.operators.databricks import (
    DatabricksRunNowOperator,
    DatabricksSubmitRunOperator,
)
from airflow.sdk.exceptions import AirflowException, TaskDeferred

from airflow_provider_pipehooks.standin import Plan, StandIn

TASKS = ("extract", {"task_key": "load", "depends_on": ["extract"]})
SUBMITTED = [{"task_key": "main", "notebook_task": {"notebook_path": "/n"}}]


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn(tls=True) as standin:
        yield standin


@pytest.fixture
def standin(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    server.reset()
    connect(server, monkeypatch, password="dapi-secret")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_file))
    monkeypatch.setenv("SSL_CERT_FILE", str(server.ca_file))
    # aiohttp reads SSL_CERT_FILE once, on import: in time for the process of a triggerer, too early here.
    trusting = ssl.create_default_context(cafile=str(server.ca_file))
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting)
    return server


def connect(standin: StandIn, monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    place = {"conn_type": "databricks", "host": standin.host, "schema": "https", "port": standin.port}
    monkeypatch.setenv("AIRFLOW_CONN_DATABRICKS_DEFAULT", json.dumps({**place, **fields}))


class Ti:
    """Keeps what an operator pushes."""

    def __init__(self) -> None:
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value


def execute(kind: type, **settings: Any) -> dict[str, Any]:
    """Run an operator to its end, through its trigger where it defers; give what it pushed."""
    operator = kind(task_id="t", polling_period_seconds=0, durable=False, **settings)
    ti = Ti()
    try:
        operator.execute({"ti": ti})
    except TaskDeferred as deferred:
        return {**ti.pushed, "deferred": deferred.trigger, "operator": operator}
    return ti.pushed


async def finish(deferral: dict[str, Any]) -> dict[str, Any]:
    """Run the trigger and resume the operator with its event; give the event's payload."""
    event = await anext(deferral["deferred"].run())
    deferral["operator"].execute_complete({"ti": Ti()}, event.payload)
    return event.payload


def results(standin: StandIn) -> list[str | None]:
    ended = [run.round.outcome for run in standin.databricks_jobs.runs.values()]
    return [outcome.result_state if outcome else None for outcome in ended]


# --- run now --------------------------------------------------------------------------------------


def test_run_now_waits_until_the_run_has_succeeded(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(tasks=TASKS, plan=Plan(polls=6))
    pushed = execute(DatabricksRunNowOperator, job_id=str(job_id), notebook_params={"day": "sun"})
    run = standin.databricks_jobs.runs[pushed["run_id"]]
    assert results(standin) == ["SUCCESS"]
    assert pushed["run_page_url"] == f"{standin.url}/?o=1#job/{job_id}/run/{run.run_id}"
    assert run.body["notebook_params"] == {"day": "sun"}
    assert run.round.polls == 6


def test_run_now_reports_the_error_of_the_failed_task(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(tasks=TASKS, plan=Plan(outcome="failed"))
    with pytest.raises(AirflowException, match=r"'task_key': 'extract'.*ZeroDivisionError: division by zero"):
        execute(DatabricksRunNowOperator, job_id=str(job_id))


@pytest.mark.parametrize("outcome", ["cancelled", "timedout", "skipped", "internal_error", "max_concurrent"])
def test_run_now_fails_for_every_other_end(standin: StandIn, outcome: str) -> None:
    job_id = standin.databricks_jobs.add_job(plan=Plan(outcome=outcome))
    with pytest.raises(AirflowException, match="failed with terminal state"):
        execute(DatabricksRunNowOperator, job_id=str(job_id))


def test_run_now_cannot_take_a_word_it_does_not_know(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(plan=Plan(states=("RUNNING", "HIBERNATING")))
    with pytest.raises(AirflowException, match="Unexpected life cycle state: HIBERNATING"):
        execute(DatabricksRunNowOperator, job_id=str(job_id))


def test_run_now_finds_the_job_by_name_among_several_pages(standin: StandIn) -> None:
    ids = [standin.databricks_jobs.add_job(f"job {number}") for number in range(30)]
    execute(DatabricksRunNowOperator, job_name="job 7")
    (run,) = standin.databricks_jobs.runs.values()
    assert run.job_id == ids[7]
    assert len(DatabricksHook().list_jobs()) == 30


def test_repair_run_repairs_the_same_run(standin: StandIn) -> None:
    """The operator repairs once and then fails all the same: a known mistake of the sync path."""
    job_id = standin.databricks_jobs.add_job(tasks=TASKS, plans=(Plan(outcome="failed"), Plan()))
    with pytest.raises(AirflowException, match="failed with terminal state"):
        execute(DatabricksRunNowOperator, job_id=str(job_id), repair_run=True)
    (run,) = standin.databricks_jobs.runs.values()
    assert [round_.type for round_ in run.repair_history] == ["ORIGINAL", "REPAIR"]
    assert results(standin) == ["SUCCESS"]


def test_cancel_previous_runs_cancels_and_the_new_run_gets_the_slot(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(plans=(Plan(hold=True), Plan()))
    standin.databricks_jobs.start(job_id)
    execute(DatabricksRunNowOperator, job_id=str(job_id), cancel_previous_runs=True)
    assert results(standin) == ["CANCELED", "SUCCESS"]


def test_on_kill_cancels_the_run(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(plan=Plan(hold=True))
    operator = DatabricksRunNowOperator(task_id="t", job_id=str(job_id))
    operator.run_id = standin.databricks_jobs.start(job_id)
    operator.on_kill()
    assert standin.databricks_jobs.runs[operator.run_id].cancelled


# --- submit ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [{"tasks": SUBMITTED}, {"notebook_task": {"notebook_path": "/n"}, "existing_cluster_id": "c"}],
    ids=["tasks", "one task"],
)
def test_submit_waits_until_the_run_has_succeeded(standin: StandIn, settings: dict[str, Any]) -> None:
    standin.databricks_jobs.submit_plan = Plan(polls=4)
    execute(DatabricksSubmitRunOperator, run_name="mine", idempotency_token="once", **settings)
    (run,) = standin.databricks_jobs.runs.values()
    assert (run.run_name, run.idempotency_token, results(standin)) == ("mine", "once", ["SUCCESS"])


def test_submit_reports_the_error_of_the_failed_task(standin: StandIn) -> None:
    standin.databricks_jobs.submit_plan = Plan(outcome="failed", message="Disk full")
    with pytest.raises(AirflowException, match="Disk full"):
        execute(DatabricksSubmitRunOperator, tasks=SUBMITTED)


# --- deferrable -----------------------------------------------------------------------------------


async def test_a_deferred_run_now_ends_in_its_trigger(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(tasks=TASKS, plan=Plan(polls=6))
    deferral = execute(DatabricksRunNowOperator, job_id=str(job_id), deferrable=True)
    payload = await finish(deferral)
    assert '"result_state": "SUCCESS"' in payload["run_state"]
    reads = standin.journal.find("GET", "runs/get")
    assert any(entry.body and not entry.query for entry in reads), "the async client sends a body on GET"


async def test_a_deferred_submit_reports_the_error_of_the_failed_task(standin: StandIn) -> None:
    standin.databricks_jobs.submit_plan = Plan(outcome="failed", polls=5)
    deferral = execute(DatabricksSubmitRunOperator, tasks=SUBMITTED, deferrable=True)
    with pytest.raises(AirflowException, match="division by zero"):
        await finish(deferral)


async def test_the_trigger_cancels_the_run_when_it_is_killed(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(plan=Plan(hold=True))
    deferral = execute(DatabricksRunNowOperator, job_id=str(job_id), deferrable=True)
    await deferral["deferred"].on_kill()
    assert standin.databricks_jobs.runs[deferral["run_id"]].cancelled


# --- hook -----------------------------------------------------------------------------------------


def test_the_hook_gathers_more_than_100_tasks(standin: StandIn) -> None:
    keys = [f"t{number}" for number in range(205)]
    run_id = standin.databricks_jobs.start(standin.databricks_jobs.add_job(tasks=keys))
    assert sorted(task["task_key"] for task in DatabricksHook().get_run_tasks(run_id)) == sorted(keys)


def test_the_hook_names_the_latest_repair(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(plan=Plan(outcome="failed"))
    run_id, hook = standin.databricks_jobs.start(job_id), DatabricksHook()
    assert hook.get_latest_repair_id(run_id) is None
    repair_id = hook.repair_run({"run_id": run_id, "rerun_all_failed_tasks": True})
    assert hook.get_latest_repair_id(run_id) == repair_id


def test_the_hook_creates_changes_and_runs_a_job(standin: StandIn) -> None:
    hook = DatabricksHook()
    job_id = hook.create_job({"name": "made", "tasks": SUBMITTED})
    hook.update_job(str(job_id), {"name": "renamed"})
    assert hook.find_job_id_by_name("renamed") == job_id
    run_id = hook.run_now({"job_id": job_id})
    assert hook.get_run_state(run_id).is_successful
    hook.delete_run(run_id)
    with pytest.raises(AirflowException, match=f"Run {run_id} does not exist"):
        hook.get_run(run_id)


def test_the_connection_test_succeeds_with_a_good_token_only(standin: StandIn) -> None:
    assert DatabricksHook().test_connection() == (True, "Connection successfully tested")
    standin.databricks_jobs.tokens = {"another"}
    assert "PERMISSION_DENIED" in DatabricksHook().test_connection()[1]


def test_the_hook_gets_a_service_principal_token(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hook leaves the port out of the token's URL, so the test gives it the URL of the stand-in."""
    standin.databricks_jobs.tokens, standin.databricks_jobs.clients = set(), {"client": "secret"}
    extra = {"service_principal_oauth": True}
    connect(standin, monkeypatch, login="client", password="secret", extra=extra)
    hook = DatabricksHook()
    monkeypatch.setattr(hook, "_get_oidc_token_service_url", lambda: f"{standin.url}/oidc/v1/token")
    assert hook.list_jobs() == []
