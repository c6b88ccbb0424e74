"""Node hooks on Airflow's own kinds of operators, run by Airflow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.standard.operators.python import PythonOperator, ShortCircuitOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import BaseOperator, Param
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airflow_provider_pipehooks.handlers.node_hooks import NodeHooks
from airflow_provider_pipehooks.handlers.state.states import Failed, State, Success
from tests.dag_runs import Finished
from tests.handlers.node.nodes import (
    ENDED_WELL,
    STARTED,
    TOLD,
    AllHooks,
    Node,
    NodeBoom,
    Python,
    Told,
    a_dag,
    hooks,
    signals_of,
)

RunDag = Callable[..., Finished]


class ShortCircuit(AllHooks, ShortCircuitOperator): ...


class TriggerDagRun(AllHooks, TriggerDagRunOperator): ...


def raising(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_an_operator_of_a_provider_has_its_moments_and_its_arguments(run_dag: RunDag, told: Told) -> None:
    with a_dag("python", params={"day": Param("monday")}) as dag:
        Python(task_id="t", python_callable=lambda n: n + 1, op_kwargs={"n": 41})
    finished = run_dag(dag, run_conf={"day": "friday", "who": "me"})
    assert hooks(told) == [*STARTED, *ENDED_WELL]
    (end,) = told.hook("t", "node_finish")
    assert end["inputs"]["op_kwargs"] == {"n": 41}
    assert end["inputs"]["day"] == "friday"
    assert end["parent"] == {"day": "friday", "who": "me"}
    assert end["outputs"] == {"return_value": 42, "_result": True}
    assert finished.xcom("t") == 42


def test_the_example_of_the_page_runs(run_dag: RunDag) -> None:
    page = (Path(__file__).parents[3] / "docs" / "node_hooks.md").read_text()
    paged: list[str] = []
    names: dict[str, Any] = {"page_someone": paged.append}
    exec(page.split("```python")[1].split("```")[0], names)
    with a_dag("example", params={"day": Param("monday")}) as dag:
        names["Load"](task_id="t", python_callable=raising(NodeBoom("no rows")))
    assert run_dag(dag).xcom("t", "day") == "monday"
    assert paged[0].strip().endswith("NodeBoom: no rows")


@pytest.mark.parametrize(
    ("error", "expected", "state"),
    [
        (ValueError("boom"), ["node_execute_exception", "node_execute_fail"], "failed"),
        (SystemExit(3), ["node_execute_exception", "node_execute_fail"], "failed"),
        (AirflowFailException("no"), ["node_execute_fail"], "failed"),
        (AirflowSkipException("none today"), ["pre_skip_node", "post_skip_node"], "skipped"),
    ],
)
def test_what_execute_raises_says_how_it_ended(
    error: BaseException, expected: list[str], state: str, run_dag: RunDag, told: Told
) -> None:
    with a_dag("raises") as dag:
        Python(task_id="t", python_callable=raising(error))
    assert run_dag(dag).tasks == {"t": state}
    assert hooks(told) == [*STARTED, *expected]


def test_an_operators_own_false_is_its_result(run_dag: RunDag, told: Told) -> None:
    with a_dag("own_false") as dag:
        Python(task_id="t", python_callable=lambda: False)
    finished = run_dag(dag)
    assert (finished.tasks, finished.xcom("t")) == ({"t": "success"}, False)
    assert hooks(told) == [*STARTED, *ENDED_WELL]


@pytest.mark.parametrize(("setting", "state"), [(True, "failed"), (False, "success"), (None, "failed")])
def test_false_is_a_failure_where_the_class_says_so(
    setting: bool | None, state: str, run_dag: RunDag
) -> None:
    class Load(AllHooks, PythonOperator):
        false_is_failure = setting

        def execute(self, context: Any) -> Any:
            return super().execute(context)

    with a_dag("says_false") as dag:
        Load(task_id="t", python_callable=lambda: False)
    assert run_dag(dag).tasks == {"t": state}


def test_whether_hooks_run_does_not_change_how_the_task_ends(run_dag: RunDag, told: Told) -> None:
    class Quiet(Node):
        need_run_hook = False

    with a_dag("quiet") as dag:
        Quiet(task_id="t", mode="false")
    assert run_dag(dag).tasks == {"t": "failed"}
    assert hooks(told) == []


@pytest.mark.usefixtures("signals")
def test_signals_do_not_need_hooks(run_dag: RunDag, told: Told) -> None:
    class Quiet(Node):
        need_run_hook = False

    with a_dag("only_signals") as dag:
        Quiet(task_id="t")
    run_dag(dag)
    assert signals_of(told) == [*STARTED, *ENDED_WELL]
    assert hooks(told) == []


def test_the_switch_of_bamboo_switches_on_too(run_dag: RunDag, told: Told) -> None:
    class Load(NodeHooks, BaseOperator):
        __need_run_hook__ = True

        def execute(self, context: Any) -> None: ...

        def node_finish(self, data: Any, parent_data: Any) -> None:
            TOLD.note("hook", "node_finish", self.task_id)

    with a_dag("original") as dag:
        Load(task_id="t")
    run_dag(dag)
    assert hooks(told) == ["node_finish"]


def test_hooks_that_are_not_switched_on_are_named_in_the_log(
    run_dag: RunDag, caplog: pytest.LogCaptureFixture
) -> None:
    class Forgot(NodeHooks, BaseOperator):
        def execute(self, context: Any) -> None: ...

        def node_finish(self, data: Any, parent_data: Any) -> None: ...

    with a_dag("forgot") as dag:
        Forgot(task_id="t")
    with caplog.at_level("INFO"):
        run_dag(dag)
    assert "Forgot has node hooks, but none is called: need_run_hook is not True" in caplog.text


def test_a_subclass_that_calls_super_is_told_of_once(run_dag: RunDag, told: Told) -> None:
    class Sub(Python):
        def execute(self, context: Any) -> Any:
            return super().execute(context)

    class SubSub(Sub):
        def execute(self, context: Any) -> Any:
            return super().execute(context)

    with a_dag("subclasses") as dag:
        SubSub(task_id="t", python_callable=lambda: 1)
    run_dag(dag)
    assert hooks(told) == [*STARTED, *ENDED_WELL]


def test_the_mixin_may_stand_last_unless_that_hides_a_hook(run_dag: RunDag, told: Told) -> None:
    class Last(PythonOperator, NodeHooks):
        need_run_hook = True

        def node_finish(self, data: Any, parent_data: Any) -> None:
            TOLD.note("hook", "node_finish", self.task_id)

    with a_dag("last") as dag:
        Last(task_id="t", python_callable=lambda: 1)
    run_dag(dag)
    assert hooks(told) == ["node_finish"]
    with pytest.raises(TypeError, match=r"hook '\w+_execute' of AllHooks is hidden .* first among the bases"):
        type("Hiding", (PythonOperator, AllHooks), {})


def test_each_mapped_instance_is_told_of(run_dag: RunDag, told: Told) -> None:
    with a_dag("mapped") as dag:
        Python.partial(task_id="t", python_callable=lambda n: n).expand(op_kwargs=[{"n": 1}, {"n": 2}])
    assert run_dag(dag).tasks == {"t[0]": "success", "t[1]": "success"}
    assert {end["outputs"]["return_value"] for end in told.hook("t", "node_finish")} == {1, 2}


def test_skipping_what_follows_is_a_good_end(run_dag: RunDag, told: Told) -> None:
    with a_dag("short") as dag:
        ShortCircuit(task_id="t", python_callable=lambda: False) >> Python(
            task_id="next", python_callable=lambda: 1
        )
    assert run_dag(dag).tasks == {"t": "success", "next": "skipped"}
    assert hooks(told) == [*STARTED, *ENDED_WELL]
    assert hooks(told, "next") == []


def test_triggering_a_dag_run_is_a_good_end(run_dag: RunDag, told: Told) -> None:
    with a_dag("triggered") as triggered:
        Node(task_id="inner")
    run_dag(triggered)
    with a_dag("triggering") as dag:
        TriggerDagRun(task_id="t", trigger_dag_id="triggered")
    run_dag(dag)
    assert hooks(told) == [*STARTED, *ENDED_WELL]


def test_airflows_own_pre_execute_and_a_hook_of_that_name_are_told_apart(run_dag: RunDag, told: Told) -> None:
    class Old(BaseOperator):
        def pre_execute(self, context: Any) -> None:
            TOLD.note("airflow", "pre_execute", self.task_id, run_id=context["run_id"])

        def execute(self, context: Any) -> None: ...

        def post_execute(self, context: Any, result: Any = None) -> None:
            TOLD.note("airflow", "post_execute", self.task_id)

    class Hooked(NodeHooks, Old):
        need_run_hook = True

        def pre_execute(self, data: Any, parent_data: Any) -> None:  # type: ignore[override]
            TOLD.note("hook", "pre_execute", self.task_id)

        def post_execute(self, context: Any, result: Any = None) -> None:
            super().post_execute(context, result)

    with a_dag("both") as dag:
        Hooked(task_id="t")
    run_dag(dag)
    assert told.of("t") == [("airflow", "pre_execute"), ("hook", "pre_execute"), ("airflow", "post_execute")]


def says_no(task: Any, old: State, new: State) -> State | None:
    return Failed("a handler says no") if isinstance(new, Success) else None
