"""What the history has of an account: what a sync need not ask for, and what it must ask for again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from math import ceil
from typing import Any

from airflow_provider_pipehooks.core.run_state import TERMINAL
from airflow_provider_pipehooks.reporting.history import History, Part

log = logging.getLogger(__name__)

#: How long a service knows a run.
KEPT_DAYS: Mapping[str, int] = {"dbt_cloud": 365, "databricks_jobs": 60, "databricks_pipelines": 60}
#: A run that the remote does not know is asked for again for so long: it may be in trouble itself.
GONE_FOR = timedelta(days=1)
_DAY = timedelta(days=1)
#: Of Databricks' lists.
PAGE = 25
ENDED = ", ".join(f"'{state.name.lower()}'" for state in sorted(TERMINAL))


@dataclass(frozen=True)
class Known:
    """An account as the history has it.

    :param last_seen: when something was read last.
    :param open: the runs that have not ended -> when they were made; not those that the remote forgets.
    :param attempts: of those that were repaired -> the last attempt.
    :param ended: of late -> when. A repair opens a run again.
    :param ranks: of the open ones -> how many were made since then, of those made before ``before``.
    :param page: when the last of a page of the newest of these was made.
    """

    last_seen: datetime | None = None
    open: Mapping[str, datetime | None] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)
    ended: Mapping[str, datetime] = field(default_factory=dict)
    ranks: Mapping[str, int] = field(default_factory=dict)
    page: datetime | None = None

    def reach(self, before: datetime) -> datetime:
        """From when on Databricks' runs are listed: at least a page of those before.

        So far that the open ones take the fewest requests. A page tells 25 runs, and a request for one run
        tells one; those that went on for a day go on, and a page tells 25 of them alone.
        """
        ranked = sorted((rank, self.open[run_id] or before) for run_id, rank in self.ranks.items())
        alone = [1 if made > before - _DAY else 1 / PAGE for _, made in ranked]
        reach, cost = self.page or before, 1 + sum(alone)
        for at, (rank, made) in enumerate(ranked):
            pages = ceil(rank / PAGE) + sum(alone[at + 1 :])
            if rank > PAGE and pages < cost:
                reach, cost = made, pages
        return min(reach, before)


def known_of(
    history: History,
    service: str,
    account: str,
    *,
    now: datetime,
    before: datetime,
    ended_since: datetime,
) -> Known:
    """Look into the history.

    :param before: of the runs that were made before, the newest are counted.
    :param ended_since: of the runs that were made since, it is told when they ended.
    :raises OSError: it cannot be read.
    """
    kept = now - timedelta(days=KEPT_DAYS[service])
    with history.open(service, since=kept.date()) as db:

        def ask(query: str, *values: Any) -> list[Any]:
            return db.execute(query, list(values)).fetchall()

        db.execute(
            "CREATE TABLE known AS SELECT run_id, arg_max_null(state, seen_at) AS state, "
            "max(created_at) AS made, arg_max_null(ended_at, seen_at) AS ended, "
            "arg_max_null(gone_at, seen_at) AS gone, max(attempt) AS attempt, max(seen_at) AS seen "
            "FROM runs WHERE account = $1 AND task_key = '' GROUP BY run_id",
            [account],
        )
        opened = (
            f"coalesce(state, '') NOT IN ({ENDED}) AND coalesce(made > $1, true) "
            "AND coalesce(gone > $2, true)"
        )
        ranked = (
            "SELECT *, row_number() OVER (ORDER BY made DESC) AS rank FROM known "
            "WHERE made IS NOT NULL AND made < $3"
        )
        ages = (kept, now - GONE_FOR)
        return Known(
            last_seen=ask("SELECT max(seen) FROM known")[0][0],
            open=dict(ask(f"SELECT run_id, made FROM known WHERE {opened}", *ages)),
            attempts=dict(ask("SELECT run_id, attempt FROM known WHERE attempt > 1")),
            ended=dict(
                ask(
                    f"SELECT run_id, ended FROM known WHERE state IN ({ENDED}) AND made >= $1 "
                    "AND ended IS NOT NULL",
                    ended_since,
                )
            ),
            ranks=dict(ask(f"SELECT run_id, rank FROM ({ranked}) WHERE {opened}", *ages, before)),
            page=ask(
                "SELECT min(made) FROM (SELECT made FROM known WHERE made < $1 ORDER BY made DESC LIMIT $2)",
                before,
                PAGE,
            )[0][0],
        )


def mark_gone(
    history: History, service: str, account: str, run_ids: Iterable[str], *, since: date, at: datetime
) -> int:
    """Write down that the remote does not know runs any more; as they were seen they stay.

    :return: how many rows.
    :raises OSError: the history cannot be read or written.
    """
    ids = sorted(run_ids)
    if not ids:
        return 0
    log.warning("%s: the remote does not know %s any more", service, ", ".join(ids[:10]))
    with history.open(service, since=since) as db:
        found = db.execute(
            "SELECT * FROM runs WHERE account = $1 AND list_contains($2, run_id) AND task_key = '' "
            "AND gone_at IS NULL QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY seen_at DESC) = 1",
            [account, ids],
        )
        names = [column[0] for column in found.description or ()]
        rows = [dict(zip(names, values, strict=True)) for values in found.fetchall()]
    stamp = at.isoformat()
    return history.append({**_plain(row), "seen_at": stamp, "gone_at": stamp} for row in rows)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}


def set_aside(part: Part, name: str) -> None:
    """Give a damaged file another name, so that nobody reads it.

    :raises OSError: it cannot be written.
    """
    if (data := part.folder.read(name)) is not None:
        part.folder.write(f"{name}.damaged", data)
        part.folder.delete(name)
