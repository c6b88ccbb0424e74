"""A worker's loop around the step. The triggerer's is the watcher, in tests/triggers."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, cast

import pytest
from hypothesis import given

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.core.events import WaitEnded, WatchEvent
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.core.watch import Watch
from airflow_provider_pipehooks.hooks.remote import RemoteHook
from airflow_provider_pipehooks.services.base import Service
from airflow_provider_pipehooks.tasks.waiting import Watched, wait
from tests.core.anything import a_run, bounded
from tests.core.observations import (
    DENIED,
    MISSING,
    NO_ANSWER,
    UNAVAILABLE,
    Seen,
    observations,
    walk,
    watches,
)


class Remote:
    """Hook, service, clock and sleep in one: answers as scripted, and writes down what it was asked.

    :param script: after the last observation the run has ended.
    """

    def __init__(self, script: list[Seen | Exception], since_s: float) -> None:
        self._script = iter([*script, a_run(RunState.SUCCESS)])
        self.now_s = since_s
        self.journal: list[Any] = []

    def get_run(self, run_id: int | str) -> Generator[None, None, Run]:
        self.journal.append(("asked", run_id))
        seen = next(self._script)
        if isinstance(seen, Exception):
            raise seen
        return seen
        yield

    def call(self, procedure: Generator[Any, Any, Run], *, tries: int) -> Run:
        # Not more than one: the step is what decides on another look.
        assert tries == 1
        try:
            next(procedure)
        except StopIteration as end:
            return cast("Run", end.value)
        raise AssertionError("the double answers at once")

    def reread(self) -> None:
        self.journal.append("reread")

    def sleep(self, pause_s: float) -> None:
        self.journal.append(("slept", pause_s))
        self.now_s += pause_s

    def watched(self) -> Watched:
        return Watched(hook=cast("RemoteHook", self), service=cast("Service", self), run_id=42)


def waited(watch: Watch, script: list[Seen | Exception]) -> tuple[WaitEnded, list[WatchEvent], list[Any]]:
    """In a worker."""
    remote, events = Remote(script, watch.since_s), list[WatchEvent]()
    end = wait(remote.watched(), watch, events.append, clock=lambda: remote.now_s, sleep=remote.sleep)
    return end, events, remote.journal


A_WATCH = Watch(poll_interval_s=5.0, since_s=1000.0)


@bounded
@given(watches, observations)
def test_a_loop_does_what_the_steps_say(watch: Watch, observed: list[Any]) -> None:
    end, events, journal = waited(watch, observed)
    looks = walk(watch, [*observed, a_run(RunState.SUCCESS)])
    assert end == looks[-1].step.end
    assert events == [event for look in looks for event in look.step.events]
    pauses = [look.step.pause_s for look in looks[:-1]]
    assert [entry[1] for entry in journal if entry[0] == "slept"] == pauses


def test_the_connection_is_read_again_before_the_pause() -> None:
    _, _, journal = waited(A_WATCH, [DENIED, a_run()])
    assert journal == [
        ("asked", 42), "reread", ("slept", 5.0), ("asked", 42), ("slept", 5.0), ("asked", 42),
    ]  # fmt: skip


@pytest.mark.parametrize("seen", [UNAVAILABLE, NO_ANSWER, MISSING, DENIED])
def test_one_failed_look_ends_no_wait(seen: Seen) -> None:
    end, events, _ = waited(A_WATCH, [seen])
    assert (end.reason, end.run) == ("run_ended", a_run(RunState.SUCCESS))
    assert len(events) == 2


def test_wrong_settings_are_not_waited_out() -> None:
    with pytest.raises(ConfigurationError, match="no such task"):
        waited(A_WATCH, [ConfigurationError("no such task")])
