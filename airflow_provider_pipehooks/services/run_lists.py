"""What is asked to learn of finished runs, whoever started them: the lists of each service, page by page.

Neither service can list runs by the time they ended in a way that loses none (dbt Cloud's ``-finished_at``
with offsets skips runs that end between two pages; Databricks has no such list). So both are read by when
runs were *made*, and those that had not ended are read again until they have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Protocol

from airflow_provider_pipehooks.core.errors import NotFound, RemoteCallError
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_cursor import Round, Sighting, Start, begin, mark_of
from airflow_provider_pipehooks.services.base import Procedure, Service
from airflow_provider_pipehooks.services.batch import Found
from airflow_provider_pipehooks.services.databricks_jobs import DatabricksJobs
from airflow_provider_pipehooks.services.dbt_cloud import NOT_TERMINAL, PAGE, DbtCloud
from airflow_provider_pipehooks.services.reading import id_or_none
from airflow_provider_pipehooks.services.run_pages import DatabricksRunPages

#: A single 404 may be a remote in trouble, or a token that is just being changed.
GONE_AFTER_LOOKS = 6
_LONG_AGO = "2000-01-01T00:00:00+00:00"


class Lists(Protocol):
    """The lists of a service."""

    @property
    def service(self) -> Service:
        """For reading single runs."""

    def sight(self, data: Mapping[str, Any]) -> Sighting:
        """Read one object of a list."""

    def runs_above(self, position: int) -> Procedure[list[Sighting]]:
        """Every run with a higher position."""

    def newest_runs(self) -> Procedure[list[Sighting]]:
        """One page, in any state."""

    def active_runs(self) -> Procedure[list[Sighting]]:
        """Every run that has not ended, as far as the service's words are known."""

    def position_at(self, time: datetime) -> Procedure[int]:
        """All runs made since then are above it."""


@dataclass(frozen=True)
class DbtCloudLists:
    """Position: the id."""

    service: DbtCloud = field(default_factory=DbtCloud)

    def sight(self, data: Mapping[str, Any]) -> Sighting:
        run = self.service.parse(data)
        return Sighting(run=run, position=int(run.run_id), project_id=id_or_none(data.get("project_id")))

    def runs_above(self, position: int) -> Procedure[list[Sighting]]:
        return (yield from self._ascending(position))

    def newest_runs(self) -> Procedure[list[Sighting]]:
        return [self.sight(data) for data in (yield from self.service.runs(include_related="job,audit"))]

    def active_runs(self) -> Procedure[list[Sighting]]:
        return (yield from self._ascending(0, status__in=NOT_TERMINAL))

    def position_at(self, time: datetime) -> Procedure[int]:
        # Both ends are included, and a run made at that very moment is to be reported.
        page = yield from self.service.runs(created_at__range=[_LONG_AGO, time.isoformat()], limit=1)
        return max((self.sight(data).position - 1 for data in page), default=0)

    def _ascending(self, above: int, **where: Any) -> Procedure[list[Sighting]]:
        """Oldest first, each page above the last id of the one before: no run can slip between two pages."""
        found: list[Sighting] = []
        while True:
            page = yield from self.service.runs(
                id__gt=above, order_by="id", include_related="job,audit", **where
            )
            found += [self.sight(data) for data in page]
            if len(page) < PAGE:
                return found
            if found[-1].position <= above:
                raise RemoteCallError(
                    f"GET runs/ answered the same page again: id__gt={above} was not heeded.", retryable=True
                )
            above = found[-1].position


@dataclass(frozen=True)
class DatabricksLists:
    """Position: the start, in milliseconds since the epoch."""

    service: DatabricksJobs = field(default_factory=DatabricksJobs)

    def sight(self, data: Mapping[str, Any]) -> Sighting:
        return Sighting(run=self.service.parse(data), position=id_or_none(data.get("start_time")) or 0)

    def runs_above(self, position: int) -> Procedure[list[Sighting]]:
        return (yield from self._pages(start_time_from=str(position + 1)))

    def newest_runs(self) -> Procedure[list[Sighting]]:
        page = yield from DatabricksRunPages({}).page({})
        return [self.sight(data) for data in page.runs]

    def active_runs(self) -> Procedure[list[Sighting]]:
        return (yield from self._pages(active_only="true"))

    def position_at(self, time: datetime) -> Procedure[int]:
        yield from ()
        return int(time.timestamp() * 1000) - 1

    def _pages(self, **where: str) -> Procedure[list[Sighting]]:
        """Newest first. A run that comes twice, since new ones moved the pages, is taken once later."""
        pages, found = DatabricksRunPages(where), list[Sighting]()
        rest: Mapping[str, str] | None = {}
        while rest is not None:
            page = yield from pages.page(rest)
            found += [self.sight(data) for data in page.runs]
            rest = page.rest
        return found


@dataclass
class Wants:
    """What the watchers of an account need of the next round.

    :param above: their lowest mark; None when none has a cursor yet.
    :param runs: ids to read again, whatever their position.
    :param starts: ``since`` of the watchers without a cursor; None in it means from now.
    """

    above: int | None = None
    runs: set[int] = field(default_factory=set)
    starts: set[datetime | None] = field(default_factory=set)

    @property
    def is_nothing(self) -> bool:
        return self.above is None and not self.starts


class Look:
    """Reads rounds, and remembers of each awaited run when it started: that saves requests."""

    def __init__(self, lists: Lists) -> None:
        self.lists = lists
        self._last: dict[int, Run] = {}
        self._missed: dict[int, int] = {}

    def round(self, wants: Wants) -> Procedure[Round]:
        starts = {}
        for since in wants.starts:
            starts[since] = yield from self._start(since)
        listed: list[Sighting] = []
        if wants.above is not None:
            listed = yield from self.lists.runs_above(wants.above)
        left = wants.runs - {int(each.run.run_id) for each in listed}
        again, gone = yield from self._read(left)
        seen = (*listed, *again)
        self._last = {int(each.run.run_id): each.run for each in seen if not each.run.is_terminal}
        return Round(seen=seen, above=wants.above, mark=mark_of(listed), gone=frozenset(gone), starts=starts)

    def _start(self, since: datetime | None) -> Procedure[Start]:
        if since is not None:
            return Start(mark=(yield from self.lists.position_at(since.astimezone(timezone.utc))))
        active = yield from self.lists.active_runs()
        return begin((yield from self.lists.newest_runs()), active)

    def _read(self, ids: Iterable[int]) -> Procedure[tuple[list[Sighting], set[int]]]:
        """Read runs by id, together where that is possible; who is missing is asked for alone."""
        service, found = self.lists.service, dict[int, Sighting]()
        wanted = {run_id: self._last.get(run_id) for run_id in ids}
        for batch in service.batches_of(wanted, ended_only=False) if len(wanted) > 1 else []:
            yield from service.read_batch(answers := Found(batch))
            found |= {run_id: self.lists.sight(data) for run_id, data in answers.runs.items()}
        missed = self._missed
        self._missed = {}
        for run_id in wanted.keys() - found.keys():
            try:
                found[run_id] = Sighting(run=(yield from service.get_run(run_id)), position=0)
            except NotFound:
                self._missed[run_id] = missed.get(run_id, 0) + 1
        return list(found.values()), {
            run_id for run_id, looks in self._missed.items() if looks >= GONE_AFTER_LOOKS
        }
