"""WATCH: the waits of a watcher, and which of them are asked for together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import copy_context
from typing import Any

from airflow_provider_pipehooks.core.events import WaitEnded, WatchEvent
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.core.watch import Watch
from airflow_provider_pipehooks.services.base import Service
from airflow_provider_pipehooks.services.batch import Batch, Found, Key

log = logging.getLogger(__name__)

Tell = Callable[[WatchEvent], None]

#: A run is told at least this often though it goes on: so that one that was deleted is missed, and one that
#: is still queued or starting shows as running before long.
ALL_EVERY_S = 60.0
NOT_RUNNING_EVERY_S = 15.0
#: But where thousands wait, no more of them a second: that is four pages of Databricks.
TOLD_AGAIN_A_SECOND = 100


class Wait:
    """One wait: its run, what it knows, and the future that its trigger sleeps on."""

    __slots__ = (
        "asked_by",
        "context",
        "due_s",
        "future",
        "key",
        "run_id",
        "service",
        "tell",
        "told_s",
        "watch",
    )

    def __init__(self, service: Service, run_id: int | str, watch: Watch, tell: Tell, due_s: float) -> None:
        self.service, self.run_id, self.watch, self.tell = service, run_id, watch, tell
        #: When a batch last told of the run: only then does the silence of the next one say that it goes on.
        self.told_s = float("-inf")
        #: None where the run has to be read alone.
        self.key = service.key_of(run_id)
        #: The log of a task is found by the context of its trigger.
        self.context = copy_context()
        self.future: asyncio.Future[WaitEnded] = asyncio.get_running_loop().create_future()
        self.due_s = due_s
        #: The look under way that will tell of it.
        self.asked_by: object = None

    def told_lately(self, now_s: float, at_least_s: float) -> bool:
        run = self.watch.run
        every_s = ALL_EVERY_S if run and run.state is RunState.RUNNING else NOT_RUNNING_EVERY_S
        return run is not None and now_s - self.told_s < max(every_s, at_least_s)


class Sharing:
    """Chooses the way that needs fewer requests, going by what batches told so far."""

    def __init__(self) -> None:
        #: What batches told per request, of what they could; 0 to 1.
        self._yield = 1.0
        #: Until then asking for ended runs only takes more than asking for all.
        self._ask_for_all_until_s = 0.0

    def split(
        self, due: Sequence[Wait], now_s: float, all_waits: int
    ) -> Iterator[tuple[list[Wait], Batch | None]]:
        """Who is asked for together.

        :param all_waits: how many there are, due or not.
        """
        by_key: dict[Key, list[Wait]] = {}
        for wait in due:
            if wait.key is not None:
                by_key.setdefault(wait.key, []).append(wait)
        service = due[0].service
        together = self._pays(by_key, service)
        way = "in batches" if together else "one by one"
        log.debug("%s: %s of %s waits are due, %s", service.name, len(due), all_waits, way)
        at_least_s = all_waits / TOLD_AGAIN_A_SECOND
        for batch in self._batches(by_key, service, now_s, at_least_s) if together else ():
            yield [wait for key in batch.wanted for wait in by_key[key]], batch
        for wait in due:
            if not together or wait.key is None:
                yield [wait], None

    def _batches(
        self, by_key: Mapping[Key, list[Wait]], service: Service, now_s: float, at_least_s: float
    ) -> Iterator[Batch]:
        """Of runs that were told lately only an end is news: the others need not come back."""
        told: dict[Key, Run | None] = {}
        others: dict[Key, Run | None] = {}
        for key, waits in by_key.items():
            lately = all(wait.told_lately(now_s, at_least_s) for wait in waits)
            quick = lately and now_s >= self._ask_for_all_until_s
            (told if quick else others)[key] = waits[0].watch.run
        yield from service.batches_of(told, ended_only=True)
        yield from service.batches_of(others, ended_only=False)

    def _pays(self, by_key: Mapping[Key, Any], service: Service) -> bool:
        if self._yield * min(len(by_key), service.runs_a_page) > 1:
            return True
        # Other people's runs may have been in the way; they end, so batches get another chance later.
        self._yield = min(1.0, self._yield * 1.2 + 0.01)
        return False

    def learn(self, found: Found, service: Service) -> None:
        """From a batch that asked for all: what its requests told, of what they could.

        Of runs seen before: where to look for others is a guess, which says nothing about batches.
        """
        wanted = found.batch.wanted
        if found.requests and all(run is not None for run in wanted.values()):
            possible = found.requests * min(len(wanted), service.runs_a_page)
            self._yield += 0.3 * (min(1.0, found.told / possible) - self._yield)

    def ask_for_all(self, now_s: float) -> None:
        """Asking for ended runs only took more than asking for all; so for a while, do that."""
        self._ask_for_all_until_s = now_s + ALL_EVERY_S
