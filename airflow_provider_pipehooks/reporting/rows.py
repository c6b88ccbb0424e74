"""What is remembered of a run, or of one task in it: one row, the same for all services. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from airflow_provider_pipehooks.core.reasons import class_of_run, fingerprint_of, told_by_run
from airflow_provider_pipehooks.core.run import Run

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
}
#: What makes a row; of several with the same, the one that was seen last counts.
KEY = ("service", "account", "run_id", "attempt", "task_key")

Row = Mapping[str, Any]


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
    :param raw: as the service told it.
    :param task_key: of a task in it; "" for the run itself.
    :param started_by: the service's word for what triggered it.
    """
    trouble = class_of_run(run) if run.is_failed else None
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
        "message": run.message,
        "fingerprint": fingerprint_of(trouble, *told_by_run(run), run.service) if trouble else None,
        "cancelled_by": run.cancelled_by,
        "started_by": started_by,
        "created_at": _text(run.created_at),
        "started_at": _text(run.started_at),
        "ended_at": _text(run.finished_at),
        "url": run.url,
        "seen_at": _text(seen_at),
        "raw": json.dumps(raw, default=str) if raw is not None else None,
    }


def _text(when: datetime | None) -> str | None:
    return when.isoformat() if when is not None else None
