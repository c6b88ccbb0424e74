"""Listening to random logs is checked, and the checker finds what is done wrong on purpose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from unittest import mock

import pytest

from airflow_provider_pipehooks.handlers.dispatch import Hook
from airflow_provider_pipehooks.handlers.event.dispatching import EventDispatcher
from airflow_provider_pipehooks.services.pipeline_log import LogPage
from airflow_provider_pipehooks.tasks.listening import Listening
from tests.tasks.listening_checker import check

SEEDS = range(1, 301)


@cache
def of_the_product(seed: int) -> Sequence[str]:
    return tuple(check(seed))


def test_every_event_is_handled_as_it_has_to_be() -> None:
    found = {seed: of_the_product(seed) for seed in SEEDS}
    wrong = {seed: faults[0] for seed, faults in found.items() if faults}
    assert wrong == {}, (
        f"{len(wrong)} logs; python -m tests.tasks.listening_checker --trace --logs 1 --seed ..."
    )


def test_a_seed_is_the_same_log_again() -> None:
    class Deaf(Listening):
        def read(self, budget_s: float | None = None) -> bool:
            return True

    assert check(3, Deaf) == check(3, Deaf) != []


class WrittenBefore(Listening):
    """The cursor is written before the batch is handled."""

    def _handle(self, batch: Sequence[dict[str, Any]]) -> None:
        ours = []
        for event in batch:
            if self.cursor.is_new(event):
                self.report.seen += 1
                self.cursor.handled(event)
                if self._is_ours(event):
                    self.report.handled += 1
                    ours.append(event)
        self._save()
        for event in ours:
            self.dispatcher.handle(event)


class NoOverlap(Listening):
    """The log is read from its newest event on."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.cursor.overlap_s = 0


class LaterOnly(Listening):
    """The filter is ``>``: in milliseconds, that is one more."""

    def _page(self, since: str | None, token: str | None) -> LogPage:
        if since is not None:
            later = datetime.fromisoformat(since.replace("Z", "+00:00")) + timedelta(milliseconds=1)
            since = later.strftime("%Y-%m-%dT%H:%M:%S.") + f"{later.microsecond // 1000:03d}Z"
        return super()._page(since, token)


class ForgetsSeen(Listening):
    """What was handled is not known to the next process."""

    def _restore(self) -> bool:
        restored = super()._restore()
        self.cursor._known = set()
        return restored


class ForgetsCounters(Listening):
    """Hooks begin anew in each process."""

    def _restore(self) -> bool:
        with mock.patch.object(EventDispatcher, "restore"):
            return super()._restore()


class RefusedIsEnd(Listening):
    """A token that is refused is taken for the last page."""

    def _page(self, since: str | None, token: str | None) -> LogPage:
        page = super()._page(since, token)
        return LogPage(()) if page.expired else page


class NoSweep(Listening):
    """The whole log is not looked at in the end."""

    def _sweep(self, stop_s: float) -> None:
        pass


class OneTooMany(Listening):
    """A hook is switched off one failure later."""

    def __init__(self, hooks: Any, *args: Any, **options: Any) -> None:
        super().__init__(hooks, *args, **options)
        for hook in self.dispatcher._dispatcher.hooks:
            assert isinstance(hook, Hook)
            if hook.limit is not None:
                hook.limit += 1


class AnyUpdate(Listening):
    """Events of foreign updates are taken for ours."""

    def _is_ours(self, event: Any) -> bool:
        return True


class Backwards(Listening):
    """The last of a batch comes first."""

    def _handle(self, batch: Sequence[dict[str, Any]]) -> None:
        super()._handle(batch[::-1])


class RarelyWritten(Listening):
    """Only every other batch is written."""

    _batches_handled = 0

    def _save(self) -> None:
        self._batches_handled += 1
        if self._batches_handled % 2 == 0:
            super()._save()


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        (WrittenBefore, "skipped: hook . was not given"),
        (NoOverlap, "skipped: a read has said that all is handled"),
        (LaterOnly, "skipped: "),
        (ForgetsSeen, "repeat: .* was not to be handled"),
        (ForgetsCounters, "counters: hook . is switched off, and was given"),
        (RefusedIsEnd, "skipped: a read has said that all is handled"),
        (NoSweep, "skipped: finished"),
        (OneTooMany, "counters: hook . is switched off, and was given"),
        (AnyUpdate, "other: .* concerns no hook"),
        (Backwards, "skipped: hook . was not given"),
        (RarelyWritten, "repeat: "),
    ],
)
def test_a_planted_fault_is_found(planted: type[Listening], told: str) -> None:
    """By a log in which nothing is wrong otherwise."""
    for seed in SEEDS:
        if any(re.match(told, fault) for fault in check(seed, planted)) and not of_the_product(seed):
            return
    pytest.fail(f"{len(SEEDS)} logs do not show it")
