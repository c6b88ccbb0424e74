"""The runs of a service as people look at them: the newest, some of them, one line each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_pipehooks.compat.masking import masked_text
from airflow_provider_pipehooks.core.errors import ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import TERMINAL, RunState
from airflow_provider_pipehooks.core.texts import shorten, storable
from airflow_provider_pipehooks.hooks.registry import calls_of
from airflow_provider_pipehooks.services.databricks_pipelines import parse_update
from airflow_provider_pipehooks.services.pipeline_pages import pipelines_page
from airflow_provider_pipehooks.services.reading import objects, words_or_none

if TYPE_CHECKING:
    from airflow_provider_pipehooks.hooks.remote import RemoteHook

#: Of each run that is shown, so many are looked at: filters that the remote does not have are ours.
_LOOKED_AT = 20
_LEAST_LOOKED_AT = 1_000
#: What may turn the rest of a line around in a terminal.
_TURNING = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_AGE = re.compile(r"(\d+(?:\.\d+)?)([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which runs.

    :param states: none are all.
    :param job: id of the job or pipeline, or its name.
    :param since: that were made since then.
    :param limit: how many at most.
    """

    states: frozenset[RunState] = frozenset()
    job: str | None = None
    since: datetime | None = None
    limit: int = 50

    def fits(self, run: Run) -> bool:
        """Whether it is one of them."""
        return (
            (not self.states or run.state in self.states)
            and (self.job is None or self.job in (str(run.job_id), run.name))
            and (self.since is None or run.created_at is None or run.created_at >= self.since)
        )


def newest(service: str, hook: RemoteHook, wanted: Wanted) -> list[Run]:
    """The newest runs that are wanted, newest first.

    At most 1,000 runs are looked at, or 20 for each of ``limit``.

    :raises RemoteCallError: the remote refused, or gave no usable answer.
    """
    if service == "databricks_pipelines":
        found = sorted(_updates(hook), key=_made, reverse=True)
        return list(islice(filter(wanted.fits, found), wanted.limit))
    lister: Any = hook  # of a service that lists its runs
    runs = _parsed(service, lister.list_runs(**_filters(service, wanted)))
    looked_at = islice(runs, max(_LEAST_LOOKED_AT, _LOOKED_AT * wanted.limit))
    return list(islice(filter(wanted.fits, looked_at), wanted.limit))


def _filters(service: str, wanted: Wanted) -> dict[str, Any]:
    """What the remote itself can leave out."""
    filters: dict[str, Any] = {}
    if service == "dbt_cloud":
        filters["include_related"] = "trigger,job"
        if wanted.job is not None and wanted.job.isdigit():
            filters["job_definition_id"] = wanted.job
        if wanted.states:
            filters["status__in"] = sorted(state.value for state in wanted.states)
        if wanted.since is not None:
            filters["created_at__range"] = [wanted.since, wanted.since + timedelta(days=4_000)]
        return filters
    if wanted.job is not None:
        filters["job_id"] = wanted.job  # a name was looked up
    if wanted.since is not None:
        filters["start_time_from"] = wanted.since
    if wanted.states and wanted.states <= TERMINAL:
        filters["completed_only"] = True
    elif wanted.states and wanted.states.isdisjoint(TERMINAL):
        filters["active_only"] = True
    return filters


def _parsed(service: str, told: Iterable[Mapping[str, Any]]) -> Iterator[Run]:
    calls = calls_of(service)
    for raw in told:
        try:
            yield calls.parse(raw)
        except RemoteCallError:  # not a run
            continue


def _updates(hook: RemoteHook) -> Iterator[Run]:
    """The latest updates of each pipeline: five, as lists of pipelines have them."""
    token: str | None = None
    while True:
        page = hook.call(pipelines_page(token))
        for pipeline in page.objects:
            for told in objects(pipeline.get("latest_updates")):
                data = {"pipeline_id": pipeline.get("pipeline_id"), **told}
                try:
                    yield parse_update(
                        data, name=words_or_none(pipeline.get("name")), base_url=hook.target.base_url
                    )
                except ValueError:  # not an update
                    continue
        if (token := page.token) is None:
            return


def _made(run: Run) -> datetime:
    return run.created_at or datetime.min.replace(tzinfo=timezone.utc)


# --- as text ----------------------------------------------------------------------------------------------


def as_json(run: Run) -> dict[str, Any]:
    """A run as programs read it; times as ISO 8601, seconds from start to end."""
    return {
        "service": run.service,
        "run_id": run.run_id,
        "job_id": run.job_id,
        "job_name": run.name and safe(run.name),
        "state": state_of(run),
        "status": safe(run.status),
        "created_at": run.created_at and run.created_at.isoformat(),
        "started_at": run.started_at and run.started_at.isoformat(),
        "ended_at": run.finished_at and run.finished_at.isoformat(),
        "seconds": seconds_of(run),
        "message": run.message and safe(run.message),
        "url": run.url,
    }


def cells(run: Run, now: datetime) -> tuple[str, ...]:
    """State, id, job, when it was made, how long it took or takes, why it failed."""
    made = run.created_at.astimezone(timezone.utc) if run.created_at else None
    told = run.message if run.is_failed else None
    return (
        state_of(run) or f"? {safe(run.status)}",
        str(run.run_id),
        safe(run.name or str(run.job_id or "-")),
        f"{made:%Y-%m-%d %H:%M:%S}" if made else "-",
        _duration(seconds_of(run, now)),
        safe(told or ""),
    )


def state_of(run: Run) -> str | None:
    """The word that is asked for with ``--state``."""
    return run.state.name.lower() if run.state is not None else None


def seconds_of(run: Run, now: datetime | None = None) -> float | None:
    """From start to end; until now, if that is given and it goes on."""
    begin = run.started_at or run.created_at
    end = run.finished_at or (now if not run.is_terminal else None)
    return (end - begin).total_seconds() if begin and end else None


def safe(text: str) -> str:
    """What somebody called something, in one line, without what a terminal would obey, or a secret."""
    return shorten(masked_text(_TURNING.sub("", storable(text))))


def _duration(seconds: float | None) -> str:
    if seconds is None or seconds < 0:
        return "-"
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def since_of(text: str, now: datetime) -> datetime:
    """A time as people give it: ``2d``, ``3h``, ``30m`` ago, or ISO 8601; UTC where it has no zone.

    :raises ConfigurationError: neither.
    """
    if (age := _AGE.fullmatch(text.strip())) is not None and float(age[1]) < 1e6:
        return now - timedelta(**{_UNITS[age[2]]: float(age[1])})
    try:
        time = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise ConfigurationError(
            f"since is {text!r}. Give 2d, 3h, 30m, or a time such as 2026-11-28."
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)
