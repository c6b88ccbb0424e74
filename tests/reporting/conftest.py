"""A history in a folder of its own, and how it is looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.rows import COLUMNS, Row


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(str(tmp_path / "history"))


def rows(history: History, what: str, table: str = "runs", **where: str) -> list[tuple[Any, ...]]:
    """What a history has, sorted."""
    asked = " AND ".join(f"{name} = '{value}'" for name, value in where.items()) or "true"
    with history.open() as db:
        return db.execute(f"SELECT {what} FROM {table} WHERE {asked} ORDER BY ALL").fetchall()


def files(history: History) -> list[Path]:
    """Its Parquet files."""
    return sorted(Path(str(history.root)).rglob("*.parquet"))


def a_row(run_id: str = "1", *, seen: int = 0, **more: Any) -> Row:
    """A row of a run that has succeeded.

    :param seen: the minute in which it was seen.
    """
    made = "2026-11-28T01:00:00+00:00"
    return {
        **dict.fromkeys(COLUMNS),
        "service": "dbt_cloud",
        "account": "1",
        "run_id": run_id,
        "attempt": 1,
        "task_key": "",
        "state": "success",
        "status": "Success",
        "created_at": made,
        "seen_at": f"2026-11-28T02:{seen:02}:00+00:00",
        **more,
    }
