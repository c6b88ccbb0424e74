"""Bring the history up to what the remote tells: new runs, those that had not ended, and the last days again.

The first time a whole span is read, by days, several at once. What was read is written down as it is read, so
what was interrupted goes on where something is missing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.hooks.registry import calls_of, open_hook, row_of
from airflow_provider_pipehooks.reporting.compaction import delete_old, oldest_kept
from airflow_provider_pipehooks.reporting.coverage import Coverage, Span, days_of, to_read
from airflow_provider_pipehooks.reporting.history import UNDATED, History
from airflow_provider_pipehooks.reporting.known import KEPT_DAYS, known_of, mark_gone, set_aside
from airflow_provider_pipehooks.reporting.listing import Clock, Lister, Told, account_of, side_by_side
from airflow_provider_pipehooks.reporting.rows import RUNS
from airflow_provider_pipehooks.reporting.telling import Synced, Telling

if TYPE_CHECKING:
    from airflow_provider_pipehooks.hooks.remote import RemoteHook

log = logging.getLogger(__name__)

SERVICES = ("dbt_cloud", "databricks_jobs", "databricks_pipelines")
_DAY = timedelta(days=1)
#: A list may be behind by so much.
_OVERLAP = timedelta(minutes=5)
#: Begin and end; the last one of a sync has no end.
Window = tuple[datetime, "datetime | None"]


def sync_history(
    service: str,
    conn_id: str | None = None,
    *,
    account_id: int | None = None,
    history: History | None = None,
    days: float = 60,
    again_days: float = 2,
    again_hours: float = 24,
    events: bool = False,
    retention_days: float | None = None,
    on_day: Callable[[datetime, int], object] | None = None,
    on_parts: Callable[[int], object] | None = None,
    now: datetime | None = None,
) -> Synced:
    """Read what is not in the history yet, or may have changed, and append it.

    :param service: ``dbt_cloud``, ``databricks_jobs`` or ``databricks_pipelines``.
    :param days: how far the history goes back, what is not there yet is read; Databricks keeps 60 days, dbt
        Cloud 365.
    :param again_days: Databricks' runs that were made in the last so many days are read again, each when it
        was not read for ``again_hours``: a repair reopens a run that had ended. Those that went on, and the
        newest page, are read again each time.
    :param events: of pipelines, too.
    :param retention_days: see :func:`~airflow_provider_pipehooks.reporting.compaction.compact`.
    :param on_day: called after each part with its begin and how many rows it had.
    :param on_parts: called with how many parts there are, before the first.
    :raises ConfigurationError: no such service here, or DuckDB is not installed.
    :raises RemoteCallError: the remote refused, or gave no usable answer; what was read until then is kept.
    :raises OSError: the history cannot be read or written; the same.
    """
    if service not in SERVICES:
        raise ConfigurationError(f"{service!r} has no history here. There are: {', '.join(SERVICES)}.")
    now = (now or datetime.now(timezone.utc)).astimezone(timezone.utc)
    history = history or History()
    telling = Telling(on_parts=on_parts, on_day=on_day)
    since = _since(service, days, oldest_kept(retention_days, now), now)
    hook = open_hook(service, conn_id or row_of(service).conn_id, account_id)
    if service == "databricks_pipelines":
        # Here: who lists runs needs nothing of it.
        from airflow_provider_pipehooks.reporting.pipelines import PipelineSync

        work: Any = PipelineSync(hook, history, telling, since=since, now=now, events=events)
    else:
        # A run of dbt Cloud never goes on again: its retry is another run.
        again = again_days if service == "databricks_jobs" else 0.0
        work = _RunSync(
            service,
            hook,
            history,
            telling,
            since=since,
            now=now,
            again_from=now - timedelta(days=again),
            fresh_from=now - timedelta(hours=again_hours),
        )
    done = _finished(_closing(hook, work))
    delete_old(history, retention_days=retention_days, now=now)
    return done


def _since(service: str, days: float, oldest: str, now: datetime) -> datetime:
    """How far back is worth reading.

    :param oldest: the first day that is kept, "" for all.
    """
    since = now - timedelta(days=min(days, KEPT_DAYS[service]))
    if not oldest:
        return since
    return max(since, datetime.combine(date.fromisoformat(oldest), datetime.min.time(), timezone.utc))


async def _closing(hook: RemoteHook, work: Any) -> Synced:
    try:
        done: Synced = await work.run()
        return done
    finally:
        await hook.aclose()


def _finished(work: Coroutine[Any, Any, Synced]) -> Synced:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    # A notebook, or somebody's callback: there is a loop already, which cannot run another one.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


class _RunSync:
    """One sync of the runs of an account."""

    def __init__(
        self,
        service: str,
        hook: RemoteHook,
        history: History,
        telling: Telling,
        *,
        since: datetime,
        now: datetime,
        again_from: datetime,
        fresh_from: datetime,
    ) -> None:
        # Read here: in an event loop it could not be.
        self._account = account_of(hook)
        self._service, self._history, self._telling = service, history, telling
        self._since, self._now, self._again_from = since, now, again_from
        self._by_pages = service == "databricks_jobs"
        self._coverage = Coverage(history.root, service, self._account)
        self._heal()
        self._windows = self._to_list(fresh_from)
        newest = self._windows[-1][0]
        self._known = known_of(
            history, service, self._account, now=now, before=newest, ended_since=again_from - _DAY
        )
        if self._by_pages:
            self._windows[-1] = (max(self._known.reach(newest), min(since, newest)), None)
        clock = Clock(now, self._known.last_seen)
        self._lister = Lister(service, hook, calls_of(service), history, self._known, clock)
        self._told: set[str] = set()
        self._rows = 0

    def _heal(self) -> None:
        """A file that is damaged is put aside, and its day is read again."""
        with self._history.holding() as hold:
            for part in self._history.parts(RUNS, self._service):
                hold(part)
            for part, name in hold.damaged:
                set_aside(part, name)
                if part.day != UNDATED:
                    day = datetime.fromisoformat(f"{part.day}T00:00:00+00:00")
                    self._coverage.forget(day, day + _DAY)

    def _to_list(self, fresh_from: datetime) -> list[Window]:
        """The spans to list, oldest first; the last one has no end."""
        until = self._coverage.until
        gaps = to_read(
            self._coverage.spans, self._since, self._now, again_from=self._again_from, fresh_from=fresh_from
        )
        windows: list[Window] = []
        for begin, end in gaps:
            # Lists may be behind.
            begin = max(begin - _OVERLAP, self._since)
            windows += days_of(begin, end) if end - begin > _DAY else [(begin, end)]
        if windows and windows[-1][1] == self._now:
            return [*windows[:-1], (windows[-1][0], None)]
        # Our clock is behind.
        return [*windows, (until - _OVERLAP if until else self._now, None)]

    async def run(self) -> Synced:
        self._telling.parts(len(self._windows))
        await side_by_side(partial(self._window, *window) for window in self._windows)
        # Those that no list has told: they are further back, or have gone.
        if left := {run_id: made for run_id, made in self._known.open.items() if run_id not in self._told}:
            await self._again(left)
        return Synced(runs=len(self._told), rows=self._rows, since=self._windows[0][0])

    async def _window(self, begin: datetime, end: datetime | None) -> None:
        told = await self._lister.made_between(begin, end)
        self._took(told)
        # By both clocks, when the list began: what is made while it is read may not be on it.
        until = min(filter(None, (end, told.asked_at, self._now)))
        if until > begin:
            self._coverage.add(Span(begin, until, self._now), settled=self._again_from - _DAY)
        self._telling.day(self._service, begin, told.rows)

    async def _again(self, runs: Mapping[str, datetime | None]) -> None:
        """Runs that had not ended, as they are now."""
        before, times = self._rows, [made for made in runs.values() if made is not None]
        oldest = min(times, default=self._since)
        left = set(runs)
        if self._by_pages and len(times) > 1:
            # Those that still go on are few pages; the others are read one by one.
            self._took(await self._lister.going_on(oldest, max(times)))
            left -= self._told
        await side_by_side(partial(self._by_id, ids) for ids in self._lister.batches(left))
        self._rows += mark_gone(
            self._history,
            self._service,
            self._account,
            left - self._told,
            since=oldest.date(),
            at=self._lister.clock(),
        )
        self._telling.day(self._service, oldest, self._rows - before)

    async def _by_id(self, run_ids: list[str]) -> None:
        self._took(await self._lister.by_id(run_ids))

    def _took(self, told: Told) -> None:
        self._told |= told.run_ids
        self._rows += told.rows
