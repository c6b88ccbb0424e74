"""The listener in real task processes: what a task does, in Bamboo's words and order; which rules hold."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from airflow.providers.standard.sensors.python import PythonSensor
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import DAG, BaseNotifier, BaseOperator, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airflow_provider_pipehooks.handlers.node_hooks import NodeHooks
from airflow_provider_pipehooks.handlers.signals import PipelineEvent, recent_failures
from airflow_provider_pipehooks.plugins.background import Background
from airflow_provider_pipehooks.plugins.listener import Listener

Run = Callable[..., Any]


@pytest.fixture
def listener(told: list[PipelineEvent], queue: Background) -> Iterator[Listener]:
    """Registered as Airflow does it: with its core for DAG runs, with its task SDK for tasks."""
    from airflow.listeners.listener import get_listener_manager as of_core
    from airflow.sdk.listener import get_listener_manager as of_sdk

    mine = Listener()
    of_core().add_listener(mine)
    of_sdk().add_listener(mine)
    yield mine
    of_core().pm.unregister(mine)
    of_sdk().pm.unregister(mine)


class Waits(BaseOperator):
    """Defers once, and ends as it is told."""

    def __init__(self, *, error: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.error = error

    def execute(self, context: Any) -> None:
        self.defer(trigger=TimeDeltaTrigger(timedelta(0)), method_name="go_on")

    def go_on(self, context: Any, event: Any = None) -> None:
        if self.error:
            raise ValueError(self.error)


def ends(error: Exception | None) -> Callable[[], None]:
    def body() -> None:
        if error:
            raise error

    return body


def of_task(told: list[PipelineEvent], task_id: str = "t") -> list[str]:
    return [event.event_type for event in told if event.data.get("task_id") == task_id]


FAILED = ["node_enter", "pre_execute", "node_execute_exception", "node_execute_fail"]


@pytest.mark.parametrize(
    ("error", "types", "state"),
    [
        (None, ["node_enter", "pre_execute", "post_execute", "node_finish"], "success"),
        (AirflowSkipException("not today"), ["node_enter", "pre_execute", "node_finish"], "skipped"),
        (ValueError("it broke"), FAILED, "failed"),
        (AirflowFailException("for good"), FAILED, "failed"),
    ],
)
def test_a_task_is_told_in_bamboos_order(
    error: Exception | None,
    types: list[str],
    state: str,
    run_dag: Run,
    listener: Listener,
    told: list[PipelineEvent],
) -> None:
    with DAG("listened", schedule=None) as dag:
        task(task_id="t")(ends(error))()
    run = run_dag(dag).dag_run
    assert of_task(told) == types
    last = [event for event in told if event.data.get("task_id") == "t"][-1].data
    assert last["state"] == state
    ids = {"dag_id": "listened", "run_id": run.run_id, "root_pipeline_id": run.run_id, "node_id": "t"}
    assert ids.items() <= dict(last).items()
    assert (last["map_index"], last["try_number"]) == (-1, 1)


def test_an_exception_is_told_with_its_traceback_and_without_secrets(
    run_dag: Run, listener: Listener, told: list[PipelineEvent]
) -> None:
    with DAG("listened", schedule=None) as dag:
        task(task_id="t")(ends(ValueError("password=hunter2 is wrong")))()
    run_dag(dag)
    (event,) = [event for event in told if event.event_type == "node_execute_exception"]
    assert "Traceback" in event.data["ex_data"]
    assert "ValueError: password=***" in event.data["ex_data"]


def test_a_failure_that_will_be_retried_is_told_apart_from_the_last_one(
    run_dag: Run, listener: Listener, told: list[PipelineEvent]
) -> None:
    with DAG("listened", schedule=None) as dag:
        task(task_id="t", retries=1, retry_delay=timedelta(0))(ends(ValueError("no")))()
    run_dag(dag)
    states = [
        (event.data["state"], event.data["try_number"])
        for event in told
        if event.event_type == "node_execute_fail"
    ]
    assert states == [("up_for_retry", 1), ("failed", 2)]


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (None, ["post_schedule", "node_finish"]),
        ("it broke", ["node_schedule_exception", "node_schedule_fail"]),
    ],
)
def test_a_deferred_task_enters_once_and_then_goes_on(
    error: str | None, ending: list[str], run_dag: Run, listener: Listener, told: list[PipelineEvent]
) -> None:
    with DAG("listened", schedule=None) as dag:
        Waits(task_id="t", error=error)
    run_dag(dag)
    assert of_task(told) == ["node_enter", "pre_execute", "pre_schedule", *ending]


def test_a_rescheduled_sensor_enters_once(
    run_dag: Run, listener: Listener, told: list[PipelineEvent]
) -> None:
    looks: list[int] = []

    def is_there() -> bool:
        looks.append(1)
        return len(looks) == 3

    with DAG("listened", schedule=None) as dag:
        PythonSensor(task_id="t", python_callable=is_there, mode="reschedule", poke_interval=0)
    run_dag(dag)
    assert of_task(told).count("node_enter") == 1
    assert of_task(told)[-2:] == ["post_schedule", "node_finish"]


def test_mapped_instances_are_told_apart(run_dag: Run, listener: Listener, told: list[PipelineEvent]) -> None:
    with DAG("listened", schedule=None) as dag:

        @task(task_id="t")
        def body(number: int) -> None: ...

        body.expand(number=[1, 2])
    run_dag(dag)
    finished = [event.data["map_index"] for event in told if event.event_type == "node_finish"]
    assert sorted(finished) == [0, 1]


class Hooked(NodeHooks, BaseOperator):
    def execute(self, context: Any) -> None: ...


def test_an_operator_with_node_hooks_is_told_once(
    run_dag: Run, listener: Listener, told: list[PipelineEvent]
) -> None:
    """It sends its events itself, at the very moments."""
    with DAG("listened", schedule=None) as dag:
        Hooked(task_id="t")
    run_dag(dag)
    assert of_task(told) == ["node_enter", "pre_execute", "post_execute", "node_finish"]


class Templated(Hooked):
    template_fields = ("value",)

    def __init__(self, *, value: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.value = value


class BadStart(Hooked):
    def pre_execute(self, context: Any) -> None:
        raise ValueError("no")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Templated(task_id="t", value="{{ nothing.like_this.at_all }}"),
        lambda: BadStart(task_id="t"),
    ],
    ids=["template", "pre_execute"],
)
def test_an_operator_with_node_hooks_that_fails_before_its_body_is_told_by_the_listener(
    make: Callable[[], Any], run_dag: Run, listener: Listener, told: list[PipelineEvent]
) -> None:
    with DAG("listened", schedule=None) as dag:
        make()
    assert run_dag(dag).tasks == {"t": "failed"}
    assert of_task(told) == ["node_execute_exception", "node_execute_fail"]


def test_a_run_is_told_when_it_ends(
    run_dag: Run, listener: Listener, queue: Background, told: list[PipelineEvent]
) -> None:
    with DAG("listened", schedule=None) as dag:
        task(task_id="t")(ends(None))()
    run_id = run_dag(dag).dag_run.run_id
    assert queue.flush(10)
    (event,) = [event for event in told if event.event_type == "pipeline_finish"]
    assert event.data == {
        "dag_id": "listened",
        "run_id": run_id,
        "pipeline_id": run_id,
        "state": "success",
        "reason": "success",
    }


# What the scheduler and the API server pass: rows of their database


def row(**fields: Any) -> Any:
    known = {"dag_id": "d", "run_id": "r", "clear_number": 0, "conf": {"n": 1}, "triggered_by": "timetable"}
    return SimpleNamespace(**{**known, **fields})


@pytest.mark.parametrize(
    ("fields", "control_plane", "is_told"),
    [
        ({}, True, True),
        ({"triggered_by": "rest_api"}, True, False),
        ({"triggered_by": "ui"}, True, False),
        ({"triggered_by": "rest_api"}, False, True),
        ({"triggered_by": "cli"}, True, True),
        ({"clear_number": 1}, False, False),
    ],
)
def test_the_beginning_of_a_run_is_told_once(
    fields: dict[str, Any],
    control_plane: bool,
    is_told: bool,
    listener: Listener,
    queue: Background,
    told: list[PipelineEvent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a run that a person triggers the control plane tells; a cleared one has begun before."""
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__ENABLE_CONTROL_PLANE", str(control_plane))
    listener.on_dag_run_running(row(**fields), "started")
    assert queue.flush(10)
    both = ["pre_prepare_run_pipeline", "post_prepare_run_pipeline"]
    assert [event.event_type for event in told] == (both if is_told else [])


