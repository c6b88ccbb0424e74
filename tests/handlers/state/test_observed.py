"""Handlers that observe: what Airflow's callbacks tell, from the worker and from the DAG processor."""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.api_fastapi.execution_api.datamodels.taskinstance import TaskInstance
from airflow.callbacks.callback_requests import DagCallbackRequest, TaskCallbackRequest
from airflow.dag_processing import processor
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.sensors.python import PythonSensor
from airflow.sdk import DAG, task, task_group
from airflow.sdk.exceptions import AirflowSkipException
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.state import TaskInstanceState
from structlog import get_logger

from airflow_provider_pipehooks.handlers.state.task_states import state_before
from airflow_provider_pipehooks.handlers.state_handlers import State, Success, state_handlers, stateful
from tests.dag_runs import Finished
from tests.handlers.state.recorded import boom, show
from tests.handlers.state.test_operators import Templated, Told, Waits

RunDag = Callable[[DAG], Finished]
OK = ["Pending -> Running", "Running -> Success"]
BAD = ["Pending -> Running", "Running -> Failed"]


def dag(**arguments: Any) -> DAG:
    return DAG("observed", schedule=None, **arguments)


def skips() -> None:
    raise AirflowSkipException("nothing to do")


# --- where the callbacks may be given -----------------------------------------------------------------------


def test_in_default_args_all_operators_have_them(run_dag: RunDag) -> None:
    seen: list[str] = []
    handler = lambda operator, old, new: seen.append(f"{operator.task_id} {type(new).__name__}")  # noqa: E731
    with dag(default_args=state_handlers(handler)) as made:
        EmptyOperator(task_id="a") >> EmptyOperator(task_id="b")
    run_dag(made)
    assert seen == ["a Running", "a Success", "b Running", "b Success"]


def test_on_a_task_function(run_dag: RunDag) -> None:
    handler = Told()
    with dag() as made:

        @task(**state_handlers(handler))
        def t() -> list[int]:
            return [1]

        t()
    run_dag(made)
    assert handler == OK
    assert handler.last is not None


def test_a_success_has_the_tasks_result_fetched_when_looked_at(run_dag: RunDag) -> None:
    results: list[Any] = []

    def look(operator: Any, old: State, new: State) -> None:
        if new.is_successful():
            results.append(new.result)

    with dag() as made:
        PythonOperator.partial(
            task_id="t", python_callable=lambda x: {"x": x}, **state_handlers(look)
        ).expand(op_args=[[1], [2]])
    run_dag(made)
    assert sorted(result["x"] for result in results) == [1, 2]


def test_mapped_instances_are_told_apart(run_dag: RunDag) -> None:
    seen: list[tuple[int, str]] = []

    def note(operator: Any, old: State, new: State) -> None:
        assert new.context is not None
        seen.append((new.context["ti"].map_index, type(new).__name__))

    with dag() as made:

        @task(**state_handlers(note))
        def t(x: int) -> float:
            return 1 / x

        t.expand(x=[1, 0])
    run_dag(made)
    assert sorted(seen) == [(0, "Running"), (0, "Success"), (1, "Failed"), (1, "Running")]


def test_lists_are_copied_and_airflows_own_callbacks_can_be_added() -> None:
    given = [Told()]
    arguments = state_handlers(*given)
    before = {name: list(callbacks) for name, callbacks in arguments.items()}
    both = [*arguments["on_failure_callback"], print]
    EmptyOperator(task_id="a", **{**arguments, "on_failure_callback": both})
    EmptyOperator(task_id="b", **arguments)
    assert {name: list(callbacks) for name, callbacks in arguments.items()} == before


def test_the_serialized_dag_says_only_that_there_are_callbacks() -> None:
    def make() -> Any:
        with dag(**state_handlers(Told(), of="dag")) as made:
            EmptyOperator(task_id="t", **state_handlers(Told()))
        return DagSerialization.serialize_dag(made)

    assert make()["tasks"] == make()["tasks"]
    shown = make()["tasks"][0]["__var"]
    kinds = ("execute", "success", "failure", "retry", "skipped")
    assert all(shown[f"has_on_{kind}_callback"] for kind in kinds)
    assert make()["has_on_failure_callback"]


