"""Events for runs that finished, whoever started them: each once, over restarts, from one poll loop."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from datetime import datetime, timezone
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset, AssetWatcher
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import DRCount, GetDRCount
from airflow.triggers.base import BaseEventTrigger
from airflow.triggers.shared_stream import SharedStreamManager

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_cursor import Cursor
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from airflow_provider_pipehooks.triggers.asset_events import RunFinishedEventTrigger, run_finished_watcher
from airflow_provider_pipehooks.triggers.asset_events import finished_runs as runs_of
from airflow_provider_pipehooks.triggers.assets import delivery, rounds
from tests.task_context import stored

pytestmark = pytest.mark.usefixtures("connections")
SERVICES = ("dbt_cloud", "databricks_jobs")
LONGEST_S = 30.0


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GAP_S", "LOOK_S", "SETTLE_S", "IDLE_S", "AGAIN_S", "SAVE_EVERY_S"):
        monkeypatch.setattr(delivery, name, 0.01)
    monkeypatch.setattr(delivery, "GAP_LOOKS", 1)
    monkeypatch.setattr(rounds, "FIRST_LOOK_S", 0.001)


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Store:
    """An asset's state store: what was written survives the trigger.

    :param dies: called before each write; may raise.
    """

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.writes = 0
        self.dies: Callable[[int], None] = lambda _: None

    async def aget(self, key: str, default: Any = None) -> Any:
        return json.loads(self.values[key]) if key in self.values else default

    async def aset(self, key: str, value: Any) -> None:
        self.writes += 1
        self.dies(self.writes)
        self.values[key] = json.dumps(value)


class Remote:
    """The jobs of one service of the stand-in, and a store that outlives the triggers on them."""

    def __init__(self, standin: StandIn, service: str) -> None:
        self.standin, self.service = standin, service
        self.world = getattr(standin, service)
        self.store = Store()
        options: dict[str, Any] = (
            {"one_at_a_time": False} if service == "dbt_cloud" else {"max_concurrent_runs": 1000}
        )
        self.job = self.world.add_job("watched", plan=Plan(hold=True), **options)

    def start(self, job: int | None = None) -> int:
        run_id: int = self.world.start(job or self.job)
        return run_id

    def end(self, *run_ids: int, outcome: str | None = None) -> None:
        word = {"databricks_jobs": {"error": "failed"}}.get(self.service, {}).get(outcome or "", outcome)
        for run_id in run_ids:
            self.world.set_plan(run_id, Plan(outcome=word or "success"))

    def ended(self, count: int = 1, **how: Any) -> list[int]:
        run_ids = [self.start() for _ in range(count)]
        self.end(*run_ids, **how)
        return run_ids

    def trigger(self, **given: Any) -> RunFinishedEventTrigger:
        trigger: RunFinishedEventTrigger = stored(
            RunFinishedEventTrigger(self.service, **{"poll_interval": 0.01, **given})
        )
        trigger.asset_state_store = SimpleNamespace(_by_name={"a": self.store})  # type: ignore[assignment]
        return trigger


@pytest.fixture
def remote(standin: StandIn, service: str) -> Remote:
    return Remote(standin, service)


@pytest.fixture
def dbt(standin: StandIn) -> Remote:
    return Remote(standin, "dbt_cloud")


async def some(events: AsyncIterator[Any], count: int) -> list[int]:
    """The run ids of the next events."""
    found: list[Any] = []
    while len(found) < count:
        event = await asyncio.wait_for(anext(events), LONGEST_S)
        found.append(Run.from_json(json.loads(json.dumps(event.payload))).run_id)
    return found


async def quiet(events: AsyncIterator[Any], seconds: float = 0.4) -> bool:
    """Nothing more comes for a while; the iterator is over after that."""
    try:
        await asyncio.wait_for(anext(events), seconds)
    except asyncio.TimeoutError:
        return True
    return False


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(int(LONGEST_S / 0.005)):
        if is_so():
            return
        await asyncio.sleep(0.005)  # what is awaited happens in the stand-in's thread or in a log
    raise AssertionError("Waited in vain.")


async def watched(remote: Remote, **given: Any) -> None:
    """Start for the first time, and stop when the place is known."""
    async with aclosing(remote.trigger(**given).run()) as events:  # type: ignore[type-var]
        waiting = asyncio.ensure_future(anext(events))
        await until(lambda: bool(remote.store.values))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


def after_a_start(remote: Remote, count: int, **given: Any) -> tuple[list[int], bool]:
    """The events of a trigger that goes on from the stored place, and whether there were no more."""

    async def go() -> tuple[list[int], bool]:
        async with aclosing(remote.trigger(**given).run()) as events:  # type: ignore[type-var]
            return await some(events, count), await quiet(events)

    return asyncio.run(go())


# --- which runs -------------------------------------------------------------------------------------------


def test_what_had_finished_before_the_first_start_is_not_told(remote: Remote) -> None:
    remote.ended(3)
    asyncio.run(watched(remote))
    new = remote.ended()
    assert after_a_start(remote, 1) == (new, True)


def test_a_run_that_started_before_the_first_start_is_told_when_it_ends(remote: Remote) -> None:
    old = remote.start()
    asyncio.run(watched(remote))
    remote.ended(0)
    remote.end(old)
    assert after_a_start(remote, 1) == ([old], True)


def test_since_begins_with_runs_of_the_past(remote: Remote) -> None:
    old = remote.ended(3)
    since = datetime(2026, 1, 1, tzinfo=timezone.utc)
    found, no_more = after_a_start(remote, 3, since=since)
    assert (sorted(found), no_more) == (old, True)


def test_runs_are_told_that_end_out_of_order(remote: Remote) -> None:
    asyncio.run(watched(remote))
    first, second, third = (remote.start() for _ in range(3))
    remote.end(third)
    assert after_a_start(remote, 1) == ([third], True)
    remote.end(first)
    assert after_a_start(remote, 1) == ([first], True)
    remote.end(second)
    assert after_a_start(remote, 1) == ([second], True)


@pytest.mark.parametrize("states", [["success"], ["error"], ["cancelled"], ["success", "cancelled"]])
def test_only_the_states_asked_for_are_told(remote: Remote, states: list[str]) -> None:
    asyncio.run(watched(remote, states=states))
    ended = {word: remote.ended(outcome=word)[0] for word in ("success", "error")}
    ended["cancelled"] = remote.start()
    cancel = remote.world.cancel
    cancel(ended["cancelled"])
    found, no_more = after_a_start(remote, len(states), states=states)
    assert (sorted(found), no_more) == (sorted(ended[word] for word in states), True)


def test_only_the_jobs_asked_for_are_told(remote: Remote) -> None:
    asyncio.run(watched(remote, job_ids=[remote.job]))
    remote.start(remote.world.add_job("another"))
    mine = remote.ended()
    assert after_a_start(remote, 1, job_ids=[remote.job]) == (mine, True)


def test_only_the_projects_asked_for_are_told(dbt: Remote) -> None:
    project_id = dbt.world.jobs[dbt.job].project_id
    elsewhere = dbt.world.add_job("another", project="Finance")
    asyncio.run(watched(dbt, project_ids=[project_id]))
    dbt.start(elsewhere)
    mine = dbt.ended()
    assert after_a_start(dbt, 1, project_ids=[project_id]) == (mine, True)


def test_a_status_that_is_not_known_is_no_end(dbt: Remote) -> None:
    asyncio.run(watched(dbt))
    run_id = dbt.start()
    dbt.world.set_plan(run_id, Plan(states=(1, 99)))
    other = dbt.ended()
    assert after_a_start(dbt, 1) == (other, True)


# --- over restarts ----------------------------------------------------------------------------------------


def test_what_finishes_while_nobody_watches_is_told_once(remote: Remote) -> None:
    asyncio.run(watched(remote))
    missed = remote.ended(30)
    found, no_more = after_a_start(remote, 30)
    assert (sorted(found), no_more) == (missed, True)
    assert after_a_start(remote, 0) == ([], True)


def test_every_run_is_told_once_while_they_finish_between_the_pages(dbt: Remote) -> None:
    """More runs than two pages hold, that end in any order while the pages are read."""
    asyncio.run(watched(dbt))

    async def go() -> None:
        started = [dbt.start() for _ in range(230)]

        async def finish() -> None:
            for at in range(46):
                dbt.end(*started[at::46])
                await asyncio.sleep(0.02)

        async with aclosing(dbt.trigger(dag_id="d").run()) as events:  # type: ignore[type-var]
            finishing = asyncio.ensure_future(finish())
            found = await some(events, 230)
            await finishing
            assert await quiet(events)
        assert sorted(found) == started

    with Airflow() as airflow:
        airflow.answers_at_once = True
        asyncio.run(go())


class Airflow:
    """As much of a triggerer's supervisor as can be asked: how many runs the DAG has.

    :param answers_at_once: every event starts its DAG run before anybody can ask.
    """

    def __init__(self) -> None:
        self.dag_runs: list[int] = []
        self.asked = 0
        self.answers_at_once = False
        self.active = 0

    async def asend(self, message: Any) -> Any:
        assert isinstance(message, GetDRCount)
        self.asked += 1
        if message.states:
            return DRCount(count=self.active)
        return DRCount(count=self.asked if self.answers_at_once else len(self.dag_runs))

    def __enter__(self) -> Airflow:
        self._before = getattr(task_runner, "SUPERVISOR_COMMS", None)
        setattr(task_runner, "SUPERVISOR_COMMS", self)  # noqa: B010  another type
        return self

    def __exit__(self, *_: object) -> None:
        setattr(task_runner, "SUPERVISOR_COMMS", self._before)  # noqa: B010


@pytest.fixture
def airflow() -> Iterator[Airflow]:
    with Airflow() as answering:
        yield answering


class Killed(BaseException):
    """The triggerer ends here, without another word."""


@pytest.mark.parametrize("is_stored", [True, False], ids=["event stored", "event lost"])
def test_a_kill_while_an_event_is_on_its_way_neither_loses_nor_repeats_it(
    remote: Remote, airflow: Airflow, is_stored: bool
) -> None:
    asyncio.run(watched(remote))
    (run_id,) = remote.ended()

    async def until_the_kill() -> None:
        async with aclosing(remote.trigger(dag_id="d").run()) as events:  # type: ignore[type-var]
            assert await some(events, 1) == [run_id]

    asyncio.run(until_the_kill())
    if is_stored:
        airflow.dag_runs.append(run_id)
    again = [] if is_stored else [run_id]
    assert after_a_start(remote, len(again), dag_id="d") == (again, True)


def test_a_dag_run_that_comes_a_little_after_the_restart_is_not_started_twice(
    dbt: Remote, airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "SETTLE_S", 1000.0)
    asyncio.run(watched(dbt))
    first, second = dbt.ended(2)

    async def go() -> list[int]:
        async with aclosing(dbt.trigger(dag_id="d").run()) as events:  # type: ignore[type-var]
            assert await some(events, 1) == [first]
        async with aclosing(dbt.trigger(dag_id="d").run()) as events:  # type: ignore[type-var]
            waiting = asyncio.ensure_future(some(events, 1))
            asked = airflow.asked
            await until(lambda: airflow.asked > asked + 2)
            airflow.dag_runs.append(first)
            return await waiting

    assert asyncio.run(go()) == [second]


def test_a_run_that_was_owed_before_a_long_stop_is_read_again_and_told(remote: Remote) -> None:
    """It is in none of the lists that are read on: those begin above the mark."""
    (owed,) = remote.ended()
    cursor = Cursor(mark=2**53, owed=(owed,))
    remote.store.values[remote.trigger().cursor_key] = json.dumps(cursor.to_json())
    assert after_a_start(remote, 1) == ([owed], True)


@pytest.mark.parametrize("write", [1, 2, 3])
def test_a_kill_at_any_write_of_the_cursor_neither_loses_nor_repeats_a_run(
    remote: Remote, airflow: Airflow, write: int
) -> None:
    asyncio.run(watched(remote))
    ended = remote.ended(3)
    remote.store.writes = 0

    def die(writes: int) -> None:
        if writes == write:
            raise Killed

    async def go() -> list[int]:
        async with aclosing(remote.trigger(dag_id="d").run()) as events:  # type: ignore[type-var]
            while len(airflow.dag_runs) < len(ended):
                airflow.dag_runs += await some(events, 1)
            assert await quiet(events)
        return airflow.dag_runs

    remote.store.dies = die
    with pytest.raises(Killed):
        asyncio.run(go())
    remote.store.dies = lambda _: None
    assert sorted(asyncio.run(go())) == ended


def test_without_a_dag_id_an_event_on_its_way_comes_again(remote: Remote) -> None:
    asyncio.run(watched(remote))
    (run_id,) = remote.ended()
    delivery.GAP_S = 1000.0

    async def until_the_kill() -> None:
        async with aclosing(remote.trigger().run()) as events:  # type: ignore[type-var]
            assert await some(events, 1) == [run_id]

    asyncio.run(until_the_kill())
    assert after_a_start(remote, 1)[0] == [run_id]


# --- one by one -------------------------------------------------------------------------------------------


def test_the_next_event_waits_for_the_dag_run_of_the_one_before(
    remote: Remote, airflow: Airflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "IDLE_S", 1000.0)
    asyncio.run(watched(remote))
    remote.ended(2)

    async def go() -> None:
        async with aclosing(remote.trigger(dag_id="d").run()) as events:  # type: ignore[type-var]
            first = await some(events, 1)
            second = asyncio.ensure_future(some(events, 1))
            await asyncio.sleep(0.3)
            assert not second.done()
            airflow.dag_runs += first
            assert await second

    asyncio.run(go())


def test_a_dag_that_does_not_start_holds_up_nothing_for_ever(
    remote: Remote, airflow: Airflow, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(watched(remote))
    ended = remote.ended(2)
    found, _ = after_a_start(remote, 2, dag_id="paused")
    assert sorted(found) == ended
    assert "DAG 'paused' has not started" in caplog.text


def test_a_dag_at_its_limit_is_waited_for(remote: Remote, airflow: Airflow) -> None:
    airflow.active = 16
    asyncio.run(watched(remote))
    remote.ended(2)
    assert len(after_a_start(remote, 1, dag_id="busy")[0]) == 1
    assert after_a_start(remote, 1, dag_id="busy")[1]


# --- in trouble -------------------------------------------------------------------------------------------

TROUBLE = [
    Fault(path="/runs", status=503, times=5),
    Fault(path="/runs", status=429, retry_after=0, times=5),
    Fault(path="/runs", status=404, times=5),
    Fault(path="/runs", status=401, times=2),
    Fault(path="/runs", body="garbage", times=5),
    Fault(path="/runs", body="truncated", times=5),
    Fault(path="/runs", body="empty", times=5),
    Fault(path="/runs", reset="after", times=5),
]


@pytest.mark.parametrize("fault", TROUBLE, ids=lambda fault: str(fault.status or fault.body or "reset"))
def test_trouble_of_the_remote_loses_and_repeats_nothing(
    remote: Remote, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_pipehooks.hooks.remote.RemoteHook._pause", lambda *_: None)
    long = remote.start()
    asyncio.run(watched(remote))
    remote.end(long)
    ended = [long, *remote.ended(2)]
    armed = remote.standin.faults.add(fault)
    found, no_more = after_a_start(remote, 3)
    assert (sorted(found), no_more) == (ended, True)
    assert armed.hits == fault.times


def test_a_wrong_connection_is_told_and_tried_again(
    dbt: Remote, connections: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(watched(dbt, conn_id="dbt_cloud_default"))

    async def go() -> list[int]:
        connections("dbt_cloud_default", conn_type="sqlite")
        async with aclosing(dbt.trigger().run()) as events:  # type: ignore[type-var]
            waiting = asyncio.ensure_future(some(events, 1))
            await until(lambda: "has the type 'sqlite'" in caplog.text)
            connections(
                "dbt_cloud_default",
                conn_type="pipehooks_dbt_cloud",
                host=dbt.standin.url,
                login="1",
                password="t",
            )
            return await waiting

    ended = dbt.ended()
    assert asyncio.run(go()) == ended


def test_a_store_in_trouble_holds_events_back(dbt: Remote, caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(watched(dbt))
    ended = dbt.ended()
    dbt.store.writes = 0

    def fail(writes: int) -> None:
        if writes < 4:
            raise RuntimeError("the database is locked")

    dbt.store.dies = fail
    assert after_a_start(dbt, 1) == (ended, True)
    assert "could not be stored; trying again" in caplog.text


def test_a_cursor_that_cannot_be_read_is_told_and_replaced(
    dbt: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    dbt.ended()
    dbt.store.values[dbt.trigger().cursor_key] = '{"mark": "x"}'
    asyncio.run(watched(dbt))
    assert after_a_start(dbt, 0) == ([], True)
    assert "is not used; beginning as if for the first time" in caplog.text


def test_a_run_that_was_deleted_is_not_awaited_for_ever(standin: StandIn) -> None:
    remote = Remote(standin, "databricks_jobs")
    deleted = remote.start()
    asyncio.run(watched(remote))
    remote.world.cancel(deleted)
    while not remote.world.look(remote.world.runs[deleted], read=True).is_over:
        pass
    remote.world.delete_run(deleted)
    ended = remote.ended()
    assert after_a_start(remote, 1) == (ended, True)
    asked = len(standin.journal.find("GET", "runs/get"))
    assert after_a_start(remote, 0) == ([], True)
    assert 0 < asked < 30


# --- together ---------------------------------------------------------------------------------------------


def test_ten_watchers_of_one_connection_cause_one_poll_loop(dbt: Remote) -> None:
    jobs = [dbt.world.add_job(f"job {index}") for index in range(10)]
    triggers = [dbt.trigger(job_ids=[job], name=f"w{job}") for job in jobs]
    for trigger in triggers:
        trigger.asset_state_store = SimpleNamespace(_by_name={"a": Store()})  # type: ignore[assignment]
    assert len({trigger.shared_stream_key() for trigger in triggers}) == 1

    async def go() -> None:
        manager = SharedStreamManager()
        streams = [
            trigger.filter_shared_stream(
                manager.subscribe(trigger_id=index, trigger=trigger, key=trigger.shared_stream_key())
            )
            for index, trigger in enumerate(triggers)
        ]
        waiting = [asyncio.ensure_future(some(stream, 1)) for stream in streams]
        await until(lambda: len(dbt.standin.journal.find("GET", "/runs/")) >= 20)
        started = [dbt.start(job) for job in jobs]
        found = await asyncio.gather(*waiting)
        for index, trigger in enumerate(triggers):
            await manager.unsubscribe(index, trigger.shared_stream_key())
        for stream in streams:
            await stream.aclose()
        assert [[run_id] for run_id in started] == found
        assert manager._groups == {}

    asyncio.run(go())
    looks = Counter("id__gt" in str(entry.query) for entry in dbt.standin.journal.find("GET", "/runs/"))
    first_looks = sum("status__in" in str(entry.query) for entry in dbt.standin.journal.find("GET", "/runs/"))
    assert first_looks < len(triggers) < looks[True]
    assert rounds._WATCHERS == {}


def test_two_assets_of_equal_watchers_keep_the_same_place(dbt: Remote) -> None:
    asyncio.run(watched(dbt))
    second = Store()
    ended = dbt.ended()

    async def go() -> list[int]:
        trigger = dbt.trigger()
        trigger.asset_state_store = SimpleNamespace(_by_name={"a": second, "b": dbt.store})  # type: ignore[assignment]
        async with aclosing(trigger.run()) as events:  # type: ignore[type-var]
            return await some(events, 1)

    assert asyncio.run(go()) == ended
    assert second.values == dbt.store.values


# --- arguments --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"service": "airbyte"}, "'airbyte' is not a service. There are: dbt_cloud, databricks_jobs"),
        ({"states": ["done"]}, "states: 'done' is not one of success, error, cancelled"),
        ({"states": "success"}, "states must be a list"),
        ({"states": []}, "states must be a list of one or more"),
        ({"job_ids": 101}, "job_ids must be a list of ids"),
        ({"job_ids": ["101"]}, "whole numbers"),
        ({"job_ids": [True]}, "whole numbers"),
        ({"poll_interval": 0}, "poll_interval must be more than 0"),
        ({"since": "yesterday"}, "since must be a time in ISO 8601, not 'yesterday'"),
        ({"since": "2026-01-01T00:00:00"}, "since must have a time zone"),
        ({"service": "databricks_jobs", "project_ids": [1]}, "has neither projects nor accounts"),
    ],
)
def test_a_bad_argument_is_refused_where_the_dag_is_written(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        RunFinishedEventTrigger(**{"service": "dbt_cloud", **given})


def test_equal_arguments_are_stored_equal() -> None:
    first = RunFinishedEventTrigger("dbt_cloud", job_ids=[2, 1, 2], states=("error", "success"))
    second = RunFinishedEventTrigger("dbt_cloud", job_ids={1, 2}, states=["success", "error"])
    assert BaseEventTrigger.hash(*first.serialize()) == BaseEventTrigger.hash(*second.serialize())


def test_a_watcher_can_be_attached_to_an_asset_and_survives_storage() -> None:
    watcher = run_finished_watcher("mine", "databricks_jobs", job_ids=[7], since="2026-01-01T00:00:00Z")
    assert isinstance(watcher, AssetWatcher)
    assert Asset("a", watchers=[watcher]).watchers == [watcher]
    assert stored(watcher.trigger).serialize() == watcher.trigger.serialize()


def test_the_dag_of_the_documentation_says_how_the_runs_ended() -> None:
    names = run_path(str(Path(__file__).parents[2] / "dags" / "after_any_dbt_run.py"))
    (watcher,) = names["nightly_runs"].watchers
    assert watcher.trigger.dag_id == "after_any_dbt_run"
    record = Run(service="dbt_cloud", run_id=7, state=RunState.ERROR, status="Error").to_json()
    events = {names["nightly_runs"]: [SimpleNamespace(extra={"payload": record})]}
    assert names["tell"].function(triggering_asset_events=events) == ["dbt Cloud run 7 failed."]


def test_the_runs_of_several_events_are_told_once_each() -> None:
    record = Run(service="dbt_cloud", run_id=7, state=None, status="Success").to_json()
    event = SimpleNamespace(extra={"from_trigger": True, "payload": record})
    assert [run.run_id for run in runs_of([event, event])] == [7]
    with pytest.raises(ValueError, match="Not the record of a run"):
        runs_of([SimpleNamespace(extra={})])
