"""Every record of a real Prefect run, run by real Airflow: same transitions, same order, same decisions.

Where a record is not matched line by line, the difference is in ``differences.py`` and the test says which.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, task, task_group

from airflow_provider_pipehooks.handlers.state_handlers import (
    Failed,
    State,
    Success,
    callback_factory,
    signals,
    state_handlers,
    stateful,
)
from tests.dag_runs import Finished
from tests.handlers.state.recorded import Recorder, boom, expected, fails, fails_times, load

RunDag = Callable[[DAG], Finished]
#: How Airflow calls the end that a record shows.
AIRFLOW = {
    "Success": "success",
    "Failed": "failed",
    "TimedOut": "failed",
    "TriggerFailed": "upstream_failed",
    "Skipped": "skipped",
}
both = pytest.mark.parametrize("decide", [True, False], ids=["decide", "observe"])


def one() -> int:
    """A body that succeeds."""
    return 1


def check(rec: Recorder, finished: Finished, case: str, *, flow: bool = True) -> None:
    """Lines and final states are those of the record.

    :param flow: the record is of a whole flow, which ends as Airflow's DAG run does.
    """
    record = load(case)
    assert dict(rec.lines) == expected(record)
    (run,) = record["runs"]
    ends = {
        name: AIRFLOW[state["type"]] for name, state in run["task_finals"].items() if name in finished.tasks
    }
    assert ends == {name: finished.tasks[name] for name in ends}
    if flow:
        assert finished.state == AIRFLOW[run["flow_final"]["type"]]


def dag(case: str, **arguments: Any) -> DAG:
    return DAG(case, schedule=None, **arguments)


# --- transitions --------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("case", "body", "retries"),
    [
        ("trans_01_success", lambda: {"rows": 3}, 0),
        ("trans_02_failed", fails, 0),
        ("trans_03_retry_then_success", fails_times, 3),
        ("trans_04_retry_exhausted", fails, 2),
    ],
)
def test_transitions_of_a_task_and_its_flow(
    case: str, body: Callable[..., Any], retries: int, decide: bool, run_dag: RunDag
) -> None:
    rec = Recorder(decide=decide)
    with dag(case, **rec.flow("flow")) as made:
        rec.task("t", body(2) if body is fails_times else body, rec.handler("task"), retries=retries)
    check(rec, run_dag(made), case)


def test_a_skip_signal_skips_the_task_and_what_is_downstream(run_dag: RunDag) -> None:
    def skip() -> None:
        raise signals.SKIP("nothing to do")

    rec = Recorder()
    with dag("trans_05", **rec.flow("flow", of_tasks={"b": ["b"]})) as made:
        a = rec.task("a", skip, rec.handler("a"))
        a >> rec.task("b", None, rec.handler("b"))
        a >> rec.task("c", lambda: 1, rec.handler("c"), trigger_rule="none_failed")
    check(rec, run_dag(made), "trans_05_skip_signal")


@both
def test_a_timeout_is_a_failure_and_is_retried(decide: bool, run_dag: RunDag) -> None:
    rec = Recorder(decide=decide)
    with dag("trans_07") as made:
        rec.task(
            "t",
            lambda: time.sleep(30),
            rec.handler("task"),
            on_failure=rec.callback("on_failure"),
            retries=1,
            execution_timeout=timedelta(seconds=1),
        )
    check(rec, run_dag(made), "trans_07_timed_out")


def test_mapped_instances_are_told_apart(run_dag: RunDag) -> None:
    """Prefect maps ``plus`` over ``inv`` instance by instance; Airflow does so in a mapped task group."""
    rec = Recorder()

    def with_on_failure(name: str) -> dict[str, Any]:
        return {"state_handlers": [rec.handler(name)], "on_failure": rec.callback(f"{name}_on_failure")}

    with dag("trans_09", **rec.flow("flow", of_tasks={"plus": ["plus", "plus_on_failure"]})) as made:

        @stateful(**with_on_failure("inv"))
        @task
        def inv(x: float) -> float:
            return rec.body(lambda: 6 / x)()

        @stateful(**with_on_failure("plus"))
        @task
        def plus(x: float) -> float:
            return rec.body(lambda: x + 1)()

        @task_group(prefix_group_id=False)
        def each(x: float) -> Any:
            return plus(inv(x))

        @stateful(state_handlers=[rec.handler("total")])
        @task(trigger_rule="all_done")
        def total() -> int:
            return rec.body(lambda: 3)()

        each.expand(x=[1, 0, 3]) >> total()
    finished = run_dag(made)
    assert dict(rec.lines) == expected(load("trans_09_mapped"))
    assert finished.tasks["inv[1]"] == "failed"
    assert finished.tasks["plus[1]"] == "upstream_failed"
    assert finished.state == "success"


# --- what a handler returns ---------------------------------------------------------------------------------


def test_none_keeps_the_state(run_dag: RunDag) -> None:
    rec = Recorder()
    with dag("return_01", **rec.flow("flow_none")) as made:
        rec.task("t", fails_times(1), rec.handler("none"), rec.handler("after"), retries=1)
    check(rec, run_dag(made), "return_01_none")


@pytest.mark.parametrize("value", [False, 0, "", []], ids=repr)
def test_everything_falsy_keeps_the_state(value: object, run_dag: RunDag) -> None:
    rec = Recorder()
    with dag("return_02") as made:
        rec.task("t", lambda: 1, rec.handler("falsy", lambda *_: value), rec.handler("after"))
    assert run_dag(made).tasks == {"t": "success"}
    assert dict(rec.lines) == expected(load("return_02_falsy"), part=repr(value))


def test_a_returned_state_goes_on_to_the_next_handler_with_the_same_old_state(run_dag: RunDag) -> None:
    def on_success(state: State) -> Callable[..., Any]:
        return lambda task, old, new: state if new.is_successful() else None

    rec = Recorder()
    with dag("return_04") as made:
        rec.task(
            "t",
            lambda: 1,
            rec.handler("A", on_success(Success("replaced by A", 99))),
            rec.handler("B", lambda task, old, new: new),
            rec.handler("C", on_success(Success("replaced by C"))),
            rec.handler("D"),
        )
    finished = run_dag(made)
    check(rec, finished, "return_04_chain")
    assert finished.xcom("t") is None


@pytest.mark.parametrize(
    ("case", "body", "when", "becomes"),
    [
        ("return_05_running_becomes_success", lambda: 1, "is_running", Success("by handler", 7)),
        ("return_10_failed_becomes_success", fails, "is_failed", Success("forgiven", "fallback")),
    ],
)
def test_a_handler_makes_a_task_a_success(
    case: str, body: Callable[..., Any], when: str, becomes: State, run_dag: RunDag
) -> None:
    rec = Recorder()
    with dag(case) as made:
        changer = rec.handler("changer", lambda task, old, new: becomes if getattr(new, when)() else None)
        t = rec.task("t", body, changer, rec.handler("after"), retries=2)
        t >> rec.task("downstream", lambda: 2, rec.handler("d"))
    finished = run_dag(made)
    check(rec, finished, case)
    assert finished.xcom("t") == becomes.result


@pytest.mark.parametrize("when", ["to_Running", "to_Success", "to_Failed"])
def test_garbage_fails_the_task_and_the_next_handler_is_spared(when: str, run_dag: RunDag) -> None:
    """Differs: Prefect hands the garbage on. The failure is told to all handlers in both."""
    state = when.removeprefix("to_")
    body = fails if state == "Failed" else one
    rec = Recorder()
    with dag("return_03") as made:
        garbage = rec.handler("true", lambda task, old, new: type(new).__name__ == state and not _ours(new))
        rec.task("t", body, garbage, rec.handler("after"))
    assert run_dag(made).tasks == {"t": "failed"}
    told = [line for line in rec.lines["t"] if "Unexpected error: " in line]
    assert [line.split(":")[0] for line in told] == ["true", "after"]
    assert not [line for line in rec.lines["t"] if line.startswith("after") and f"-> {state}('S" in line]
    assert "returned True, not a State or None" in told[0]


def _ours(state: State) -> bool:
    return (state.message or "").startswith("Unexpected")


# --- handlers that raise ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "state"), [("raise_01_to_running", "Running"), ("raise_02_to_success", "Success")]
)
def test_a_raising_handler_fails_the_task_and_costs_its_retries_when_asked_to(
    case: str, state: str, run_dag: RunDag
) -> None:
    """Differs: this is Prefect's rule, and here an option. By default the retries are kept."""

    def raises(task: Any, old: State, new: State) -> None:
        if type(new).__name__ == state:
            fails("handler")

    rec = Recorder()
    with dag(case, **rec.flow("flow", of_tasks={"downstream": ["d"]})) as made:
        handlers = [rec.handler("first"), rec.handler("raiser", raises), rec.handler("after")]
        t = rec.task("t", lambda: 1, *handlers, retries=2, handler_error_retries=False)
        t >> rec.task("downstream", lambda: 2, rec.handler("d"))
    check(rec, run_dag(made), case)


