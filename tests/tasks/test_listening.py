"""Listening while nothing can be written down: what was told then comes again after a crash, no more."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from airflow_provider_pipehooks.handlers.event_hooks import EventHooks
from airflow_provider_pipehooks.services.pipeline_log import LogPage
from airflow_provider_pipehooks.tasks.listening import EVENTS_KEY, Listening
from tests.task_context import Store

EVENTS = [
    {"id": str(n), "timestamp": f"2026-11-02T00:00:0{n}.000Z", "maturity_level": "STABLE", "level": "INFO"}
    for n in range(6)
]


class _Log:
    def page(self, *, since: str | None, token: str | None, size: int) -> LogPage:
        return LogPage([dict(event) for event in EVENTS])

    def update_ids(self) -> None:
        return None


class _MayBeAway(Store):
    is_away = False

    def recall(self, key: str) -> Any:
        return self.get(key)

    def remember(self, key: str, record: Any) -> None:
        if self.is_away:
            raise OSError("the API server is away")
        self.set(key, record)

    def forget(self, key: str) -> None:
        self.delete(key)


def listening(store: _MayBeAway, hook: Any) -> Listening:
    logger = logging.getLogger("test")
    return Listening(EventHooks([hook]), _Log(), store, logger, of={}, since=None, batch_size=1)


def test_while_nothing_can_be_written_down_one_batch_is_told() -> None:
    store, told = _MayBeAway(), []

    def hook(event: dict[str, Any]) -> None:
        told.append(event["id"])
        store.is_away = len(told) == 2

    first = listening(store, hook)
    for _ in range(3):
        with pytest.raises(OSError, match="away"):
            first.read()
    assert told == ["0", "1"]
    # A next try, after this one was ended, has the one in hand again; all others once.
    store.is_away = False
    listening(store, hook).read()
    assert told == ["0", "1", "1", "2", "3", "4", "5"]


def test_it_goes_on_when_it_can_be_written_down_again() -> None:
    store, told = _MayBeAway(), []

    def hook(event: dict[str, Any]) -> None:
        told.append(event["id"])
        store.is_away = len(told) == 2

    reading = listening(store, hook)
    with pytest.raises(OSError, match="away"):
        reading.read()
    store.is_away = False
    assert reading.read()
    assert told == ["0", "1", "2", "3", "4", "5"]
    assert store[EVENTS_KEY]["handled"] == 6
