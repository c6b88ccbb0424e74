"""Clients nobody here wrote, unchanged and over TLS: they hold the stand-in to the real service."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlparse

import aiohttp
import pytest
from airflow.providers.dbt.cloud.hooks.dbt import (
    DbtCloudHook,
    DbtCloudJobRunException,
    DbtCloudResourceLookupError,
)
from airflow.providers.dbt.cloud.operators.dbt import (
    DbtCloudGetJobRunArtifactOperator,
    DbtCloudListJobsOperator,
    DbtCloudRunJobOperator,
)
from airflow.providers.dbt.cloud.sensors.dbt import DbtCloudJobRunSensor
from airflow.sdk.exceptions import TaskDeferred
from tenacity import stop_after_attempt, wait_none

from airflow_provider_pipehooks.standin import Fault, Plan, StandIn

TOKEN = "right"
THREE_TIMES = {"stop": stop_after_attempt(3), "wait": wait_none()}
ENDS = [
    ("success", "has completed successfully"),
    ("error", "has failed"),
    ("cancelled", "has been cancelled"),
]


@pytest.fixture(scope="module")
def serving() -> Iterator[StandIn]:
    with StandIn(tls=True) as standin:
        yield standin


@pytest.fixture
def standin(serving: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    serving.reset()
    serving.dbt_cloud.tokens = {TOKEN}
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(serving.ca_file))
    # aiohttp reads SSL_CERT_FILE once, on import: in time for the process of a triggerer, too early here.
    trusting = ssl.create_default_context(cafile=str(serving.ca_file))
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting)
    connection = {
        "conn_type": "dbt_cloud",
        "host": f"localhost:{serving.port}",
        "login": "1",
        "password": TOKEN,
    }
    monkeypatch.setenv("AIRFLOW_CONN_DBT_CLOUD_DEFAULT", json.dumps(connection))
    return serving


@pytest.fixture
def dbtc(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> Any:
    from dbtc import dbtCloudClient

    # Its clients share one session, and the last one sets the header, from the service token only.
    return dbtCloudClient(service_token=TOKEN, host=f"localhost:{standin.port}").cloud


#: For a type checker anything, since Airflow types a context by its keys.
_Context: Any = dict


class Context(_Context):
    """As much of a task's context as the operators use; keeps what they push."""

    def __init__(self, try_number: int = 1) -> None:
        self.pushed: dict[str, Any] = {}
        self.ti = SimpleNamespace(
            try_number=try_number, xcom_push=lambda key, value: self.pushed.update({key: value})
        )
        super().__init__(ti=self.ti, task_instance=self.ti)


def operator(**kwargs: Any) -> DbtCloudRunJobOperator:
    defaults = {"task_id": "run", "job_id": 101, "trigger_reason": "from a test", "check_interval": 0}
    return DbtCloudRunJobOperator(**{**defaults, **kwargs})


def first_event(deferred: TaskDeferred) -> dict[str, Any]:
    """Run the trigger of a deferred task, as a triggerer does, to its one event."""

    async def run() -> Any:
        async for event in deferred.trigger.run():
            return event.payload

    payload: dict[str, Any] = asyncio.run(run())
    return payload


# --- operator ---------------------------------------------------------------------------------------------


def test_the_operator_waits_for_success_and_pushes_the_run(standin: StandIn) -> None:
    job_id, context = standin.dbt_cloud.add_job("slow", plan=Plan(polls=3)), Context()
    run_id = operator(job_id=job_id).execute(context)
    run = standin.dbt_cloud.runs[run_id]
    assert (run.status, run.cause, run.polls) == (10, "from a test", 3)
    assert context.pushed["job_run_id"] == run_id
    assert urlparse(context.pushed["job_run_url"]).path.endswith(f"/runs/{run_id}/")


@pytest.mark.parametrize("outcome", ["error", "cancelled", "timeout"])
def test_the_operator_fails_with_the_run(standin: StandIn, outcome: str) -> None:
    job_id = standin.dbt_cloud.add_job("breaks", plan=Plan(outcome=outcome))
    with pytest.raises(DbtCloudJobRunException, match="reached terminal status"):
        operator(job_id=job_id).execute(Context())


def test_the_operator_logs_the_failed_step(standin: StandIn, capfd: pytest.CaptureFixture[str]) -> None:
    job_id = standin.dbt_cloud.add_job("breaks", plan=Plan(outcome="error"))
    with pytest.raises(DbtCloudJobRunException):
        operator(job_id=job_id).execute(Context())
    assert "Database Error in model fct_orders" in capfd.readouterr().out