def test_what_a_person_sets_is_not_told_again(
    listener: Listener, queue: Background, told: list[PipelineEvent]
) -> None:
    ti = row(task_id="t", map_index=-1, try_number=1, state="failed")
    listener.on_task_instance_failed(None, ti, "TaskInstance's state was manually set to `failed`.")
    listener.on_task_instance_success(None, ti)
    listener.on_task_instance_skipped(None, ti)
    listener.on_dag_run_failed(row(), "Dag Run's state was manually set to `failed`.")
    assert queue.flush(10)
    assert told == []


def test_a_task_that_died_is_told_by_the_scheduler_without_an_exception(
    listener: Listener, queue: Background, told: list[PipelineEvent]
) -> None:
    ti = row(task_id="t", map_index=-1, try_number=1, state="up_for_retry")
    listener.on_task_instance_failed("running", ti, "Task did not emit heartbeat")
    assert queue.flush(10)
    (event,) = told
    assert event.event_type == "node_execute_fail"
    assert (event.data["state"], event.data["reason"]) == ("up_for_retry", "Task did not emit heartbeat")


# Rules


@pytest.fixture
def acted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the actions of a module of the user's have been told."""
    calls: list[Any] = []
    module = ModuleType("my_actions")
    module.note = lambda event, **kwargs: calls.append((event, kwargs))  # type: ignore[attr-defined]
    module.fail = ends(None)  # type: ignore[attr-defined]

    class Notifier(BaseNotifier):
        template_fields = ("text",)

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

        def notify(self, context: Any) -> None:
            calls.append((self.text, context))

    module.Notifier = Notifier  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "my_actions", module)
    return calls


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def write(text: str) -> None:
        path = tmp_path / "rules.toml"
        path.write_text(text)
        monkeypatch.setenv("AIRFLOW__PIPEHOOKS__LISTENER_RULES", str(path))

    return write


