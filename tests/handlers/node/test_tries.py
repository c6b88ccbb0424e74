"""Node hooks of tasks that are tried again, cleared, or ended by a user while they run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.sdk.definitions.dag import _run_task
from airflow.sdk.execution_time import task_runner
from airflow.utils.session import create_session

from tests.dag_runs import Finished
from tests.handlers.node.nodes import (
    ENDED_WELL,
    STARTED,
    TOLD,
    Node,
    NodeBoom,
    Python,
    Told,
    a_dag,
    hooks,
    signals_of,
)

RunDag = Callable[..., Finished]


RETRIED = ["pre_retry_node", "post_retry_node"]


@pytest.mark.usefixtures("signals")
def test_a_retry_is_told_before_the_new_try_and_shows_the_old_outputs(run_dag: RunDag, told: Told) -> None:
    def work(**context: Any) -> None:
        context["ti"].xcom_push("rows", context["ti"].try_number)
        if context["ti"].try_number < 3:
            raise NodeBoom

    with a_dag("retries") as dag:
        Python(task_id="t", python_callable=work, retries=2, retry_delay=timedelta(0))
    run_dag(dag)
    failed = ["node_execute_exception", "node_execute_fail"]
    assert hooks(told) == signals_of(told)
    assert hooks(told) == [*STARTED, *failed, *RETRIED, *STARTED, *failed, *RETRIED, *STARTED, *ENDED_WELL]
    assert [call["outputs"]["rows"] for call in told.hook("t", "pre_retry_node")] == [1, 2]
    assert [call["outputs"] for call in told.hook("t", "node_enter")] == [{}, {}, {}]


@pytest.mark.usefixtures("signals")
def test_a_clear_is_told_to_hooks_and_its_signal_left_to_the_control_plane(
    run_dag: RunDag, told: Told
) -> None:
    with a_dag("clears") as dag:
        Node(task_id="t", retries=2)
    finished = run_dag(dag)
    told.clear()
    clear_and_run(dag, finished)
    assert hooks(told) == [*RETRIED, *STARTED, *ENDED_WELL]
    assert signals_of(told) == [*STARTED, *ENDED_WELL]
    assert told.hook("t", "pre_retry_node")[0]["outputs"]["out"] == "value of t"


def clear_and_run(dag: Any, finished: Finished) -> None:
    """As a user's clear, and what the scheduler does then."""
    with create_session() as session:
        ti = session.query(TaskInstance).filter_by(run_id=finished.dag_run.run_id, dag_id=dag.dag_id).one()
        clear_task_instances([ti], session)
        ti.try_number += 1
    _run_task(ti=finished.dag_run.get_task_instances()[0], task=dag.task_dict["t"])


# --- killed -----------------------------------------------------------------------------------------------


class Killed(Node):
    """Its state is set elsewhere while it runs, and its process is told to end."""

    def __init__(self, *, becomes: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.becomes = becomes

    def go_on(self, context: Any) -> None:
        with create_session() as session:
            session.query(TaskInstance).filter_by(id=context["ti"].id).update({"state": self.becomes})
        self.on_kill()
        raise NodeBoom("what ends the process, in place of SIGKILL")

    def on_kill(self) -> None:
        TOLD.note("body", "on_kill", self.task_id)


@pytest.mark.parametrize(
    ("becomes", "expected"),
    [
        ("failed", ["on_kill", "pre_forced_fail_activity", "post_forced_fail_activity"]),
        ("success", ["on_kill", "pre_skip_node", "post_skip_node"]),
        ("skipped", ["on_kill", "pre_skip_node", "post_skip_node"]),
        ("restarting", ["on_kill", "node_execute_exception", "node_execute_fail"]),
        ("running", ["on_kill", "node_execute_exception", "node_execute_fail"]),
    ],
)
@pytest.mark.usefixtures("signals")
def test_what_a_user_did_to_a_running_task_is_told_when_it_is_killed(
    becomes: str, expected: list[str], run_dag: RunDag, told: Told
) -> None:
    with a_dag("killed") as dag:
        Killed(task_id="t", becomes=becomes)
    run_dag(dag)
    calls = [name for channel, name in told.of("t") if channel != "signal"]
    assert calls == [*STARTED, "execute", *expected]
    assert not {"pre_skip_node", "pre_forced_fail_activity"} & set(signals_of(told))


def test_when_the_server_cannot_be_asked_nothing_is_told_of_a_user(
    run_dag: RunDag, told: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("socket closed")

    monkeypatch.setattr(task_runner.RuntimeTaskInstance, "get_task_states", staticmethod(refuse))
    with a_dag("unasked") as dag:
        Killed(task_id="t", becomes="failed")
    run_dag(dag)
    assert hooks(told) == [*STARTED, "node_execute_exception", "node_execute_fail"]
    assert "could not ask whether a person did it" in caplog.text
