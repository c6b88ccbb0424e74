"""What tasks have left of their runs and hooks, from Airflow's database: for the API server.

In pages, the newest DAG run first: by the indexes of DAG runs (``run_after``, the only time of theirs that
has one) and of XComs (DAG run and key). XComs that a custom backend keeps elsewhere are not seen.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

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


def records(
    keys: Collection[str],
    dag_ids: Collection[str],
    since: datetime | None = None,
    *,
    having: Mapping[str, Collection[str | None]] | None = None,
    of_task: tuple[str, str, int] | None = None,
    limit: int,
    offset: int = 0,
) -> list[Record]:
    """XComs of tasks, those of the newest DAG run first.

    :param keys: of XComs.
    :param since: the earliest ``run_after`` of their DAG runs.
    :param of_task: only of this DAG run, task and map index.
    :param having: which texts a field of the value may have, None for none: ``{"service": ["dbt_cloud"]}``.
    :raises Exception: the database cannot be reached or read; SQLAlchemy's, or of a driver.
    """
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session
    from sqlalchemy import String, cast, or_

    xcom = XComModel
    query = _of_tasks(xcom, xcom.timestamp, DagRun, TaskInstance).where(
        xcom.key.in_(keys), DagRun.dag_id.in_(dag_ids)
    )
    if since is not None:
        query = query.where(DagRun.run_after >= since)
    if of_task is not None:
        run_id, task_id, map_index = of_task
        query = query.where(DagRun.run_id == run_id, xcom.task_id == task_id, xcom.map_index == map_index)
    for name, texts in (having or {}).items():
        # As text whatever it is: another operator may use the same key for anything.
        field = cast(xcom.value[name].as_string(), String)
        wanted = [field.in_([text for text in texts if text is not None])]
        query = query.where(or_(*wanted, *([field.is_(None)] if None in texts else [])))
    query = query.order_by(*_newest_first(xcom, DagRun)).limit(limit).offset(offset)
    with create_session() as session:
        return list(_read(session.execute(query)))


def kept(key: str, dag_ids: Collection[str], since: datetime, *, limit: int) -> list[Record]:
    """Records in the state stores of tasks that go on, those of the newest DAG run first."""
    from airflow.models.dagrun import DagRun
    from airflow.models.task_state_store import TaskStateStoreModel
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    store = TaskStateStoreModel
    query = _of_tasks(store, store.updated_at, DagRun, TaskInstance).where(
        store.key == key,
        DagRun.dag_id.in_(dag_ids),
        DagRun.run_after >= since,
        TaskInstance.state.in_(GOES_ON),
    )
    query = query.order_by(*_newest_first(store, DagRun)).limit(limit)
    with create_session() as session:
        return list(_read(session.execute(query), as_text=True))


def _of_tasks(model: Any, at: Any, dag_run: Any, ti: Any) -> Any:
    from sqlalchemy import and_, select

    columns = (model.dag_id, model.run_id, model.task_id, model.map_index, model.key, model.value)
    same = [
        getattr(ti, name) == getattr(model, name) for name in ("dag_id", "task_id", "run_id", "map_index")
    ]
    return (
        select(*columns, at.label("at"), ti.state, ti.try_number)
        .join(dag_run, dag_run.id == model.dag_run_id)
        .join(ti, and_(*same))
    )


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