def test_the_operator_finds_a_job_by_its_names(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("hourly build", project="Finance", environment="Staging")
    names = {"project_name": "Finance", "environment_name": "Staging", "job_name": "hourly build"}
    run_id = operator(job_id=None, **names).execute(Context())
    assert standin.dbt_cloud.runs[run_id].job_id == job_id


def test_a_name_that_does_not_exist_is_not_found(standin: StandIn) -> None:
    names = {"project_name": "Analytics", "environment_name": "Production", "job_name": "weekly build"}
    with pytest.raises(DbtCloudResourceLookupError, match="Found 0 jobs"):
        operator(job_id=None, **names).execute(Context())


def test_the_operator_reuses_a_run_that_is_not_over(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("slow", plan=Plan(polls=2))
    started = standin.dbt_cloud.start(job_id)
    assert operator(job_id=job_id, reuse_existing_run=True).execute(Context()) == started


def test_the_operator_retries_from_the_failure(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("flaky", plans=(Plan(outcome="error"), Plan()))
    with pytest.raises(DbtCloudJobRunException):
        operator(job_id=job_id, retry_from_failure=True).execute(Context())
    second = operator(job_id=job_id, retry_from_failure=True).execute(Context(try_number=2))
    assert standin.dbt_cloud.runs[second].retrying_run_id == min(standin.dbt_cloud.runs)


def test_killing_the_operator_cancels_the_run(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("held", plan=Plan(hold=True))
    task = operator(job_id=job_id, wait_for_termination=False)
    run_id = task.execute(Context())
    task.on_kill()
    assert standin.dbt_cloud.runs[run_id].status == 30


@pytest.mark.parametrize(("outcome", "text"), ENDS)
def test_the_deferred_operator_ends_as_the_run_does(standin: StandIn, outcome: str, text: str) -> None:
    job_id = standin.dbt_cloud.add_job("slow", plan=Plan(outcome=outcome, polls=3))
    task = operator(job_id=job_id, deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(Context())
    payload = first_event(deferred.value)
    run_id = min(standin.dbt_cloud.runs)
    assert payload == {"status": outcome, "message": f"Job run {run_id} {text}.", "run_id": run_id}
    if outcome == "success":
        assert task.execute_complete(Context(), payload) == run_id
    else:
        with pytest.raises(DbtCloudJobRunException, match=text):
            task.execute_complete(Context(), payload)


def test_the_artifact_operator_downloads_a_file(
    standin: StandIn, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run_id = operator().execute(Context())
    name = DbtCloudGetJobRunArtifactOperator(task_id="get", run_id=run_id, path="run_results.json").execute(
        Context()
    )
    assert json.loads((tmp_path / name).read_text())["args"]["which"] == "build"


def test_the_list_operator_pages_through_all_jobs(standin: StandIn) -> None:
    for number in range(150):
        standin.dbt_cloud.add_job(f"job {number}")
    job_ids = DbtCloudListJobsOperator(task_id="list", project_id=11).execute(Context())
    assert len(set(job_ids)) == len(job_ids) == 152


# --- sensor -----------------------------------------------------------------------------------------------


def test_the_sensor_waits_for_the_run(standin: StandIn) -> None:
    run_id = standin.dbt_cloud.start(standin.dbt_cloud.add_job("slow", plan=Plan(polls=3)))
    sensor = DbtCloudJobRunSensor(task_id="wait", run_id=run_id)
    assert [sensor.poke(Context()) for _ in range(3)] == [False, False, True]


@pytest.mark.parametrize(("outcome", "text"), [("error", "has failed"), ("cancelled", "has been cancelled")])
def test_the_sensor_fails_with_the_run(standin: StandIn, outcome: str, text: str) -> None:
    run_id = standin.dbt_cloud.start(standin.dbt_cloud.add_job("breaks", plan=Plan(outcome=outcome)))
    with pytest.raises(DbtCloudJobRunException, match=text):
        DbtCloudJobRunSensor(task_id="wait", run_id=run_id).poke(Context())


def test_the_deferred_sensor_ends_with_the_run(standin: StandIn) -> None:
    run_id = standin.dbt_cloud.start(standin.dbt_cloud.add_job("slow", plan=Plan(polls=3)))
    sensor = DbtCloudJobRunSensor(task_id="wait", run_id=run_id, deferrable=True, poke_interval=0)
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(Context())
    assert sensor.execute_complete(Context(), first_event(deferred.value)) == run_id


# --- hook -------------------------------------------------------------------------------------------------


def test_the_hook_tests_its_connection(standin: StandIn) -> None:
    assert DbtCloudHook().test_connection() == (True, "Successfully connected to dbt Cloud.")


def test_the_hook_pages_through_runs(standin: StandIn) -> None:
    for _ in range(205):
        standin.dbt_cloud.start(101)
    pages = DbtCloudHook().list_job_runs(job_definition_id=101, order_by="-id", include_related=["trigger"])
    ids = [run["id"] for page in pages for run in page.json()["data"]]
    assert ids == sorted(standin.dbt_cloud.runs, reverse=True)


def test_the_hook_retries_a_lost_connection(standin: StandIn) -> None:
    standin.faults.add(Fault(path="/runs/", reset="before", times=2))
    run_id = standin.dbt_cloud.start(101)
    assert DbtCloudHook(retry_args=THREE_TIMES).get_job_run_status(run_id) == 10
    assert [entry.status for entry in standin.journal.entries] == [0, 0, 200]


def test_the_async_hook_retries_a_server_error(standin: StandIn) -> None:
    standin.faults.add(Fault(path="/runs/", status=503, times=2))
    run_id = standin.dbt_cloud.start(101)
    hook = DbtCloudHook(retry_args=THREE_TIMES)
    assert asyncio.run(hook.get_job_status(run_id)) == 10
    assert [entry.status for entry in standin.journal.entries] == [503, 503, 200]


def test_the_hook_meets_a_bad_token(standin: StandIn) -> None:
    standin.dbt_cloud.tokens = {"another"}
    with pytest.raises(Exception, match="401"):
        DbtCloudHook().get_account()


# --- dbtc -------------------------------------------------------------------------------------------------


def test_dbtc_triggers_and_polls(standin: StandIn, dbtc: Any) -> None:
    job_id = standin.dbt_cloud.add_job("slow", plan=Plan(polls=2))
    run = dbtc.trigger_job(1, job_id, {"cause": "dbtc"}, poll_interval=0)
    assert (run["data"]["status"], run["data"]["job_id"]) == (10, job_id)


def test_dbtc_reruns_a_failed_job(standin: StandIn, dbtc: Any) -> None:
    job_id = standin.dbt_cloud.add_job("flaky", plans=(Plan(outcome="error"), Plan()))
    failed = dbtc.trigger_job(1, job_id, {"cause": "dbtc"}, poll_interval=0)["data"]
    assert (failed["status"], failed["can_retry"]) == (20, True)
    again = dbtc.trigger_job_from_failure(1, job_id, poll_interval=0)["data"]
    assert (again["status"], again["retrying_run_id"]) == (10, failed["id"])


def test_dbtc_lists_runs_by_status(standin: StandIn, dbtc: Any) -> None:
    held = standin.dbt_cloud.start(standin.dbt_cloud.add_job("held", plan=Plan(hold=True)))
    done = standin.dbt_cloud.start(101)
    listed = {
        status: [run["id"] for run in dbtc.list_runs(1, status=status, order_by="-id")["data"]]
        for status in ("running", "success", "error")
    }
    assert listed == {"running": [held], "success": [done], "error": []}


def test_dbtc_cancels_a_run(standin: StandIn, dbtc: Any) -> None:
    run_id = standin.dbt_cloud.start(standin.dbt_cloud.add_job("held", plan=Plan(hold=True)))
    assert dbtc.cancel_run(1, run_id)["status"]["is_success"]
    assert dbtc.get_run(1, run_id)["data"]["status_humanized"] == "Cancelled"


def test_dbtc_reads_artifacts_of_the_most_recent_run(standin: StandIn, dbtc: Any) -> None:
    standin.dbt_cloud.start(101)
    assert dbtc.get_most_recent_run(1, job_definition_id=101)["data"]["status"] == 10
    results = dbtc.get_most_recent_run_artifact(1, "run_results.json", job_definition_id=101)
    assert [each["status"] for each in results["results"]] == ["success", "success", "pass"]


def test_dbtc_finds_a_project_by_name(standin: StandIn, dbtc: Any) -> None:
    assert dbtc.get_project_by_name("Analytics")["data"]["id"] == 11
    assert [each["name"] for each in dbtc.list_environments(1, 11)["data"]] == ["Production"]
    assert [each["id"] for each in dbtc.list_jobs(1, project_id=[11])["data"]] == [101, 102]
