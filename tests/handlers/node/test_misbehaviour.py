"""What comes of hooks that misbehave: the table of ``docs/node_hooks.md``, each row a test."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.execution_time.context import TaskStateStoreAccessor

from airflow_provider_pipehooks.handlers.node.moments import MOMENTS
from airflow_provider_pipehooks.handlers.signal import sending
from tests.dag_runs import Finished
from tests.handlers.node.nodes import (
    CALLED,
    ENDED_WELL,
    STARTED,
    Node,
    NodeBoom,
    Now,
    Told,
    Waiting,
    a_dag,
    hooks,
)

RunDag = Callable[..., Finished]
Act = Callable[[str, Any], Any]

PAGE = Path(__file__).parents[3] / "docs" / "node_hooks.md"
WELL = [*STARTED, *ENDED_WELL]


def run_with(act: Act, run_dag: RunDag, *, name: str = "misbehaves", **arguments: Any) -> Finished:
    """One node, each of whose hooks does ``act``."""

    class Misbehaving(Node):
        def act(self, name: str, data: Any) -> Any:
            return act(name, data)

    with a_dag(name) as dag:
        Misbehaving(task_id="t", **arguments)
    return run_dag(dag)


def raises(error: BaseException) -> Act:
    def act(name: str, data: Any) -> None:
        raise error

    return act


def defers(name: str, data: Any) -> None:
    Node(task_id="other").defer(trigger=Now(), method_name="execute_complete")


def exits(name: str, data: Any) -> None:
    sys.exit(1)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (raises(NodeBoom("b")), "NodeBoom: b"),
        (raises(AirflowSkipException("s")), "RuntimeError: A hook cannot end or defer the task"),
        (raises(AirflowFailException("f")), "RuntimeError: A hook cannot end or defer the task"),
        (defers, "RuntimeError: A hook cannot end or defer the task"),
        (exits, "RuntimeError: A hook cannot end or defer the task: it raised SystemExit(1)"),
    ],
)
def test_a_hook_that_raises_defers_or_exits_changes_nothing(
    act: Act, said: str, run_dag: RunDag, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    finished = run_with(act, run_dag)
    assert finished.tasks == {"t": "success"}
    assert hooks(told) == WELL
    progress = finished.xcom("t", "hook_progress")
    assert [(row["hook"], row["state"]) for row in progress] == [
        (f"Misbehaving.{name}", "FAILED") for name in WELL
    ]
    assert progress[0]["error"].startswith(said)
    (line, *_) = (line for line in caplog.records if "Misbehaving.node_enter failed" in line.getMessage())
    assert line.exc_info


def test_a_hook_that_raises_on_the_way_to_failure_changes_nothing(run_dag: RunDag, told: Told) -> None:
    assert run_with(raises(NodeBoom()), run_dag, mode="raise").tasks == {"t": "failed"}
    assert hooks(told)[-2:] == ["node_execute_exception", "node_execute_fail"]


@pytest.mark.parametrize("moment", ["node_enter", "pre_execute", "post_execute", "node_finish"])
def test_a_hook_that_hangs_is_ended_by_the_tasks_own_timeout(
    moment: str, run_dag: RunDag, told: Told
) -> None:
    def hang(name: str, data: Any) -> None:
        if name == moment:
            threading.Event().wait()

    finished = run_with(hang, run_dag, execution_timeout=timedelta(seconds=0.3))
    assert finished.tasks == {"t": "failed"}
    assert hooks(told)[-2:] == ["node_execute_exception", "node_execute_fail"]
    assert "AirflowTaskTimeout" in told.hook("t", "node_execute_fail")[0]["outputs"]["ex_data"]


@pytest.mark.parametrize("garbage", ["yes", 0, object(), NodeBoom(), threading.Lock()])
def test_what_a_hook_returns_is_ignored(garbage: Any, run_dag: RunDag, told: Told) -> None:
    finished = run_with(lambda name, data: garbage, run_dag)
    assert finished.tasks == {"t": "success"}
    assert finished.xcom_keys("t") == {"out", "return_value"}


def test_node_finish_that_returns_false_or_raises_loses_its_outputs_and_the_others_do_not(
    run_dag: RunDag,
) -> None:
    """``hook_05`` of Bamboo: only what node_finish has set is lost."""

    def set_and_return_false(name: str, data: Any) -> bool:
        return not data.set_outputs(name, True)

    def set_and_raise(name: str, data: Any) -> None:
        data.set_outputs(name, True)
        raise NodeBoom

    kept = {*WELL, "out", "return_value"} - {"node_finish"}
    assert run_with(set_and_return_false, run_dag).xcom_keys("t") == kept
    assert run_with(set_and_raise, run_dag).xcom_keys("t") == kept | {"hook_progress"}


@pytest.mark.parametrize("value", [threading.Lock(), lambda: None, object()])
def test_an_output_that_cannot_be_stored_is_the_hooks_failure(
    value: Any, run_dag: RunDag, told: Told
) -> None:
    def set_outputs(name: str, data: Any) -> None:
        if name == "node_enter":
            data.update_outputs({"bad": value, "good": 1})

    finished = run_with(set_outputs, run_dag)
    assert (finished.tasks, finished.xcom("t", "good")) == ({"t": "success"}, 1)
    assert [row["hook"] for row in finished.xcom("t", "hook_progress")] == ["Misbehaving.node_enter"]
    assert "bad" not in finished.xcom_keys("t")


def test_an_operator_that_cannot_be_pickled_has_hooks_all_the_same(run_dag: RunDag, told: Told) -> None:
    class Locked(Waiting):
        def act(self, name: str, data: Any) -> None:
            self.lock = threading.Lock()
            data.outputs["lock"] = self.lock

    with a_dag("locked") as dag:
        Locked(task_id="t")
    assert run_dag(dag).tasks == {"t": "success"}
    assert hooks(told)[-1] == "node_finish"


def test_a_hook_that_changes_an_input_does_not_change_the_operator(run_dag: RunDag, told: Told) -> None:
    def change(name: str, data: Any) -> None:
        data.inputs.mode = "raise"

    assert run_with(change, run_dag).tasks == {"t": "success"}
    assert told.hook("t", "pre_execute")[0]["inputs"]["mode"] == "raise"


def test_what_cannot_be_compared_or_read_does_not_end_the_task(run_dag: RunDag, told: Told) -> None:
    class Incomparable:
        def __eq__(self, other: object) -> bool:
            raise ValueError("The truth value is ambiguous")

        __hash__ = None  # type: ignore[assignment]

    class Strange(Waiting):
        def __init__(self, *, secret: str, **kwargs: Any) -> None:
            super().__init__(**kwargs)

        @property
        def secret(self) -> str:
            raise ValueError("no connection")

        def act(self, name: str, data: Any) -> None:
            data.outputs["odd"] = Incomparable()

    with a_dag("strange") as dag:
        Strange(task_id="t", secret="x")
    assert run_dag(dag).tasks == {"t": "success"}
    assert "secret" not in told.hook("t", "node_enter")[0]["inputs"]


@pytest.mark.usefixtures("signals")
def test_a_signal_that_cannot_be_sent_does_not_end_the_task(
    run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(event: object) -> None:
        raise ValueError("cannot mask")

    monkeypatch.setattr(sending, "_masked", refuse)
    assert run_with(lambda name, data: None, run_dag).tasks == {"t": "success"}
    assert "Could not send the signal node_enter" in caplog.text


@pytest.mark.parametrize("broken", ["get", "set"])
def test_a_state_store_that_fails_costs_hooks_their_outputs_and_the_task_nothing(
    broken: str,
    run_dag: RunDag,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("store is full")

    monkeypatch.setattr(TaskStateStoreAccessor, broken, refuse)
    with a_dag("store") as dag:
        Waiting(task_id="t")
    assert run_dag(dag).tasks == {"t": "success"}
    assert told.hook("t", "pre_callback")[0]["outputs"] == {}
    assert "node hooks of this task" in caplog.text or "for its node hooks" in caplog.text


def test_what_a_read_only_hook_sets_is_discarded_and_logged(
    run_dag: RunDag, caplog: pytest.LogCaptureFixture
) -> None:
    class Setting(Waiting):
        def act(self, name: str, data: Any) -> None:
            if MOMENTS[name].read_only:
                data.set_outputs(name, 1)

    with a_dag("read_only") as dag:
        Setting(task_id="t")
    assert run_dag(dag).xcom_keys("t") == {"out", "polls_done", "return_value"}
    assert "Setting.pre_callback is read-only: the outputs it has set are discarded" in caplog.text


def test_each_row_of_the_table_has_its_test() -> None:
    rows = PAGE.read_text().split("<!-- misbehaviour -->")[1].strip().splitlines()[2:]
    named = [row.rsplit("`", 2)[1] for row in rows]
    tests = [name for name in globals() if name.startswith("test_")]
    assert sorted(named) == sorted(set(tests) - {"test_each_row_of_the_table_has_its_test"})
    assert len(CALLED) == 18
