"""JOIN: which run, how the wait ends, and what it says meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException, TaskDeferred

from airflow_provider_pipehooks.core.errors import NotFound, RunCancelled, RunFailed
from airflow_provider_pipehooks.core.events import SomethingWaits
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.sensors import remote_run
from airflow_provider_pipehooks.sensors.databricks_jobs import DatabricksJobRunSensor
from airflow_provider_pipehooks.sensors.dbt_cloud import DbtCloudJobRunSensor
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from tests.core.anything import a_run
from tests.task_context import Try, first_event, run, stored

pytestmark = pytest.mark.usefixtures("connections")
both = pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])


def join_dbt(run_id: Any, **given: Any) -> DbtCloudJobRunSensor:
    return DbtCloudJobRunSensor(**{"task_id": "t", "run_id": run_id, "poke_interval": 0.01, **given})


def join_job(**given: Any) -> DatabricksJobRunSensor:
    return DatabricksJobRunSensor(**{"task_id": "t", "poke_interval": 0.01, **given})


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Moved by hand: ``clock.now_s += 60``."""
    clock = SimpleNamespace(now_s=1_800_000_000.0)
    clock.time = lambda: clock.now_s
    monkeypatch.setattr(remote_run, "time", clock)
    return clock


# --- which run --------------------------------------------------------------------------------------------


@both
def test_a_run_id_may_be_text(deferrable: bool, standin: StandIn) -> None:
    run_id = standin.dbt_cloud.start(101)
    context = Try()
    assert run(join_dbt(str(run_id), deferrable=deferrable), context) in (
        run_id,
        context.pushed["return_value"],
    )
    assert context.pushed["job_run_id"] == run_id


