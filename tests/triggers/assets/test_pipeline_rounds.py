"""A pipeline's event log for its watchers: nothing lost or told twice, few requests, and nothing hurts."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Generator
from contextlib import aclosing
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.core.event_cursor import sortable
from airflow_provider_pipehooks.core.run_cursor import Sent
from airflow_provider_pipehooks.handlers.event.filters import where_of
from airflow_provider_pipehooks.services.base import Answer, Request
from airflow_provider_pipehooks.services.reading import parse_json, read_error
from airflow_provider_pipehooks.standin.databricks_jobs.errors import ApiError
from airflow_provider_pipehooks.standin.databricks_pipelines import World, event_pages
from airflow_provider_pipehooks.standin.databricks_pipelines.answers import status_json
from airflow_provider_pipehooks.triggers.assets import log_events, pipeline_rounds
from airflow_provider_pipehooks.triggers.assets.delivery import Delivery
from airflow_provider_pipehooks.triggers.assets.log_events import (
    MOST_BYTES,
    LogEvent,
    Source,
    Wanted,
    record_of,
)
from airflow_provider_pipehooks.triggers.assets.pipeline_rounds import Watcher, taking_part
from airflow_provider_pipehooks.triggers.assets.place import MOST_IDS, Place
from tests import virtual_time
from tests.core.anything import bounded, shaped, values
from tests.triggers.worlds import driven

Clock = Callable[[], float]

#: 2027-01-15T08:00:00Z, less what the loop's clock shows at its start.
EPOCH_S = 1_800_000_000.0 - 1_000_000.0
#: Airflow's ``[state_store] max_value_storage_bytes``.
LIMIT = 65_535
SOURCE = Source("databricks_default", "p", None, 10.0)
ENDS = frozenset({"completed", "failed", "canceled"})
LATEST = "9"


def progress(state: str = "COMPLETED", **more: Any) -> dict[str, Any]:
    return {
        "event_type": "update_progress",
        "level": "INFO",
        "maturity_level": "STABLE",
        "details": {"update_progress": {"state": state}},
        **more,
    }


def quality(dropped: Any = 0, *failed: Any, **more: Any) -> dict[str, Any]:
    rules = [
        {"name": f"r{at}", "dataset": "t", "passed_records": 5, "failed_records": n}
        for at, n in enumerate(failed)
    ]
    told = {"dropped_records": dropped, "expectations": rules}
    return {
        "event_type": "flow_progress",
        "level": "INFO",
        "maturity_level": "STABLE",
        "origin": {"dataset_name": "shop.orders"},
        "details": {"flow_progress": {"status": "COMPLETED", "data_quality": told}},
        **more,
    }


# --- which events -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "event", "expected"),
    [
        ({"states": ENDS}, progress("COMPLETED"), True),
        ({"states": ENDS}, progress("FAILED"), True),
        ({"states": ENDS}, progress("RUNNING"), False),
        ({"states": {"failed"}}, progress("COMPLETED"), False),
        ({"states": {"running"}}, progress("RUNNING"), True),
        ({"states": ENDS}, progress("COMPLETED", maturity_level=None), True),
        ({"states": ENDS}, {k: v for k, v in progress().items() if k != "maturity_level"}, True),
        ({"states": ENDS}, progress("COMPLETED", maturity_level="EVOLVING"), False),
        ({"states": ENDS}, progress("COMPLETED", maturity_level=["STABLE"]), False),
        ({"states": ENDS}, progress("COMPLETED", details=None), False),
        (
            {"states": ENDS},
            progress("COMPLETED", details={"update_progress": {"state": ["COMPLETED"]}}),
            False,
        ),
        ({"states": ENDS}, {"event_type": "flow_progress"}, False),
        ({"states": ENDS, "where": {"event_type": ["flow_progress"]}}, {"event_type": "flow_progress"}, True),
        (
            {"states": ENDS, "where": {"event_type": ["flow_progress", "update_progress"]}},
            progress("RUNNING"),
            False,
        ),
        ({"states": ENDS, "where": {"level": "ERROR"}}, progress("FAILED"), False),
        ({"states": ENDS, "where": {"level": "ERROR"}}, progress("FAILED", level="ERROR"), True),
        (
            {"states": ENDS, "where": {"level": "ERROR"}},
            {"event_type": "user_action", "level": "ERROR"},
            False,
        ),
        ({"where": {"level": "ERROR"}}, {"event_type": "user_action", "level": "ERROR"}, True),
        ({}, progress("RUNNING"), True),
        ({}, {"event_type": "hook_progress"}, False),
        ({}, {}, True),
        ({"where": {"dataset": "shop.*"}}, quality(), True),
        ({"where": {"dataset": "shop.i*"}}, quality(), False),
        ({"dropped_rows": True}, quality(0, 0, 0), False),
        ({"dropped_rows": True}, quality(3), True),
        ({"dropped_rows": True}, quality("3"), True),
        ({"dropped_rows": True}, quality(0, 0, 1), True),
        ({"dropped_rows": True, "states": ENDS}, quality(3), True),
        ({"dropped_rows": True, "states": ENDS}, progress(), False),
        ({"dropped_rows": True, "where": {"dataset": "shop.i*"}}, quality(3), False),
        ({"dropped_rows": True}, quality(True), False),
        ({"dropped_rows": True}, quality(-1, None, "many", [1], float("nan")), False),
        ({"dropped_rows": True}, quality(10**400), True),
        ({"dropped_rows": True}, quality(0, maturity_level="EVOLVING"), False),
        ({"dropped_rows": True}, {"event_type": "flow_progress", "details": {"flow_progress": []}}, False),
    ],
)
def test_a_watcher_is_for_the_events_that_it_asks_for(
    wanted: dict[str, Any], event: dict[str, Any], expected: bool
) -> None:
    states: Collection[str] | None = wanted.get("states")
    asked = Wanted(
        where_of(wanted.get("where")),
        None if states is None else frozenset(states),
        wanted.get("dropped_rows", False),
    )
    assert asked.fits(event) is expected


# --- what is told -----------------------------------------------------------------------------------------


def test_a_record_tells_what_happened() -> None:
    event = quality(
        3, 0, 2, id="e1", timestamp="2027-01-15T08:00:00Z", message="Flow 'orders' has COMPLETED."
    )
    event["origin"] |= {"pipeline_id": "p1", "pipeline_name": "shop", "update_id": "u1"}
    assert record_of(event, SOURCE) == {
        "id": "e1",
        "timestamp": "2027-01-15T08:00:00Z",
        "event_type": "flow_progress",
        "level": "INFO",
        "message": "Flow 'orders' has COMPLETED.",
        "pipeline_id": "p1",
        "pipeline_name": "shop",
        "update_id": "u1",
        "dataset": "shop.orders",
        "state": "completed",
        "data_quality": {
            "dropped_records": 3,
            "expectations": [
                {"name": "r1", "dataset": "t", "passed_records": 5, "failed_records": 2},
                {"name": "r0", "dataset": "t", "passed_records": 5, "failed_records": 0},
            ],
        },
    }


def test_a_record_tells_nothing_that_is_not_told_but_whose_log_it_is() -> None:
    told = {key: value for key, value in record_of({}, Source("c", "p1", "shop", 1)).items() if value}
    assert told == {"pipeline_id": "p1", "pipeline_name": "shop"}


def test_expectations_that_failed_are_told_first_and_those_left_out_are_counted() -> None:
    told = record_of(quality(0, *range(50)), SOURCE)["data_quality"]
    assert [rule["failed_records"] for rule in told["expectations"]] == list(range(49, 29, -1))
    assert told["left_out"] == 30


@pytest.mark.parametrize("sign", ["x", "é", "\U0001f600", "\ud800", "\x00", " "])
def test_a_record_is_bounded_and_can_be_stored(sign: str) -> None:
    huge = sign * 1_000_000
    event = quality(10**30, *([10**30] * 1000), id=huge, timestamp=huge, level=huge, message=huge)
    event["origin"] = dict.fromkeys(("pipeline_id", "pipeline_name", "update_id", "dataset_name"), huge)
    event["details"]["flow_progress"]["status"] = huge
    for rule in event["details"]["flow_progress"]["data_quality"]["expectations"]:
        rule |= {"name": huge[:5000], "dataset": huge[:5000]}
    text = json.dumps(record_of(event, Source("c", None, huge, 1)))
    assert len(text) <= MOST_BYTES
    text.encode()
    assert "\\ud800" not in text
    assert "\\u0000" not in text


FIELDS = {
    "id": st.text(max_size=200),
    "timestamp": st.sampled_from(
        [
            "2027-01-15T08:00:00Z",
            "2027-01-15T08:00:00.123456789Z",
            "2027-99-99T99:99:99Z",
            "0000-00-00T00:00:00Z",
        ]
    ),
    "event_type": st.sampled_from(["update_progress", "flow_progress", "hook_progress"]),
    "maturity_level": st.sampled_from(["STABLE", "EVOLVING"]),
    "level": st.sampled_from(["INFO", "ERROR"]),
    "message": st.text(),
    "origin": shaped(update_id=st.text(), dataset_name=st.text(), pipeline_name=st.text()),
    "details": shaped(
        update_progress=shaped(state=st.sampled_from(["COMPLETED", "RUNNING"])),
        flow_progress=shaped(
            status=st.text(),
            data_quality=shaped(
                dropped_records=st.integers(),
                expectations=st.lists(shaped(name=st.text(), failed_records=st.integers()), max_size=3),
            ),
        ),
    ),
}


@given(st.lists(shaped(**FIELDS) | st.dictionaries(st.text(), values, max_size=3), max_size=4))
@bounded
def test_no_event_stops_a_watcher_and_what_it_holds_can_be_stored(events: list[dict[str, Any]]) -> None:
    for wanted in (Wanted(), Wanted(states=ENDS), Wanted(dropped_rows=True)):
        watcher = begun(wanted)
        assert watcher.take(events, LATEST)
        place = place_of(watcher)
        assert len(place.owed) <= len(events)
        assert all(len(json.dumps(each.record)) <= MOST_BYTES for each in place.owed)
        for each in place.owed:
            place = place.send(each.run_id, 1)
            assert stored(place).on_way == each
            place = place.arrived()
        watcher.cursor = stored(place)
        assert watcher.take(events, LATEST)
        assert place_of(watcher).owed == ()


def begun(wanted: Wanted | None = None, since: str = "2027-01-15T08:00:00+00:00") -> Watcher:
    watcher = Watcher(SOURCE, wanted or Wanted(), datetime.fromisoformat(since))
    watcher.begin("")
    return watcher


def place_of(watcher: Watcher) -> Place:
    assert watcher.cursor is not None
    return watcher.cursor


def stored(place: Place) -> Place:
    return Place.from_json(json.loads(json.dumps(place.to_json())))


@pytest.mark.parametrize("timestamp", [None, 7, "yesterday", "2027-13-45T99:99:99Z", "", [], {}])
def test_an_event_without_a_usable_time_is_told_once(timestamp: Any) -> None:
    watcher = begun()
    event = progress(id="e", timestamp=timestamp)
    watcher.take([event, event], LATEST)
    watcher.take([event], LATEST)
    (owed,) = place_of(watcher).owed
    watcher.cursor = place_of(watcher).send(owed.run_id, 1)
    watcher.take([event], LATEST)
    watcher.cursor = stored(place_of(watcher)).arrived()
    watcher.take([event], LATEST)
    assert place_of(watcher).owed == ()


@pytest.mark.parametrize("known_by", [None, 7, "", ["x"], "x" * 10_000], ids=str)
def test_events_without_a_usable_id_are_told_apart_by_what_they_hold(known_by: Any) -> None:
    watcher = begun()
    if isinstance(known_by, str) and known_by:
        one, other = progress(id=known_by), progress(id=known_by + "y")
    else:
        one, other = progress(id=known_by, message="one"), progress(id=known_by, message="other")
    watcher.take([one, other, one], LATEST)
    assert len(place_of(watcher).owed) == 2


def test_an_event_nested_without_end_is_told_like_any_other() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    watcher = begun()
    watcher.take([{"details": deep, "message": "deep"}, progress(id="next")], LATEST)
    first, second = place_of(watcher).owed
    assert (first.record["message"], second.key["id"]) == ("deep", "next")


def test_an_event_that_cannot_be_read_is_passed_over_with_a_word(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key_of(event: Any) -> Any:
        if event["id"] == "bad":
            raise ValueError("whatever it is")
        return log_events.key_of(event)

    monkeypatch.setattr(pipeline_rounds, "key_of", key_of)
    watcher = begun()
    watcher.take([progress(id="bad"), progress(id="next")], LATEST)
    assert [each.key["id"] for each in place_of(watcher).owed] == ["next"]
    assert "is passed over" in caplog.text


def test_an_event_from_the_future_does_not_hide_what_follows() -> None:
    watcher = begun(since="2020-01-01T00:00:00+00:00")
    latest = sortable("2027-01-15T09:00:00Z")
    watcher.take([progress(id="a", timestamp="2027-01-15T08:00:00Z")], latest)
    watcher.take([progress(id="b", timestamp="2099-01-15T08:00:00Z")], latest)
    watcher.reading_since = latest
    watcher.caught_up()
    assert watcher.floor() == "2027-01-15T07:58:00.000Z"
    assert len(place_of(watcher).owed) == 2


# --- where a watcher stands -------------------------------------------------------------------------------


def owing(count: int, at: str = "2027-01-15T08:00:00Z") -> Watcher:
    watcher = begun(since="2020-01-01T00:00:00+00:00")
    watcher.take([progress(id=f"e{number}", timestamp=at) for number in range(count)], LATEST)
    return watcher


def test_a_place_is_the_same_after_it_was_stored_but_for_what_is_read_again() -> None:
    watcher = owing(3)
    watcher.take([progress(id="x", timestamp="2027-01-15T09:00:00Z")], LATEST)
    watcher.reading_since = LATEST
    watcher.caught_up()
    place = place_of(watcher)
    place = place.send(place.owed[0].run_id, 7)
    again = stored(place)
    assert (again.sent, again.on_way) == (Sent(run_id=place.on_way.run_id, dag_runs=7), place.on_way)  # type: ignore[union-attr]
    assert again.owed == ()
    restarted = Watcher(SOURCE, Wanted(), cursor=again)
    assert restarted.floor() == "2027-01-15T07:58:00.000Z", "it goes on with the first that is owed"
    assert watcher.floor() == "2027-01-15T08:58:00.000Z", "there is no need to read that again before"


def test_what_was_being_reported_can_be_sent_again_after_a_restart() -> None:
    place = place_of(owing(2))
    first, second = place.owed
    again = stored(place.send(first.run_id, None)).send_again()
    assert again.owed == (first,)
    assert stored(again).owed == ()
    watcher = Watcher(SOURCE, Wanted(), cursor=stored(again))
    watcher.take(
        [progress(id=each.key["id"], timestamp="2027-01-15T08:00:00Z") for each in (first, second)], LATEST
    )
    assert place_of(watcher).owed == (first, second), "it does not count as reported"


def test_a_recount_keeps_what_is_on_its_way() -> None:
    place = place_of(owing(1))
    sent = place.send(place.owed[0].run_id, 5)
    again = sent.send(sent.sent.run_id, 3)  # type: ignore[union-attr]
    assert (again.sent.dag_runs, again.on_way) == (3, sent.on_way)  # type: ignore[union-attr]
    assert again.arrived().sent is None


def test_a_cursor_stays_below_what_the_store_takes_and_forgets_the_oldest_only() -> None:
    watcher = begun(since="2020-01-01T00:00:00+00:00")
    begin = datetime(2027, 1, 15, tzinfo=timezone.utc)
    events = [
        progress(
            id=f"e{number}",
            timestamp=(begin + timedelta(seconds=number)).isoformat(),
            message="\U0001f600" * 9000,
        )
        for number in range(MOST_IDS + 3_500)
    ]
    longest = 0
    for event in events:
        watcher.take([event], LATEST)
        place = place_of(watcher)
        watcher.cursor = sent = place.send(place.owed[0].run_id, 10**9)
        if event["id"].endswith("499"):
            longest = max(longest, len(json.dumps(sent.to_json())))
            watcher.cursor = stored(sent)
        watcher.cursor = place_of(watcher).arrived()
    assert 40_000 < longest < LIMIT
    watcher.take(events, LATEST)
    assert place_of(watcher).owed == ()
    late = progress(id="late", timestamp=events[-MOST_IDS + 2000]["timestamp"])
    watcher.take([late], LATEST)
    assert [each.key["id"] for each in place_of(watcher).owed] == ["late"]


GOOD = place_of(owing(1)).to_json()


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        "x",
        {},
        {**GOOD, "handled": None},
        {**GOOD, "handled": {**GOOD["handled"], "newest": "2027-99-99T00:00:00000000000"}},
        {**GOOD, "handled": {**GOOD["handled"], "next_chunk": 10**12}},
        {**GOOD, "handled": {**GOOD["handled"], "ids": 7}},
        {**GOOD, "chunks": []},
        {**GOOD, "sent": "x"},
        {**GOOD, "sent": {"id": "x"}},
        {**GOOD, "sent": {"id": "x", "timestamp": "", "record": 7}},
        {**GOOD, "sent": {"id": "x", "timestamp": "", "record": {}, "dag_runs": "7"}},
    ],
)
def test_what_is_not_a_cursor_is_refused(record: Any) -> None:
    with pytest.raises(ValueError, match="Not the record of a"):
        Place.from_json(record)


def test_tomorrows_cursor_is_read_without_what_is_not_known_yet() -> None:
    tomorrows = {**GOOD, "v": 2, "colour": "blue", "handled": {**GOOD["handled"], "colour": "blue"}}
    assert Place.from_json(tomorrows).to_json() == Place.from_json(GOOD).to_json()


# --- a triggerer in virtual time --------------------------------------------------------------------------


class InMemory:
    """The hook of a connection to a stand-in in this process: no HTTP, and answers that take a moment.

    :param before: called with each request; may raise.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.requests: list[Request] = []
        self.before: Callable[[Request], None] = lambda _: None
        self.reread = self.closed = 0

    async def acall(self, procedure: Generator[Request, Answer, Any]) -> Any:
        return await driven(procedure, self._answered)

    async def _answered(self, request: Request) -> Answer | RemoteCallError:
        self.requests.append(request)
        await asyncio.sleep(0.1)
        try:
            self.before(request)
            return Answer(status=200, body=parse_json(self._answer(request)))
        except ApiError as err:
            return read_error(request, err.status, {}, json.dumps(err.body()))
        except RemoteCallError as err:
            return err

    def _answer(self, request: Request) -> str:
        words = request.path.removeprefix("/api/2.0/pipelines").split("/")
        if words == [""]:
            return json.dumps({"statuses": [status_json(each) for each in self.world.pipelines.values()]})
        assert words[2:] == ["events"]
        return event_pages.page(self.world, self.world.pipeline(words[1]), request.params).decode()

    def pages(self) -> list[Request]:
        return [request for request in self.requests if request.params.get("max_results") != "1"]

    async def areread(self) -> None:
        self.reread += 1

    async def aclose(self) -> None:
        self.closed += 1


