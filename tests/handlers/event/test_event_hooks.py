"""Event hooks as Databricks documents them: who is called with what, and when no more."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.core.events import HookProgress
from airflow_provider_pipehooks.handlers.event.filters import Where, where_of
from airflow_provider_pipehooks.handlers.event_hooks import EventHook, EventHooks, hooks_in, on_event_hook
from tests.core.anything import bounded


def event(number: int = 1, update_id: str | None = "u1", **more: Any) -> dict[str, Any]:
    origin: dict[str, Any] = {"pipeline_id": "p", **({"update_id": update_id} if update_id else {})}
    known = {"id": str(number), "event_type": "update_progress", "level": "INFO", "maturity_level": "STABLE"}
    return {**known, "origin": origin, "details": {"update_progress": {"state": "RUNNING"}}, **more}


Fails = Callable[[str], bool]


class Told:
    """Hooks that note their calls in one list, and fail as they are told."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.progress: list[str] = []

    def hook(
        self, name: str, *, fails: Callable[[str], bool] = lambda _: False, limit: int | None = None
    ) -> Any:
        def call(event: dict[str, Any]) -> str:
            self.calls.append(f"{name} {event['id']}")
            if fails(event["id"]):
                raise ValueError(f"{name} cannot")
            return "ignored"

        call.__name__ = name
        return on_event_hook(max_allowable_consecutive_failures=limit)(call)

    def record(self, progress: HookProgress) -> None:
        self.progress.append(f"{progress.hook_name} {progress.state}")


ALWAYS = lambda _: True  # noqa: E731


# --- the decorator ------------------------------------------------------------------------------------------


def test_it_is_written_in_three_ways() -> None:
    @on_event_hook
    def bare(event: Any) -> None:
        """A hook."""

    @on_event_hook()
    def called(event: Any) -> None:
        """A hook."""

    @on_event_hook(max_allowable_consecutive_failures=3)
    def limited(event: Any) -> str:
        return str(event)

    assert [(each.name, each.limit) for each in (bare, called, limited)] == [
        ("bare", None),
        ("called", None),
        ("limited", 3),
    ]
    assert limited(5) == "5"
    assert limited.__name__ == "limited"


@pytest.mark.parametrize("wrong", [5, "f", [print]])
def test_a_first_argument_that_is_no_function_is_told_the_keyword(wrong: Any) -> None:
    with pytest.raises(RuntimeError, match="max_allowable_consecutive_failures="):
        on_event_hook(wrong)


@pytest.mark.parametrize(
    ("limit", "error"), [(-1, ValueError), (True, TypeError), ("3", TypeError), (1.5, TypeError)]
)
def test_a_wrong_limit_is_refused_where_it_is_written(limit: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="max_allowable_consecutive_failures"):
        on_event_hook(max_allowable_consecutive_failures=limit)


async def never_run(event: Any) -> None:
    """Is no hook."""


@pytest.mark.parametrize("wrong", [lambda: None, lambda a, b: None, never_run])
def test_what_cannot_be_called_with_an_event_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError):
        on_event_hook(wrong)


@pytest.mark.parametrize("wrong", [print, "print", 5, {print}])
def test_hooks_are_a_list(wrong: Any) -> None:
    with pytest.raises(TypeError, match="takes a list"):
        EventHooks(wrong)


def test_plain_functions_are_hooks_too() -> None:
    hooks = EventHooks([print, on_event_hook(print)])
    assert [type(each) for each in hooks] == [EventHook, EventHook]
    assert len(hooks) == 2


def test_the_hooks_of_a_module_are_found_in_order_and_once() -> None:
    told = Told()
    first, second = told.hook("first"), told.hook("second")
    assert list(hooks_in({"b": first, "x": print, "a": second, "again": first})) == [first, second]


# --- who is called ------------------------------------------------------------------------------------------


