"""Records as a version before this one wrote them, with their readers and writers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow_provider_pipehooks.core.changes import Change
from airflow_provider_pipehooks.core.event_cursor import EventCursor
from airflow_provider_pipehooks.core.events import WaitEnded, read_event
from airflow_provider_pipehooks.core.intent import Intent
from airflow_provider_pipehooks.core.records import VERSION_KEY
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_cursor import Cursor
from airflow_provider_pipehooks.core.watch import recalled, remembered

RUN = {
    "service": "dbt_cloud",
    "run_id": 42,
    "state": "ERROR",
    "status": "Error",
    "job_id": 7,
    "name": "nightly",
    "url": "https://cloud.getdbt.com/x",
    "message": "boom",
    "kind": "user",
    "cancelled_by": None,
    "attempt": 1,
    "created_at": "2026-11-01T06:00:00+00:00",
    "started_at": "2026-11-01T06:00:40+00:00",
    "finished_at": "2026-11-01T06:09:00+00:00",
    "failures": [{"name": "step 3", "message": "failed", "url": None}],
}
CHANGE = {
    "service": "dbt_cloud",
    "run_id": 42,
    "attempt": 1,
    "old": None,
    "new": "QUEUED",
    "at": "2026-11-01T06:00:00+00:00",
    "source": "remote",
}


@dataclass(frozen=True)
class Format:
    """One thing that is stored.

    :param yesterday: as version 0.1.0 of 2026-11-22 wrote it.
    """

    yesterday: dict[str, Any]
    read: Callable[[Any], Any]
    write: Callable[[Any], Any]


def as_json(value: Any) -> Any:
    return value.to_json()


def event_cursor(record: Any) -> dict[str, Any]:
    """A cursor has no equality of its own: what it would write again."""
    cursor, chunks = EventCursor(), dict[int, Any]()
    cursor.restore(record, chunks.__getitem__)
    return cursor.to_json()


FORMATS = {
    "event cursor": Format(
        {
            "since": "2026-11-28T02:30:00000000000",
            "newest": "2026-11-28T02:31:00123456000",
            "settled": "2026-11-28T02:31:00000000000",
            "forgotten": "",
            "newest_id": "e7",
            "count": 1,
            "ids": "AAAAAAAAAAc=",
            "first_chunk": 0,
            "next_chunk": 0,
        },
        event_cursor,
        dict,
    ),
    "intent": Format(
        {
            "dag_id": "dag",
            "run_id": "manual",
            "task_id": "t",
            "map_index": -1,
            "generation": 0,
            "attempt": 1,
            "baseline": 41,
            "remote_run_id": 42,
            "adopted": False,
        },
        Intent.from_json,
        as_json,
    ),
    "run": Format(RUN, Run.from_json, as_json),
    "change": Format(CHANGE, Change.from_json, as_json),
    "the end of a wait": Format(
        {"reason": "run_ended", "run": RUN, "message": None}, WaitEnded.from_json, as_json
    ),
    "something waits": Format({"waits": RUN, "changes": [CHANGE]}, read_event, as_json),
    "cursor": Format(
        {"mark": 40, "open": "16 1", "told": [[41, 41]], "owed": [41], "sent": [39, None]},
        Cursor.from_json,
        as_json,
    ),
    "sensor memory": Format(
        {
            "run": RUN,
            "since_s": 1000.0,
            "heartbeat_s": 1000.5,
            "looks": 3,
            "trouble": 1,
            "reread": False,
        },
        lambda record: recalled(record, 5.0),
        remembered,
    ),
}


def without_versions(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_versions(each) for key, each in value.items() if key != VERSION_KEY}
    return [without_versions(each) for each in value] if isinstance(value, (list, tuple)) else value
