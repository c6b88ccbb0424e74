"""The tables of ``docs/state_handlers.md`` are true: each row is run, or names the test that holds it."""

from __future__ import annotations

import ast
import re
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.sensors.python import PythonSensor
from airflow.sdk import DAG, BaseOperator, task
from airflow.sdk.exceptions import AirflowTaskTimeout, TaskAwaitingInput
from airflow.utils.state import TaskInstanceState

from airflow_provider_pipehooks.compat import tries
from airflow_provider_pipehooks.handlers.state_handlers import (
    State,
    Success,
    signals,
    state_handlers,
    stateful,
)
from tests.dag_runs import Finished
from tests.handlers.state import tables
from tests.handlers.state.recorded import Boom, boom
from tests.handlers.state.test_observed import skips, worker_lost
from tests.handlers.state.test_operators import CleansUp, NotCopied, Templated, Told, Waits

RunDag = Callable[[DAG], Finished]
Make = Callable[..., Any]


class Asks(BaseOperator):
    """Waits for a person, who in ``dag.test()`` never comes: so the wait is seen, and ends the body."""

    def execute(self, context: Any) -> None:
        raise TaskAwaitingInput(method_name="execute_complete")


class KilledInside(CleansUp):
    def execute(self, context: Any) -> None:
        self.on_kill()
        raise Boom("killed")


def skipped_by_itself(make: Callable[[type[BaseOperator]], Make]) -> None:
    first = make(PythonOperator)(task_id="t", python_callable=skips)
    first >> make(EmptyOperator)(task_id="after")


def upstream_failed(make: Callable[[type[BaseOperator]], Make]) -> None:
    first = make(PythonOperator)(task_id="t", python_callable=boom)
    first >> make(EmptyOperator)(task_id="after")


#: What happens, as a DAG of tasks made with handlers.
SCENARIOS: dict[str, Callable[[Callable[[type[BaseOperator]], Make]], None]] = {
    "success": lambda make: make(EmptyOperator)(task_id="t"),
    "retry": lambda make: make(PythonOperator)(
        task_id="t", python_callable=boom, retries=1, retry_delay=timedelta(0)
    ),
    "timeout": lambda make: make(PythonOperator)(
        task_id="t", python_callable=lambda: time.sleep(30), execution_timeout=timedelta(seconds=1)
    ),
    "skip": lambda make: make(PythonOperator)(task_id="t", python_callable=skips),
    "defer": lambda make: make(Waits)(task_id="t"),
    "reschedule": lambda make: make(PythonSensor)(
        task_id="t", python_callable=iter([False, True]).__next__, mode="reschedule", poke_interval=0
    ),
    "kill": lambda make: make(KilledInside)(task_id="t"),
    "template": lambda make: make(Templated)(task_id="t", text="{{ nothing.here }}"),
    "late failure": lambda make: make(Templated)(task_id="t", after=Boom("late")),
    "upstream failed": upstream_failed,
    "upstream skipped": skipped_by_itself,
    "lost worker": lambda make: make(EmptyOperator)(task_id="t"),
    "ask": lambda make: make(Asks)(task_id="t"),
}


class Lines(list[str]):
    """A handler that keeps ``"Old -> New"``, with ``(flow)`` for a DAG."""

    def __call__(self, subject: Any, old: State, new: State) -> None:
        flow = "" if hasattr(subject, "task_id") else " (flow)"
        self.append(f"{type(old).__name__} -> {type(new).__name__}{flow}")


#: What was told in a scenario, by it and the kind of handlers: each is run once.
HAPPENED: dict[tuple[str, str], list[str]] = {}


def happen(scenario: str, of: str, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What handlers of one kind are told in a scenario."""
    if (scenario, of) not in HAPPENED:
        HAPPENED[scenario, of] = _happen(scenario, of, run_dag, monkeypatch)
    return HAPPENED[scenario, of]


def _happen(scenario: str, of: str, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines = Lines()
    makers: dict[str, Callable[[type[BaseOperator]], Make]] = {
        "decide": lambda operator: lambda **given: stateful(operator)(state_handlers=[lines], **given),
        "observe": lambda operator: lambda **given: operator(**state_handlers(lines), **given),
        "dag": lambda operator: operator,
    }
    with DAG("table", schedule=None, **(state_handlers(lines, of="dag") if of == "dag" else {})) as made:
        SCENARIOS[scenario](makers[of])
    if scenario == "lost worker":
        if of != "dag":
            worker_lost(made, TaskInstanceState.FAILED)
        return lines
    if scenario == "ask":
        _ask(made, monkeypatch)
        return lines
    run_dag(made)
    return lines


def _ask(made: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
    """One try of the task, up to the wait: ``dag.test()`` would wait for the answer."""
    operator: Any = made.get_task("t")
    monkeypatch.setattr(tries, "_from_server", lambda ti: None)

    class Instance:
        try_number, max_tries, map_index, task_id = 1, 0, -1, "t"
        id = uuid.uuid4()

    with pytest.raises(TaskAwaitingInput):
        operator.execute({"ti": Instance(), "task": operator})


KINDS = ("decide", "observe", "dag")
ROWS = [(row, kind) for row in tables.TRANSITIONS if row.scenario for kind in KINDS]


@pytest.mark.parametrize(("row", "kind"), ROWS, ids=[f"{row.told} {kind}" for row, kind in ROWS])
def test_a_transition_is_told_where_the_table_says_and_nowhere_else(
    row: tables.Transition, kind: str, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert row.scenario
    told = happen(row.scenario, kind, run_dag, monkeypatch)
    assert (row.told in told) is getattr(row, kind)


def test_every_scenario_is_in_the_table_with_all_it_tells(
    run_dag: RunDag, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is told that the table does not list."""
    listed = {row.told for row in tables.TRANSITIONS}
    # Listed with the transition that they follow on.
    listed |= {"Cancelling -> Cancelled", "Retrying -> Running"}
    for scenario in SCENARIOS:
        for kind in KINDS:
            assert set(happen(scenario, kind, run_dag, monkeypatch)) <= listed, (scenario, kind)


# --- the page -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", tables.PAGES, ids=lambda page: page.name)
def test_a_page_has_the_tables_as_they_are_here(page: Path) -> None:
    text = page.read_text()
    assert text == tables.written(text), "run: python -m tests.handlers.state.tables"
    assert page != tables.PAGE or all(f"<!-- table: {name} -->" in text for name in tables.TABLES)


def test_every_row_names_a_test_that_exists() -> None:
    known = {
        node.name
        for file in Path(__file__).parents[1].rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef)
    }
    rows: list[Any] = [*tables.DIFFERENCES, *tables.MISBEHAVIOUR]
    assert {row.test for row in rows} <= known


