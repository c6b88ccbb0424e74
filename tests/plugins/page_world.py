"""An Airflow database with the runs of tasks in it, and users who ask for pages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from itertools import count
from typing import Any
from uuid import uuid4

from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.task_state_store import TaskStateStoreModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState
from sqlalchemy import delete, insert, or_

from airflow_provider_pipehooks.core.run import Failure, Run
from airflow_provider_pipehooks.core.run_state import RunState

NOW = datetime.now(timezone.utc)
#: Viewers, who read the DAGs that begin with their names.
USERS = ("ann", "bob")
_NUMBERS = count(1)
HOSTILE = "<script>alert(1)</script>\x00\x1b[31mred\u202edrawkcab\"'&"


def run_of(**given: Any) -> Run:
    """A failed dbt Cloud run, but for what is said."""
    values: dict[str, Any] = {
        "service": "dbt_cloud",
        "run_id": next(_NUMBERS),
        "state": RunState.ERROR,
        "status": "Error",
        "job_id": 7,
        "name": "nightly",
        "kind": "user",
        "message": "the model orders failed",
        "url": "https://cloud.getdbt.com/deploy/1/projects/2/runs/3",
        "started_at": NOW - timedelta(minutes=10),
        "finished_at": NOW - timedelta(minutes=4),
    }
    return Run(**{**values, **given})


def failing_badly() -> Run:
    """What a hostile remote may tell."""
    failure = Failure(name=HOSTILE, message=HOSTILE, url="javascript:alert(1)", detail=HOSTILE)
    return run_of(name=HOSTILE, message=HOSTILE, status=HOSTILE, url="javascript:alert(2)").with_failures(
        failure
    )


class Database:
    """Airflow's database, filled by a test."""

    def dag(self, *dag_ids: str) -> None:
        with create_session() as session:
            if session.get(DagBundleModel, "dags-folder") is None:
                session.add(DagBundleModel(name="dags-folder"))
                session.flush()
            for dag_id in dag_ids:
                limits = {"max_active_tasks": 16, "max_consecutive_failed_dag_runs": 0}
                known = {
                    "bundle_name": "dags-folder",
                    "is_stale": False,
                    "has_task_concurrency_limits": False,
                }
                session.merge(DagModel(dag_id=dag_id, **known, **limits))

    def leave(
        self,
        dag_id: str,
        value: Any,
        *,
        task_id: str = "load",
        key: str = "run",
        map_index: int = -1,
        age: timedelta = timedelta(0),
        state: str = "failed",
        run_id: str = "",
    ) -> str:
        """A task instance and what it has left in XCom.

        :param age: of its DAG run.
        :return: the id of that.
        """
        if isinstance(value, Run):
            value = {**value.to_json(), "try_number": 2}
        run_id = run_id or f"manual__{next(_NUMBERS)}"
        of_task = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}
        with create_session() as session:
            number = self._task(session, of_task, NOW - age, state)
            xcom = {"dag_run_id": number, "key": key, "value": value, "timestamp": NOW - age}
            session.execute(insert(XComModel).values(**of_task, **xcom))
        return run_id

    def keep(self, dag_id: str, key: str, value: Any, *, state: str = "deferred") -> str:
        """A task instance that goes on, and a record in its state store."""
        run_id = f"manual__{next(_NUMBERS)}"
        of_task = {"dag_id": dag_id, "run_id": run_id, "task_id": "load", "map_index": -1}
        text = value if isinstance(value, str) else json.dumps(value)
        with create_session() as session:
            number = self._task(session, of_task, NOW, state)
            session.execute(
                insert(TaskStateStoreModel).values(**of_task, dag_run_id=number, key=key, value=text)
            )
        return run_id

    def _task(self, session: Any, of_task: Mapping[str, Any], run_after: datetime, state: str) -> int:
        of_run = {"dag_id": of_task["dag_id"], "run_id": of_task["run_id"]}
        dag_run = session.query(DagRun).filter_by(**of_run).one_or_none()
        if dag_run is None:
            dag_run = DagRun(**of_run, run_type="manual", run_after=run_after, state=DagRunState.FAILED)
            session.add(dag_run)
            session.flush()
        row = {"id": uuid4(), "state": state, "try_number": 2, "max_tries": 2, "pool": "default_pool"}
        session.execute(insert(TaskInstance).values(**of_task, **row))
        return int(dag_run.id)

    def clear(self) -> None:
        """Delete what tests of pages have made; others have DAGs of their own here."""
        with create_session() as session:
            for model in (XComModel, TaskStateStoreModel, TaskInstance, DagRun, DagModel):
                mine = or_(*(model.dag_id.startswith(f"{name}_", autoescape=True) for name in USERS))
                session.execute(delete(model).where(mine))
