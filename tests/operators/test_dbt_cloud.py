"""START a dbt Cloud job: what is sent, and one run for each intent whatever happens on the way."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowTaskTimeout, TaskDeferred

from airflow_provider_pipehooks.core.changes import between
from airflow_provider_pipehooks.core.errors import RemoteCallError, RunCancelled, RunFailed, WaitTimedOut
from airflow_provider_pipehooks.core.events import SomethingWaits
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.hooks import remote
from airflow_provider_pipehooks.operators.dbt_cloud import DbtCloudRunJobOperator
from airflow_provider_pipehooks.services.dbt_cloud import DbtCloud
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from tests.core.anything import a_run
from tests.task_context import Try, crashed_before_the_answer, run

Connect = Callable[..., None]
pytestmark = pytest.mark.usefixtures("connections")
QUICK = {"retry_delay": 0.001}
START = "/run/"


def operator(job_id: int | None = 101, **given: Any) -> DbtCloudRunJobOperator:
    settings: dict[str, Any] = {
        "task_id": "t",
        "job_id": job_id,
        "check_interval": 0.01,
        "hook_params": QUICK,
    }
    return DbtCloudRunJobOperator(**{**settings, **given})


def body_of(standin: StandIn) -> dict[str, Any]:
    (entry,) = standin.journal.find("POST", START)
    body: dict[str, Any] = entry.body
    return body


def statuses(standin: StandIn) -> list[int]:
    return [run.status for run in standin.dbt_cloud.runs.values()]


# --- what is sent -----------------------------------------------------------------------------------------


def test_a_job_is_found_by_its_names(standin: StandIn) -> None:
    other = standin.dbt_cloud.add_job("nightly build", project="Other")
    names = {"project_name": "Other", "environment_name": "Production", "job_name": "nightly build"}
    run(operator(job_id=None, **names), Try())
    assert [run.job_id for run in standin.dbt_cloud.runs.values()] == [other]


def test_overrides_reach_the_body(standin: StandIn) -> None:
    overrides: dict[str, Any] = {"steps_override": ["dbt seed"], "schema_override": "dev"}
    run(operator(**overrides, additional_run_config={"git_branch": "main", "threads_override": 8}), Try())
    body = body_of(standin)
    assert body.pop("cause")
    assert body == {**overrides, "git_branch": "main", "threads_override": 8}


def test_what_is_not_overridden_is_not_sent(standin: StandIn) -> None:
    run(operator(), Try())
    assert list(body_of(standin)) == ["cause"]


@pytest.mark.parametrize(
    ("given", "begins"),
    [
        ({}, "Triggered via Apache Airflow by task 't' in the dag DAG. [pipehooks:"),
        ({"trigger_reason": "by hand"}, "by hand [pipehooks:"),
        ({"trigger_reason": "x" * 400}, "x" * 200),
        ({"additional_run_config": {"cause": "from the config"}}, "from the config [pipehooks:"),
    ],
    ids=["none", "short", "long", "in the config"],
)
def test_the_cause_always_carries_our_mark(given: dict[str, Any], begins: str, standin: StandIn) -> None:
    run(operator(**given), Try())
    cause = body_of(standin)["cause"]
    assert cause.startswith(begins)
    assert cause[-28:].startswith("[pipehooks:")
    assert cause.endswith("]")
    assert len(cause) <= 255


def test_another_account_may_be_given(standin: StandIn) -> None:
    standin.dbt_cloud.add_account(7)
    job_id = standin.dbt_cloud.add_job("theirs", account_id=7)
    run(operator(job_id, account_id="7"), Try())
    assert all("/accounts/7/" in entry.path for entry in standin.journal.entries)


def test_no_value_is_returned_when_none_is_wanted_but_the_run_is_recorded(standin: StandIn) -> None:
    context = Try()
    run(operator(do_xcom_push=False), context)
    assert set(context.pushed) == {"run_url", "run", "job_run_id", "job_run_url"}


# --- exactly one run --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault(path=START, method="POST", reset="after", times=1),
        Fault(path=START, method="POST", status=503, after_accept=True, times=1),
        Fault(path=START, method="POST", body="garbage", times=1),
        Fault(path=START, method="POST", body="truncated", times=1),
        Fault(path=START, method="POST", body="empty", times=1),
    ],
    ids=["reset", "503", "garbage", "truncated", "empty"],
)
def test_a_start_whose_answer_was_lost_is_found_and_not_sent_again(fault: Fault, standin: StandIn) -> None:
    standin.dbt_cloud.start(101)
    standin.faults.add(fault)
    run_id = run(operator(), Try())
    assert len(standin.dbt_cloud.runs) == 2, "one of somebody else, one of ours"
    assert max(standin.dbt_cloud.runs) == run_id
    assert standin.journal.count("POST", START) == 1


@pytest.mark.parametrize("how", [{"reset": "before"}, {"status": 502}], ids=["reset", "502"])
def test_a_start_that_did_not_arrive_is_sent_again_after_looking(
    how: dict[str, Any], standin: StandIn
) -> None:
    standin.faults.add(Fault(path=START, method="POST", times=2, **how))
    run(operator(), Try())
    assert len(standin.dbt_cloud.runs) == 1
    assert standin.journal.count("POST", START) == 3


def test_a_start_that_never_arrives_fails_in_the_end(standin: StandIn) -> None:
    standin.faults.add(Fault(path=START, method="POST", reset="before"))
    with pytest.raises(RemoteCallError, match="got no answer"):
        run(operator(), Try())
    assert len(standin.dbt_cloud.runs) == 0


def test_a_start_that_was_refused_is_not_sent_again(standin: StandIn) -> None:
    with pytest.raises(RemoteCallError, match="answered 404"):
        run(operator(job_id=999), Try())
    assert standin.journal.count("POST", START) == 1


@pytest.mark.parametrize("answered", [True, False], ids=["id stored", "no id stored"])
def test_after_a_crash_the_next_try_joins_the_run(answered: bool, standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("long", plan=Plan(hold=True))
    context = Try()
    started = run(operator(job_id, wait_for_termination=False), context)
    if not answered:
        crashed_before_the_answer(context.store)
    standin.dbt_cloud.set_plan(started, Plan())
    assert run(operator(job_id), context.next()) == started
    assert list(standin.dbt_cloud.runs) == [started]


def test_after_a_crash_a_run_that_has_succeeded_is_not_started_again(standin: StandIn) -> None:
    context = Try()
    started = run(operator(), context)
    assert run(operator(), context.next()) == started


def test_a_run_that_a_node_does_not_know_yet_is_not_started_again(standin: StandIn) -> None:
    """A retry within seconds of the start: the first looks at the run are 404."""
    job_id, context = standin.dbt_cloud.add_job("slow", plan=Plan(seconds=0.05)), Try()
    first = run(operator(job_id, wait_for_termination=False), context)
    standin.faults.add(Fault(path=f"/runs/{first}/", method="GET", status=404, times=3))
    assert run(operator(job_id), context.next()) == first
    assert len(standin.dbt_cloud.runs) == 1


def test_after_a_failed_run_a_retry_starts_a_new_one(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("flaky", plans=[Plan(outcome="error"), Plan()])
    context = Try()
    with pytest.raises(RunFailed):
        run(operator(job_id), context)
    run(operator(job_id), context.next())
    assert statuses(standin) == [20, 10]
    first, second = (run.cause for run in standin.dbt_cloud.runs.values())
    assert first != second, "each run has a mark of its own"


def test_after_a_clear_the_run_that_goes_on_is_cancelled_and_a_new_one_started(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("long", plans=[Plan(hold=True), Plan()])
    context = Try()
    run(operator(job_id, wait_for_termination=False), context)
    run(operator(job_id), context.next(cleared=4))
    assert statuses(standin) == [30, 10]


def test_after_a_clear_a_run_to_be_kept_is_kept(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("long", plan=Plan(hold=True), one_at_a_time=False)
    context = Try()
    for attempt in (context, context.next(cleared=4)):
        run(operator(job_id, on_cancel="keep", wait_for_termination=False), attempt)
    assert standin.journal.count("POST", "/cancel/") == 0
    assert len(standin.dbt_cloud.runs) == 2


def test_after_a_clear_a_success_is_run_again(standin: StandIn) -> None:
    context = Try()
    first = run(operator(), context)
    second = run(operator(), context.next(cleared=4))
    assert list(standin.dbt_cloud.runs) == [first, second]


# --- a run that goes on already ---------------------------------------------------------------------------


def test_a_run_that_goes_on_is_reused(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("busy", plan=Plan(polls=3))
    theirs = standin.dbt_cloud.start(job_id)
    assert run(operator(job_id, reuse_existing_run=True), Try()) == theirs
    assert list(standin.dbt_cloud.runs) == [theirs]


def test_without_a_run_that_goes_on_one_is_started(standin: StandIn) -> None:
    ended = standin.dbt_cloud.start(101)
    standin.dbt_cloud.cancel(ended)
    assert run(operator(reuse_existing_run=True), Try()) != ended


@pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])
def test_a_reused_run_is_not_cancelled_when_the_wait_takes_too_long(
    deferrable: bool, standin: StandIn
) -> None:
    job_id = standin.dbt_cloud.add_job("busy", plan=Plan(hold=True))
    standin.dbt_cloud.start(job_id)
    context = Try()
    with pytest.raises(TaskDeferred if deferrable else WaitTimedOut) as raised:
        operator(job_id, reuse_existing_run=True, deferrable=deferrable, timeout=0.05).execute(context)
    if deferrable:
        assert isinstance(raised.value, TaskDeferred)
        assert raised.value.trigger.on_cancel == "keep"
        event = {"reason": "deadline", "run": context.pushed["run"], "message": "too long"}
        with pytest.raises(WaitTimedOut):
            operator(job_id, reuse_existing_run=True).execute_complete(context, event)
    assert standin.journal.count("POST", "/cancel/") == 0


def test_a_reused_run_is_not_cancelled_by_a_kill_after_a_crash_nor_by_a_clear(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("busy", plan=Plan(hold=True))
    standin.dbt_cloud.start(job_id)
    context, settings = Try(), {"reuse_existing_run": True, "wait_for_termination": False}
    run(operator(job_id, **settings), context)
    again = operator(job_id, **settings)
    run(again, context.next())
    context.state = "failed"
    again.on_kill()
    run(operator(job_id, **settings), context.next(cleared=4))
    assert standin.journal.count("POST", "/cancel/") == 0


# --- from the failure -------------------------------------------------------------------------------------


def failed_once(standin: StandIn, **details: Any) -> tuple[int, Try]:
    plans = [Plan(outcome="error", details=details), Plan()]
    job_id, context = standin.dbt_cloud.add_job("flaky", plans=plans), Try()
    with pytest.raises(RunFailed):
        run(operator(job_id, retry_from_failure=True), context)
    return job_id, context


def test_a_retry_continues_the_run_where_it_failed(standin: StandIn) -> None:
    job_id, context = failed_once(standin)
    run_id = run(operator(job_id, retry_from_failure=True), context.next())
    first, second = standin.dbt_cloud.runs.values()
    assert (second.id, second.retrying_run_id) == (run_id, first.id)


def test_a_retry_that_cannot_continue_starts_anew(standin: StandIn) -> None:
    job_id, context = failed_once(standin, retry_not_supported_reason="RETRY_UNSUPPORTED_CMD")
    run_id = run(operator(job_id, retry_from_failure=True), context.next())
    assert standin.dbt_cloud.runs[run_id].retrying_run_id is None
    assert statuses(standin) == [20, 10]


def test_a_run_that_somebody_retried_already_is_joined(standin: StandIn) -> None:
    job_id, context = failed_once(standin)
    (first,) = standin.dbt_cloud.runs.values()
    theirs = standin.dbt_cloud.start(job_id, retrying=first)
    assert run(operator(job_id, retry_from_failure=True), context.next()) == theirs
    assert len(standin.dbt_cloud.runs) == 2


def test_a_continuation_whose_answer_was_lost_is_joined_by_the_next_try(standin: StandIn) -> None:
    job_id, context = failed_once(standin)
    standin.faults.add(Fault(path="/retry/", method="POST", reset="after", times=1))
    with pytest.raises(RemoteCallError):
        run(operator(job_id, retry_from_failure=True), context.next())
    run(operator(job_id, retry_from_failure=True), context.next())
    assert len(standin.dbt_cloud.runs) == 2


def test_a_cancelled_run_is_not_continued(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("stopped", plans=[Plan(outcome="cancelled"), Plan()])
    context = Try()
    with pytest.raises(RunCancelled):
        run(operator(job_id, retry_from_failure=True), context)
    run_id = run(operator(job_id, retry_from_failure=True), context.next())
    assert standin.dbt_cloud.runs[run_id].retrying_run_id is None


# --- no zombies -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("on_cancel", "status"), [("cancel", 30), ("keep", 3)])
def test_a_kill_cancels_the_run_and_sees_it_cancelled_unless_it_is_to_be_kept(
    on_cancel: str, status: int, standin: StandIn
) -> None:
    job_id = standin.dbt_cloud.add_job("long", plan=Plan(hold=True))
    task = operator(job_id, on_cancel=on_cancel, wait_for_termination=False)
    context = Try()
    run(task, context)
    context.state = "failed"
    task.on_kill()
    assert statuses(standin) == [status]
    paths = [entry.path.rstrip("/").rpartition("/")[2] for entry in standin.journal.entries[-2:]]
    assert paths[0] == ("cancel" if on_cancel == "cancel" else "run") or on_cancel == "keep"


def test_a_kill_before_the_start_was_answered_finds_the_run_and_cancels_it(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("long", plan=Plan(hold=True))
    standin.faults.add(Fault(path=START, method="POST", reset="after"))
    standin.faults.add(Fault(path="id__gt", status=503))
    task = operator(job_id)
    context = Try()
    with pytest.raises(RemoteCallError):
        run(task, context)
    standin.faults.clear()
    context.state = "failed"
    task.on_kill()
    assert 30 in statuses(standin)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        *((state, 30) for state in ("failed", "success", "skipped", "removed", "restarting", "deleted")),
        *((state, 3) for state in ("running", "queued", "scheduled", "up_for_retry", "deferred")),
        (None, 3),
    ],
)
def test_a_kill_cancels_only_what_a_person_or_a_limit_has_ended(
    state: str | None, status: int, standin: StandIn
) -> None:
    """A worker that is shut down or was cut off is told to end, too; its run belongs to the next try."""
    task = operator(standin.dbt_cloud.add_job("long", plan=Plan(hold=True)), wait_for_termination=False)
    context = Try()
    run(task, context)
    context.state = state
    task.on_kill()
    assert statuses(standin) == [status]


def test_a_kill_by_the_tasks_own_time_limit_cancels_without_asking(standin: StandIn) -> None:
    """The task runner calls ``on_kill`` while it handles its timeout; for the server the task is running."""
    task = operator(standin.dbt_cloud.add_job("long", plan=Plan(hold=True)), wait_for_termination=False)
    context = Try()
    run(task, context)
    context.state = "running"
    try:
        raise AirflowTaskTimeout
    except AirflowTaskTimeout:
        task.on_kill()
    assert statuses(standin) == [30]


def test_a_kill_waits_for_no_remote(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow kills the process five seconds later; a Retry-After of minutes cannot be slept through."""
    task = operator(standin.dbt_cloud.add_job("long", plan=Plan(hold=True)), wait_for_termination=False)
    context = Try()
    run(task, context)
    context.state = "failed"
    slept: list[float] = []
    monkeypatch.setattr(remote, "time", SimpleNamespace(sleep=slept.append))
    standin.faults.add(Fault(path="/cancel/", status=429, retry_after=200))
    task.on_kill()
    assert not slept
    assert standin.journal.count("POST", "/cancel/") == 1


