"""The one trigger: through Airflow's database and back, its event, and what it does when it is killed."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import GetTaskStates, TaskStatesResult

from airflow_provider_pipehooks.core import watch
from airflow_provider_pipehooks.core.errors import AccessDenied, RemoteCallError, RunCancelled
from airflow_provider_pipehooks.core.records import VERSION_KEY
from airflow_provider_pipehooks.operators.dbt_cloud import DbtCloudRunJobOperator
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from airflow_provider_pipehooks.triggers import remote_run
from airflow_provider_pipehooks.triggers.remote_run import Arguments, RemoteRunTrigger
from tests.task_context import Try, first_event, stored

pytestmark = pytest.mark.usefixtures("connections")
CONNECTIONS = {"dbt_cloud": "dbt_cloud_default", "databricks_jobs": "databricks_default"}


@pytest.fixture(autouse=True)
def quick_confirmation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "CONFIRM_POLL_S", 0.01)


def trigger_for(name: str, standin: StandIn, plan: Plan, **given: Any) -> RemoteRunTrigger:
    world = getattr(standin, name)
    run_id = world.start(world.add_job("j", plan=plan))
    return RemoteRunTrigger(
        **{
            "service": name,
            "conn_id": CONNECTIONS[name],
            "run_id": run_id,
            "poll_interval": 0.01,
            "hook_params": {"retry_delay": 0.001},
            **given,
        }
    )


@pytest.fixture(params=CONNECTIONS)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


# --- through the database ---------------------------------------------------------------------------------


def test_a_trigger_is_the_same_after_it_was_stored() -> None:
    trigger = RemoteRunTrigger(
        service="databricks_jobs",
        conn_id="c",
        run_id=70403110257001,
        account_id=7,
        poll_interval=0.5,
        deadline=1.5,
        options={"task_key": "load", "with_failures_is_success": True},
        hook_params={"timeout_seconds": 3},
        on_cancel="keep",
    )
    again = stored(trigger)
    assert type(again) is RemoteRunTrigger
    assert again.serialize() == trigger.serialize()
    assert again.run_id == 70403110257001


def test_an_argument_that_nobody_knows_is_refused_unless_a_newer_version_has_stored_it() -> None:
    RemoteRunTrigger("dbt_cloud", "c", 1, v=2, colour="blue")
    with pytest.raises(TypeError, match="poll_intervall"):
        RemoteRunTrigger("dbt_cloud", "c", 1, poll_intervall=3)
    with pytest.raises(AttributeError, match="colour"):
        _ = RemoteRunTrigger("dbt_cloud", "c", 1).colour


def test_every_argument_is_stored() -> None:
    stored_arguments = RemoteRunTrigger("dbt_cloud", "c", 1).serialize()[1]
    assert set(stored_arguments) == {VERSION_KEY, *inspect.signature(Arguments).parameters}


def test_a_trigger_stored_with_its_first_three_arguments_still_works(standin: StandIn) -> None:
    run_id = standin.dbt_cloud.start(101)
    trigger = RemoteRunTrigger(service="dbt_cloud", conn_id="dbt_cloud_default", run_id=run_id)
    assert first_event(trigger)["reason"] == "run_ended"


def test_no_secret_is_stored() -> None:
    _, arguments = RemoteRunTrigger("dbt_cloud", "dbt_cloud_default", 1).serialize()
    assert "dbt-token" not in repr(arguments)


# --- its event --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "state"), [("success", "SUCCESS"), ("error", "ERROR"), ("cancelled", "CANCELLED")]
)
def test_the_event_of_a_run_that_ended_says_how(
    service: str, outcome: str, state: str, standin: StandIn
) -> None:
    event = first_event(trigger_for(service, standin, Plan(outcome=outcome, polls=2)))
    assert (event["reason"], event["run"]["state"], event["message"]) == ("run_ended", state, None)


def test_the_deadline_ends_the_wait_with_what_was_seen(service: str, standin: StandIn) -> None:
    event = first_event(trigger_for(service, standin, Plan(hold=True), deadline=1.0))
    assert event["reason"] == "deadline"
    assert event["run"]["state"] == "RUNNING"


def test_a_run_that_ended_just_before_the_deadline_is_seen(service: str, standin: StandIn) -> None:
    event = first_event(trigger_for(service, standin, Plan(), deadline=1.0))
    assert event["reason"] == "run_ended"


@pytest.mark.parametrize(
    ("given", "fault", "reason", "error", "says"),
    [
        ({}, Fault(status=401), "access_denied", AccessDenied, "Check the token"),
        ({}, Fault(status=400), "refused", RemoteCallError, "answered 400"),
        ({"since": 1.0}, Fault(status=404), "not_found", RemoteCallError, "answered 404"),
        ({"conn_id": "nowhere"}, Fault(status=500), "refused", RemoteCallError, "'nowhere' does not exist"),
        ({"service": "airbyte"}, Fault(status=500), "refused", RemoteCallError, "'airbyte' is not a service"),
    ],
)
def test_what_waiting_cannot_mend_ends_it_and_fails_the_task_with_the_reason(
    given: dict[str, Any], fault: Fault, reason: str, error: type[Exception], says: str, standin: StandIn
) -> None:
    trigger = trigger_for("dbt_cloud", standin, Plan(hold=True), **given)
    standin.faults.add(fault)
    event = first_event(trigger)
    assert event["reason"] == reason
    with pytest.raises(error, match=says):
        DbtCloudRunJobOperator(task_id="t", job_id=101).execute_complete(Try(), event)


def test_one_refusal_of_the_token_is_waited_through_since_it_may_have_been_rotated(standin: StandIn) -> None:
    trigger = trigger_for("dbt_cloud", standin, Plan(polls=2))
    standin.faults.add(Fault(status=401, times=1))
    assert first_event(trigger)["run"]["state"] == "SUCCESS"


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        {"status": "success", "run_id": 1},
        {"reason": "fine"},
        {"reason": "run_ended", "run": None},
        {"reason": "run_ended", "run": {"state": "SUCCESS"}},
        {
            "reason": "run_ended",
            "run": {"service": "dbt_cloud", "run_id": 1, "state": "RUNNING", "status": "Running"},
        },
    ],
    ids=["none", "empty", "the official one", "unknown reason", "no run", "half a run", "a run that goes on"],
)
def test_an_event_that_is_not_the_end_of_a_wait_never_passes_for_a_success(event: Any) -> None:
    with pytest.raises(ValueError, match=r"trigger's event|record of a run"):
        DbtCloudRunJobOperator(task_id="t", job_id=101).execute_complete(Try(), event)


def test_thirty_waits_share_their_requests_and_one_pool_of_connections(
    service: str, standin: StandIn
) -> None:
    triggers = [trigger_for(service, standin, Plan(seconds=0.5), poll_interval=0.1) for _ in range(30)]

    async def wait_for_all() -> list[list[Any]]:
        async def events(trigger: RemoteRunTrigger) -> list[Any]:
            return [event.payload["run"]["state"] async for event in trigger.run()]

        return await asyncio.gather(*map(events, triggers))

    assert asyncio.run(wait_for_all()) == [["SUCCESS"]] * 30
    # Databricks: two pages of 25 for each round; dbt Cloud one request.
    assert standin.journal.count("GET") <= 20
    assert standin.journal.connections <= 3


def test_a_wait_that_is_cut_short_cancels_nothing(standin: StandIn) -> None:
    """So a triggerer that restarts leaves the run alone."""
    trigger = trigger_for("dbt_cloud", standin, Plan(hold=True))

    async def cut() -> None:
        waiting = asyncio.ensure_future(anext(trigger.run()))
        while not standin.journal.count("GET"):  # noqa: ASYNC110 - another thread answers it
            await asyncio.sleep(0.01)
        waiting.cancel()
        await waiting

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cut())
    assert standin.journal.count("POST") == 0


# --- killed -----------------------------------------------------------------------------------------------


class Supervisor:
    """Answers the question for a task's state."""

    def __init__(self, state: str | Exception | None, map_index: int = -1) -> None:
        self.state = state
        self.key = "t" if map_index < 0 else f"t_{map_index}"
        self.asked: Any = None

    async def asend(self, message: Any) -> TaskStatesResult | None:
        if not isinstance(message, GetTaskStates):
            return None
        self.asked = message
        if isinstance(self.state, Exception):
            raise self.state
        return TaskStatesResult(task_states={"manual": {self.key: self.state}})


