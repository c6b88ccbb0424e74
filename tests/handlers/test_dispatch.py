"""One dispatcher, one failure policy."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_pipehooks.core.events import HookProgress
from airflow_provider_pipehooks.handlers.dispatch import Dispatcher, Hook


class Recorder:
    def __init__(self) -> None:
        self.told: list[object] = []
        self.progress: list[tuple[str, str]] = []

    def note(self, progress: HookProgress) -> None:
        self.progress.append((progress.hook_name, progress.state))


def failing(event: object) -> None:
    raise ValueError(f"cannot take {event}")


def test_hooks_are_called_in_order_each_with_the_same_arguments() -> None:
    told: list[tuple[str, object]] = []
    hooks = [Hook(lambda event, name=name: told.append((name, event))) for name in "abca"]
    Dispatcher(hooks).dispatch(1)
    assert told == [("a", 1), ("b", 1), ("c", 1), ("a", 1)]


def test_a_failing_hook_is_logged_and_recorded_and_the_next_one_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = Recorder()
    Dispatcher([Hook(failing), Hook(seen.told.append)], record=seen.note).dispatch("e")
    assert seen.told == ["e"]
    assert seen.progress == [("failing", "FAILED")]
    (line,) = caplog.records
    assert "cannot take e" in line.getMessage()
    assert line.exc_info


@pytest.mark.parametrize(("limit", "calls"), [(0, 1), (3, 4), (None, 10)])
def test_a_hook_is_switched_off_after_one_failure_more_than_allowed(limit: int | None, calls: int) -> None:
    """Databricks: with 3 a hook is disabled after the fourth failure in a row."""
    told: list[object] = []

    def hook(event: object) -> None:
        told.append(event)
        raise ValueError

    seen = Recorder()
    dispatcher = Dispatcher(
        [Hook(hook, name="h", max_allowable_consecutive_failures=limit)], record=seen.note
    )
    for event in range(10):
        dispatcher.dispatch(event)
    assert len(told) == calls
    assert seen.progress == [("h", "FAILED")] * calls + [("h", "DISABLED")] * (limit is not None)


def test_a_success_in_between_starts_the_count_anew() -> None:
    def hook(event: int) -> None:
        if event % 3:
            raise ValueError

    one = Hook(hook, max_allowable_consecutive_failures=2)
    for event in range(30):
        Dispatcher([one]).dispatch(event)
    assert one.enabled


def test_a_record_that_fails_is_logged_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def broken(progress: HookProgress) -> None:
        raise OSError("disk full")

    told: list[object] = []
    with caplog.at_level(logging.ERROR):
        Dispatcher([Hook(failing), Hook(told.append)], record=broken).dispatch("e")
    assert told == ["e"]
    assert "Could not record" in caplog.text


@pytest.mark.parametrize("limit", [True, 1.5, "3"])
def test_a_limit_that_is_no_number_is_refused_when_the_hook_is_registered(limit: object) -> None:
    with pytest.raises(TypeError, match=r"failing.*whole number"):
        Hook(failing, max_allowable_consecutive_failures=limit)  # type: ignore[arg-type]


def test_a_negative_limit_and_a_hook_that_cannot_be_called_are_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Hook(failing, max_allowable_consecutive_failures=-1)
    with pytest.raises(TypeError, match="callable"):
        Hook(5)  # type: ignore[arg-type]


def test_what_a_hook_returns_is_given_back_and_nothing_when_it_raised() -> None:
    dispatcher = Dispatcher()
    assert dispatcher.call(Hook(lambda event: event * 2), 21) == 42
    assert dispatcher.call(Hook(failing), 21) is None


def test_a_hook_that_is_off_does_not_keep_the_next_one_from_running() -> None:
    told: list[object] = []
    off = Hook(told.append)
    off.enabled = False
    Dispatcher([off, Hook(lambda event: told.append(f"next {event}"))]).dispatch(1)
    assert told == ["next 1"]


def test_a_success_sets_the_count_of_failures_back() -> None:
    answers = iter([ValueError(), None, ValueError()])

    def hook(event: object) -> None:
        if (error := next(answers)) is not None:
            raise error

    flaky = Hook(hook, max_allowable_consecutive_failures=1)
    dispatcher = Dispatcher([flaky])
    counts = []
    for _ in range(3):
        dispatcher.dispatch(1)
        counts.append(flaky.failures)
    assert counts == [1, 0, 1]
    assert flaky.enabled


def test_the_log_says_what_comes_of_a_failure_and_of_a_limit(caplog: pytest.LogCaptureFixture) -> None:
    hook, error = Hook(failing, name="h", max_allowable_consecutive_failures=0), ValueError("no")
    told: list[HookProgress] = []
    Dispatcher(record=told.append).failed(hook, error)
    assert [record.getMessage() for record in caplog.records] == [
        "Hook h failed, what it was told of goes on: ValueError('no')",
        "Hook h is switched off after 1 failures in a row",
    ]
    assert caplog.records[0].exc_info is not None
    assert caplog.records[0].exc_info[1] is error
    assert [(each.hook_name, each.state, each.error) for each in told] == [
        ("h", "FAILED", error),
        ("h", "DISABLED", error),
    ]


def test_a_record_that_cannot_be_made_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def record(progress: HookProgress) -> None:
        raise OSError("disk full")

    Dispatcher([Hook(failing, name="h")], record=record).dispatch(1)
    last = caplog.records[-1]
    assert last.getMessage() == "Could not record that hook h is FAILED"
    assert last.exc_info is not None


class Callable_:
    def __call__(self, event: object) -> None:
        raise AssertionError(event)


def test_a_hook_has_the_name_a_person_knows() -> None:
    assert Hook(failing).name == "failing"
    assert Hook(Callable_()).name == "Callable_"
    assert Hook(failing, name="mine").name == "mine"
