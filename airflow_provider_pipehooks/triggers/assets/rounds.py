"""WATCH: one poll loop for all watchers of finished runs of an account, in one triggerer process.

Airflow's shared stream starts the loop with the first watcher, hands each round to all of them and ends the
loop with the last. Each watcher goes by its own cursor, so the loop reads from the lowest of them on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING

from airflow_provider_pipehooks.core.errors import PipehooksError, RemoteCallError
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_cursor import Cursor, Filter, Round
from airflow_provider_pipehooks.core.watch import LONGEST_PAUSE_S

if TYPE_CHECKING:
    from airflow_provider_pipehooks.hooks.remote import RemoteHook
    from airflow_provider_pipehooks.services.run_lists import Look, Wants

log = logging.getLogger(__name__)

#: A watcher reads its cursor first; the loop begins as soon as one has.
FIRST_LOOK_S = 0.1


@dataclass(frozen=True)
class Source:
    """Whom to ask, and how often. Watchers of equal sources share a loop."""

    service: str
    conn_id: str
    account_id: int | None
    poll_interval_s: float


@dataclass(eq=False)
class Watcher:
    """One watcher: what it is for, where it stands, and the ended runs it has not reported yet.

    :param cursor: None until its first round.
    """

    wanted: Filter
    since: datetime | None = None
    cursor: Cursor | None = None
    runs: dict[int, Run] = field(default_factory=dict)

    def take(self, seen: Round) -> None:
        if self.cursor is None:
            if self.since not in seen.starts:
                return
            self.cursor = seen.starts[self.since].cursor(self.wanted)
        self.cursor = self.cursor.take(seen, self.wanted)
        ended = {int(each.run.run_id): each.run for each in seen.seen if each.run.is_terminal}
        known, unsent = self.runs | ended, self.unsent
        self.runs = {run_id: run for run_id, run in known.items() if run_id in unsent}

    @property
    def unsent(self) -> set[int]:
        """Ended runs whose event has not arrived."""
        if self.cursor is None:
            return set()
        return {*self.cursor.owed, *([self.cursor.sent.run_id] if self.cursor.sent else [])}

    def next_run(self) -> Run | None:
        """The next one to report; None when there is none, or it has to be read again after a restart."""
        owed = self.cursor.owed if self.cursor else ()
        return next((self.runs[run_id] for run_id in owed if run_id in self.runs), None)


_WATCHERS: dict[Source, list[Watcher]] = {}


@contextmanager
def taking_part(source: Source, watcher: Watcher) -> Iterator[None]:
    """Let the loop of a source read what this watcher needs."""
    watchers = _WATCHERS.setdefault(source, [])
    watchers.append(watcher)
    try:
        yield
    finally:
        watchers.remove(watcher)
        if not watchers:
            del _WATCHERS[source]


def wants_of(source: Source) -> Wants:
    """What all watchers of a source need of the next round."""
    from airflow_provider_pipehooks.services.run_lists import Wants

    wants = Wants()
    for watcher in _WATCHERS.get(source, ()):
        if (cursor := watcher.cursor) is None:
            wants.starts.add(watcher.since)
            continue
        wants.above = cursor.mark if wants.above is None else min(wants.above, cursor.mark)
        # After a restart the ended ones are known by their ids only.
        wants.runs |= cursor.open | (watcher.unsent - watcher.runs.keys())
    return wants


async def rounds(
    source: Source, *, clock: Callable[[], float] = time.monotonic
) -> AsyncGenerator[Round, None]:
    """Read for ever. In trouble the rounds are empty, and the remote is asked less and less often."""
    # In a thread: what sends requests takes long to import, and the triggerer's event loop must not wait.
    hook, look = await asyncio.to_thread(_open, source)
    in_a_row, again_s = 0, clock()
    try:
        while True:
            wants = wants_of(source)
            if wants.is_nothing:
                await asyncio.sleep(FIRST_LOOK_S)
                continue
            seen = Round()
            if clock() >= again_s:
                try:
                    seen = await hook.acall(look.round(wants))
                    in_a_row = 0
                except Exception as err:
                    in_a_row += 1
                    whose = f"the runs of {source.conn_id}"
                    again_s = clock() + trouble(whose, source.poll_interval_s, err, in_a_row)
                    # A new token or host helps at once; for anything else it does no harm.
                    await hook.areread()
            yield seen
            await asyncio.sleep(source.poll_interval_s)
    finally:
        await hook.aclose()


def _open(source: Source) -> tuple[RemoteHook, Look]:
    from airflow_provider_pipehooks.hooks.registry import lists_of, open_hook
    from airflow_provider_pipehooks.services.run_lists import Look

    import_module("aiohttp")
    return open_hook(source.service, source.conn_id, source.account_id), Look(lists_of(source.service))


def trouble(whose: str, poll_interval_s: float, err: Exception, in_a_row: int) -> float:
    """Tell of a look that failed.

    :param whose: what was looked at.
    :return: seconds until the next one.
    """
    pause_s = min(poll_interval_s * 2.0 ** min(in_a_row - 1, 16), LONGEST_PAUSE_S)
    if isinstance(err, RemoteCallError):
        pause_s = max(pause_s, err.retry_after_s or 0.0)
    if isinstance(err, PipehooksError):
        log.warning(
            "Look %s in a row at %s failed; the next one in %.0f s: %s", in_a_row, whose, pause_s, err
        )
    else:
        log.exception("A look at %s crashed; the next one in %.0f s", whose, pause_s)
    return pause_s
