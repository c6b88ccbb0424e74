"""What tasks have left of their runs and hooks, from Airflow's database: for the API server.

The newest DAG run first: by the index of DAG runs on ``run_after``, the only time of theirs that has one, and
by the primary key of XComs, which begins with the DAG run. What a custom backend keeps elsewhere is not seen.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

#: So many DAG runs are looked at for a list; first those that are most often enough, then so many at once: of
#: 800 PostgreSQL finds the XComs in 0.02 s, of 3,200 in one.
MOST_DAG_RUNS = 20_000
_FIRST_DAG_RUNS, _MOST_AT_ONCE = 200, 800
Having = Mapping[str, Collection[str | None]]
#: States of a task that goes on, or that another try follows.
GOES_ON = ("running", "deferred", "queued", "up_for_retry", "up_for_reschedule", "restarting")


@dataclass(frozen=True, kw_only=True)
class Record:
    """One value that a task instance has left, and the task instance as it is now.

    :param value: JSON, as it came.
    :param at: when it was written.
    :param task_state: Airflow's word.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    key: str
    value: Any
    at: datetime
    task_state: str | None
    try_number: int


@dataclass(frozen=True)
class Found:
    """Records, and whether DAG runs were left that were not looked at."""

    records: Sequence[Record] = ()
    partly: bool = False


def records(
    keys: Collection[str],
    dag_ids: Collection[str],
    since: datetime,
    *,
    having: Having | None = None,
    limit: int,
    offset: int = 0,
) -> Found:
    """XComs of tasks, those of the newest DAG run first.

    :param keys: of XComs.
    :param since: the earliest ``run_after`` of their DAG runs.
    :param having: which texts a field of the value may have, None for none: ``{"service": ["dbt_cloud"]}``.
    :raises Exception: the database cannot be reached or read; SQLAlchemy's, or of a driver.
    """
    from airflow.models.dagrun import DagRun
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import func, select

    found: list[Record] = []
    seen = 0
    with create_session() as session:
        # By DAG runs, some at a time: in one query, PostgreSQL takes what it cannot know of JSON for rare,
        # and reads all XComs under these keys that there ever were.
        for ids in _dag_runs(session, dag_ids, since):
            seen += len(ids)
            query = _of_tasks(XComModel, XComModel.timestamp, having, keys).where(
                XComModel.dag_run_id.in_(ids)
            )
            if offset:
                count = session.scalar(select(func.count()).select_from(query.subquery())) or 0
                if count <= offset:
                    offset -= count
                    continue
            query = query.order_by(*_newest_first(XComModel, DagRun)).limit(limit - len(found)).offset(offset)
            found += _read(session.execute(query))
            offset = 0
            if len(found) == limit:
                break
    return Found(found, partly=seen >= MOST_DAG_RUNS and len(found) < limit)


def record_of(
    key: str, dag_id: str, run_id: str, task_id: str, map_index: int, *, having: Having | None = None
) -> Record | None:
    """The XCom of one task instance; None where there is none."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    xcom = XComModel
    query = _of_tasks(xcom, xcom.timestamp, having, [key]).where(
        xcom.dag_id == dag_id, xcom.run_id == run_id, xcom.task_id == task_id, xcom.map_index == map_index
    )
    with create_session() as session:
        return next(_read(session.execute(query)), None)


def _dag_runs(session: Any, dag_ids: Collection[str], since: datetime) -> Iterator[list[int]]:
    """Ids of DAG runs, the newest first, in parts that grow; no more than :data:`MOST_DAG_RUNS`."""
    from airflow.models.dagrun import DagRun
    from sqlalchemy import or_, select

    query = select(DagRun.id, DagRun.run_after).where(DagRun.dag_id.in_(dag_ids), DagRun.run_after >= since)
    query = query.order_by(DagRun.run_after.desc(), DagRun.id.desc())
    part, left, after = query, MOST_DAG_RUNS, _FIRST_DAG_RUNS
    while left > 0:
        rows = session.execute(part.limit(min(after, left))).all()
        if rows:
            yield [row.id for row in rows]
        if len(rows) < min(after, left):
            return
        last = rows[-1]
        part = query.where(
            DagRun.run_after <= last.run_after, or_(DagRun.run_after < last.run_after, DagRun.id < last.id)
        )
        left, after = left - len(rows), min(4 * after, _MOST_AT_ONCE)


def kept(key: str, dag_ids: Collection[str], since: datetime, *, limit: int) -> list[Record]:
    """Records in the state stores of tasks that go on, those of the newest DAG run first."""
    from airflow.models.dagrun import DagRun
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    store = TaskStateStoreModel
    query = _of_tasks(store, store.updated_at, None, [key]).where(
        DagRun.dag_id.in_(dag_ids),
        DagRun.run_after >= since,
        TaskInstance.state.in_(GOES_ON),
    )
    query = query.order_by(*_newest_first(store, DagRun)).limit(limit)
    with create_session() as session:
        return list(_read(session.execute(query), as_text=True))


def _of_tasks(model: Any, at: Any, having: Having | None, keys: Collection[str]) -> Any:
    """Values under some keys, with their task instances."""
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import String, and_, cast, func, or_, select

    ti = TaskInstance
    columns = (model.dag_id, model.run_id, model.task_id, model.map_index, model.key, model.value)
    same = [
        getattr(ti, name) == getattr(model, name) for name in ("dag_id", "task_id", "run_id", "map_index")
    ]
    query = (
        select(*columns, at.label("at"), ti.state, ti.try_number)
        .join(DagRun, DagRun.id == model.dag_run_id)
        .join(ti, and_(*same))
        # Not by the index on keys, which SQLite would take: it is of all DAG runs that there ever were.
        .where(func.coalesce(model.key, "").in_(keys))
    )
    for name, texts in (having or {}).items():
        # As text whatever it is: another operator may use the same key for anything.
        field = cast(model.value[name].as_string(), String)
        wanted = [field.in_([text for text in texts if text is not None])]
        query = query.where(or_(*wanted, *([field.is_(None)] if None in texts else [])))
    return query


def _newest_first(model: Any, dag_run: Any) -> tuple[Any, ...]:
    return dag_run.run_after.desc(), dag_run.id.desc(), model.task_id, model.map_index, model.key


def _read(rows: Any, *, as_text: bool = False) -> Iterator[Record]:
    for row in rows:
        value = row.value
        if as_text:
            try:
                value = json.loads(value)
            except ValueError:
                continue
        yield Record(
            dag_id=row.dag_id,
            run_id=row.run_id,
            task_id=row.task_id,
            map_index=row.map_index,
            key=row.key,
            value=value,
            at=row.at,
            task_state=getattr(row.state, "value", row.state),
            try_number=row.try_number,
        )
