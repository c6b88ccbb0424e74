"""State handlers decide, then node hooks tell, whichever of the two an operator's class names first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import BaseOperator, BaseSensorOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airflow_provider_pipehooks.handlers.lifecycle import Call, Follower
from airflow_provider_pipehooks.handlers.node_hooks import NodeHooks
from airflow_provider_pipehooks.handlers.state.stateful import StatefulOperator
from airflow_provider_pipehooks.handlers.state_handlers import Failed, Skipped, State, Success, stateful
from tests.dag_runs import Finished
from tests.handlers.node.nodes import TOLD, AllHooks, a_dag

RunDag = Callable[..., Finished]


class Works(BaseOperator):
    """Does in each try what it is given."""

    def __init__(self, *, does: Callable[[Any], Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.does = does

    def execute(self, context: Any) -> Any:
        return self.does(context)


class Waits(Works):
    """Defers, and does it then."""

    def execute(self, context: Any) -> Any:
        self.defer(trigger=TimeDeltaTrigger(timedelta(0)), method_name="go_on")

    def go_on(self, context: Any, event: Any = None) -> Any:
        return self.does(context)


class Pokes(BaseSensorOperator):
    """Is there at the second poke."""

    def __init__(self, *, does: Callable[[Any], Any], **kwargs: Any) -> None:
        super().__init__(poke_interval=0.01, mode="reschedule", **kwargs)
        self.does = does

    def poke(self, context: Any) -> bool:
        TOLD.note("body", "poke", self.task_id)
        return len([each for each in TOLD if each["name"] == "poke"]) > 1 and self.does(context)


def good(context: Any) -> Any:
    return True


def bad(context: Any) -> Any:
    raise ValueError("boom")


def bad_once(context: Any) -> Any:
    if context["ti"].try_number == 1:
        raise ValueError("boom")
    return True


def raising(error: BaseException) -> Callable[[Any], Any]:
    def does(context: Any) -> Any:
        raise error

    return does


class SaysNo(Works): ...


class Ignores(Works): ...


#: What node hooks are told of a class's work: that False is a failure, or that failures count as none.
FLAGS: dict[type, dict[str, Any]] = {SaysNo: {"false_is_failure": True}, Ignores: {"error_ignorable": True}}
#: What the task is and does, what its handler answers to a new state -> how the task ends.
SCENARIOS: dict[str, tuple[type[BaseOperator], Callable[[Any], Any], dict[str, State], str]] = {
    "success": (Works, good, {}, "success"),
    "failure": (Works, bad, {}, "failed"),
    "failure by decision": (Works, raising(AirflowFailException("no")), {}, "failed"),
    "retry": (Works, bad_once, {}, "success"),
    "skip": (Works, raising(AirflowSkipException("not today")), {}, "skipped"),
    "wait": (Waits, good, {}, "success"),
    "failure after a wait": (Waits, bad, {}, "failed"),
    "reschedule": (Pokes, good, {}, "success"),
    "a success that is decided to be a failure": (Works, good, {"Success": Failed("no")}, "failed"),
    "a success that is decided to be a skip": (Works, good, {"Success": Skipped("no")}, "skipped"),
    "a failure that is decided to be a success": (Works, bad, {"Failed": Success("fine", 3)}, "success"),
    "no start": (Works, good, {"Running": Failed("not on a Sunday")}, "failed"),
    "no wait": (Waits, good, {"Deferred": Success("no need")}, "success"),
    "False that is a failure": (SaysNo, lambda context: False, {}, "failed"),
    "False that is forgiven": (SaysNo, lambda context: False, {"Failed": Success("fine")}, "success"),
    "a failure that is ignored": (Ignores, bad, {}, "success"),
}


def hooks_first(kind: type[BaseOperator]) -> type[BaseOperator]:
    return type("HooksFirst", (AllHooks, stateful(kind)), FLAGS.get(kind, {}))


def handlers_first(kind: type[BaseOperator]) -> type[BaseOperator]:
    made: type[BaseOperator] = stateful(type("HandlersFirst", (AllHooks, kind), FLAGS.get(kind, {})))
    return made


def happens(scenario: str, order: Callable[..., Any], run_dag: RunDag) -> tuple[list[str], list[str], str]:
    """The moments and the transitions that were told, and how the task ended."""
    kind, does, answers, _ = SCENARIOS[scenario]
    TOLD.clear()
    transitions: list[str] = []

    def handler(task: Any, old: State, new: State) -> State | None:
        transitions.append(f"{type(old).__name__} -> {type(new).__name__}")
        return answers.get(type(new).__name__)

    with a_dag(
        "lifecycle", default_args={"retries": int(does is bad_once), "retry_delay": timedelta(0)}
    ) as dag:
        order(kind)(task_id="t", does=does, state_handlers=[handler])
    ended = run_dag(dag).tasks["t"]
    return [each["name"] for each in TOLD if each["channel"] == "hook"], transitions, ended


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_both_orders_of_the_bases_tell_the_same(scenario: str, run_dag: RunDag) -> None:
    one = happens(scenario, hooks_first, run_dag)
    assert one == happens(scenario, handlers_first, run_dag)
    moments, transitions, ended = one
    assert ended == SCENARIOS[scenario][3]
    assert moments
    assert transitions


@pytest.mark.parametrize(
    ("scenario", "last"),
    [
        ("success", "node_finish"),
        ("a success that is decided to be a failure", "node_execute_fail"),
        ("a success that is decided to be a skip", "post_skip_node"),
        ("a failure that is decided to be a success", "node_finish"),
        ("no start", "node_execute_fail"),
        ("no wait", "node_finish"),
        ("False that is forgiven", "node_finish"),
        ("a failure that is ignored", "node_finish"),
    ],
)
def test_node_hooks_tell_what_handlers_have_decided(scenario: str, last: str, run_dag: RunDag) -> None:
    moments, _, _ = happens(scenario, hooks_first, run_dag)
    assert moments[-1] == last


@pytest.mark.parametrize(
    ("scenario", "last"),
    [
        ("False that is a failure", "Running -> Failed"),
        ("a failure that is ignored", "Running -> Success"),
    ],
)
def test_handlers_decide_about_what_a_node_makes_of_its_work(
    scenario: str, last: str, run_dag: RunDag
) -> None:
    _, transitions, _ = happens(scenario, handlers_first, run_dag)
    assert transitions[-1] == last


@pytest.mark.parametrize("order", [hooks_first, handlers_first])
def test_a_kill_is_told_by_both_after_the_cancel(
    order: Callable[..., Any], run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``on_kill`` comes from a signal in the middle of the work."""
    told: list[str] = []
    monkeypatch.setattr(
        "airflow_provider_pipehooks.handlers.node.process.state_at_kill", lambda ti, map_index: "failed"
    )

    class Killed(Works):
        def on_kill(self) -> None:
            told.append("on_kill")

    def handler(task: Any, old: State, new: State) -> None:
        told.append(type(new).__name__)

    with a_dag("killed") as dag:
        task: Any = order(Killed)(
            task_id="t", does=lambda context: context["task"].on_kill(), state_handlers=[handler]
        )
        task.act = lambda name, data: told.append(name)
    run_dag(dag)
    at = told.index("Cancelling")
    assert told[at : at + 5] == [
        "Cancelling",
        "on_kill",
        "Cancelled",
        "pre_forced_fail_activity",
        "post_forced_fail_activity",
    ]