@pytest.mark.parametrize(
    ("case", "signal"), [("signal_00_fail", signals.FAIL), ("signal_04_skip", signals.SKIP)]
)
@pytest.mark.parametrize("when", ["to_Running", "to_Success", "to_Failed"])
def test_a_signal_from_a_handler_decides(
    case: str, signal: type[signals.StateSignal], when: str, run_dag: RunDag
) -> None:
    """The record is of one pass; a retry it ends in goes on here, so its lines are the first ones."""

    def raises(task: Any, old: State, new: State) -> None:
        if type(new).__name__ == when.removeprefix("to_"):
            raise signal("signal from handler")

    rec = Recorder()
    with dag(case) as made:
        handlers = [rec.handler("first"), rec.handler("raiser", raises), rec.handler("after")]
        body = fails if when == "to_Failed" else one
        rec.task("t", body, *handlers, retries=1)
    finished = run_dag(made)
    record = load(case)
    lines = expected(record, part=when)["t"]
    assert rec.lines["t"][: len(lines)] == lines
    (run,) = (run for run in record["runs"] if run["label"].endswith(when))
    retried = run["task_final"]["type"] == "Retrying"
    assert len(rec.lines["t"]) > len(lines) if retried else len(rec.lines["t"]) == len(lines)
    assert finished.tasks["t"] == ("failed" if retried else AIRFLOW[run["task_final"]["type"]])


