"""Bring the history up to what the remote tells: new runs, those that had not ended, and the last days again.

The first time a whole span is read, a day at a time from the oldest on: what was interrupted goes on there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from airflow_provider_pipehooks.core.errors import ConfigurationError, NotFound
from airflow_provider_pipehooks.hooks.registry import calls_of, open_hook, row_of
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.rows import Row
from airflow_provider_pipehooks.reporting.rows import row_of as history_row
from airflow_provider_pipehooks.services.databricks_jobs import DatabricksJobs
from airflow_provider_pipehooks.services.reading import object_or_empty, objects, text_or_none
from airflow_provider_pipehooks.services.run_pages import DatabricksRunPages, DbtCloudRunPages, RunPages

if TYPE_CHECKING:
    from airflow_provider_pipehooks.hooks.remote import RemoteHook
    from airflow_provider_pipehooks.services.base import Service

log = logging.getLogger(__name__)

SERVICES = ("dbt_cloud", "databricks_jobs")
_DAY = timedelta(days=1)
_RELATED = {"include_related": "trigger,job"}
_IDS_A_REQUEST = 100


@dataclass(frozen=True)
class Synced:
    """What a sync did.

    :param rows: written, of runs and of tasks.
    :param since: from when on runs were listed.
    """

    runs: int
    rows: int
    since: datetime


def sync_history(
    service: str,
    conn_id: str | None = None,
    *,
    account_id: int | None = None,
    history: History | None = None,
    days: float = 60,
    again_days: float = 2,
    on_day: Callable[[datetime, int], object] | None = None,
    now: datetime | None = None,
) -> Synced:
    """Read what is not in the history yet, or may have changed, and append it.

    :param service: ``dbt_cloud`` or ``databricks_jobs``.
    :param days: how far the first sync goes back; Databricks keeps 60 days, dbt Cloud 365.
    :param again_days: runs that were made in the days before the newest one are read again: a repair reopens
        a run that had ended.
    :param on_day: called after each part with its begin and how many runs it had.
    :raises ConfigurationError: no such service here, or DuckDB is not installed.
    :raises RemoteCallError: the remote refused, or gave no usable answer; what was read until then is kept.
    """
    if service not in SERVICES:
        raise ConfigurationError(f"{service!r} has no history here. There are: {', '.join(SERVICES)}.")
    now = now or datetime.now(timezone.utc)
    history = history or History()
    hook = open_hook(service, conn_id or row_of(service).conn_id, account_id)
    source = _Source(service, hook, calls_of(service), now)
    newest, going_on = _known(history, service, source.account)
    since = max(
        newest - timedelta(days=again_days) if newest else now - timedelta(days=days), now - 400 * _DAY
    )
    seen: set[str] = set()
    rows = 0
    for begin, end in _parts(since, now):
        found = list(source.listed(begin, end))
        seen |= {row["run_id"] for row in found}
        rows += history.append(found)
        if on_day is not None:
            on_day(begin, len(found))
    rows += history.append(source.again(going_on - seen))
    return Synced(runs=len(seen | going_on), rows=rows, since=since)


def _known(history: History, service: str, account: str) -> tuple[datetime | None, set[str]]:
    """When the newest run of an account was made, and which had not ended when they were seen."""
    with history.open(service) as db:
        newest, open_ids = db.execute(
            "SELECT max(created_at), list(DISTINCT run_id) FILTER (ended_at IS NULL) FROM runs "
            "WHERE account = $1 AND task_key = ''",
            [account],
        ).fetchall()[0]
    return newest, set(open_ids or ())


def _parts(begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """A long span a day at a time, so that an interrupted sync goes on; a short one is read in one go."""
    if end - begin <= 4 * _DAY:
        yield begin, end
        return
    while begin < end:
        yield begin, min(begin + _DAY, end)
        begin += _DAY


class _Source:
    """The runs of one account as rows."""

    def __init__(self, service: str, hook: RemoteHook, calls: Service, now: datetime) -> None:
        self.service, self.hook, self.calls, self.now = service, hook, calls, now
        target = hook.target
        self.account = str(target.account_id or target.base_url.partition("://")[2])

    def listed(self, begin: datetime, end: datetime) -> Iterator[Row]:
        """The runs that were made in a span, and the tasks in them."""
        for raw in self.hook.each_run(_pages(self.service, begin, end)):
            yield from self._rows(raw)

    def again(self, run_ids: set[str]) -> Iterator[Row]:
        """Runs by id, and the tasks in them; one that is gone stays as it was seen."""
        if isinstance(self.calls, DatabricksJobs):
            for run_id in sorted(run_ids):
                try:
                    yield from self._rows(self.hook.call(self.calls.whole_run(run_id)))
                except NotFound:
                    log.warning("Run %s is gone; the history keeps it as it was seen", run_id)
            return
        ids = sorted(map(int, run_ids))
        for at in range(0, len(ids), _IDS_A_REQUEST):
            pages = DbtCloudRunPages({"pk__in": ids[at : at + _IDS_A_REQUEST], **_RELATED})
            for raw in self.hook.each_run(pages):
                yield from self._rows(raw)

    def _rows(self, raw: Mapping[str, Any]) -> Iterator[Row]:
        run = self.calls.parse(raw)
        about: dict[str, Any] = {"account": self.account, "seen_at": self.now}
        yield history_row(run, **about, raw=raw, started_by=_started_by(raw))
        for task in objects(raw.get("tasks")):
            key = text_or_none(task.get("task_key")) or ""
            part = self.calls.parse(task)
            yield {
                **history_row(part, **about, task_key=key),
                "run_id": str(run.run_id),
                "attempt": 1 + (task.get("attempt_number") or 0),
                "job_id": None if run.job_id is None else str(run.job_id),
                "job_name": run.name,
            }


def _pages(service: str, begin: datetime, end: datetime) -> RunPages:
    if service == "databricks_jobs":
        times = {"start_time_from": begin, "start_time_to": end}
        return DatabricksRunPages({**times, "expand_tasks": True})
    return DbtCloudRunPages({"created_at__range": [begin, end], **_RELATED})


def _started_by(raw: Mapping[str, Any]) -> str | None:
    """The service's word for what triggered a run."""
    trigger = raw.get("trigger")
    return text_or_none(trigger) or text_or_none(object_or_empty(trigger).get("cause_category"))
