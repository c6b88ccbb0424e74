"""Figures of the history of runs, for whoever may see them.

The history is of whole accounts and knows no DAG. Whoever may read all DAGs, and the connections that lead to
those accounts, sees all of it; everybody else sees the jobs that DAGs of theirs have started or joined.
"""

from __future__ import annotations

import logging
import re
import time
from base64 import b64encode
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup

from airflow_provider_pipehooks.compat.access import Reader
from airflow_provider_pipehooks.compat.recorded import Record
from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.hooks.registry import SERVICES
from airflow_provider_pipehooks.plugins.shown.query import Query
from airflow_provider_pipehooks.reporting.figures import Job, Kpis, Window

log = logging.getLogger(__name__)

#: Figures are made anew no sooner, whoever asks: they cost a second of CPU for a million runs.
FRESH_S = 60.0
#: So long a request waits for figures that another one is having made.
PATIENCE_S = 5.0
#: Figures of so many choices are kept.
_MOST_KEPT = 12
#: As dbt Cloud's pages have it: /deploy/1/projects/2/runs/3, and in older ones /#/accounts/1/...
_ACCOUNT = re.compile(r"/(?:deploy|accounts)/(\d+)/")
#: So many jobs are listed, the ones with the most failures first.
LISTED_JOBS, LISTED_REASONS, DRAWN_JOBS = 50, 15, 4


@dataclass(frozen=True)
class Known:
    """Jobs that DAGs have started or joined.

    :param pages: of runs, by service and job.
    """

    pages: Mapping[tuple[str, str], Collection[str]]

    @classmethod
    def of(cls, records: Collection[Record]) -> Known:
        """From the records that runs have left in XCom."""
        pages: dict[tuple[str, str], set[str]] = {}
        for record in records:
            if isinstance(value := record.value, Mapping):
                key = (str(value.get("service")), str(value.get("job_id")))
                pages.setdefault(key, set()).add(str(value.get("url") or ""))
        return cls(pages)

    def has(self, job: Job) -> bool:
        """Whether a job is one of them. Ids are told apart by account, which is in a run's address only."""
        pages = self.pages.get((job.service, job.job_id), ())
        return any(_is_of(job, url) for url in pages)


def _is_of(job: Job, url: str) -> bool:
    """Whether a run's page is of the account of dbt Cloud, or of the workspace, that a job is of."""
    account, service = job.account.rstrip("/"), SERVICES.get(job.service)
    if not account or service is None:
        return False
    if service.has_accounts:
        return account in _ACCOUNT.findall(url)[:1]
    try:
        return urlsplit(url).netloc == account
    except ValueError:
        return False


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A chart, as an image that can hold no script.

    :param told: what a reader who does not see it has to know.
    """

    title: str
    told: str
    data: Markup


@dataclass(frozen=True, kw_only=True)
class Shown:
    """Figures, as far as somebody may see them.

    :param whole: whether they are of the whole history.
    :param trouble: why there are none.
    """

    kpis: Kpis | None = None
    pictures: Sequence[Picture] = ()
    whole: bool = False
    trouble: str = ""


def figures_for(reader: Reader, query: Query, now: datetime, known: Callable[[], Known]) -> Shown:
    """The figures that an address asks for.

    :param known: the jobs of the DAGs that are asked for, of those that the user may read.
    """
    whole = reader.sees_accounts and not query.dag
    try:
        kpis = _fresh(query, now)
        if not whole:
            kpis = only(kpis, known())
        return Shown(kpis=kpis, pictures=pictures_of(kpis), whole=whole)
    except ConfigurationError as err:
        return Shown(trouble=str(err))
    except Exception as err:
        log.exception("The page cannot show figures of the history")
        told = f" ({type(err).__name__}: {err})" if reader.sees_accounts else ""
        return Shown(
            trouble=f"The API server cannot read the history of runs{told}. Its log says why; the option "
            "[pipehooks] history has to name a place that it can read."
        )


def only(kpis: Kpis, known: Known) -> Kpis:
    """What is left of figures for somebody who knows some jobs only.

    Reasons and starts are of all jobs together, so they are shown only where all of these are known.
    """
    jobs = tuple(each for each in kpis.jobs if known.has(each.job))
    are_all = bool(jobs) and len(jobs) == len(kpis.jobs)
    return replace(
        kpis,
        services=(),
        jobs=jobs,
        tasks=tuple(each for each in kpis.tasks if known.has(each.job)),
        days=tuple(each for each in kpis.days if known.has(each.job)),
        slower=tuple(each for each in kpis.slower if known.has(each.job)),
        reasons=kpis.reasons if are_all else (),
        started=kpis.started if are_all else (),
    )


_kept: dict[tuple[int, str, str], tuple[float, Kpis]] = {}
_making = Lock()


def _fresh(query: Query, now: datetime) -> Kpis:
    """The figures of the whole history, not older than :data:`FRESH_S`.

    :raises ConfigurationError: what they need is not installed, or they are being made.
    """
    key = (query.days, query.service, query.job)
    if (found := _kept_for(key)) is not None:
        return found
    # One at a time: each is a process-wide cost of CPU and memory, in a server that has other work.
    if not _making.acquire(timeout=PATIENCE_S):
        raise ConfigurationError("The figures are being made for somebody else. Load this page again.")
    try:
        if (found := _kept_for(key)) is None:
            found = made(Window.last(query.days, now), query.service or None, query.job or None)
            while len(_kept) >= _MOST_KEPT:
                del _kept[next(iter(_kept))]
            _kept[key] = (time.monotonic(), found)
        return found
    finally:
        _making.release()


def _kept_for(key: tuple[int, str, str]) -> Kpis | None:
    made_at, kpis = _kept.get(key, (0.0, None))
    return kpis if kpis is not None and time.monotonic() - made_at < FRESH_S else None


def made(window: Window, service: str | None, job_id: str | None) -> Kpis:
    """The figures of the whole history.

    :raises ConfigurationError: the extra ``report`` is not installed.
    """
    from airflow_provider_pipehooks.reporting.history import History
    from airflow_provider_pipehooks.reporting.kpis import kpis

    return kpis(History(), window, service=service, job_id=job_id)


@lru_cache(maxsize=_MOST_KEPT)
def pictures_of(kpis: Kpis) -> Sequence[Picture]:
    """The charts of figures; none where what draws them is not installed."""
    from airflow_provider_pipehooks.reporting import charts

    drawn: list[Any] = [
        charts.failures_by_day(kpis),
        charts.failures_by_trouble(kpis),
        charts.runs_by_start(kpis),
        *charts.run_times(kpis, DRAWN_JOBS),
    ]
    try:
        return tuple(_picture(chart) for chart in drawn if chart is not None)
    except ConfigurationError as err:
        log.warning("The page shows no charts: %s", err)
        return ()


def _picture(chart: Any) -> Picture:
    return Picture(title=chart.title, told=chart.told, data=Markup(b64encode(chart.svg.encode()).decode()))