def test_the_examples_of_the_page_run(monkeypatch: pytest.MonkeyPatch, run_dag: RunDag) -> None:
    """Each is a file of its own; functions named ``test_`` are called, DAGs are run."""
    blocks = re.findall(r"```python\n(.*?)```", tables.PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 3
    for number, block in enumerate(blocks):
        names: dict[str, Any] = {"__name__": f"page_{number}", "__file__": __file__}
        exec(compile(block, f"{tables.PAGE.name}[{number}]", "exec"), names)
        for name, value in names.items():
            if name.startswith("test_"):
                value()
            elif isinstance(value, DAG):
                assert run_dag(value).state in ("success", "failed")


# --- rows that have no other test ---------------------------------------------------------------------------


def dag(**arguments: Any) -> DAG:
    return DAG("rows", schedule=None, **arguments)


def test_execution_timeout_ends_a_hanging_handler(run_dag: RunDag) -> None:
    hung: list[str] = []

    def hangs(operator: Any, old: State, new: State) -> None:
        try:
            if new.is_running():
                time.sleep(30)
        except AirflowTaskTimeout:
            hung.append("ended")
            raise

    told = Told()
    with dag() as made:
        stateful(EmptyOperator)(
            task_id="t", execution_timeout=timedelta(seconds=1), state_handlers=[hangs, told]
        )
    assert run_dag(made).tasks == {"t": "failed"}
    assert hung == ["ended"]
    assert told == ["Running -> TimedOut"]


@pytest.mark.parametrize("decide", [True, False], ids=["decide", "observe"])
def test_a_handler_that_can_be_neither_pickled_nor_copied_works(decide: bool, run_dag: RunDag) -> None:
    class Counts(NotCopied):
        calls = 0

        def __call__(self, operator: Any, old: State, new: State) -> None:
            type(self).calls += 1

    with dag() as made:
        if decide:
            stateful(EmptyOperator)(task_id="t", state_handlers=[Counts()])
        else:
            EmptyOperator(task_id="t", **state_handlers(Counts()))
    run_dag(made)
    assert Counts.calls == 2


def test_a_handler_that_exits_ends_the_try(run_dag: RunDag) -> None:
    def exits(operator: Any, old: State, new: State) -> None:
        if new.is_successful():
            raise SystemExit(3)

    after = Told()
    with dag() as made:
        stateful(EmptyOperator)(task_id="t", state_handlers=[exits, after])
    assert run_dag(made).tasks == {"t": "failed"}
    assert after == ["Pending -> Running", "Success -> Failed"]


def test_the_flows_handler_observes(run_dag: RunDag) -> None:
    handler = Told(Success=signals.FAIL("no").state)
    with dag(**state_handlers(handler, of="dag")) as made:
        EmptyOperator(task_id="t")
    assert run_dag(made).state == "success"
    assert handler == ["Scheduled -> Running", "Running -> Success"]


@pytest.mark.parametrize("signal", [signals.FAIL, signals.SKIP, signals.SUCCESS, signals.RETRY])
def test_a_signal_in_a_plain_task_fails_it(signal: type[signals.StateSignal], run_dag: RunDag) -> None:
    def body() -> None:
        raise signal("m")

    told = Told()
    with dag() as made:
        PythonOperator(task_id="t", python_callable=body, **state_handlers(told))
    assert run_dag(made).tasks == {"t": "failed"}
    assert told == ["Pending -> Running", "Running -> Failed"]


@pytest.mark.parametrize("given", [{}, {"result": 5}], ids=["no result", "result"])
def test_a_success_signal_returns_its_result_if_it_was_given_one(
    given: dict[str, Any], run_dag: RunDag
) -> None:
    with dag() as made:

        @stateful(state_handlers=[Told()])
        @task
        def t() -> None:
            raise signals.SUCCESS("enough", **given)

        t()
    finished = run_dag(made)
    assert (finished.tasks, finished.xcom("t")) == ({"t": "success"}, given.get("result"))
    assert Success().is_successful()