def test_each_event_goes_to_every_hook_in_order_one_at_a_time() -> None:
    told = Told()
    dispatcher = EventHooks([told.hook("a"), told.hook("b")]).dispatcher()
    for number in (1, 2):
        dispatcher.handle(event(number))
    assert told.calls == ["a 1", "b 1", "a 2", "b 2"]
    assert (dispatcher.seen, dispatcher.calls) == (2, 4)


@pytest.mark.parametrize(
    "change",
    [
        {"maturity_level": "EVOLVING"},
        {"maturity_level": "DEPRECATED"},
        {"maturity_level": None},
        {"event_type": "hook_progress"},
    ],
    ids=str,
)
def test_only_stable_events_and_none_about_hooks(change: dict[str, Any]) -> None:
    told = Told()
    dispatcher = EventHooks([told.hook("a")]).dispatcher()
    dispatcher.handle(event(**change))
    assert told.calls == []


def test_a_hook_may_change_its_event_and_changes_nobody_elses() -> None:
    seen: list[Any] = []

    def spoils(event: dict[str, Any]) -> None:
        event["origin"]["pipeline_id"] = "mine"
        event.clear()

    dispatcher = EventHooks([spoils, seen.append]).dispatcher()
    given = event()
    dispatcher.handle(given)
    assert seen == [event()]
    assert given == event()


# --- failures -----------------------------------------------------------------------------------------------


def test_the_failure_after_the_last_allowed_one_switches_it_off() -> None:
    """Databricks' example: with 3 it is off after the fourth."""
    told = Told()
    dispatcher = EventHooks([told.hook("bad", fails=ALWAYS, limit=3), told.hook("good")]).dispatcher(
        record=told.record
    )
    for number in range(1, 7):
        dispatcher.handle(event(number))
    assert [call for call in told.calls if call.startswith("bad")] == ["bad 1", "bad 2", "bad 3", "bad 4"]
    assert len([call for call in told.calls if call.startswith("good")]) == 6
    assert told.progress == ["bad ENABLED", "good ENABLED", *["bad FAILED"] * 4, "bad DISABLED"]
    assert dispatcher.disabled == ["bad"]


def test_a_success_in_between_begins_the_count_anew() -> None:
    told = Told()
    hook = told.hook("a", fails=lambda number: number != "3", limit=2)
    dispatcher = EventHooks([hook]).dispatcher()
    for number in range(1, 7):
        dispatcher.handle(event(number))
    assert len(told.calls) == 6
    assert dispatcher.disabled == ["a"]


@pytest.mark.parametrize(("limit", "calls"), [(0, 1), (1, 2), (None, 50)])
def test_limits(limit: int | None, calls: int) -> None:
    told = Told()
    dispatcher = EventHooks([told.hook("a", fails=ALWAYS, limit=limit)]).dispatcher()
    for number in range(50):
        dispatcher.handle(event(number))
    assert len(told.calls) == calls


def test_what_does_not_concern_a_hook_neither_counts_nor_resets() -> None:
    told = Told()
    dispatcher = EventHooks([told.hook("a", fails=ALWAYS, limit=1)]).dispatcher()
    for each in (
        event(1),
        event(2, maturity_level="EVOLVING"),
        event(3, event_type="hook_progress"),
        event(4),
    ):
        dispatcher.handle(each)
    assert dispatcher.disabled == ["a"]


def test_the_next_update_begins_with_every_hook_on() -> None:
    told = Told()
    dispatcher = EventHooks([told.hook("a", fails=ALWAYS, limit=0)]).dispatcher(record=told.record)
    for each in (event(1), event(2), event(3, "u2"), event(4, "u2"), event(5, "u1"), event(6, None)):
        dispatcher.handle(each)
    assert told.calls == ["a 1", "a 3"], "a late event of the update before begins nothing anew"
    assert told.progress == ["a ENABLED", "a FAILED", "a DISABLED"] * 2


def test_a_hook_that_exits_ends_nothing() -> None:
    def exits(event: Any) -> None:
        raise SystemExit(3)

    told = Told()
    dispatcher = EventHooks([exits, told.hook("a")]).dispatcher()
    dispatcher.handle(event())
    assert told.calls == ["a 1"]


