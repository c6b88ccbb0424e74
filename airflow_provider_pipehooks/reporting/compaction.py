"""Many small files of a day become one, and days that are over their time are deleted.

The new file is there, whole and read back, before the first of the old ones is deleted; until then the rows
are there twice, which reads as once. So it may end at any point, and several may go on at once.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from shutil import rmtree

from airflow_provider_pipehooks import options
from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.reporting.history import READING, UNDATED, History, Part
from airflow_provider_pipehooks.reporting.parquet import (
    connect,
    is_whole,
    last_of,
    query_of,
    readable,
    written,
)
from airflow_provider_pipehooks.reporting.rows import TABLES

log = logging.getLogger(__name__)

#: What a process that was killed has left behind lies about for so long.
_LITTER_S = 86_400.0


@dataclass(frozen=True)
class Compacted:
    """What a compaction did.

    :param before: how many files there were.
    :param after: and are now.
    :param deleted: of those, for they were over their time.
    """

    before: int
    after: int
    deleted: int


def compact(
    history: History | None = None,
    *,
    retention_days: float | None = None,
    now: datetime | None = None,
    on_day: Callable[[Part, int], object] | None = None,
) -> Compacted:
    """Make one file of those of each service and day, and delete days that nobody wants any more.

    Rows that were seen again later are left out. Files of a newer version and damaged ones stay as they are.

    :param retention_days: days (UTC) whose end is longer ago are deleted; None takes the option ``[pipehooks]
        history_retention_days``, and 0 keeps all.
    :param on_day: called after each part with how many of its files have become one.
    :raises OSError: the history cannot be read or written; nothing is lost by that.
    :raises ConfigurationError: a retention below 0, or DuckDB is not installed.
    """
    history, now = history or History(), now or datetime.now(timezone.utc)
    deleted = delete_old(history, retention_days=retention_days, now=now)
    before = after = 0
    for table in TABLES:
        for part in list(history.parts(table)):
            merged = _merge(history, part) if (files := len(part.files)) > 1 else 0
            before, after = before + files, after + files - merged + bool(merged)
            if merged and on_day is not None:
                on_day(part, merged)
    _sweep(history, now)
    return Compacted(before + deleted, after, deleted)


def delete_old(history: History, *, retention_days: float | None = None, now: datetime) -> int:
    """Delete the days that nobody wants any more.

    :return: how many files.
    """
    oldest, deleted = oldest_kept(retention_days, now), 0
    if oldest:
        for table in TABLES:
            for part in list(history.parts(table)):
                for name in part.files if part.day != UNDATED and part.day < oldest else ():
                    part.folder.delete(name)
                    deleted += 1
    return deleted


def oldest_kept(retention_days: float | None, now: datetime) -> str:
    """The first day that is kept, "" for all."""
    days = float(options.read("history_retention_days")) if retention_days is None else retention_days
    if days < 0:
        raise ConfigurationError(
            f"history_retention_days is {days:g}. Give a number of days, or 0 to keep all."
        )
    return (now - timedelta(days=days)).astimezone(timezone.utc).date().isoformat() if days else ""


def _merge(history: History, part: Part) -> int:
    """Make one file of those of a part.

    :return: of how many; 0 where none can be merged.
    """
    import duckdb

    with history.holding() as hold, connect() as db, tempfile.TemporaryDirectory() as folder:
        held = hold(part)
        groups = [group for group in readable(db, hold.take()) if group.is_of(part.table)]
        old = [held[file] for group in groups for file in group.files]
        if len(old) < 2:
            return 0
        rows = last_of(query_of(groups, part.table), part.table)
        try:
            data = written(db.sql(rows), Path(folder))
        except duckdb.Error as err:
            log.error("The files of %s stay as they are, one cannot be read: %s", part.folder, err)
            return 0
        name = history.write(part, data)
        if not _is_there(history, part, name):
            raise OSError(f"{part.folder}/{name} is not as it was written. The {len(old)} old files stay")
        for each in old:
            part.folder.delete(each)
    return len(old)


def _is_there(history: History, part: Part, name: str) -> bool:
    if part.folder.is_local:
        return is_whole(part.folder.path / name, name)
    with history.holding() as hold:
        return name in hold(part).values()


def _sweep(history: History, now: datetime) -> None:
    """What readers and writers have left that were killed."""
    if not history.root.is_local or not history.root.path.exists():
        return
    root: Path = history.root.path
    for left in (*root.glob(f"{READING}*"), *root.glob("*/*/*/*.unfinished")):
        try:
            if now.timestamp() - left.stat().st_mtime > _LITTER_S:
                rmtree(left) if left.is_dir() else left.unlink()
        except OSError as err:
            log.warning("%s is left behind, and cannot be deleted: %s", left, err)