class Store:
    """An asset's state store, which outlives triggerers; each call is a round trip."""

    def __init__(self) -> None:
        self.value = "null"
        self.writes = 0

    async def aget(self, key: str, default: Any = None) -> Any:
        await asyncio.sleep(0.02)
        return json.loads(self.value)

    async def aset(self, key: str, value: Any) -> None:
        await asyncio.sleep(0.02)
        self.writes += 1
        self.value = json.dumps(value)
        assert len(self.value) < LIMIT


class Standing:
    """A stand-in, a pipeline in it, and one triggerer after the other."""

    def __init__(self, clock: Clock, seed: int = 1) -> None:
        self.clock = clock
        self.random = random.Random(seed)
        self.world = World(lambda: EPOCH_S + clock())
        self.pipeline = self.world.add_pipeline("shop")
        self.source = Source("databricks_default", self.pipeline, None, 10.0)
        self.hook = InMemory(self.world)

    def now(self) -> datetime:
        return datetime.fromtimestamp(EPOCH_S + self.clock(), timezone.utc)

    def emit(self, event: dict[str, Any] | None = None, *, ago_s: float = 0.0) -> str:
        """Write an event into the log; by default, an update has ended."""
        return self.world.emit(self.pipeline, event or progress(), at=self.now() - timedelta(seconds=ago_s))

    async def triggerer(self, *watchers: Told, lives_s: float) -> None:
        """Run one with these watchers, and kill it after so long."""
        tasks = [
            asyncio.ensure_future(self._poll(source, watchers))
            for source in {each.source for each in watchers}
        ]
        tasks += [asyncio.ensure_future(each.run()) for each in watchers]
        done, _ = await asyncio.wait(tasks, timeout=lives_s, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert [task.exception() for task in done] == []
        assert pipeline_rounds._WATCHERS == {}

    async def _poll(self, source: Source, watchers: Collection[Told]) -> None:
        """As Airflow's shared stream."""
        async with aclosing(pipeline_rounds.rounds(source, clock=self.clock, now=self.now)) as stream:
            async for count in stream:
                for each in watchers:
                    if each.source == source:
                        each.queue.put_nowait(count)
                        assert each.queue.qsize() < 1024, "a shared stream ends whoever is slow"


class Told:
    """A watcher over restarts: its store, its DAG, and the events that were stored for it.

    :param dag: whether it knows the DAG that it starts.
    :param starts_s: how long the DAG takes to start after an event was stored.
    :param answers_s: how long Airflow takes to count the DAG's runs.
    """

    def __init__(
        self,
        standing: Standing,
        wanted: Wanted | None = None,
        *,
        source: Source | None = None,
        since: datetime | None = None,
        dag: bool = True,
        starts_s: float = 0.5,
        answers_s: float = 0.02,
    ) -> None:
        self.answers_s = answers_s
        self.standing, self.wanted, self.since = standing, wanted or Wanted(), since
        self.source, self.dag, self.starts_s = source or standing.source, dag, starts_s
        self.queue: asyncio.Queue[int] = asyncio.Queue()
        self.store = Store()
        self.ids: list[str] = []
        self.dag_runs = 0
        self.is_paused = False
        self.watcher: Watcher | None = None

    async def run(self) -> None:
        """As the trigger does, in a triggerer that takes a second to store an event."""
        self.watcher = watcher = Watcher(self.source, self.wanted, self.since)
        self.queue = asyncio.Queue()
        dag_id, clock = ("d" if self.dag else None), self.standing.clock
        reporting: Delivery[Place, LogEvent] = Delivery(
            watcher, [self.store], "key", dag_id, read=Place.from_json, clock=clock
        )
        reporting._dag_runs = self._count  # type: ignore[method-assign]
        await reporting.load()
        storing: list[asyncio.Task[None]] = []
        try:
            with taking_part(watcher):
                while True:
                    await self.queue.get()
                    async for event in reporting.runs(within_s=5.0):
                        storing.append(asyncio.ensure_future(self._store_event(event)))
        finally:
            for each in storing:
                each.cancel()
            await asyncio.gather(*storing, return_exceptions=True)

    async def _store_event(self, event: LogEvent) -> None:
        await asyncio.sleep(self.standing.random.uniform(0.2, 1.5))
        self.ids.append(str(event.record["id"]))
        # The scheduler goes on, whatever becomes of the triggerer.
        asyncio.get_running_loop().call_later(self.starts_s, self._start)

    def _start(self) -> None:
        self.dag_runs += not self.is_paused

    async def _count(self, *states: str) -> int | None:
        await asyncio.sleep(self.answers_s)
        if not self.dag:
            return None
        return int(self.is_paused) if states else self.dag_runs


@pytest.fixture(autouse=True)
def in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    async def opened(source: Source) -> InMemory:
        return HOOKS[source.conn_id]

    monkeypatch.setattr(pipeline_rounds, "_open", opened)
    monkeypatch.setattr(pipeline_rounds, "_WATCHERS", {})


HOOKS: dict[str, InMemory] = {}


def in_virtual_time(work: Callable[[Standing], Coroutine[Any, Any, None]], seed: int = 1) -> None:
    async def go(clock: Clock) -> None:
        standing = Standing(clock, seed)
        HOOKS["databricks_default"] = standing.hook
        await work(standing)

    virtual_time.run(go)


def once(*ids: str) -> Counter[str]:
    return Counter(ids)


# --- nothing lost, nothing twice --------------------------------------------------------------------------


def test_what_was_there_before_the_first_start_is_not_told_and_what_comes_then_is() -> None:
    async def work(standing: Standing) -> None:
        for _ in range(300):
            standing.emit()
        standing.emit(ago_s=100)
        told = Told(standing)
        await standing.triggerer(told, lives_s=30)
        assert told.ids == []
        new = standing.emit()
        await standing.triggerer(told, lives_s=30)
        assert told.ids == [new]

    in_virtual_time(work)


def test_the_first_event_of_an_empty_log_is_told() -> None:
    async def work(standing: Standing) -> None:
        told = Told(standing)
        await standing.triggerer(told, lives_s=15)
        first = standing.emit()
        await standing.triggerer(told, lives_s=15)
        assert told.ids == [first]

    in_virtual_time(work)


def test_events_of_the_moment_in_which_it_starts_are_told_if_they_come_later() -> None:
    async def work(standing: Standing) -> None:
        at = "2027-01-15T08:00:00.123456789Z"
        standing.world.emit(standing.pipeline, progress(), at=at)
        told = Told(standing)
        await standing.triggerer(told, lives_s=5)
        ids = [standing.world.emit(standing.pipeline, progress(), at=at) for _ in range(3)]
        await standing.triggerer(told, lives_s=60)
        assert once(*told.ids) == once(*ids)

    in_virtual_time(work)


def test_since_begins_with_events_of_the_past() -> None:
    async def work(standing: Standing) -> None:
        standing.emit(ago_s=3600.5)
        ids = [standing.emit(ago_s=ago_s) for ago_s in (3600, 1800, 0)]
        told = Told(standing, since=standing.now() - timedelta(hours=1))
        await standing.triggerer(told, lives_s=60)
        assert told.ids == ids

    in_virtual_time(work)


@pytest.mark.parametrize("seed", range(12))
def test_every_event_is_told_once_over_kills_at_any_moment(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late ones, many of one moment, short pages, expired tokens and a remote in trouble are among it."""
    monkeypatch.setattr(pipeline_rounds, "PAGE", 7)
    monkeypatch.setattr(pipeline_rounds, "MOST_OWED", 6)

    async def work(standing: Standing) -> None:
        chance = standing.random

        def trouble(request: Request) -> None:
            if chance.random() < 0.1:
                raise RemoteCallError("in trouble", status_code=503, retryable=True)

        standing.hook.before = trouble
        told, ids = Told(standing, Wanted(states=ENDS), starts_s=2.0), []

        async def happen() -> None:
            for _ in range(40):
                await asyncio.sleep(chance.uniform(0, 20))
                standing.world.short_pages = chance.choice([None, None, 3])
                standing.world.token_life = chance.choice([None, None, None, 1])
                ago_s = chance.choice([0, 0, 0, chance.uniform(0, 110)])
                for _ in range(chance.choice([1, 1, 2, 5])):
                    ids.append(standing.emit(ago_s=ago_s))
                    standing.emit(progress("RUNNING"))
                    standing.emit(quality(3))

        await standing.triggerer(told, lives_s=60)
        happening = asyncio.ensure_future(happen())
        while not happening.done():
            await standing.triggerer(told, lives_s=chance.uniform(0.05, 60))
            await asyncio.sleep(chance.choice([0.0, chance.uniform(0, 100)]))
        standing.hook.before = lambda _: None
        standing.world.token_life = None
        await standing.triggerer(told, lives_s=1800)
        assert once(*told.ids) == once(*ids)

    in_virtual_time(work, seed)


def test_what_is_read_while_airflow_is_asked_is_not_lost() -> None:
    async def work(standing: Standing) -> None:
        told, ids = Told(standing, answers_s=300.0), []
        await standing.triggerer(told, lives_s=15)
        alive = asyncio.ensure_future(standing.triggerer(told, lives_s=10_000))
        for _ in range(8):
            ids.append(standing.emit())
            await asyncio.sleep(130)  # none of them is read again
        await alive
        assert told.ids == ids

    in_virtual_time(work)


def test_without_a_dag_no_event_is_lost_and_only_one_on_its_way_may_come_again() -> None:
    async def work(standing: Standing) -> None:
        told, ids = Told(standing, dag=False), []
        await standing.triggerer(told, lives_s=15)
        for _ in range(8):
            ids += [standing.emit(), standing.emit()]
            await standing.triggerer(told, lives_s=standing.random.uniform(5, 40))
        await standing.triggerer(told, lives_s=300)
        assert set(told.ids) == set(ids)
        assert len(told.ids) <= len(ids) + 8

    in_virtual_time(work)


@pytest.mark.parametrize("count", [1, 600])
def test_a_late_event_is_told_though_nothing_comes_after_it(count: int) -> None:
    async def work(standing: Standing) -> None:
        told = Told(standing, Wanted(states=ENDS))
        await standing.triggerer(told, lives_s=15)
        for _ in range(count):
            standing.emit(progress("RUNNING"))
        alive = asyncio.ensure_future(standing.triggerer(told, lives_s=300))
        await asyncio.sleep(100)
        late = standing.emit(ago_s=200)  # 100 seconds before the newest
        await asyncio.sleep(pipeline_rounds.SWEEP_S + 15)
        assert told.ids == [late]
        await alive
        assert told.ids == [late]

    in_virtual_time(work)


def test_an_event_that_comes_into_a_page_that_was_read_is_told_however_long_the_reading_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline_rounds, "PAGE", 2)

    async def work(standing: Standing) -> None:
        told = Told(standing, Wanted(states=ENDS))
        await standing.triggerer(told, lives_s=15)
        for _ in range(5_000):
            standing.emit(progress("RUNNING"))
        alive = asyncio.ensure_future(standing.triggerer(told, lives_s=1200))
        await asyncio.sleep(20)
        late = standing.emit(ago_s=100)
        for _ in range(30):
            await asyncio.sleep(10)
            standing.emit(progress("RUNNING"))
        assert len(standing.hook.pages()) > 2_500, "it was read while this happened"
        await alive
        assert told.ids == [late]

    in_virtual_time(work)


def test_events_of_one_moment_on_several_pages_are_told_once_each() -> None:
    async def work(standing: Standing) -> None:
        told = Told(standing, starts_s=0.01)
        await standing.triggerer(told, lives_s=15)
        standing.world.short_pages = 7
        ids = [
            standing.world.emit(standing.pipeline, progress(), at="2027-01-15T09:00:00Z") for _ in range(50)
        ]
        await standing.triggerer(told, lives_s=40)
        assert len(told.ids) > 10
        await standing.triggerer(told, lives_s=300)
        assert once(*told.ids) == once(*ids)

    in_virtual_time(work)


# --- few requests -----------------------------------------------------------------------------------------


def test_one_request_per_poll_asks_for_one_event_while_nothing_is_new() -> None:
    async def work(standing: Standing) -> None:
        for _ in range(1000):
            standing.emit(progress("RUNNING"))
        told = Told(standing)
        alive = asyncio.ensure_future(standing.triggerer(told, lives_s=3600))
        await asyncio.sleep(15)
        standing.hook.requests.clear()
        await asyncio.sleep(40)
        asked = [request.params for request in standing.hook.requests]
        assert asked == [{"max_results": "1", "order_by": "timestamp desc"}] * 4
        writes = told.store.writes
        await alive
        assert told.store.writes == writes, "nothing has changed"

    in_virtual_time(work)


def test_now_and_then_the_log_is_read_again_from_a_little_before_its_end() -> None:
    async def work(standing: Standing) -> None:
        standing.emit(ago_s=1000)
        standing.emit()
        await standing.triggerer(Told(standing), lives_s=605)
        sweeps = [request.params for request in standing.hook.pages()]
        assert 8 <= len(sweeps) <= 10
        assert {params["filter"] for params in sweeps} == {"timestamp >= '2027-01-15T08:00:00.000Z'"}

    in_virtual_time(work)


def test_watchers_of_one_pipeline_share_one_reading_whatever_they_are_for() -> None:
    async def work(standing: Standing) -> None:
        ends, drops, everything = (
            Told(standing, Wanted(states=ENDS)),
            Told(standing, Wanted(dropped_rows=True)),
            Told(standing, Wanted(where_of({"level": ["INFO", "WARN"]}))),
        )
        alone = Told(standing, Wanted(states=ENDS))
        await standing.triggerer(alone, lives_s=300)
        asked = len(standing.hook.requests)
        standing.hook.requests.clear()
        alive = asyncio.ensure_future(standing.triggerer(ends, drops, everything, lives_s=300))
        await asyncio.sleep(55)
        end, drop = standing.emit(), standing.emit(quality(3))
        await alive
        assert (ends.ids, drops.ids, everything.ids) == ([end], [drop], [end, drop])
        assert len(standing.hook.requests) <= asked + 2

    in_virtual_time(work)


def test_a_watcher_that_joins_later_reads_on_from_its_own_place() -> None:
    async def work(standing: Standing) -> None:
        first, second = Told(standing), Told(standing)
        await standing.triggerer(first, second, lives_s=15)
        missed = [standing.emit() for _ in range(3)]
        await asyncio.sleep(1000)
        await standing.triggerer(first, lives_s=60)
        newer = standing.emit()
        await standing.triggerer(first, second, lives_s=60)
        assert first.ids == second.ids == [*missed, newer]

    in_virtual_time(work)


# --- bounded ----------------------------------------------------------------------------------------------


def test_a_dag_that_is_slow_holds_up_nobody_else_and_misses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_rounds, "PAGE", 20)
    monkeypatch.setattr(pipeline_rounds, "MOST_OWED", 30)

    async def work(standing: Standing) -> None:
        quick, slow = Told(standing, starts_s=0.1), Told(standing, starts_s=0.1)
        await standing.triggerer(quick, slow, lives_s=15)
        ids = [standing.emit() for _ in range(200)]
        slow.is_paused = True
        alive = asyncio.ensure_future(standing.triggerer(quick, slow, lives_s=4000))
        await asyncio.sleep(1000)
        assert quick.ids == ids
        assert len(slow.ids) == 1
        assert slow.watcher is not None
        assert len(place_of(slow.watcher).owed) == 29, "with the one on its way, 30"
        standing.hook.requests.clear()
        await asyncio.sleep(40)
        assert len(standing.hook.requests) < 20, "at most one sweep: who has no room is not read for"
        slow.is_paused = False
        slow._start()
        await alive
        assert slow.ids == ids

    in_virtual_time(work)


def test_what_waited_long_for_a_slow_dag_is_told_after_a_restart() -> None:
    async def work(standing: Standing) -> None:
        told = Told(standing, Wanted(states=ENDS))
        await standing.triggerer(told, lives_s=15)
        told.is_paused = True
        ids = [standing.emit() for _ in range(5)]
        alive = asyncio.ensure_future(standing.triggerer(told, lives_s=1000))
        for _ in range(90):
            await asyncio.sleep(10)
            standing.emit(progress("RUNNING"))
        await alive
        told.is_paused = False
        told._start()
        await standing.triggerer(told, lives_s=300)
        assert told.ids == ids

    in_virtual_time(work)


def test_a_long_backlog_is_read_about_once_however_slowly_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_rounds, "PAGE", 10)
    monkeypatch.setattr(pipeline_rounds, "MOST_OWED", 30)

    async def work(standing: Standing) -> None:
        told = Told(standing, starts_s=0.1)
        await standing.triggerer(told, lives_s=15)
        ids = []
        for _ in range(600):
            ids.append(standing.emit())
            await asyncio.sleep(1)
        standing.hook.requests.clear()
        alive = asyncio.ensure_future(standing.triggerer(told, lives_s=3000))
        for _ in range(3000):
            if len(told.ids) == len(ids):
                break
            await asyncio.sleep(1)
        assert len(standing.hook.pages()) < 2 * 600 / 10 + 20
        await alive
        assert told.ids == ids

    in_virtual_time(work)


def test_the_watchers_are_woken_while_a_long_backlog_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_rounds, "PAGE", 2)

    async def work(standing: Standing) -> None:
        told = Told(standing, Wanted(states=ENDS))
        await standing.triggerer(told, lives_s=15)
        first = standing.emit()
        for _ in range(800):
            standing.emit(progress("RUNNING"))
        await standing.triggerer(told, lives_s=25)  # the backlog takes 40
        assert told.ids == [first]

    in_virtual_time(work)


# --- in trouble -------------------------------------------------------------------------------------------


def test_trouble_is_told_and_asked_about_less_and_less_often(caplog: pytest.LogCaptureFixture) -> None:
    async def work(standing: Standing) -> None:
        def trouble(request: Request) -> None:
            raise RemoteCallError("in trouble", status_code=503, retryable=True)

        told = Told(standing)
        await standing.triggerer(told, lives_s=15)
        standing.hook.requests.clear()
        standing.hook.before = trouble
        alive = asyncio.ensure_future(standing.triggerer(told, lives_s=4000))
        await asyncio.sleep(2000)
        assert 8 <= len(standing.hook.requests) <= 12
        assert standing.hook.reread == len(standing.hook.requests)
        ids = [standing.emit(), standing.emit()]
        standing.hook.before = lambda _: None
        await alive
        assert told.ids == ids
        assert f"at the events of pipeline {standing.pipeline} of databricks_default failed" in caplog.text

    in_virtual_time(work)


def test_a_remote_that_asks_for_a_pause_gets_it() -> None:
    async def work(standing: Standing) -> None:
        def refused(request: Request) -> None:
            raise RemoteCallError("too many", status_code=429, retryable=True, retry_after_s=500)

        standing.hook.before = refused
        await standing.triggerer(Told(standing), lives_s=490)
        assert len(standing.hook.requests) == 1

    in_virtual_time(work)


@pytest.mark.parametrize("pages", [2, 9])
def test_an_expired_token_goes_on_where_the_pages_had_come_to(pages: int) -> None:
    async def work(standing: Standing) -> None:
        told = Told(standing, Wanted(states=ENDS))
        await standing.triggerer(told, lives_s=15)
        for _ in range(30 * pages):
            standing.emit(progress("RUNNING"))
            await asyncio.sleep(0.1)
        end = standing.emit()
        standing.world.short_pages = 30
        standing.world.token_life = 0
        await standing.triggerer(told, lives_s=30)
        assert told.ids == [end]

    in_virtual_time(work)


def test_tokens_that_are_always_refused_within_one_moment_are_trouble_and_waited_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work(standing: Standing) -> None:
        told = Told(standing)
        await standing.triggerer(told, lives_s=15)
        standing.world.short_pages, standing.world.token_life = 3, 0
        ids = [
            standing.world.emit(standing.pipeline, progress(), at="2027-01-15T09:00:00Z") for _ in range(9)
        ]
        await standing.triggerer(told, lives_s=100)
        assert once(*told.ids) == once(*ids[:3])
        assert "Every next page of the event log is refused" in caplog.text
        standing.world.token_life = None
        await standing.triggerer(told, lives_s=100)
        assert once(*told.ids) == once(*ids)

    in_virtual_time(work)


def test_pages_get_smaller_where_so_many_events_are_more_than_is_read() -> None:
    async def work(standing: Standing) -> None:
        def too_long(request: Request) -> None:
            if int(request.params["max_results"]) > 10:
                raise RemoteCallError("more than 32 MB", status_code=200, retryable=True)

        told = Told(standing)
        await standing.triggerer(told, lives_s=15)
        ids = [standing.emit() for _ in range(20)]
        standing.hook.before = too_long
        await standing.triggerer(told, lives_s=60)
        assert told.ids == ids
        assert told.watcher is not None

    in_virtual_time(work)


def test_a_pipeline_is_found_by_its_name_and_found_again_when_another_has_it() -> None:
    async def work(standing: Standing) -> None:
        told = Told(standing, source=Source("databricks_default", None, "shop", 10.0))
        await standing.triggerer(told, lives_s=15)
        first = standing.emit()
        alive = asyncio.ensure_future(standing.triggerer(told, lives_s=600))
        await asyncio.sleep(60)
        del standing.world.pipelines[standing.pipeline]
        await asyncio.sleep(60)
        standing.pipeline = standing.world.add_pipeline("shop")
        second = standing.emit()
        await alive
        assert told.ids == [first, second]
        assert sum(request.path.endswith("/pipelines") for request in standing.hook.requests) < 10

    in_virtual_time(work)


def test_a_name_that_nobody_has_is_told_and_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    async def work(standing: Standing) -> None:
        told = Told(standing, source=Source("databricks_default", None, "shops", 10.0))
        alive = asyncio.ensure_future(standing.triggerer(told, lives_s=300))
        await asyncio.sleep(60)
        assert "No Databricks pipeline is named 'shops'. Near: 'shop'" in caplog.text
        standing.pipeline = standing.world.add_pipeline("shops")
        await asyncio.sleep(100)
        new = standing.emit()
        await alive
        assert told.ids == [new]

    in_virtual_time(work)


def test_a_last_event_with_a_time_that_is_none_does_not_hide_what_follows() -> None:
    async def work(standing: Standing) -> None:
        standing.world.emit(standing.pipeline, progress(), at="2099-01-01T00:00:00Z")
        told = Told(standing)
        await standing.triggerer(told, lives_s=15)
        new = standing.emit()
        await standing.triggerer(told, lives_s=100)
        assert told.ids == [new]

    in_virtual_time(work)


def test_the_reading_ends_with_its_last_watcher() -> None:
    async def work(standing: Standing) -> None:
        await standing.triggerer(Told(standing), lives_s=33)
        assert standing.hook.closed == 1

    in_virtual_time(work)