# --- the wrap ---------------------------------------------------------------------------------------------


def test_each_method_is_wrapped_once_and_its_followers_are_made_once() -> None:
    made: list[Call] = []

    class Noting(NodeHooks):
        def _teller(self, call: Call) -> Follower:
            made.append(call)
            return Follower()

    class Base(Noting, PythonOperator):
        def execute(self, context: Any) -> Any:
            return super().execute(context)

    class Sub(Base):
        def execute(self, context: Any) -> Any:
            return super().execute(context)

    assert Sub(task_id="t", python_callable=lambda: 1).execute({"params": {}}) == 1
    assert [call.method for call in made] == ["execute"]


@pytest.mark.parametrize("bases", [(NodeHooks, PythonOperator), (PythonOperator, NodeHooks)])
def test_the_mixin_may_stand_before_or_after_the_operator(bases: tuple[type, ...]) -> None:
    kind: Any = type("Either", bases, {})
    made: list[Call] = []
    kind._teller = lambda self, call: made.append(call)
    assert kind(task_id="t", python_callable=lambda: 1).execute({"params": {}}) == 1
    assert len(made) == 1


def test_without_handlers_and_hooks_nothing_stands_around_the_work() -> None:
    class Plain(StatefulOperator):
        def execute(self, context: Any) -> Any:
            return vars(self)["_pipehooks_following"].followers

    assert Plain(task_id="t").execute({}) == []