def twins(standin: StandIn, job_id: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process of the same try starts its run after ours has looked, and before ours is started."""
    others = operator(job_id, wait_for_termination=False)
    start_run = DbtCloud.start_run

    def late(self: Any, *args: Any, **given: Any) -> Any:
        monkeypatch.setattr(DbtCloud, "start_run", start_run)
        run(others, Try())
        return (yield from start_run(self, *args, **given))

    monkeypatch.setattr(DbtCloud, "start_run", late)


def test_of_two_runs_of_one_try_the_later_is_cancelled(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = standin.dbt_cloud.add_job("twice", plan=Plan(seconds=0.05))
    twins(standin, job_id, monkeypatch)
    assert run(operator(job_id), Try()) == min(standin.dbt_cloud.runs)
    assert statuses(standin) == [10, 30]


def test_a_run_that_another_process_of_this_try_has_started_is_joined(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("once", plan=Plan(seconds=0.05))
    assert run(operator(job_id), Try()) == run(operator(job_id), Try())
    assert len(standin.dbt_cloud.runs) == 1


def test_a_look_for_twins_that_fails_fails_nothing(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("once")
    standin.faults.add(Fault(path=f"runs/.*job_definition_id={job_id}.*limit=100", status=503, skip=1))
    assert run(operator(job_id), Try()) == min(standin.dbt_cloud.runs)


def test_a_kill_before_anything_was_started_does_nothing(standin: StandIn) -> None:
    operator().on_kill()
    assert standin.journal.entries == []


def test_a_kill_that_cannot_reach_the_remote_ends_all_the_same(standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("long", plan=Plan(hold=True))
    task = operator(job_id, wait_for_termination=False)
    context = Try()
    run(task, context)
    context.state = "failed"
    standin.faults.add(Fault(reset="before"))
    task.on_kill()
    assert standin.journal.count("POST", "/cancel/") == 3


@pytest.mark.parametrize(("on_cancel", "status"), [("cancel", 30), ("keep", 3)])
@pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])
def test_the_end_of_the_wait_cancels_the_run_unless_it_is_to_be_kept(
    deferrable: bool, on_cancel: str, status: int, standin: StandIn
) -> None:
    job_id = standin.dbt_cloud.add_job("long", plan=Plan(hold=True))
    task = operator(job_id, timeout=0.05, deferrable=deferrable, on_cancel=on_cancel)
    with pytest.raises(WaitTimedOut, match="Gave up after waiting"):
        run(task, Try())
    assert statuses(standin) == [status]


@pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])
def test_a_run_that_was_never_seen_is_cancelled_too(deferrable: bool, standin: StandIn) -> None:
    job_id = standin.dbt_cloud.add_job("long", plan=Plan(hold=True))
    standin.faults.add(Fault(path=r"/runs/\d+/$", method="GET", status=503, times=3))
    with pytest.raises(WaitTimedOut, match="it was never seen") as raised:
        run(operator(job_id, timeout=0.05, check_interval=0.02, deferrable=deferrable), Try())
    assert raised.value.run.run_id == next(iter(standin.dbt_cloud.runs))
    assert statuses(standin) == [30]


def test_a_task_that_is_woken_for_something_else_goes_on_waiting(standin: StandIn) -> None:
    """The run goes on: what the trigger brought along is recorded, and the task defers again."""
    job_id = standin.dbt_cloud.add_job("long", plan=Plan(hold=True))
    context, waiting = Try(), operator(job_id, deferrable=True)
    with pytest.raises(TaskDeferred) as first:
        waiting.execute(context)
    (run_id,) = standin.dbt_cloud.runs
    now = datetime.now(timezone.utc)
    seen = a_run(RunState.RUNNING, run_id=run_id, created_at=now, started_at=now)
    woken = SomethingWaits(run=seen, changes=between(None, seen, now))
    with pytest.raises(TaskDeferred) as again:
        waiting.execute_complete(context, woken.to_json(), **(first.value.kwargs or {}))
    assert [change["new"] for change in context.pushed["run"]["changes"]] == ["QUEUED", "RUNNING"]
    assert again.value.trigger.run_id == run_id
    assert (again.value.kwargs or {})["run"]["state"] == "RUNNING"


# --- waiting ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])
def test_a_wait_logs_each_change_once_and_not_each_look(
    deferrable: bool, standin: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    job_id = standin.dbt_cloud.add_job("long", plan=Plan(polls=9))
    run(operator(job_id, deferrable=deferrable), Try())
    out = capfd.readouterr().out
    changes = re.findall(r"dbt Cloud run \d+ is ([\w> -]+?)(?: +\[|$)", out, re.MULTILINE)
    between = ["Queued -> Starting", "Starting -> Running"]
    # The triggerer's log is slow: there it tells only what the worker's log does not.
    assert changes == (between if deferrable else ["Queued", *between, "Running -> Success"])
    assert len(re.findall(r"Started dbt Cloud run \d+", out)) == 1
    assert len(re.findall(r"dbt Cloud run \d+ succeeded", out)) == 1


@pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])
def test_trouble_of_the_remote_is_waited_through_and_logged(
    deferrable: bool, standin: StandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    job_id = standin.dbt_cloud.add_job("long", plan=Plan(polls=2))
    for fault in (Fault(status=503, times=1), Fault(reset="before", times=1), Fault(body="html", times=1)):
        standin.faults.add(Fault(**{**vars(fault), "path": r"/runs/\d+/$", "method": "GET"}))
    run(operator(job_id, deferrable=deferrable), Try())
    out = capfd.readouterr().out
    assert "Could not look at the run (1 in a row" in out
    assert statuses(standin) == [10]