# --- callback_factory and on_failure ------------------------------------------------------------------------


@both
def test_several_handlers_run_in_order(decide: bool, run_dag: RunDag) -> None:
    rec = Recorder(decide=decide)
    with dag("seed_06") as made:
        rec.task("t", lambda: 1, *[rec.handler(name) for name in "ABC"])
    check(rec, run_dag(made), "seed_06_multiple_in_order")


@both
def test_several_handlers_with_a_retry(decide: bool, run_dag: RunDag) -> None:
    rec = Recorder(decide=decide)
    with dag("seed_06b") as made:
        rec.task(
            "t",
            fails_times(1),
            callback_factory(rec.callback("on_failed"), lambda state: state.is_failed()),
            callback_factory(rec.callback("on_retrying"), lambda state: state.is_retrying()),
            rec.handler("all"),
            retries=1,
        )
    check(rec, run_dag(made), "seed_06b_multiple_on_retry")


def test_what_a_callback_returns_is_ignored(run_dag: RunDag) -> None:
    rec = Recorder()
    with dag("seed_07c") as made:
        cb = rec.callback("cb", lambda task, state: Failed("from callback"))
        rec.task(
            "t", lambda: 1, callback_factory(cb, lambda state: state.is_successful()), rec.handler("rec")
        )
    check(rec, run_dag(made), "seed_07c_callback_factory_return_ignored")


def test_a_callback_that_raises_fails_the_task(run_dag: RunDag) -> None:
    rec = Recorder()
    with dag("seed_07d") as made:
        cb = rec.callback("cb", lambda task, state: fails("cb"))
        rec.task(
            "t", lambda: 1, callback_factory(cb, lambda state: state.is_successful()), rec.handler("after")
        )
    check(rec, run_dag(made), "seed_07d_callback_factory_fn_raises")


def test_a_check_that_raises_fails_the_task(run_dag: RunDag) -> None:
    rec = Recorder()
    with dag("seed_07e") as made:
        rec.task("t", lambda: 1, callback_factory(rec.callback("cb"), lambda state: fails("check")))
    check(rec, run_dag(made), "seed_07e_callback_factory_check_raises")


