"""Events for what a Databricks pipeline tells in its log: each once, over restarts, from one reading."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Asset, AssetWatcher
from airflow.triggers.base import BaseEventTrigger
from airflow.triggers.shared_stream import SharedStreamManager

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.core.records import VERSION_KEY
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from airflow_provider_pipehooks.triggers.asset_events import (
    PipelineEventTrigger,
    pipeline_event_watcher,
    told_events,
)
from airflow_provider_pipehooks.triggers.assets import delivery, log_events, pipeline_rounds
from tests.task_context import stored
from tests.triggers.test_asset_events import LONGEST_S, Airflow, Killed, Store, quiet, until

pytestmark = pytest.mark.usefixtures("connections")

END = {"event_type": "update_progress", "details": {"update_progress": {"state": "COMPLETED"}}}
BAD_ROWS = Plan(
    details={
        "dropped_records": 3,
        "expectations": [
            {"name": "has_id", "passed_records": 97, "failed_records": 3},
            {"name": "has_name", "passed_records": 100, "failed_records": 0},
        ],
    }
)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GAP_S", "LOOK_S", "SETTLE_S", "IDLE_S", "AGAIN_S", "SAVE_EVERY_S"):
        monkeypatch.setattr(delivery, name, 0.01)
    monkeypatch.setattr(delivery, "GAP_LOOKS", 1)
    monkeypatch.setattr(pipeline_rounds, "FIRST_LOOK_S", 0.001)


class Pipeline:
    """A pipeline of the stand-in, and a store that outlives the triggers on it."""

    def __init__(self, standin: StandIn, **given: Any) -> None:
        self.standin, self.world = standin, standin.databricks_pipelines
        self.id = self.world.add_pipeline("shop", **given)
        self.store = Store()

    def emit(self, event: dict[str, Any] | None = None, **given: Any) -> str:
        """By default, an update has ended."""
        return self.world.emit(self.id, event or END, **given)

    def ended(self, count: int = 1) -> list[str]:
        return [self.emit() for _ in range(count)]

    def update(self, plan: Plan | None = None) -> str:
        """An update that goes through all its states at once."""
        update_id = self.world.start(self.id)
        self.world.set_plan(update_id, plan or Plan())
        self.world.read(self.world.updates[update_id])
        return update_id

    def trigger(self, **given: Any) -> PipelineEventTrigger:
        options = {"poll_interval": 0.01, **given}
        if "pipeline_name" not in options:
            options["pipeline_id"] = self.id
        trigger: PipelineEventTrigger = stored(PipelineEventTrigger(**options))
        trigger.asset_state_store = SimpleNamespace(_by_name={"a": self.store})  # type: ignore[assignment]
        return trigger

    @property
    def asked(self) -> int:
        return self.standin.journal.count("GET", "/events")


@pytest.fixture
def shop(standin: StandIn) -> Pipeline:
    return Pipeline(standin, plan=Plan(hold=True))


async def payloads(events: AsyncIterator[Any], count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < count:
        event = await asyncio.wait_for(anext(events), LONGEST_S)
        found.append(json.loads(json.dumps(event.payload)))
    return found


async def some(events: AsyncIterator[Any], count: int) -> list[Any]:
    """The ids of the next events."""
    return [payload["id"] for payload in await payloads(events, count)]


async def watched(shop: Pipeline, **given: Any) -> None:
    """Start for the first time, and stop when the place is known."""
    async with aclosing(shop.trigger(**given).run()) as events:  # type: ignore[type-var]
        waiting = asyncio.ensure_future(anext(events))
        await until(lambda: bool(shop.store.values))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


def after_a_start(shop: Pipeline, count: int, **given: Any) -> tuple[list[dict[str, Any]], bool]:
    """The events of a trigger that goes on from the stored place, and whether there were no more."""

    async def go() -> tuple[list[dict[str, Any]], bool]:
        async with aclosing(shop.trigger(**given).run()) as events:  # type: ignore[type-var]
            return await payloads(events, count), await quiet(events)

    return asyncio.run(go())


def ids_after_a_start(shop: Pipeline, count: int, **given: Any) -> tuple[list[Any], bool]:
    found, no_more = after_a_start(shop, count, **given)
    return [payload["id"] for payload in found], no_more


# --- which events, and what they tell ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "state"), [("success", "completed"), ("failed", "failed"), ("canceled", "canceled")]
)
def test_the_end_of_an_update_is_told_and_nothing_else_of_it(
    shop: Pipeline, outcome: str, state: str
) -> None:
    shop.update()
    asyncio.run(watched(shop))
    update_id = shop.update(Plan(outcome=outcome, message="no such table"))
    ((told,), no_more) = after_a_start(shop, 1)
    assert no_more
    assert (told["event_type"], told["state"], told["update_id"]) == ("update_progress", state, update_id)
    assert (told["pipeline_id"], told["pipeline_name"]) == (shop.id, "shop")
    assert told["level"] == ("ERROR" if state == "failed" else "INFO")
    assert (state == "failed") == ("no such table" in told["message"])
    assert told["timestamp"].endswith("Z")
    assert (told["dataset"], told["data_quality"]) == (None, None)


def test_only_the_states_asked_for_are_told(shop: Pipeline) -> None:
    asyncio.run(watched(shop, states=["failed"]))
    shop.update()
    failed = shop.update(Plan(outcome="failed"))
    found, no_more = after_a_start(shop, 1, states=["failed"])
    assert ([told["update_id"] for told in found], no_more) == ([failed], True)


def test_a_flow_that_dropped_rows_is_told_with_what_failed(standin: StandIn) -> None:
    shop = Pipeline(standin, plan=Plan(hold=True), flows=("orders", "items"))
    asyncio.run(watched(shop, dropped_rows=True))
    shop.update(Plan())
    update_id = shop.update(BAD_ROWS)
    ((told,), no_more) = after_a_start(shop, 1, dropped_rows=True)
    assert no_more
    assert (told["event_type"], told["dataset"], told["state"]) == ("flow_progress", "orders", "completed")
    assert told["update_id"] == update_id
    assert told["data_quality"] == {
        "dropped_records": 3,
        "expectations": [
            {"name": "has_id", "dataset": "orders", "passed_records": 97, "failed_records": 3},
            {"name": "has_name", "dataset": "orders", "passed_records": 100, "failed_records": 0},
        ],
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"where": {"event_type": "user_action"}}, ["user_action"]),
        ({"where": {"level": "ERROR"}}, ["update_progress"]),
        ({"where": {"level": "ERROR"}, "states": None}, ["flow_progress", "update_progress"]),
        ({"where": {"dataset": "ord*", "level": ["ERROR", "WARN"]}, "states": None}, ["flow_progress"]),
        ({"where": {"dataset": "item*", "level": "ERROR"}, "states": None}, []),
        (
            {"where": {"event_type": ["create_update", "update_progress"]}},
            ["create_update", "update_progress"],
        ),
        ({"where": {"event_type": "planning_information"}}, []),
        ({"states": ["initializing", "running"]}, ["update_progress", "update_progress"]),
    ],
)
def test_only_what_fits_the_filter_is_told(
    standin: StandIn, given: dict[str, Any], expected: list[str]
) -> None:
    shop = Pipeline(standin, plan=Plan(hold=True), flows=("orders", "items"))
    asyncio.run(watched(shop, **given))
    shop.update(Plan(outcome="failed"))
    found, no_more = after_a_start(shop, len(expected), **given)
    assert ([told["event_type"] for told in found], no_more) == (expected, True)


def test_a_pipeline_is_found_by_its_name(shop: Pipeline) -> None:
    asyncio.run(watched(shop, pipeline_name="shop"))
    new = shop.ended()
    assert ids_after_a_start(shop, 1, pipeline_name="shop") == (new, True)


def test_since_begins_with_events_of_the_past(shop: Pipeline) -> None:
    now = datetime.now(timezone.utc)
    shop.emit(at=now - timedelta(days=3))
    old = [shop.emit(at=now - timedelta(days=days)) for days in (2, 1)]
    assert ids_after_a_start(shop, 2, since=now - timedelta(days=2)) == (old, True)


def test_what_is_hostile_hurts_nobody(shop: Pipeline) -> None:
    asyncio.run(watched(shop, states=None))
    surrogates = {
        "event_type": "\ud800",
        "message": "\ud83d \x00 \ude00",
        "origin": {"dataset_name": "\udfff"},
    }
    shop.emit({**END, "message": "x" * 3_000_000, "id": "huge"})
    shop.emit({**END, "id": None})
    shop.emit({**END, "id": ["x"] * 1000})
    shop.emit({"id": "odd", "event_type": 7, "level": {}, "message": [], "origin": "x", "details": 1.5})
    shop.emit({**surrogates, "id": "surrogates"})
    shop.emit(
        {"id": "flow", "event_type": "flow_progress", "details": {"flow_progress": {"data_quality": "x"}}}
    )
    del shop.world.pipelines[shop.id].log.events[-1]["timestamp"]
    last = shop.emit()
    found, no_more = after_a_start(shop, 7, states=None)
    assert no_more
    assert [told["id"] for told in found] == ["huge", None, None, "odd", "surrogates", "flow", last]
    assert max(len(json.dumps(told)) for told in found) <= log_events.MOST_BYTES
    json.dumps(found, ensure_ascii=False).encode()
    assert found[5]["timestamp"] is None
    assert ids_after_a_start(shop, 0, states=None) == ([], True)


# --- over restarts ----------------------------------------------------------------------------------------


def test_what_comes_while_nobody_watches_is_told_once(shop: Pipeline) -> None:
    asyncio.run(watched(shop))
    missed = shop.ended(30)
    assert ids_after_a_start(shop, 30) == (missed, True)
    assert ids_after_a_start(shop, 0) == ([], True)


def test_late_events_and_those_of_one_moment_are_told_once(shop: Pipeline) -> None:
    now = datetime.now(timezone.utc)
    shop.emit({"event_type": "user_action"}, at=now - timedelta(minutes=10))
    asyncio.run(watched(shop))
    ids = [shop.emit(at=now) for _ in range(3)]
    found, no_more = ids_after_a_start(shop, 3)
    assert (Counter(found), no_more) == (Counter(ids), True)
    late = [shop.emit(at=now - timedelta(seconds=119)), shop.emit(at=now)]
    assert ids_after_a_start(shop, 2) == (late, True)


@pytest.mark.parametrize("is_stored", [True, False], ids=["event stored", "event lost"])
def test_a_kill_while_an_event_is_on_its_way_neither_loses_nor_repeats_it(
    shop: Pipeline, is_stored: bool
) -> None:
    asyncio.run(watched(shop))
    (new,) = shop.ended()

    async def until_the_kill() -> None:
        async with aclosing(shop.trigger(dag_id="d").run()) as events:  # type: ignore[type-var]
            assert await some(events, 1) == [new]

    with Airflow() as airflow:
        asyncio.run(until_the_kill())
        if is_stored:
            airflow.dag_runs.append(1)
        again = [] if is_stored else [new]
        assert ids_after_a_start(shop, len(again), dag_id="d") == (again, True)


@pytest.mark.parametrize("write", [1, 2, 3, 4])
def test_a_kill_at_any_write_of_the_cursor_neither_loses_nor_repeats_an_event(
    shop: Pipeline, write: int
) -> None:
    asyncio.run(watched(shop))
    ids: list[str] = shop.ended(3)
    shop.store.writes = 0

    def die(writes: int) -> None:
        if writes == write:
            raise Killed

    found: list[str] = []

    async def go(airflow: Airflow) -> None:
        async with aclosing(shop.trigger(dag_id="d").run()) as events:  # type: ignore[type-var]
            while len(found) < len(ids):
                found.extend(await some(events, 1))
                airflow.dag_runs.append(len(found))
            assert await quiet(events)

    with Airflow() as airflow:
        shop.store.dies = die
        with pytest.raises(Killed):
            asyncio.run(go(airflow))
        shop.store.dies = lambda _: None
        asyncio.run(go(airflow))
    assert found == ids


def test_without_a_dag_id_an_event_on_its_way_comes_again(
    shop: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(watched(shop))
    new = shop.ended()
    monkeypatch.setattr(delivery, "GAP_S", 1000.0)

    async def until_the_kill() -> None:
        async with aclosing(shop.trigger().run()) as events:  # type: ignore[type-var]
            assert await some(events, 1) == new

    asyncio.run(until_the_kill())
    found, _ = ids_after_a_start(shop, 1)
    assert found == new


def test_a_dag_that_does_not_start_holds_up_nothing_for_ever(
    shop: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(watched(shop))
    ids = shop.ended(2)
    with Airflow():
        assert ids_after_a_start(shop, 2, dag_id="paused")[0] == ids
    assert "DAG 'paused' has not started" in caplog.text
    assert f"of the event of update_progress event {ids[0]}" in caplog.text


def test_a_cursor_that_cannot_be_read_is_told_and_replaced(
    shop: Pipeline, caplog: pytest.LogCaptureFixture
) -> None:
    shop.ended()
    shop.store.values[shop.trigger().cursor_key] = '{"handled": "x"}'

    async def replaced() -> None:
        async with aclosing(shop.trigger().run()) as events:  # type: ignore[type-var]
            waiting = asyncio.ensure_future(anext(events))
            await until(lambda: "newest" in shop.store.values[shop.trigger().cursor_key])
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(replaced())
    new = shop.ended()
    assert ids_after_a_start(shop, 1) == (new, True)
    assert "is not used; beginning as if for the first time" in caplog.text


# --- in trouble -------------------------------------------------------------------------------------------

TROUBLE = [
    Fault(path="/events", status=503, times=5),
    Fault(path="/events", status=429, retry_after=0, times=5),
    Fault(path="/events", status=404, times=5),
    Fault(path="/events", status=401, times=2),
    Fault(path="/events", body="garbage", times=5),
    Fault(path="/events", body="truncated", times=5),
    Fault(path="/events", body="empty", times=5),
    Fault(path="/events", reset="after", times=5),
]


@pytest.mark.parametrize("fault", TROUBLE, ids=lambda fault: str(fault.status or fault.body or "reset"))
def test_trouble_of_the_remote_loses_and_repeats_nothing(
    shop: Pipeline, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_pipehooks.hooks.remote.RemoteHook._pause", lambda *_: None)
    asyncio.run(watched(shop))
    ids = shop.ended(3)
    armed = shop.standin.faults.add(fault)
    assert ids_after_a_start(shop, 3) == (ids, True)
    assert armed.hits == fault.times


def test_short_pages_and_tokens_that_expire_lose_and_repeat_nothing(
    shop: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(watched(shop))
    now = datetime.now(timezone.utc)
    ids = [shop.emit(at=now - timedelta(milliseconds=500 - number)) for number in range(60)]
    shop.world.short_pages, shop.world.token_life = 7, 0
    assert ids_after_a_start(shop, 60) == (ids, True)


def test_a_wrong_connection_is_told_and_tried_again(
    shop: Pipeline, connections: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(watched(shop))
    new = shop.ended()

    async def go() -> list[Any]:
        connections("databricks_default", conn_type="sqlite")
        async with aclosing(shop.trigger().run()) as events:  # type: ignore[type-var]
            waiting = asyncio.ensure_future(some(events, 1))
            await until(lambda: "has the type 'sqlite'" in caplog.text)
            connections(
                "databricks_default", conn_type="pipehooks_databricks", host=shop.standin.url, password="t"
            )
            return await waiting

    assert asyncio.run(go()) == new


def test_a_store_in_trouble_holds_events_back(shop: Pipeline, caplog: pytest.LogCaptureFixture) -> None:
    asyncio.run(watched(shop))
    new = shop.ended()
    shop.store.writes = 0

    def fail(writes: int) -> None:
        if writes < 4:
            raise RuntimeError("the database is locked")

    shop.store.dies = fail
    assert ids_after_a_start(shop, 1) == (new, True)
    assert "could not be stored; trying again" in caplog.text


# --- together ---------------------------------------------------------------------------------------------


def test_watchers_of_one_pipeline_share_one_reading_in_airflows_shared_stream(shop: Pipeline) -> None:
    filters: list[dict[str, Any]] = [{"states": [state]} for state in ("completed", "failed", "canceled")]
    filters += [{"where": {"event_type": kind}} for kind in ("user_action", "create_update", "maintenance")]
    filters += [{"dropped_rows": True}]
    triggers = [shop.trigger(name=f"w{at}", **given) for at, given in enumerate(filters)]
    for trigger in triggers:
        trigger.asset_state_store = SimpleNamespace(_by_name={"a": Store()})  # type: ignore[assignment]
    assert len({trigger.shared_stream_key() for trigger in triggers}) == 1
    told_to: list[tuple[int, str]] = []

    async def listen(at: int, stream: AsyncIterator[Any]) -> None:
        async for event in stream:
            told_to.append((at, event.payload["event_type"]))

    async def go() -> None:
        manager = SharedStreamManager()
        streams = [
            trigger.filter_shared_stream(
                manager.subscribe(trigger_id=at, trigger=trigger, key=trigger.shared_stream_key())
            )
            for at, trigger in enumerate(triggers)
        ]
        listening = [asyncio.ensure_future(listen(at, stream)) for at, stream in enumerate(streams)]
        await until(lambda: shop.asked >= 10)
        asked = shop.asked
        shop.update(BAD_ROWS)
        await until(lambda: len(told_to) >= 4)
        await until(lambda: shop.asked >= asked + 20)
        for each in listening:
            each.cancel()
        await asyncio.gather(*listening, return_exceptions=True)
        for at, trigger in enumerate(triggers):
            await manager.unsubscribe(at, trigger.shared_stream_key())
        assert manager._groups == {}

    asyncio.run(go())
    assert sorted(told_to) == [
        (0, "update_progress"),
        (3, "user_action"),
        (4, "create_update"),
        (6, "flow_progress"),
    ]
    reads = Counter(entry.query.get("max_results") for entry in shop.standin.journal.find("GET", "/events"))
    assert reads["1"] > 20
    assert sum(reads.values()) - reads["1"] <= 4, "seven watchers, but one reading"
    assert pipeline_rounds._WATCHERS == {}


def test_two_assets_of_equal_watchers_keep_the_same_place(shop: Pipeline) -> None:
    asyncio.run(watched(shop))
    second = Store()
    new = shop.ended()

    async def go() -> list[Any]:
        trigger = shop.trigger()
        trigger.asset_state_store = SimpleNamespace(_by_name={"a": second, "b": shop.store})  # type: ignore[assignment]
        async with aclosing(trigger.run()) as events:  # type: ignore[type-var]
            return await some(events, 1)

    assert asyncio.run(go()) == new
    assert second.values == shop.store.values


# --- arguments --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"pipeline_id": None}, "Give either pipeline_id or pipeline_name"),
        ({"pipeline_name": "shop"}, "Give either pipeline_id or pipeline_name"),
        ({"pipeline_id": " "}, "pipeline_id must not be empty"),
        ({"pipeline_id": ["p"]}, "pipeline_id must be a text"),
        ({"pipeline_id": None, "pipeline_name": ""}, "pipeline_name must not be empty"),
        ({"conn_id": None}, "conn_id must be a text"),
        ({"where": "flow_progress"}, "where must be an object"),
        ({"where": {"event_typ": "x"}}, "where has no 'event_typ'. Do you mean 'event_type'"),
        ({"where": {"level": 7}}, "where\\['level'\\] must be a text or a list"),
        ({"where": {"event_type": ["hook_progress"]}}, "'hook_progress' are never told"),
        ({"states": []}, "states must be a list of one or more of"),
        ({"states": "completed"}, "states must be a list"),
        ({"states": ["success"]}, "states: 'success' is not one of .*completed, failed, canceled"),
        ({"dropped_rows": "yes"}, "dropped_rows must be True or False, not 'yes'"),
        ({"dropped_rows": True, "where": {"event_type": "user_action"}}, "which where leaves out"),
        ({"dag_id": ""}, "dag_id must not be empty"),
        ({"since": "yesterday"}, "since must be a time in ISO 8601, not 'yesterday'"),
        ({"since": "2026-01-01T00:00:00"}, "since must have a time zone"),
        ({"poll_interval": 0}, "poll_interval must be"),
        ({"poll_interval": "often"}, "poll_interval must be"),
        ({"name": None}, "name must be a text"),
    ],
)
def test_a_bad_argument_is_refused_where_the_dag_is_written(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        PipelineEventTrigger(**{"pipeline_id": "p", **given})


def test_a_misspelt_argument_is_refused_and_one_of_a_newer_version_is_left_out() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'dropped_row'"):
        PipelineEventTrigger("p", dropped_row=True)
    path, arguments = PipelineEventTrigger("p").serialize()
    tomorrows = PipelineEventTrigger(**{**arguments, VERSION_KEY: 2, "colour": "blue"})
    assert tomorrows.serialize() == (path, arguments)


def test_equal_arguments_are_stored_equal() -> None:
    first = PipelineEventTrigger(
        "p", where={"level": ["WARN", "ERROR", "WARN"]}, states=("failed", "completed")
    )
    second = PipelineEventTrigger(
        "p", where={"level": ["ERROR", "WARN"], "dataset": []}, states={"completed", "failed"}
    )
    assert BaseEventTrigger.hash(*first.serialize()) == BaseEventTrigger.hash(*second.serialize())


def test_a_watcher_can_be_attached_to_an_asset_and_survives_storage() -> None:
    watcher = pipeline_event_watcher(
        "mine", pipeline_name="shop", where={"dataset": "a*"}, states=None, since="2026-01-01T00:00:00Z"
    )
    assert isinstance(watcher, AssetWatcher)
    assert Asset("a", watchers=[watcher]).watchers == [watcher]
    assert stored(watcher.trigger).serialize() == watcher.trigger.serialize()
    assert watcher.trigger.cursor_key == "pipehooks.pipeline_events.databricks_default.shop.mine"  # type: ignore[attr-defined]


def test_what_is_stored_holds_no_secret_and_reads_no_connection(connections: Callable[..., None]) -> None:
    connections("databricks_default", conn_type="sqlite")
    assert "token" not in json.dumps(PipelineEventTrigger("p").serialize()[1])


def test_the_events_of_several_asset_events_are_told_once_each() -> None:
    def event(payload: Any) -> Any:
        return SimpleNamespace(extra={"from_trigger": True, "payload": payload})

    one, other = {"id": "a", "event_type": "x"}, {"id": None, "event_type": "x"}
    assert told_events([event(one), event(other), event(one), event(dict(other))]) == [one, other]
    for wrong in (None, "x", {"run_id": 7}):
        with pytest.raises(ValueError, match="Not the record of a pipeline event"):
            told_events([event(wrong)])


# --- the documentation ------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text()
BLOCKS = [
    block
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    if "pipeline_event_watcher" in block
]


@pytest.mark.parametrize(
    ("block", "asset", "dag_id", "task_id", "payload", "expected"),
    [
        (
            BLOCKS[0],
            "shop",
            "after_shop",
            "tell",
            {"id": "1", "event_type": "update_progress", "update_id": "u"},
            ["u"],
        ),
        (
            BLOCKS[1],
            "bad_rows",
            "look_at_bad_rows",
            "look",
            {
                "id": "1",
                "event_type": "flow_progress",
                "dataset": "main.shop.orders",
                "data_quality": {
                    "expectations": [
                        {"name": "has_id", "failed_records": 3},
                        {"name": "b", "failed_records": 0},
                    ]
                },
            },
            ["main.shop.orders: 3 rows fail has_id"],
        ),
    ],
    ids=["an update completed", "rows failed"],
)
def test_the_dags_of_the_documentation_do_as_they_say(
    block: str, asset: str, dag_id: str, task_id: str, payload: dict[str, Any], expected: list[str]
) -> None:
    names: dict[str, Any] = {}
    exec(compile(block, "hooks.md", "exec"), names)
    (watcher,) = names[asset].watchers
    assert watcher.trigger.dag_id == dag_id
    assert f'"{dag_id}", schedule={asset},' in block
    events = {names[asset]: [SimpleNamespace(extra={"payload": payload})]}
    assert names[task_id].function(triggering_asset_events=events) == expected