def test_a_copy_tells_the_same_handlers() -> None:
    handler = Told()
    with dag() as made:
        operator = EmptyOperator(task_id="t", **state_handlers(handler))
    for copied in (copy.copy(operator), copy.deepcopy(operator), copy.deepcopy(made).get_task("t")):
        callbacks: Any = (copied.on_failure_callback, operator.on_failure_callback)
        ((observer,), (own,)) = callbacks
        assert observer.handlers is own.handlers


@pytest.mark.parametrize("of", ["flow", None, ""])
def test_another_word_for_of_is_refused(of: Any) -> None:
    with pytest.raises(ValueError, match="'task' or 'dag'"):
        state_handlers(Told(), of=of)


# --- what is told -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (
            lambda **k: PythonOperator(python_callable=skips, **k),
            ["Pending -> Running", "Running -> Skipped"],
        ),
        (lambda **k: Waits(**k), ["Pending -> Running", "Deferred -> Running", "Running -> Success"]),
        (lambda **k: Templated(text="{{ nothing.here }}", **k), ["Pending -> Failed"]),
        (
            lambda **k: PythonSensor(
                python_callable=iter([False, True]).__next__, mode="reschedule", poke_interval=0, **k
            ),
            ["Pending -> Running", "Scheduled -> Running", "Running -> Success"],
        ),
    ],
    ids=["skipped", "deferred", "template does not render", "rescheduled"],
)
def test_what_is_told_is_true(make: Callable[..., Any], told: list[str], run_dag: RunDag) -> None:
    handler = Told()
    with dag() as made:
        make(task_id="t", **state_handlers(handler))
    run_dag(made)
    assert handler == told


def test_an_observer_cannot_change_the_task(
    run_dag: RunDag, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted: list[str] = []
    monkeypatch.setattr(
        "airflow.observability.stats.incr", lambda name, *_, **given: counted.append(name), raising=False
    )

    def raises(operator: Any, old: State, new: State) -> None:
        raise SyntaxError("oops")

    last = Told()
    with dag() as made:
        forgives = Told(Failed=Success("forgiven"), Running=Success("no need"))
        PythonOperator(task_id="t", python_callable=boom, **state_handlers(forgives, raises, last))
    assert run_dag(made).tasks == {"t": "failed"}
    assert forgives == last == BAD
    assert caplog.text.count("SyntaxError('oops')") == 2
    assert counted.count("pipehooks.hook_failures") == 2


def test_deciding_and_observing_handlers_on_one_task_are_told_separately(run_dag: RunDag) -> None:
    decides, observes = Told(Failed=Success("forgiven")), Told()
    with dag(default_args=state_handlers(observes)) as made:
        stateful(PythonOperator)(task_id="t", python_callable=boom, state_handlers=[decides])
    assert run_dag(made).tasks == {"t": "success"}
    assert decides == BAD
    assert observes == OK


# --- the state before ---------------------------------------------------------------------------------------


def context(
    try_number: int = 1, max_tries: int = 2, retries: int = 2, next_method: str | None = None, **more: Any
) -> dict[str, Any]:
    server = SimpleNamespace(next_method=next_method)
    ti = SimpleNamespace(try_number=try_number, max_tries=max_tries, _ti_context_from_server=server)
    return {"ti": ti, "task": SimpleNamespace(retries=retries), **more}


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (context(), "Pending(None)"),
        (context(2), "Retrying('Retrying Task (after attempt 1 of 3)')"),
        (context(3), "Retrying('Retrying Task (after attempt 2 of 3)')"),
        # A clear after three tries: Airflow goes on counting, and raises max_tries to 3 + 2.
        (context(4, max_tries=5), "Pending(None)"),
        (context(5, max_tries=5), "Retrying('Retrying Task (after attempt 1 of 3)')"),
        (context(1, max_tries=0, retries=0), "Pending(None)"),
        (context(2, max_tries=0, retries=0), "Retrying('Retrying Task (after attempt 1 of 2)')"),
        (context(next_method="execute_complete"), "Deferred(None)"),
        (context(2, next_method="execute_complete"), "Deferred(None)"),
        (context(task_reschedule_count=1), "Scheduled(None)"),
        (context(task_reschedule_count=0), "Pending(None)"),
    ],
)
def test_the_state_before_is_read_never_guessed(given: dict[str, Any], state: str) -> None:
    assert show(state_before(given)) == state


