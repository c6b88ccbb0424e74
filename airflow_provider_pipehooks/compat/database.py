"""HOOKS: what the control plane and the listener look up in Airflow's database, in their own thread."""

from __future__ import annotations

from typing import Any


class Database:
    """Answers for :class:`~airflow_provider_pipehooks.plugins.routes.World`.

    :param dag_bag: the API server's own, which keeps the DAGs it has read.
    """

    def __init__(self, dag_bag: Any) -> None:
        self._dag_bag = dag_bag

    def is_branch(self, dag_id: str, task_id: str) -> bool:
        dag = self._dag(dag_id)
        return bool(dag and dag.has_task(task_id) and dag.get_task(task_id).inherits_from_skipmixin)

    def group_of(self, dag_id: str, task_ids: frozenset[str]) -> str | None:
        """The outermost one; a group of one task is taken for the task."""
        dag = self._dag(dag_id) if len(task_ids) > 1 else None
        groups = dag.task_group_dict if dag else {}
        found = [
            group_id
            for group_id, group in groups.items()
            if {task.task_id for task in group.iter_tasks()} == task_ids
        ]
        return min(found, key=len, default=None)

    def try_number(self, dag_id: str, run_id: str, task_id: str, map_index: int) -> int | None:
        from airflow.models.taskinstance import TaskInstance
        from airflow.utils.session import create_session
        from sqlalchemy import select

        query = select(TaskInstance.try_number).filter_by(
            dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index
        )
        with create_session() as session:
            found: int | None = session.scalar(query)
            return found

    def _dag(self, dag_id: str) -> Any:
        from airflow.utils.session import create_session

        with create_session() as session:
            return self._dag_bag.get_latest_version_of_dag(dag_id, session=session)


def tags_of(dag_id: str) -> frozenset[str]:
    """The tags of a DAG; none when there is no such DAG."""
    from airflow.models.dag import DagTag
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return frozenset(session.scalars(select(DagTag.name).filter_by(dag_id=dag_id)))


def remember_for(dag_id: str, run_id: str, task_id: str, map_index: int, *, key: str, record: Any) -> bool:
    """Put a record into the state store of a task instance, where the task finds it.

    :param record: JSON.
    :return: whether there is such a task instance.
    """
    import json

    from airflow._shared.state import TaskScope
    from airflow.models.taskinstance import TaskInstance
    from airflow.state.metastore import MetastoreBackend
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        of_task: dict[str, Any] = {
            "dag_id": dag_id,
            "run_id": run_id,
            "task_id": task_id,
            "map_index": map_index,
        }
        if session.scalar(select(TaskInstance.id).filter_by(**of_task)) is None:
            return False
        MetastoreBackend().set(TaskScope(**of_task), key, json.dumps(record), session=session)
    return True
