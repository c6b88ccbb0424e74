"""Run a DAG of a test for real: Airflow's own task runner and triggers, in this process (``dag.test()``)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
from airflow.models.dagrun import DagRun
from airflow.models.xcom import XComModel
from airflow.sdk import DAG
from airflow.utils.session import create_session

BUNDLE = "dags-folder"


@dataclass
class Finished:
    """A DAG run that is over.

    :param tasks: task id -> state; mapped ones as ``task_id[0]``.
    """

    dag_run: DagRun
    tasks: dict[str, str]

    @property
    def state(self) -> str:
        return str(self.dag_run.state)

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """An XCom value, None if it was never pushed."""
        with create_session() as session:
            rows = XComModel.get_many(
                run_id=self.dag_run.run_id,
                key=key,
                task_ids=task_id,
                dag_ids=self.dag_run.dag_id,
                map_indexes=map_index,
            )
            row = session.execute(rows).scalars().first()
            return XComModel.deserialize_value(row) if row is not None else None

    def xcom_keys(self, task_id: str) -> set[str]:
        with create_session() as session:
            rows = session.query(XComModel.key).filter_by(
                run_id=self.dag_run.run_id, dag_id=self.dag_run.dag_id, task_id=task_id
            )
            return {key for (key,) in rows}


def run(dag: DAG, **options: Any) -> Finished:
    """Store the DAG as the DAG processor would, then run it.

    :param options: of ``dag.test()``, such as ``run_conf``.
    """
    os.makedirs(os.environ["AIRFLOW__CORE__DAGS_FOLDER"], exist_ok=True)
    with create_session() as session:
        DagBundlesManager().sync_bundles_to_db(session=session)
    bag = BundleDagBag(dag_folder=os.devnull, bundle_path=os.devnull, bundle_name=BUNDLE)  # type: ignore[arg-type]
    bag.bag_dag(dag)
    sync_bag_to_db(bag, BUNDLE, None)
    dag_run = dag.test(**options)
    tasks = {
        ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]": str(ti.state)
        for ti in dag_run.get_task_instances()
    }
    return Finished(dag_run=dag_run, tasks=tasks)