@both
@pytest.mark.parametrize("by", ["job_id", "job_name"])
def test_the_newest_run_of_a_job_is_waited_for(by: str, deferrable: bool, standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job("nightly", plans=[Plan(outcome="failed"), Plan(polls=3)])
    standin.databricks_jobs.start(job_id)
    newest = standin.databricks_jobs.start(job_id)
    context = Try()
    run(join_job(**{by: job_id if by == "job_id" else "nightly"}, deferrable=deferrable), context)
    assert context.pushed["return_value"] == newest


def test_a_run_that_starts_meanwhile_does_not_change_which_one_is_waited_for(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job("busy", plan=Plan(polls=3), max_concurrent_runs=9)
    first = standin.databricks_jobs.start(job_id)
    sensor, context = join_job(job_id=job_id), Try()
    sensor.poke(context)
    standin.databricks_jobs.start(job_id)
    while not sensor.poke(context):
        pass
    assert context.pushed["return_value"] == first


def test_a_job_without_runs_is_not_waited_for(standin: StandIn) -> None:
    with pytest.raises(NotFound, match="has no run to wait for"):
        run(join_job(job_id=standin.databricks_jobs.add_job()), Try())


@both
def test_a_task_whose_first_attempt_failed_is_waited_through(deferrable: bool, standin: StandIn) -> None:
    plans = [Plan(outcome="failed", polls=1), Plan(polls=2)]
    job_id = standin.databricks_jobs.add_job(
        tasks=[{"task_key": "load", "max_retries": 1, "plans": plans}, "other"],
        plans=[Plan(outcome="failed", polls=2), Plan(polls=2)],
    )
    run_id = standin.databricks_jobs.start(job_id)
    with pytest.raises(RunFailed):
        run(join_job(run_id=run_id), Try())
    standin.databricks_jobs.repair(run_id, {"rerun_all_failed_tasks": True})
    context = Try()
    run(join_job(run_id=run_id, task_key="load", deferrable=deferrable), context)
    assert context.pushed["run"]["state"] == "SUCCESS"


@both
def test_a_failed_task_fails_the_sensor_with_its_own_error(deferrable: bool, standin: StandIn) -> None:
    tasks: list[Any] = ["fine", {"task_key": "load", "outcome": "failed", "error": "KeyError: 'day'"}]
    run_id = standin.databricks_jobs.start(standin.databricks_jobs.add_job(tasks=tasks))
    run(join_job(run_id=run_id, task_key="fine", deferrable=deferrable), Try())
    with pytest.raises(RunFailed, match="KeyError: 'day'"):
        run(join_job(run_id=run_id, task_key="load", deferrable=deferrable), Try())


def test_a_run_that_is_over_is_not_deferred_for(standin: StandIn) -> None:
    run_id = standin.dbt_cloud.start(101)
    assert join_dbt(run_id, deferrable=True).execute(Try()) == run_id


# --- how it ends ------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("given", "outcome", "error"),
    [
        ({}, "error", RunFailed),
        ({}, "cancelled", RunCancelled),
        ({"soft_fail": True}, "error", RunFailed),
        ({"never_fail": True}, "error", AirflowSkipException),
        ({"timeout": 0.05}, "late", AirflowSensorTimeout),
        ({"timeout": 0.05, "soft_fail": True}, "late", AirflowSkipException),
    ],
    ids=lambda value: "" if isinstance(value, type) else str(value),
)
def test_soft_fail_and_never_fail_mean_the_same_in_both_ways_to_wait(
    given: dict[str, Any], outcome: str, error: type[Exception], deferrable: bool, standin: StandIn
) -> None:
    plan = Plan(hold=True) if outcome == "late" else Plan(outcome=outcome, polls=2)
    run_id = standin.dbt_cloud.start(standin.dbt_cloud.add_job("j", plan=plan))
    with pytest.raises(error):
        run(join_dbt(run_id, deferrable=deferrable, **given), Try())
    assert standin.journal.count("POST") == 0


def test_a_deferred_wait_that_takes_too_long_is_skipped_with_never_fail_as_airflow_does(
    standin: StandIn,
) -> None:
    run_id = standin.dbt_cloud.start(standin.dbt_cloud.add_job("j", plan=Plan(hold=True)))
    with pytest.raises(AirflowSkipException):
        run(join_dbt(run_id, deferrable=True, timeout=0.05, never_fail=True), Try())


def test_a_deferred_sensor_keeps_the_run_and_the_official_defaults(standin: StandIn) -> None:
    run_id = standin.dbt_cloud.start(standin.dbt_cloud.add_job("slow", plan=Plan(hold=True)))
    sensor = DbtCloudJobRunSensor(task_id="t", run_id=run_id, deferrable=True)
    assert (sensor.poke_interval, sensor.timeout) == (5, 7 * 24 * 3600)
    with pytest.raises(TaskDeferred) as deferred:
        sensor.execute(Try())
    assert deferred.value.trigger.on_cancel == "keep"
    assert deferred.value.timeout is None


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("sensor", [DbtCloudJobRunSensor, DatabricksJobRunSensor])
def test_default_args_say_how_often_and_how_long(sensor: Any, deferrable: bool) -> None:
    args = {"poke_interval": 30, "timeout": 3600, "deferrable": deferrable}
    found = sensor(task_id="t", run_id=1, default_args=args)
    assert (found.poke_interval, found.timeout, found.deferrable) == (30, 3600, deferrable)


def test_trouble_of_the_remote_is_waited_through(standin: StandIn) -> None:
    run_id = standin.dbt_cloud.start(101)
    standin.faults.add(Fault(status=503, retry_after=0.01, times=3))
    run(join_dbt(run_id), Try())
    assert standin.journal.count("GET") == 4


def test_the_next_poke_waits_for_what_the_remote_asked_for(standin: StandIn) -> None:
    sensor = join_dbt(standin.dbt_cloud.start(101))
    standin.faults.add(Fault(status=503, retry_after=120))
    sensor.poke(Try())
    assert sensor._get_next_poke_interval(0.0, lambda: 0.0, 1) == 120


def test_a_token_that_was_rotated_is_read_again(standin: StandIn, connections: Callable[..., None]) -> None:
    run_id = standin.dbt_cloud.start(101)
    standin.dbt_cloud.tokens = {"new-token"}
    sensor, context = join_dbt(run_id), Try()
    assert not sensor.poke(context)
    connections(
        "dbt_cloud_default",
        conn_type="pipehooks_dbt_cloud",
        host=standin.url,
        login="1",
        password="new-token",
    )
    assert sensor.poke(context)


# --- what it says -----------------------------------------------------------------------------------------


def test_pokes_in_processes_of_their_own_log_a_change_once(
    standin: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    run_id = standin.dbt_cloud.start(standin.dbt_cloud.add_job("slow", plan=Plan(polls=7)))
    context = Try()
    while not join_dbt(run_id, mode="reschedule").poke(context):
        pass
    changes = re.findall(r"run \d+ is ([\w> -]+?)(?: +\[|$)", capfd.readouterr().out, re.MULTILINE)
    assert changes == ["Queued", "Queued -> Starting", "Starting -> Running", "Running -> Success"]


@pytest.mark.parametrize("mode", ["poke", "reschedule"])
def test_a_quiet_wait_says_once_a_minute_that_it_lives(
    mode: str, standin: StandIn, clock: SimpleNamespace, capfd: pytest.CaptureFixture[str]
) -> None:
    run_id = standin.dbt_cloud.start(standin.dbt_cloud.add_job("slow", plan=Plan(hold=True)))
    context, sensor = Try(), join_dbt(run_id, mode=mode)
    for _ in range(13):
        sensor = join_dbt(run_id, mode=mode) if mode == "reschedule" else sensor
        sensor.poke(context)
        clock.now_s += 10
    waits = re.findall(r"is still Running after (\d+) s and (\d+) looks", capfd.readouterr().out)
    assert waits == [("60", "7"), ("120", "13")]


def test_another_try_does_not_go_on_with_the_memory_of_the_last_one(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job("j", plan=Plan(hold=True), max_concurrent_runs=9)
    context = Try()
    standin.databricks_jobs.start(job_id)
    join_job(job_id=job_id, mode="reschedule").poke(context)
    newest = standin.databricks_jobs.start(job_id)
    sensor = join_job(job_id=job_id, mode="reschedule")
    sensor.poke(context.next())
    assert sensor._run_id == newest


@both
def test_a_wait_logs_each_change_once(
    deferrable: bool, standin: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    run_id = standin.dbt_cloud.start(standin.dbt_cloud.add_job("slow", plan=Plan(polls=9)))
    run(join_dbt(run_id, deferrable=deferrable), Try())
    out = capfd.readouterr().out
    # Of the end the worker tells in either case, so the triggerer does not.
    changes = re.findall(r"run \d+ is ([\w> -]+?)(?: +\[|$)", out, re.MULTILINE)
    between = ["Queued -> Starting", "Starting -> Running"]
    assert changes == ["Queued", *between, *([] if deferrable else ["Running -> Success"])]
    assert len(re.findall(r"run \d+ succeeded", out)) == 1


@pytest.mark.parametrize("event", [None, {}, {"status": "success"}, {"reason": "run_ended", "run": None}])
def test_an_event_that_is_not_ours_fails_loudly(event: Any) -> None:
    with pytest.raises(ValueError, match="trigger's event"):
        join_dbt(1).execute_complete(Try(), event)


def test_a_deferred_sensor_ends_by_the_event_of_its_trigger(standin: StandIn) -> None:
    run_id = standin.dbt_cloud.start(standin.dbt_cloud.add_job("slow", plan=Plan(polls=4)))
    with pytest.raises(TaskDeferred) as deferred:
        join_dbt(run_id, deferrable=True).execute(Try())
    event = first_event(stored(deferred.value.trigger))
    assert event["reason"] == "run_ended"
    assert join_dbt(run_id, deferrable=True).execute_complete(Try(), event) == run_id


def test_a_sensor_that_is_woken_for_something_else_waits_on_until_its_old_deadline(
    standin: StandIn,
) -> None:
    run_id = standin.dbt_cloud.start(standin.dbt_cloud.add_job("long", plan=Plan(hold=True)))
    context, waiting = Try(), join_dbt(run_id, deferrable=True, timeout=600)
    with pytest.raises(TaskDeferred) as first:
        waiting.execute(context)
    woken = SomethingWaits(run=a_run(RunState.RUNNING, run_id=run_id)).to_json()
    with pytest.raises(TaskDeferred) as again:
        waiting.execute_complete(context, woken, **(first.value.kwargs or {}))
    assert context.pushed["run"]["state"] == "RUNNING"
    assert again.value.trigger.deadline == first.value.trigger.deadline
