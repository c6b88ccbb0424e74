"""Which tasks have failed although somebody should have told, from Airflow's database.

For the sender that runs beside the scheduler: tasks and triggers may not ask the database (Airflow 3).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any


@dataclass(frozen=True, kw_only=True)
class FailedInstance:
    """A task instance that has failed.

    :param began: when its last try did, in seconds since the epoch.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    max_tries: int
    began: float


def failed_between(begin: float, end: float, alert_types: Sequence[str] = ()) -> Iterator[FailedInstance]:
    """What failed in a span of time and has a failure callback, or whose DAG has one or an alert task.

    A DAG's callback and its alert task are given time until the DAG run has failed. Alert tasks themselves
    are left out: they fail on purpose.

    :param begin: in seconds since the epoch, of the end of the task; ``end`` also of the end of the DAG run.
    :param alert_types: names of the operators that are alert tasks.
    :raises Exception: the database cannot be reached or read; SQLAlchemy's, or of a driver.
    """
    from airflow.models.dagbag import DBDagBag
    from airflow.models.dagrun import DagRun
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    ti = TaskInstance
    asked = (ti.dag_id, ti.run_id, ti.task_id, ti.map_index, ti.try_number, ti.max_tries)
    query = (
        select(*asked, ti.start_date, ti.end_date, DagRun.state, DagRun.end_date.label("ended"))
        .join(DagRun, (DagRun.dag_id == ti.dag_id) & (DagRun.run_id == ti.run_id))
        .where(ti.state == "failed", ti.end_date.between(_time(begin), _time(end)))
        .order_by(ti.end_date)
    )
    bag = DBDagBag()
    dags: dict[str, Any] = {}
    with create_session() as session:
        rows: Any = session.execute(query)
        for row in rows:
            if row.dag_id not in dags:
                dags[row.dag_id] = bag.get_latest_version_of_dag(row.dag_id, session=session)
            is_over = row.state == "failed" and row.ended is not None and row.ended <= _time(end)
            if _is_owed(dags[row.dag_id], row.task_id, alert_types, is_over=is_over):
                yield FailedInstance(
                    dag_id=row.dag_id,
                    run_id=row.run_id,
                    task_id=row.task_id,
                    map_index=row.map_index,
                    try_number=row.try_number,
                    max_tries=row.max_tries + 1,
                    began=(row.start_date or row.end_date).timestamp(),
                )


def _is_owed(dag: Any, task_id: str, alert_types: Sequence[str], *, is_over: bool) -> bool:
    """Whether somebody should have told of this task by now. Nobody knows of a DAG that is gone."""
    if dag is None or not dag.has_task(task_id) or (task := dag.get_task(task_id)).task_type in alert_types:
        return False
    if getattr(task, "has_on_failure_callback", False):
        return True
    tells = getattr(dag, "has_on_failure_callback", False)
    return is_over and (tells or any(each.task_type in alert_types for each in dag.tasks))


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, timezone.utc)
