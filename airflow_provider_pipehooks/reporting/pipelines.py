"""The updates of all pipelines of a workspace as rows, and their events if they are wanted.

A list of pipelines tells the latest updates of each, so only those with news are read: their updates since
the last known one, and their logs since then. A log tells what an update does not: when it ended, and why.
"""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_pipehooks.core.errors import NotFound, RemoteCallError
from airflow_provider_pipehooks.core.event_cursor import as_filter, sortable
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.known import ENDED, KEPT_DAYS
from airflow_provider_pipehooks.reporting.listing import Clock, Writer, account_of, side_by_side
from airflow_provider_pipehooks.reporting.rows import EVENTS, event_row, row_of
from airflow_provider_pipehooks.reporting.telling import Synced, Telling
from airflow_provider_pipehooks.services.databricks_pipelines import STATES, DatabricksPipelines
from airflow_provider_pipehooks.services.pipeline_log import failures_in, read_page
from airflow_provider_pipehooks.services.pipeline_pages import pipelines_page, updates_page
from airflow_provider_pipehooks.services.reading import (
    object_or_empty,
    objects,
    text_or_none,
    time_from_text,
    words_or_none,
)

if TYPE_CHECKING:
    from airflow_provider_pipehooks.hooks.remote import RemoteHook

log = logging.getLogger(__name__)

NAME = "databricks_pipelines"
#: Events come late, and several have one time.
_OVERLAP = timedelta(minutes=2)
_MOST_ERRORS = 50
_MOST_REFUSED = 3


@dataclass
class _Course:
    """What the log tells of an update."""

    begun_at: datetime | None = None
    ended_at: datetime | None = None
    errors: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=_MOST_ERRORS))

    def take(self, event: Mapping[str, Any]) -> None:
        """Look at one of its events."""
        if event.get("level") == "ERROR":
            self.errors.append(event)
        if event.get("event_type") != "update_progress":
            return
        told = object_or_empty(object_or_empty(event.get("details")).get("update_progress"))
        status, at = text_or_none(told.get("state")), time_from_text(event.get("timestamp"))
        state, _ = STATES.get(status or "", (None, None))
        if state is not None and state.name in ("SUCCESS", "ERROR", "CANCELLED"):
            self.ended_at = at
        elif status not in (None, "QUEUED", "CREATED") and self.begun_at is None:
            self.begun_at = at

    def of(self, run: Run) -> Run:
        """The update with what the log tells."""
        run = replace(run, started_at=self.begun_at)
        if not run.is_terminal:
            return run
        message, failures = failures_in(self.errors, run.url)
        return replace(run, finished_at=self.ended_at, message=run.message or message).with_failures(
            *failures
        )


@dataclass(frozen=True)
class _Pipeline:
    """One of the list.

    :param last: the newest update that it tells of.
    """

    pipeline_id: str
    name: str | None
    last: str