@pytest.mark.parametrize(("transition", "tries"), [("failed", [2]), ("up_for_retry", [1])])
def test_a_rule_tells_the_last_failure_from_one_that_is_retried(
    transition: str, tries: list[int], run_dag: Run, rules: Any, acted: list[Any], listener: Listener
) -> None:
    rules(f'[[rule]]\ntransitions = ["{transition}"]\naction = "my_actions.note"\nkwargs = {{ to = "me" }}')
    with DAG("ruled", schedule=None) as dag:
        task(task_id="t", retries=1, retry_delay=timedelta(0))(ends(ValueError("no")))()
    run_dag(dag)
    assert [(event.data["try_number"], kwargs) for event, kwargs in acted] == [
        (number, {"to": "me"}) for number in tries
    ]


def test_a_notifier_gets_the_context_and_its_templates_are_rendered(
    run_dag: Run, rules: Any, acted: list[Any], listener: Listener
) -> None:
    rules(
        '[[rule]]\ntransitions = ["failed"]\naction = "my_actions.Notifier"\n'
        'kwargs = { text = "{{ ti.task_id }} of {{ dag.dag_id }}: {{ exception }}" }'
    )
    with DAG("ruled", schedule=None) as dag:
        task(task_id="t")(ends(ValueError("it broke")))()
    run_dag(dag)
    assert [text for text, _ in acted] == ["t of ruled: it broke"]


def test_a_notifier_in_the_scheduler_gets_what_is_known(
    rules: Any, acted: list[Any], listener: Listener, queue: Background
) -> None:
    rules(
        '[[rule]]\ntransitions = ["run_failed", "failed"]\naction = "my_actions.Notifier"\n'
        'kwargs = { text = "{{ run_id }} of {{ dag_run.dag_id }} {{ reason or ti.task_id }}" }'
    )
    ti = row(task_id="t", map_index=-1, try_number=1, state="failed")
    listener.on_task_instance_failed("running", ti, "no heartbeat")
    listener.on_dag_run_failed(row(), "task_failure")
    assert queue.flush(10)
    assert [text for text, _ in acted] == ["r of d t", "r of d task_failure"]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("", True),
        ('dags = ["ru*"]', True),
        ('dags = ["x", "ruled"]', True),
        ('dags = ["x*"]', False),
        ('tags = ["critical", "x"]', True),
        ('tags = ["x"]', False),
        ('dags = ["ru*"]\ntags = ["x"]', False),
    ],
)
def test_a_rule_holds_for_its_dags_and_tags(
    condition: str,
    holds: bool,
    run_dag: Run,
    rules: Any,
    acted: list[Any],
    listener: Listener,
    queue: Background,
) -> None:
    """In the task's process, where the DAG is at hand, and in the scheduler, which has only its database."""
    rules(f'[[rule]]\ntransitions = ["success", "run_success"]\naction = "my_actions.note"\n{condition}')
    with DAG("ruled", schedule=None, tags=["critical", "daily"]) as dag:
        task(task_id="t")(ends(None))()
    run_dag(dag)
    assert queue.flush(10)
    assert [event.event_type for event, _ in acted] == ["node_finish", "pipeline_finish"] * holds


def test_an_action_that_raises_is_recorded_and_the_next_one_is_called(
    run_dag: Run, rules: Any, acted: list[Any], listener: Listener
) -> None:
    rule = '[[rule]]\ntransitions = ["success"]\naction = "my_actions.{}"\n'
    rules(rule.format("fail") + rule.format("note"))
    with DAG("ruled", schedule=None) as dag:
        task(task_id="t")(ends(None))()
    assert run_dag(dag).tasks == {"t": "success"}
    assert len(acted) == 1
    (failure,) = recent_failures
    assert failure.hook_name == "rule my_actions.fail"


def test_rules_hold_without_signals(
    run_dag: Run,
    rules: Any,
    acted: list[Any],
    listener: Listener,
    told: list[PipelineEvent],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from airflow_provider_pipehooks.handlers.signal.sending import is_on

    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__ENABLE_PIPELINE_EVENT_SIGNALS", "False")
    is_on.cache_clear()
    rules('[[rule]]\ntransitions = ["success"]\naction = "my_actions.note"')
    with DAG("ruled", schedule=None) as dag:
        task(task_id="t")(ends(None))()
    run_dag(dag)
    assert len(acted) == 1
    assert told == []
