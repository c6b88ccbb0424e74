"""Rows of the history, a few words each."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any

from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.reporting.rows import Row, row_of

BEGIN = datetime(2026, 9, 1, tzinfo=timezone.utc)
_ids = count(1)


def at(hours: float) -> datetime:
    """So many hours after the first day began."""
    return BEGIN + timedelta(hours=hours)


def failed_run(message: str = "Table orders not found", **fields: Any) -> Run:
    failed: dict[str, Any] = {"state": RunState.ERROR, "kind": "user", "message": message}
    return run(**(failed | fields))


def run(hours: float = 0, took_s: float | None = 60, **fields: Any) -> Run:
    """A run that succeeded.

    :param took_s: None for one that goes on.
    """
    made = at(hours)
    defaults: dict[str, Any] = {
        "service": "databricks_jobs",
        "run_id": next(_ids),
        "state": RunState.SUCCESS if took_s is not None else RunState.RUNNING,
        "status": "TERMINATED",
        "job_id": 7,
        "name": "nightly",
        "created_at": made,
        "started_at": made,
        "finished_at": None if took_s is None else made + timedelta(seconds=took_s),
    }
    return Run(**(defaults | fields))


def row(of: Run, *, seen: float | None = None, account: str = "host", **more: Any) -> Row:
    """Its row.

    :param seen: hours after the first day began; else when it was made.
    """
    seen_at = at(seen) if seen is not None else of.created_at or BEGIN
    return row_of(of, account=account, seen_at=seen_at, **more)