class PipelineSync:
    """One sync of the pipelines of a workspace."""

    def __init__(
        self,
        hook: RemoteHook,
        history: History,
        telling: Telling,
        *,
        since: datetime,
        now: datetime,
        events: bool,
    ) -> None:
        self._hook, self._history, self._telling = hook, history, telling
        self._since, self._with_events = since, events
        self._account = account_of(hook)
        self._base_url = hook.target.base_url
        #: Pipeline -> its newest update that has ended, and when it was made; those that have not.
        self._newest: dict[str, tuple[str, datetime | None]] = {}
        self._open: dict[str, datetime | None] = {}
        #: Pipeline -> the time of its newest event.
        self._told: dict[str, datetime] = {}
        self._clock = Clock(now, self._look(now))
        self._runs = self._rows = self._events = 0

    def _look(self, now: datetime) -> datetime | None:
        """What the history has already.

        :return: when something was seen last.
        """
        kept = now - timedelta(days=KEPT_DAYS[NAME])
        with self._history.open(NAME, since=kept.date()) as db:
            for pipeline_id, run_id, made in db.execute(
                f"SELECT job_id, arg_max(run_id, created_at), max(created_at) FROM runs "
                f"WHERE account = $1 AND state IN ({ENDED}) AND job_id IS NOT NULL GROUP BY job_id",
                [self._account],
            ).fetchall():
                self._newest[pipeline_id] = run_id, made
            self._open = dict(
                db.execute(
                    f"SELECT job_id, min(created_at) FROM runs WHERE account = $1 "
                    f"AND coalesce(state, '') NOT IN ({ENDED}) AND job_id IS NOT NULL GROUP BY job_id",
                    [self._account],
                ).fetchall()
            )
            self._told = dict(
                db.execute(
                    "SELECT pipeline_id, max(told_at) FROM events WHERE account = $1 AND told_at <= $2 "
                    "GROUP BY 1",
                    [self._account, now],
                ).fetchall()
            )
            (last,) = db.execute(
                "SELECT max(seen_at) FROM runs WHERE account = $1", [self._account]
            ).fetchall()
            seen: datetime | None = last[0]
            return seen

    async def run(self) -> Synced:
        found = [each async for each in self._pipelines() if self._has_news(each)]
        self._telling.parts(len(found))
        await side_by_side(partial(self._pipeline, each) for each in found)
        return Synced(runs=self._runs, rows=self._rows, since=self._since, events=self._events)

    def _has_news(self, pipeline: _Pipeline) -> bool:
        known = self._newest.get(pipeline.pipeline_id)
        nothing = known is not None and known[0] == pipeline.last and pipeline.pipeline_id not in self._open
        return not nothing or (self._with_events and pipeline.pipeline_id not in self._told)

    async def _pipelines(self) -> AsyncIterator[_Pipeline]:
        token: str | None = None
        while True:
            page = await self._hook.acall(pipelines_page(token))
            for told in page.objects:
                pipeline_id, updates = (
                    text_or_none(told.get("pipeline_id")),
                    objects(told.get("latest_updates")),
                )
                last = text_or_none(updates[0].get("update_id")) if updates else None
                if pipeline_id and last:
                    yield _Pipeline(pipeline_id, words_or_none(told.get("name")), last)
            if (token := page.token) is None:
                return

    async def _pipeline(self, pipeline: _Pipeline) -> None:
        calls = DatabricksPipelines(pipeline.pipeline_id, pipeline.name, self._base_url)
        try:
            updates = await self._updates(calls)
            courses = await self._log(calls, updates)
        except NotFound as err:
            log.warning("Left out: %s", err)
            return
        writer = Writer(self._history)
        # Oldest first: the newest one that is known says from where on updates are new.
        for run, raw in reversed(updates):
            about: dict[str, Any] = {"account": self._account, "seen_at": self._clock()}
            cause = text_or_none(raw.get("cause"))
            await writer.add(row_of(courses[str(run.run_id)].of(run), **about, raw=raw, started_by=cause))
        await writer.flush()
        self._runs, self._rows = self._runs + len(updates), self._rows + writer.written
        self._telling.day(NAME, self._from(updates), writer.written)

    async def _updates(self, calls: DatabricksPipelines) -> list[tuple[Run, Mapping[str, Any]]]:
        """Those since the newest that is known, newest first."""
        known, _ = self._newest.get(calls.pipeline_id, ("", None))
        found: list[tuple[Run, Mapping[str, Any]]] = []
        token: str | None = None
        while True:
            page = await self._hook.acall(updates_page(calls.pipeline_id, token))
            for raw in page.objects:
                try:
                    run = calls.parse(raw)
                except RemoteCallError as err:
                    log.warning("Left out: %s", err)
                    continue
                if run.run_id == known or (run.created_at is not None and run.created_at < self._since):
                    return found
                found.append((run, raw))
            if (token := page.token) is None:
                return found

    def _from(self, updates: list[tuple[Run, Mapping[str, Any]]]) -> datetime:
        return min((run.created_at for run, _ in updates if run.created_at), default=self._since)

    async def _log(
        self, calls: DatabricksPipelines, updates: list[tuple[Run, Mapping[str, Any]]]
    ) -> Mapping[str, _Course]:
        """What the log tells of these updates; all of it goes into the history if events are wanted."""
        since = self._from(updates) - _OVERLAP
        if self._with_events:
            told = self._told.get(calls.pipeline_id)
            since = min(since, told - _OVERLAP if told else self._since)
        courses: dict[str, _Course] = defaultdict(_Course)
        wanted = {str(run.run_id) for run, _ in updates}
        writer = Writer(self._history, EVENTS)
        async for event in self._events_since(calls.pipeline_id, since):
            update_id = text_or_none(object_or_empty(event.get("origin")).get("update_id"))
            if update_id in wanted:
                courses[update_id].take(event)
            if self._with_events:
                about = {"account": self._account, "pipeline_id": calls.pipeline_id}
                await writer.add(event_row(event, **about, seen_at=self._clock()))
        await writer.flush()
        self._events += writer.written
        return courses

    async def _events_since(self, pipeline_id: str, since: datetime) -> AsyncIterator[Mapping[str, Any]]:
        """Events, oldest first. A page whose token is refused begins again at the time that was reached."""
        start, token, reached, refused = as_filter(sortable(since.isoformat())), None, "", 0
        while True:
            page = await self._hook.acall(read_page(pipeline_id, since=start, token=token))
            if page.expired:
                refused += 1
                if refused > _MOST_REFUSED:
                    raise RemoteCallError("Every next page of the event log is refused.", retryable=True)
                start, token = as_filter(reached) or start, None
                continue
            for event in page.events:
                yield event
            reached = max(reached, *(sortable(event.get("timestamp")) for event in page.events), "")
            if page.token is None or page.token == token:
                return
            token, refused = page.token, 0
