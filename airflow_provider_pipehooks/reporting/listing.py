"""The runs of an account as rows, by when they were made: several spans at once, at the account's rate."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_pipehooks.compat.masking import without_known_secrets
from airflow_provider_pipehooks.core.errors import NotFound, RemoteCallError
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.reporting.attempts import is_one_time, try_of
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.known import Known
from airflow_provider_pipehooks.reporting.rows import RUNS, Row, Table, row_of
from airflow_provider_pipehooks.services.base import Answer, Procedure
from airflow_provider_pipehooks.services.databricks_jobs import DatabricksJobs
from airflow_provider_pipehooks.services.databricks_pages import EDGE_MS
from airflow_provider_pipehooks.services.reading import date_of, object_or_empty, objects, text_or_none
from airflow_provider_pipehooks.services.run_pages import (
    DatabricksRunPages,
    DbtCloudRunPages,
    RunPages,
    id_of,
)

if TYPE_CHECKING:
    from airflow_provider_pipehooks.hooks.remote import RemoteHook
    from airflow_provider_pipehooks.services.base import Service

log = logging.getLogger(__name__)

T = TypeVar("T")
#: Requests under way together; how many there are in a second is up to the account's rate.
_AT_ONCE = 6
#: A file has at most so many rows, or so many characters of what services told.
_ROWS_A_FILE = 2_000
_CHARACTERS_A_FILE = 8_000_000
_RELATED = {"include_related": "trigger,job"}
_IDS_A_REQUEST = 100
#: Beyond any run, whose clock ever it was made by.
_FAR = timedelta(days=400)
_EDGE = timedelta(milliseconds=EDGE_MS)
_MOST_WARNINGS = 5


async def side_by_side(work: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Do all of it, some at once, in this order; the first error ends the rest.

    :raises Exception: the first error.
    """
    left = iter(work)

    async def worker() -> None:
        for each in left:
            await each()

    tasks = [asyncio.create_task(worker()) for _ in range(_AT_ONCE)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Writer:
    """Collects rows, and writes them before they are many."""

    def __init__(self, history: History, table: Table = RUNS) -> None:
        self._history, self._table = history, table
        self._rows: list[Row] = []
        self._characters = 0
        self.written = 0

    async def add(self, row: Row) -> None:
        """:raises OSError: the history cannot be written."""
        hidden = {name: without_known_secrets(row[name]) for name in ("message", "raw") if row[name]}
        self._rows.append({**row, **hidden})
        self._characters += len(row["raw"] or "")
        if len(self._rows) >= _ROWS_A_FILE or self._characters >= _CHARACTERS_A_FILE:
            await self.flush()

    async def flush(self) -> None:
        """:raises OSError: the history cannot be written."""
        rows, self._rows, self._characters = self._rows, [], 0
        if rows:
            # In a thread: the requests of other spans go on meanwhile.
            self.written += await asyncio.to_thread(self._history.append, rows, self._table)


@dataclass(frozen=True)
class Told:
    """What a list told.

    :param asked_at: by the remote's clock, before it told anything; None where it does not tell.
    """

    run_ids: frozenset[str]
    rows: int
    asked_at: datetime | None


class Clock:
    """When something is seen. Never behind what was seen before: what was seen last counts."""

    def __init__(self, now: datetime, last_seen: datetime | None) -> None:
        self._from = max(now, last_seen + timedelta(microseconds=1)) if last_seen else now
        self._begun_s = time.monotonic()

    def __call__(self) -> datetime:
        return self._from + timedelta(seconds=time.monotonic() - self._begun_s)


class Lister:
    """The runs of one account.

    :param clock: stamps what is read.
    """

    def __init__(
        self, service: str, hook: RemoteHook, calls: Service, history: History, known: Known, clock: Clock
    ) -> None:
        self.service, self.hook, self.calls = service, hook, calls
        self.history, self.known, self.clock = history, known, clock
        self.account = account_of(hook)
        self._unreadable = 0

    async def made_between(self, begin: datetime, end: datetime | None) -> Told:
        """The runs that were made in a span, and the tasks in them, written.

        :param end: None for no end.
        """
        return await self._list(self._pages(begin, end))

    async def going_on(self, begin: datetime, end: datetime) -> Told:
        """Those of them that have not ended; Databricks only."""
        pages = DatabricksRunPages({**_times(begin, end), "expand_tasks": True, "active_only": True})
        return await self._list(pages)

    async def by_id(self, run_ids: Sequence[str]) -> Told:
        """Runs by their ids, written; those that have gone are not told."""
        if not isinstance(self.calls, DatabricksJobs):
            pages = DbtCloudRunPages({"pk__in": list(map(int, run_ids)), **_RELATED})
            return await self._list(pages, pages_at_most=1)
        writer, found = Writer(self.history), set[str]()
        for run_id in run_ids:
            try:
                raw = await self.hook.acall(self.calls.whole_run(run_id))
            except NotFound:
                continue
            found |= await self._write(writer, raw)
        await writer.flush()
        return Told(frozenset(found), writer.written, None)

    def batches(self, run_ids: Iterable[str]) -> list[list[str]]:
        """Those that one request can ask for."""
        size = 1 if isinstance(self.calls, DatabricksJobs) else _IDS_A_REQUEST
        ids = sorted(run_ids)
        return [ids[at : at + size] for at in range(0, len(ids), size)]

    async def _list(self, pages: RunPages, *, pages_at_most: int | None = None) -> Told:
        writer, asked_at = Writer(self.history), list[datetime]()
        told: set[int | None] = set()
        found: set[str] = set()
        async for raw in self._each(pages, asked_at, pages_at_most):
            if (run_id := id_of(raw, pages.key)) in told and run_id is not None:
                continue
            told.add(run_id)
            if self._was_reopened(raw):
                raw = await self._with_history(raw)
            found |= await self._write(writer, raw)
        await writer.flush()
        return Told(frozenset(found), writer.written, asked_at[0] if asked_at else None)

    async def _each(
        self, pages: RunPages, asked_at: list[datetime], at_most: int | None
    ) -> AsyncIterator[Mapping[str, Any]]:
        rest: Mapping[str, str] | None = {}
        read = 0
        while rest is not None and read != at_most:
            read += 1
            page = await self.hook.acall(noting(pages.page(rest), asked_at))
            for raw in page.runs:
                yield raw
            rest = page.rest

    def _pages(self, begin: datetime, end: datetime | None) -> RunPages:
        if self.service == "databricks_jobs":
            return DatabricksRunPages({**_times(begin, end), "expand_tasks": True})
        # A range has two ends.
        span = [begin, end or max(begin, self.clock()) + _FAR]
        return DbtCloudRunPages({"created_at__range": span, **_RELATED})

    def _was_reopened(self, raw: Mapping[str, Any]) -> bool:
        """It had ended, and now it goes on, or has ended later: a repair, of which lists tell nothing."""
        ended = self.known.ended.get(str(raw.get("run_id")))
        run = self._parsed(raw) if ended else None
        return run is not None and run.finished_at != ended

    async def _with_history(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        assert isinstance(self.calls, DatabricksJobs)
        try:
            return await self.hook.acall(self.calls.whole_run(raw["run_id"]))
        except NotFound:
            return raw

    async def _write(self, writer: Writer, raw: Mapping[str, Any]) -> set[str]:
        """:return: the run's id, if it is one."""
        if (run := self._parsed(raw)) is None:
            return set()
        for row in self._rows(run, raw):
            await writer.add(row)
        return {str(run.run_id)}

    def _parsed(self, raw: Mapping[str, Any]) -> Run | None:
        try:
            run = self.calls.parse(raw)
        except RemoteCallError as err:
            self._unreadable += 1
            if self._unreadable <= _MOST_WARNINGS:
                log.warning("Left out: %s", err)
            return None
        # A list tells a repaired run as it is now, and not that it was repaired.
        return replace(run, attempt=max(run.attempt, self.known.attempts.get(str(run.run_id), 1)))

    def _rows(self, run: Run, raw: Mapping[str, Any]) -> Iterator[Row]:
        about: dict[str, Any] = {"account": self.account, "seen_at": self.clock()}
        if is_one_time(raw):
            run = replace(run, job_id=None)
        yield row_of(run, **about, raw=raw, started_by=_started_by(raw))
        for task in objects(raw.get("tasks")):
            if (part := self._parsed(task)) is None:
                continue
            yield {
                **row_of(part, **about, task_key=text_or_none(task.get("task_key")) or ""),
                "run_id": str(run.run_id),
                "attempt": try_of(task),
                "job_id": None if run.job_id is None else str(run.job_id),
                "job_name": run.name,
            }


def account_of(hook: RemoteHook) -> str:
    """How the history calls an account: its number, or the host of the workspace."""
    target = hook.target
    return str(target.account_id or target.base_url.partition("://")[2])


def noting(procedure: Procedure[T], dates: list[datetime]) -> Procedure[T]:
    """The same, with the remote's clock of each answer noted."""
    request = next(procedure)
    while True:
        answer: Answer | RemoteCallError
        try:
            answer = yield request
        except RemoteCallError as err:
            answer = err
        try:
            if isinstance(answer, RemoteCallError):
                request = procedure.throw(answer)
            else:
                dates += filter(None, [date_of(answer)])
                request = procedure.send(answer)
        except StopIteration as end:
            told: T = end.value
            return told


def _times(begin: datetime, end: datetime | None) -> dict[str, datetime]:
    """A little more than the span: whether its ends belong to it is not documented."""
    return {"start_time_from": begin - _EDGE, **({"start_time_to": end + _EDGE} if end else {})}


def _started_by(raw: Mapping[str, Any]) -> str | None:
    """The service's word for what triggered a run."""
    trigger = raw.get("trigger")
    return text_or_none(trigger) or text_or_none(object_or_empty(trigger).get("cause_category"))