def kill(
    trigger: RemoteRunTrigger, supervisor: Any, monkeypatch: pytest.MonkeyPatch, map_index: int = -1
) -> None:
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", supervisor, raising=False)
    task: Any = SimpleNamespace(dag_id="dag", task_id="t", run_id="manual", map_index=map_index)
    trigger.task_instance = task
    asyncio.run(trigger.on_kill())


@pytest.mark.parametrize(
    ("state", "cancels"),
    [
        ("failed", True),
        ("success", True),
        ("skipped", True),
        ("removed", True),
        ("upstream_failed", True),
        ("deferred", False),
        ("running", False),
        ("queued", False),
        ("scheduled", False),
        (None, False),
        (RuntimeError("no answer"), False),
    ],
    ids=str,
)
def test_a_kill_cancels_only_when_the_task_has_left_for_good(
    service: str, state: Any, cancels: bool, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    trigger = trigger_for(service, standin, Plan(hold=True))
    kill(trigger, Supervisor(state), monkeypatch)
    assert standin.journal.count("POST", "cancel") == cancels
    assert (standin.journal.count("GET") > 0) == cancels, "it is seen cancelled"


def test_a_kill_of_a_mapped_task_asks_for_that_one(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    trigger, supervisor = (
        trigger_for("dbt_cloud", standin, Plan(hold=True)),
        Supervisor("failed", map_index=3),
    )
    kill(trigger, supervisor, monkeypatch, map_index=3)
    assert (supervisor.asked.map_index, supervisor.asked.task_ids) == (3, ["t"])
    assert standin.journal.count("POST", "cancel") == 1


def test_a_kill_without_a_supervisor_keeps_the_run(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    kill(trigger_for("dbt_cloud", standin, Plan(hold=True)), None, monkeypatch)
    assert standin.journal.count("POST", "cancel") == 0


def test_a_run_to_be_kept_is_kept_and_nobody_is_asked(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = Supervisor("failed")
    kill(trigger_for("dbt_cloud", standin, Plan(hold=True), on_cancel="keep"), supervisor, monkeypatch)
    assert supervisor.asked is None
    assert standin.journal.count("POST", "cancel") == 0


def test_a_cancel_that_meets_trouble_is_sent_again(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    trigger = trigger_for("dbt_cloud", standin, Plan(hold=True))
    standin.faults.add(Fault(method="POST", status=503, times=2))
    kill(trigger, Supervisor("failed"), monkeypatch)
    assert [run.status for run in standin.dbt_cloud.runs.values()] == [30]


def test_a_run_cancelled_elsewhere_fails_the_task_and_names_who_did_it(standin: StandIn) -> None:
    trigger = trigger_for("dbt_cloud", standin, Plan(hold=True))
    standin.dbt_cloud.cancel(int(trigger.run_id), by="Grace Hopper")
    with pytest.raises(RunCancelled, match="was cancelled by Grace Hopper"):
        DbtCloudRunJobOperator(task_id="t", job_id=101).execute_complete(Try(), first_event(trigger))


class Forgetful:
    """A server that answers, and knows no such task instance."""

    async def asend(self, message: Any) -> TaskStatesResult | None:
        return TaskStatesResult(task_states={}) if isinstance(message, GetTaskStates) else None


def test_a_deleted_task_instance_has_left_for_good(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    kill(trigger_for("dbt_cloud", standin, Plan(hold=True)), Forgetful(), monkeypatch)
    assert standin.journal.count("POST", "cancel") == 1


def test_a_kill_that_airflow_cuts_off_sees_the_run_cancelled_all_the_same(
    service: str, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow 3.3.2 cancels a killed trigger anew in each round of its loop."""
    trigger = trigger_for(service, standin, Plan(hold=True))
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Supervisor("failed"), raising=False)
    task: Any = SimpleNamespace(dag_id="dag", task_id="t", run_id="manual", map_index=-1)
    trigger.task_instance = task

    async def killed_by_an_impatient_airflow() -> None:
        kill = asyncio.ensure_future(trigger.on_kill())
        while not kill.done():
            await asyncio.sleep(0)
            kill.cancel()

    asyncio.run(killed_by_an_impatient_airflow())
    assert standin.journal.count("POST", "cancel") == 1
    world = getattr(standin, service)
    (run,) = world.runs.values()
    assert run.status == 30 if service == "dbt_cloud" else run.round.outcome is not None


def test_an_event_waits_until_airflow_has_noticed_that_the_task_deferred(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setenv("AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL", "5")
    # Only the trigger's own: the stand-in's loop sleeps too.
    monkeypatch.setattr(remote_run, "asyncio", SimpleNamespace(sleep=sleep))
    first_event(trigger_for("dbt_cloud", standin, Plan()))
    assert 5 < pauses[-1] <= 6