@both
def test_one_callback_on_a_task_and_its_flow(decide: bool, run_dag: RunDag) -> None:
    rec = Recorder(decide=decide)

    def cb(subject: Any, state: State) -> None:
        if hasattr(subject, "task_id"):
            rec.callback("cb")(subject, state)
        else:
            rec.lines["flow"].append(f"cb: {type(state).__name__}({state.message!r})")

    handler = callback_factory(cb, lambda state: state.is_successful())
    with dag("seed_07f", **state_handlers(handler, of="dag")) as made:
        rec.task("t", None, handler, writes_body=False)
    check(rec, run_dag(made), "seed_07f_callback_factory_on_flow_and_task")


@both
@pytest.mark.parametrize(
    ("case", "body", "retries", "handlers"),
    [
        ("seed_08_on_failure_task", boom, 0, ""),
        ("seed_08b_on_failure_task_success", lambda: 1, 0, ""),
        ("seed_08e_on_failure_retry_then_success", fails_times, 2, ""),
        ("seed_08g_on_failure_order", boom, 0, "AB"),
    ],
)
def test_on_failure_is_told_of_every_failed_attempt_and_comes_last(
    case: str, body: Callable[..., Any], retries: int, handlers: str, decide: bool, run_dag: RunDag
) -> None:
    rec = Recorder(decide=decide)
    with dag(case) as made:
        rec.task(
            "t",
            body(1) if body is fails_times else body,
            *[rec.handler(name) for name in handlers],
            on_failure=rec.callback("on_failure"),
            retries=retries,
        )
    check(rec, run_dag(made), case)


@both
def test_on_failure_of_a_flow_is_called_once(decide: bool, run_dag: RunDag) -> None:
    rec = Recorder(decide=decide)
    with dag("seed_08c", **rec.flow(on_failure="flow_on_failure")) as made:
        rec.task("t", boom)
    check(rec, run_dag(made), "seed_08c_on_failure_flow")


@both
def test_on_failure_of_task_and_flow_with_retries(decide: bool, run_dag: RunDag) -> None:
    rec = Recorder(decide=decide)
    with dag("seed_08d", **rec.flow(on_failure="flow_on_failure")) as made:
        rec.task("t", boom, rec.handler("rec"), on_failure=rec.callback("on_failure"), retries=2)
    check(rec, run_dag(made), "seed_08d_on_failure_with_retries")


def test_on_failure_of_a_flow_and_tasks_that_never_started(run_dag: RunDag) -> None:
    """Told at the end of the run, by the DAG's handler: these tasks have no worker."""
    rec = Recorder()

    of_tasks: dict[str, Sequence[str]] = {name: [name, f"{name}_on_failure"] for name in "bc"}
    with dag("seed_08f", **rec.flow(on_failure="flow_on_failure", of_tasks=of_tasks)) as made:
        a = rec.task("a", boom, on_failure=rec.callback("a_on_failure"))
        a >> rec.task("b", None) >> rec.task("c", None)
    check(rec, run_dag(made), "seed_08f_on_failure_trigger_failed")


def test_a_list_given_twice_is_never_appended_to(run_dag: RunDag) -> None:
    """Differs: in Prefect each of two tasks with the same list gets both tasks' ``on_failure``."""
    rec = Recorder()
    shared = [rec.handler("shared")]
    with dag("seed_08h") as made:
        for name in "ab":
            stateful(PythonOperator)(
                task_id=name,
                python_callable=rec.body(boom),
                state_handlers=shared,
                on_failure=rec.callback(f"{name}_cb"),
            )
    run_dag(made)
    assert len(shared) == 1
    for name in "ab":
        assert [line.split(":")[0] for line in rec.lines[name]] == ["shared", "body", "shared", f"{name}_cb"]


def test_a_failing_on_failure_costs_the_retry_when_asked_to(run_dag: RunDag) -> None:
    """Differs: Prefect's rule, here an option."""
    rec = Recorder()
    with dag("seed_08i") as made:
        notify = rec.callback("on_failure", lambda task, state: fails("notify"))
        rec.task("t", boom, rec.handler("rec"), on_failure=notify, retries=2, handler_error_retries=False)
    check(rec, run_dag(made), "seed_08i_on_failure_raises")
