"""Node hooks of tasks that wait: sensors, deferred ones, questions to a human."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.models.taskinstance import TaskInstance
from airflow.models.taskreschedule import TaskReschedule
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import BaseSensorOperator
from airflow.sdk.exceptions import TaskAwaitingInput
from airflow.utils.session import create_session

from tests.dag_runs import Finished
from tests.handlers.node.nodes import (
    ENDED_WELL,
    STARTED,
    AllHooks,
    Node,
    NodeBoom,
    Now,
    Poked,
    Told,
    Waiting,
    a_dag,
    hooks,
    signals_of,
)

RunDag = Callable[..., Finished]


POKED = ["pre_schedule", "post_schedule"]


def test_a_sensor_in_reschedule_mode_is_entered_once_and_keeps_its_outputs(
    run_dag: RunDag, told: Told
) -> None:
    class Setting(Poked):
        def act(self, name: str, data: Any) -> bool:
            data.set_outputs(f"set_by_{name}", len(data.outputs))
            return True

    with a_dag("reschedule") as dag:
        Setting(task_id="t", mode="ok", poke_interval=0).mode = "reschedule"
    finished = run_dag(dag)
    assert hooks(told) == [*STARTED, "post_execute", *POKED, *POKED, *POKED, "node_finish"]
    assert finished.xcom("t", "set_by_node_enter") == 0
    assert finished.xcom_keys("t") >= {"set_by_node_enter", "set_by_post_execute", "set_by_node_finish"}


def test_a_task_that_airflow_put_off_before_it_began_is_entered_all_the_same(
    run_dag: RunDag, told: Told
) -> None:
    """Airflow counts it as a reschedule when a worker does not find the DAG at once."""

    def put_off(**context: Any) -> None:
        now = datetime.now(tz=timezone.utc)
        with create_session() as session:
            ti = session.query(TaskInstance).filter_by(run_id=context["run_id"], task_id="t").one()
            session.add(TaskReschedule(ti.id, now, now, now))

    with a_dag("put_off") as dag:
        PythonOperator(task_id="before", python_callable=put_off) >> Node(task_id="t")
    run_dag(dag)
    assert hooks(told) == [*STARTED, *ENDED_WELL]


class Sensor(AllHooks, BaseSensorOperator):
    """Pokes as it is told to."""

    def __init__(self, *, pokes: list[Any], **kwargs: Any) -> None:
        super().__init__(**{"poke_interval": 0, **kwargs})
        self.pokes = list(pokes)

    def poke(self, context: Any) -> Any:
        answer = self.pokes.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("arguments", "pokes", "expected", "state"),
    [
        ({}, [True], [*POKED, "node_finish"], "success"),
        ({"timeout": 0}, [False], [*POKED, "node_schedule_fail"], "failed"),
        (
            {},
            [NodeBoom()],
            ["pre_schedule", "node_schedule_exception", "node_schedule_fail"],
            "failed",
        ),
        (
            {"silent_fail": True},
            [NodeBoom(), True],
            ["pre_schedule", "node_schedule_exception", *POKED, "node_finish"],
            "success",
        ),
        (
            {"never_fail": True},
            [NodeBoom()],
            ["pre_schedule", "node_schedule_exception", "pre_skip_node", "post_skip_node"],
            "skipped",
        ),
        (
            {"soft_fail": True, "timeout": 0},
            [False],
            [*POKED, "pre_skip_node", "post_skip_node"],
            "skipped",
        ),
    ],
)
def test_a_sensor_ends_its_wait(
    arguments: dict[str, Any],
    pokes: list[Any],
    expected: list[str],
    state: str,
    run_dag: RunDag,
    told: Told,
) -> None:
    with a_dag("sensor") as dag:
        Sensor(task_id="t", pokes=pokes, **arguments)
    assert run_dag(dag).tasks == {"t": state}
    assert hooks(told) == [*STARTED, "post_execute", *expected]


def test_a_sensor_that_looks_before_it_defers(run_dag: RunDag, told: Told) -> None:
    class Deferrable(Sensor):
        def execute(self, context: Any) -> Any:
            if not self.poke(context):
                self.defer(trigger=Now(), method_name="execute_complete")

        def execute_complete(self, context: Any, event: Any = None) -> None:
            self.poke(context)

    with a_dag("looks") as dag:
        Deferrable(task_id="t", pokes=[False, True])
    run_dag(dag)
    resumed = ["pre_callback", "post_callback", *POKED, "node_finish"]
    # The look inside the resumed method is part of its step.
    assert hooks(told)[:5] == [*STARTED, "post_execute", *POKED]
    assert hooks(told)[5:9] == resumed[:4]


def test_a_task_may_wait_again(run_dag: RunDag, told: Told) -> None:
    class Twice(Node):
        def go_on(self, context: Any) -> Any:
            self.defer(trigger=Now(1), method_name="again")

        def again(self, context: Any, event: Any = None) -> Any:
            self.defer(trigger=Now(2), method_name="done")

        def done(self, context: Any, event: Any = None) -> Any:
            return event

    with a_dag("twice") as dag:
        Twice(task_id="t")
    run_dag(dag)
    round_trip = ["pre_callback", "post_callback", *POKED]
    assert hooks(told) == [*STARTED, "post_execute", *round_trip, *round_trip, "node_finish"]
    assert [call["callback_data"] for call in told.hook("t", "pre_callback")] == [1, 2]
    assert told.hook("t", "node_finish")[0]["outputs"]["out"] == "value of t"


def test_a_resumed_method_that_returns_false_fails_the_wait(run_dag: RunDag, told: Told) -> None:
    with a_dag("resumed_false") as dag:
        Waiting(task_id="t", mode="schedule_false")
    assert run_dag(dag).tasks == {"t": "failed"}
    assert hooks(told)[-2:] == ["pre_schedule", "node_schedule_fail"]
    assert told.hook("t", "node_schedule_fail")[0]["callback_data"] is None


def test_an_output_too_large_to_keep_is_read_again_after_the_wait(run_dag: RunDag, told: Told) -> None:
    class Large(Waiting):
        def go_on(self, context: Any) -> Any:
            context["ti"].xcom_push("large", "x" * 20_000)
            return super().go_on(context)

    with a_dag("large") as dag:
        Large(task_id="t")
    run_dag(dag)
    assert len(told.hook("t", "pre_callback")[0]["outputs"]["large"]) == 20_000


@pytest.mark.usefixtures("signals")
def test_an_answer_of_a_human_is_told_to_hooks_and_its_signal_left_to_the_control_plane(
    run_dag: RunDag, told: Told
) -> None:
    class Asking(Node):
        def go_on(self, context: Any) -> Any:
            raise TaskAwaitingInput(method_name="answered")

        def answered(self, context: Any, event: Any = None) -> Any:
            return event["chosen_options"]

    with a_dag("asking") as dag:
        Asking(task_id="t")
    answer_when_asked(dag, {"chosen_options": ["yes"], "params_input": {}}, run_dag)
    assert hooks(told) == [*STARTED, "post_execute", "pre_callback", "post_callback", *POKED, "node_finish"]
    assert "pre_callback" not in signals_of(told)
    assert told.hook("t", "pre_callback")[0]["callback_data"]["chosen_options"] == ["yes"]


def answer_when_asked(dag: Any, answer: Any, run_dag: RunDag) -> Finished:
    """Answer as the API server does, as soon as ``dag.test()`` finds nothing to run but the question."""
    import time

    from airflow.sdk.serde import serialize

    def answer_instead(_: float) -> None:
        with create_session() as session:
            ti = session.query(TaskInstance).filter_by(dag_id=dag.dag_id, state="awaiting_input").one()
            ti.next_kwargs = serialize({"event": answer})
            ti.state = "scheduled"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", answer_instead)
        return run_dag(dag)