def test_after_a_persons_answer_the_task_resumes() -> None:
    given = context(next_method="execute_complete")
    given["task"] = ApprovalOperator(task_id="t", subject="Go?")
    assert show(state_before(given)) == "Resume(None)"


# --- told by the DAG processor ------------------------------------------------------------------------------


class Bag:
    """A parsed DAG, as the DAG processor has it."""

    def __init__(self, made: DAG) -> None:
        self.dags = {made.dag_id: made}


def worker_lost(made: DAG, callback_type: TaskInstanceState, try_number: int = 1) -> None:
    """What the DAG processor does when the scheduler tells it of a task whose worker is gone."""
    ti = TaskInstance(
        id=uuid.uuid4(),
        task_id="t",
        dag_id=made.dag_id,
        run_id="r",
        try_number=try_number,
        dag_version_id=uuid.uuid4(),
    )
    request = TaskCallbackRequest(
        filepath="x",
        bundle_name="b",
        bundle_version=None,
        msg="heartbeat",
        ti=ti,
        task_callback_type=callback_type,
        context_from_server=None,
    )
    processor._execute_task_callbacks(Bag(made), request, get_logger())  # type: ignore[arg-type]


@pytest.mark.parametrize("decide", [True, False], ids=["decide", "observe"])
def test_a_lost_worker_is_told_without_inventing_the_state_before(decide: bool) -> None:
    handler, failures = Told(), Told()
    with dag() as made:
        if decide:
            stateful(EmptyOperator)(
                task_id="t",
                retries=1,
                state_handlers=[handler],
                on_failure=lambda t, s: failures.append(str(s)),
            )
        else:
            EmptyOperator(task_id="t", retries=1, **state_handlers(handler))
    worker_lost(made, TaskInstanceState.UP_FOR_RETRY)
    assert handler == ["State -> Failed", "Failed -> Retrying"]
    worker_lost(made, TaskInstanceState.FAILED, try_number=2)
    assert handler[2:] == ["State -> Failed"]
    assert len(failures) == (2 if decide else 0)


@pytest.mark.parametrize("kind", ["observe", "decide", "mapped"])
def test_a_dags_handler_lets_tasks_tell_their_own_upstream_failure(kind: str, run_dag: RunDag) -> None:
    own, of_dag = Told(), Told()
    with dag(**state_handlers(of_dag, of="dag")) as made:
        first = PythonOperator(task_id="first", python_callable=boom)
        if kind == "observe":
            second: Any = EmptyOperator(task_id="second", **state_handlers(own))
        elif kind == "decide":
            second = stateful(EmptyOperator)(task_id="second", state_handlers=[own])
        else:
            partial = stateful(PythonOperator).partial(
                task_id="second", python_callable=boom, state_handlers=[own]
            )
            second = partial.expand(op_args=[[1]])
        first >> second
    finished = run_dag(made)
    assert finished.tasks["second" if kind != "mapped" else "second[0]"] == "upstream_failed"
    of_dag.clear()
    own.clear()
    processed(made, finished, failed=True)
    assert own == ["Pending -> TriggerFailed"]
    assert of_dag == ["Scheduled -> Running", "Pending -> TriggerFailed", "Running -> Failed"]


