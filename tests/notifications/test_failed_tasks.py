"""What Airflow is asked about failed tasks, and what is made of odd answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.sdk.execution_time.supervisor import set_supervisor_comms

from airflow_provider_pipehooks.notifications.failed_tasks import DagRunRef, count_unfinished, failed_tasks
from airflow_provider_pipehooks.notifications.message import FULL_TASKS, LISTED_TASKS, FailedTask, body
from airflow_provider_pipehooks.reporting.history import History
from tests.reporting.made_rows import failed_run, row, run

REF = DagRunRef(dag_id="orders", run_id="manual__1")
START = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Comms:
    """Plays the supervisor: answers tries of the given DAG run, and XCom values; keeps the questions."""

    def __init__(self, run_id: str = REF.run_id, xcom: Any = None) -> None:
        self.asked: list[str] = []
        self.run_id = run_id
        self.xcom = xcom

    def send(self, msg: Any) -> Any:
        self.asked.append(type(msg).__name__)
        if type(msg).__name__ == "GetPreviousTI":
            return SimpleNamespace(task_instance=SimpleNamespace(run_id=self.run_id, try_number=2))
        from airflow.sdk.execution_time.comms import XComResult

        return XComResult(key="run", value=self.xcom)


@contextmanager
def a_dag(comms: Comms) -> Iterator[DAG]:
    with DAG("orders", schedule=None, start_date=START) as dag, set_supervisor_comms(comms):
        BaseOperator(task_id="load", retries=2)
        yield dag


def test_no_more_is_asked_than_the_message_shows() -> None:
    comms = Comms()
    with a_dag(comms) as dag:
        tasks = failed_tasks(dag, REF, {("load", n): "failed" for n in range(LISTED_TASKS + 10)})
    assert len(tasks) == LISTED_TASKS + 10
    assert comms.asked.count("GetPreviousTI") == LISTED_TASKS
    assert comms.asked.count("GetXCom") == FULL_TASKS


def test_a_task_that_could_not_start_is_not_given_an_older_try_or_run() -> None:
    """After a clear, Airflow still has the XComs of the task's last time."""
    comms = Comms()
    with a_dag(comms) as dag:
        (task,) = failed_tasks(dag, REF, {("load", -1): "upstream_failed"})
    assert comms.asked == []
    assert (task.try_number, task.run) == (None, None)


@pytest.mark.parametrize(("run_id", "tries"), [("manual__1", "try 2 of 3"), ("manual__0", "")])
def test_the_try_of_another_dag_run_is_not_taken(run_id: str, tries: str) -> None:
    with a_dag(Comms(run_id)) as dag:
        (task,) = failed_tasks(dag, REF, {("load", -1): "failed"})
    assert task.tries == tries


@pytest.mark.parametrize("xcom", [None, "text", {"a": 1}, {"service": "dbt_cloud"}])
def test_a_foreign_value_under_our_key_does_not_stop_the_alert(xcom: Any) -> None:
    with a_dag(Comms(xcom=xcom)) as dag:
        (task,) = failed_tasks(dag, REF, {("load", -1): "failed"})
    assert task.run is None


@pytest.mark.parametrize(
    ("context", "ref"),
    [
        ({}, DagRunRef(dag_id="unknown DAG", run_id="unknown")),
        ({"run_id": "r"}, DagRunRef(dag_id="unknown DAG", run_id="r")),
        ({"dag": SimpleNamespace(dag_id="d"), "run_id": "r"}, DagRunRef(dag_id="d", run_id="r")),
        (
            {"dag_run": {"dag_id": "d", "dag_run_id": "r", "logical_date": None}},
            DagRunRef(dag_id="d", run_id="r"),
        ),
        (
            {"dag_run": SimpleNamespace(dag_id="d", run_id="r", logical_date=START)},
            DagRunRef(dag_id="d", run_id="r", logical_date=START),
        ),
    ],
)
def test_every_kind_of_context_names_its_dag_run_as_far_as_it_can(
    context: dict[str, Any], ref: DagRunRef
) -> None:
    assert DagRunRef.of(context) == ref


@pytest.mark.parametrize(
    ("state", "counted"),
    [
        (None, 1),
        ("queued", 1),
        ("running", 1),
        ("deferred", 1),
        ("up_for_retry", 1),
        ("success", 0),
        ("failed", 0),
        ("skipped", 0),
        ("upstream_failed", 0),
        ("removed", 0),
    ],
)
def test_what_can_still_fail_is_counted_as_unfinished(state: str | None, counted: int) -> None:
    assert count_unfinished({("load", -1): state}) == counted


def test_the_most_telling_failed_run_has_a_line_of_what_the_history_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    now = datetime.now(timezone.utc)
    before = [failed_run(hours=0), run(0)]
    made = [replace(each, created_at=now, started_at=now, finished_at=now) for each in before]
    History().append([row(each) for each in made])
    tasks = [
        FailedTask(task_id="clean", exception="KeyError: 'x'"),
        *(FailedTask(task_id=name, run=failed_run(hours=1)) for name in ("load", "check")),
    ]
    alert = DagRunRef(dag_id="d", run_id="r").alert(tasks)
    assert [task.known is not None for task in alert.tasks] == [False, True, False]
    assert body(alert).count("  History: 1 of its 2 other runs failed, too (60 days); seen once") == 1


def test_without_a_history_an_alert_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    alert = DagRunRef(dag_id="d", run_id="r").alert([FailedTask(task_id="load", run=failed_run(hours=1))])
    assert "History" not in body(alert)