def test_a_retry_in_the_same_update_goes_on_with_its_counters() -> None:
    told = Told()
    hooks = EventHooks([told.hook("bad", fails=ALWAYS, limit=1), told.hook("off", fails=ALWAYS, limit=0)])
    before, after = hooks.dispatcher(), hooks.dispatcher()
    before.handle(event(1))
    after.restore(json.loads(json.dumps(before.to_json())))
    assert after.disabled == ["off"]
    after.handle(event(2))
    assert after.disabled == ["bad", "off"]
    after.handle(event(3, "u2"))
    assert after.disabled == ["off"], "a new update, in which one failure is too many"


@pytest.mark.parametrize(
    "record", [None, {}, {"updates": 5, "hooks": [], "off": []}, {"hooks": [{}]}, "text"]
)
def test_something_else_than_counters_is_refused(record: Any) -> None:
    with pytest.raises(ValueError, match="Not the record of event hooks"):
        EventHooks([print]).dispatcher().restore(record)


@bounded
@given(st.lists(st.booleans(), max_size=30), st.none() | st.integers(0, 4), st.integers(0, 30))
def test_a_restart_anywhere_changes_no_call(fails: list[bool], limit: int | None, at: int) -> None:
    """Whatever fails, and wherever the process ends: the calls are those of one that goes on."""

    def calls(restart_at: int | None) -> list[str]:
        told = Told()
        hooks = EventHooks([told.hook("a", fails=lambda number: fails[int(number)], limit=limit)])
        dispatcher = hooks.dispatcher()
        for number in range(len(fails)):
            if number == restart_at:
                record = json.loads(json.dumps(dispatcher.to_json()))
                dispatcher = hooks.dispatcher()
                dispatcher.restore(record)
            dispatcher.handle(event(number))
        return told.calls

    assert calls(at) == calls(None)


# --- filters ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "fits"),
    [
        (None, True),
        ({}, True),
        ({"event_type": "update_progress"}, True),
        ({"event_type": ["flow_progress", "update_progress"]}, True),
        ({"event_type": "flow_progress"}, False),
        ({"level": ("ERROR", "INFO")}, True),
        ({"level": "ERROR"}, False),
        ({"dataset": "main.sales.*"}, True),
        ({"dataset": "*.orders"}, True),
        ({"dataset": "main.hr.*"}, False),
        ({"level": "INFO", "dataset": "main.hr.*"}, False),
        (Where(level=("INFO",)), True),
    ],
)
def test_a_filter_fits(where: Any, fits: bool) -> None:
    told = Told()
    dispatcher = EventHooks([told.hook("a")], where=where).dispatcher()
    dispatcher.handle(event(origin={"update_id": "u", "flow_name": "main.sales.orders"}))
    assert bool(told.calls) is fits


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"event_typ": "a"}, "Do you mean 'event_type'"),
        ({"colour": "a"}, "Known are dataset, event_type, level"),
        ({"level": 5}, "must be a text or a list of texts"),
        ({"level": ["a", 5]}, "must be a text or a list of texts"),
        ("level", "must be an object"),
    ],
)
def test_a_filter_that_is_none_is_refused(where: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        where_of(where)


@bounded
@given(st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.integers())))
def test_no_event_breaks_the_dispatcher(odd: dict[str, Any]) -> None:
    told: list[Any] = []
    dispatcher = EventHooks([told.append], where={"dataset": "*", "level": "INFO"}).dispatcher()
    dispatcher.handle(odd)
    dispatcher.handle({**event(), **odd})
    assert dispatcher.seen == 2


def test_an_event_nested_without_end_is_given_all_the_same() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    seen: list[Any] = []
    event = {"event_type": "flow_progress", "maturity_level": "STABLE", "details": deep}
    EventHooks([seen.append]).dispatcher().handle(event)
    assert [each.keys() for each in seen] == [event.keys()]