def processed(made: DAG, finished: Finished, *, failed: bool) -> None:
    """Call the DAG's callbacks as the DAG processor does, on the DAG as its file makes it."""
    request = DagCallbackRequest(
        filepath="x",
        bundle_name="b",
        bundle_version=None,
        dag_id=made.dag_id,
        run_id=finished.dag_run.run_id,
        is_failure_callback=failed,
        msg="task_failure" if failed else "success",
    )
    processor._execute_dag_callbacks(Bag(made), request, get_logger())  # type: ignore[arg-type]


def test_in_the_dag_processor_a_rule_is_an_enum_and_told_by_its_name(run_dag: RunDag) -> None:
    """``dag.test()`` gives callbacks a serialized DAG, whose rules are texts."""
    messages: list[str] = []

    def handler(operator: Any, old: State, new: State) -> None:
        messages.append(f"{type(new).__name__} {new.message}")

    with dag(**state_handlers(handler, of="dag")) as made:
        PythonOperator(task_id="first", python_callable=boom) >> EmptyOperator(task_id="second")
        PythonOperator(task_id="skips", python_callable=skips) >> EmptyOperator(task_id="after")
    finished = run_dag(made)
    messages.clear()
    processed(made, finished, failed=True)
    assert 'TriggerFailed Trigger was "all_success" but some of the upstream tasks failed.' in messages
    assert [message for message in messages if message.startswith("Skipped Upstream task was skipped")]


def test_a_task_mapped_over_a_failure_is_told_as_prefect_tells_it(run_dag: RunDag) -> None:
    told: list[str] = []

    def handler(operator: Any, old: State, new: State) -> None:
        told.append(f"{getattr(operator, 'task_id', 'dag')} {type(new).__name__} {new.message}")

    with dag(**state_handlers(handler, of="dag")) as made:

        @task
        def numbers() -> list[int]:
            raise ValueError("none")

        @task
        def each(number: int) -> None:
            """Never runs."""

        each.expand(number=numbers())
    finished = run_dag(made)
    told.clear()
    processed(made, finished, failed=True)
    assert "each Failed No upstream states can be mapped over." in told


def test_mapped_instances_that_were_skipped_with_their_upstream_are_told(run_dag: RunDag) -> None:
    told: list[int] = []

    def handler(operator: Any, old: State, new: State) -> None:
        if new.is_skipped():
            told.append(new.context["map_index"])  # type: ignore[index]

    with dag(**state_handlers(handler, of="dag")) as made:

        @task
        def odd(number: int) -> int:
            if number % 2:
                return number
            raise AirflowSkipException

        @task
        def after(number: int) -> None:
            """Runs for odd numbers only."""

        @task_group
        def both(number: int) -> None:
            after(odd(number))  # type: ignore[arg-type]

        both.expand(number=[1, 2, 3, 4])
    finished = run_dag(made)
    told.clear()
    processed(made, finished, failed=False)
    assert told == [1, 3]


def test_a_task_that_ran_and_skipped_itself_is_not_said_to_have_been_skipped_from_upstream(
    run_dag: RunDag,
) -> None:
    handler = Told()
    with dag(**state_handlers(handler, of="dag")) as made:
        first = PythonOperator(task_id="first", python_callable=skips)
        first >> PythonOperator(task_id="second", python_callable=skips, trigger_rule="none_failed")
    assert run_dag(made).tasks == {"first": "skipped", "second": "skipped"}
    assert "Pending -> Skipped" not in handler


def test_states_that_cannot_be_asked_leave_the_rest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("airflow.settings.Session", lambda: boom())
    handler = Told()
    with dag() as made:
        EmptyOperator(task_id="t")
    (observer,) = state_handlers(handler, of="dag")["on_failure_callback"]
    observer({"dag": made, "run_id": "r", "reason": "timed_out"})
    assert handler == ["Scheduled -> Running", "Running -> TimedOut"]
    assert "Could not ask" in caplog.text
