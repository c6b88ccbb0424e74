"""What is remembered of a run, or of one task in it: one row, the same for all services. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from airflow_provider_pipehooks.core.event_cursor import digest_of
from airflow_provider_pipehooks.core.reasons import class_of_run, fingerprint_of, told_by_run
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.texts import cut, storable, without_secrets
from airflow_provider_pipehooks.reporting.attempts import again_and_paused
from airflow_provider_pipehooks.reporting.raw import kept
from airflow_provider_pipehooks.services.reading import (
    LONGEST_MESSAGE,
    LONGEST_NAME,
    object_or_empty,
    text_or_none,
    time_from_text,
)

#: Column -> its type in DuckDB. Times are UTC. A new column is added at the end, with the files of before
#: holding NULL; none is given another meaning.
COLUMNS: Mapping[str, str] = {
    "service": "VARCHAR",
    "account": "VARCHAR",
    "run_id": "VARCHAR",
    "attempt": "INTEGER",
    "task_key": "VARCHAR",
    "job_id": "VARCHAR",
    "job_name": "VARCHAR",
    "state": "VARCHAR",
    "status": "VARCHAR",
    "class": "VARCHAR",
    "message": "VARCHAR",
    "fingerprint": "VARCHAR",
    "cancelled_by": "VARCHAR",
    "started_by": "VARCHAR",
    "created_at": "TIMESTAMPTZ",
    "started_at": "TIMESTAMPTZ",
    "ended_at": "TIMESTAMPTZ",
    "url": "VARCHAR",
    "seen_at": "TIMESTAMPTZ",
    "raw": "VARCHAR",
    # since when the remote has not known it any more
    "gone_at": "TIMESTAMPTZ",
    # seconds: in which something was tried again, and in which nothing ran before such a try
    "again_s": "DOUBLE",
    "paused_s": "DOUBLE",
}
#: What makes a row; of several with the same, the one that was seen last counts.
KEY = ("service", "account", "run_id", "attempt", "task_key")

#: The same of an event in a pipeline's log.
EVENT_COLUMNS: Mapping[str, str] = {
    "service": "VARCHAR",
    "account": "VARCHAR",
    "pipeline_id": "VARCHAR",
    "event_id": "VARCHAR",
    "update_id": "VARCHAR",
    "told_at": "TIMESTAMPTZ",
    "level": "VARCHAR",
    "event_type": "VARCHAR",
    "maturity_level": "VARCHAR",
    "flow_name": "VARCHAR",
    "dataset_name": "VARCHAR",
    "message": "VARCHAR",
    "seen_at": "TIMESTAMPTZ",
    "raw": "VARCHAR",
}
EVENT_KEY = ("service", "account", "pipeline_id", "event_id")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A kind of rows, in a folder of its own.

    :param day: the column whose day (UTC) says in which folder a row lies.
    """

    name: str
    columns: Mapping[str, str]
    key: tuple[str, ...]
    day: str


RUNS = Table("runs", COLUMNS, KEY, "created_at")
EVENTS = Table("events", EVENT_COLUMNS, EVENT_KEY, "told_at")
TABLES = (RUNS, EVENTS)


def row_of(
    run: Run,
    *,
    account: str,
    seen_at: datetime,
    raw: Mapping[str, Any] | None = None,
    task_key: str = "",
    started_by: str | None = None,
) -> Row:
    """The row of a run.

    :param account: the dbt Cloud account, or the host of the workspace.
    :param raw: as the service told it; without it nothing is known of what was tried again.
    :param task_key: of a task in it; "" for the run itself.
    :param started_by: the service's word for what triggered it.
    """
    trouble = class_of_run(run) if run.is_failed else None
    again_s, paused_s = again_and_paused(run, raw) if raw is not None else (None, None)
    return {
        "service": run.service,
        "account": account,
        "run_id": str(run.run_id),
        "attempt": run.attempt,
        "task_key": task_key,
        "job_id": None if run.job_id is None else str(run.job_id),
        "job_name": run.name,
        "state": run.state.name.lower() if run.state is not None else None,
        "status": run.status,
        "class": trouble,
        "message": without_secrets(run.message) if run.message else None,
        "fingerprint": fingerprint_of(trouble, *told_by_run(run), run.service) if trouble else None,
        "cancelled_by": run.cancelled_by,
        "started_by": started_by,
        "created_at": _text(run.created_at),
        "started_at": _text(run.started_at),
        "ended_at": _text(run.finished_at),
        "url": run.url,
        "seen_at": _text(seen_at),
        "raw": kept(raw) if raw is not None else None,
        "gone_at": None,
        "again_s": again_s,
        "paused_s": paused_s,
    }


def event_row(event: Mapping[str, Any], *, account: str, pipeline_id: str, seen_at: datetime) -> Row:
    """The row of an event; one without an id is known by all that it says."""
    origin = object_or_empty(event.get("origin"))
    return {
        "service": "databricks_pipelines",
        "account": account,
        "pipeline_id": pipeline_id,
        "event_id": _words(event.get("id"), LONGEST_NAME) or f"{digest_of(event):016x}",
        "update_id": _words(origin.get("update_id"), LONGEST_NAME),
        "told_at": _text(time_from_text(event.get("timestamp"))),
        **{name: _words(event.get(name), LONGEST_NAME) for name in ("level", "event_type", "maturity_level")},
        **{name: _words(origin.get(name), LONGEST_NAME) for name in ("flow_name", "dataset_name")},
        "message": _words(event.get("message"), LONGEST_MESSAGE),
        "seen_at": _text(seen_at),
        "raw": kept(event),
    }


def _words(value: Any, limit: int) -> str | None:
    text = text_or_none(value)
    return cut(without_secrets(storable(text)), limit) if text else None


def _text(when: datetime | None) -> str | None:
    try:
        return when.astimezone(timezone.utc).isoformat() if when is not None else None
    except OverflowError:  # in the first or last hours that there are
        return None
