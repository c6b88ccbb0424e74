"""Deciding handlers on all kinds of operators, and at the edges of what an operator's ``execute`` sees."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.standard.operators.python import BranchPythonOperator, PythonOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.providers.standard.sensors.python import PythonSensor
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator, task
from airflow.sdk.exceptions import AirflowFailException
from airflow.serialization.serialized_objects import DagSerialization

from airflow_provider_pipehooks.handlers.state.stateful import StatefulOperator
from airflow_provider_pipehooks.handlers.state_handlers import (
    Deferred,
    Failed,
    Skipped,
    State,
    Success,
    callback_factory,
    stateful,
)
from airflow_provider_pipehooks.operators.dbt_cloud import DbtCloudRunJobOperator
from airflow_provider_pipehooks.sensors.dbt_cloud import DbtCloudJobRunSensor
from airflow_provider_pipehooks.standin import Plan, StandIn
from tests.dag_runs import Finished
from tests.handlers.state.recorded import Boom, boom

RunDag = Callable[[DAG], Finished]


class Told(list[str]):
    """A handler that keeps ``"Old -> New"``.

    :param answers: what it returns, by the name of the new state.
    """

    def __init__(self, **answers: Any) -> None:
        super().__init__()
        self.answers = answers
        self.last: State | None = None

    def __call__(self, task: Any, old: State, new: State) -> Any:
        self.append(f"{type(old).__name__} -> {type(new).__name__}")
        self.last = new
        return self.answers.get(type(new).__name__)


OK = ["Pending -> Running", "Running -> Success"]
BAD = ["Pending -> Running", "Running -> Failed"]
WAITED = ["Pending -> Running", "Running -> Deferred", "Deferred -> Running"]


def dag(**arguments: Any) -> DAG:
    return DAG("operators", schedule=None, **arguments)


# --- deferral ---------------------------------------------------------------------------------------------


class Waits(BaseOperator):
    """Defers, and goes on in a method of its own."""

    def __init__(self, *, ends: Callable[[], Any] = lambda: "waited", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ends = ends

    def execute(self, context: Any) -> Any:
        self.defer(trigger=TimeDeltaTrigger(timedelta(0)), method_name="go_on")

    def go_on(self, context: Any, event: Any = None) -> Any:
        return self.ends()


@pytest.mark.parametrize(
    ("ends", "answers", "told", "end", "xcom"),
    [
        (lambda: "waited", {}, [*WAITED, "Running -> Success"], "success", "waited"),
        (boom, {}, [*WAITED, "Running -> Failed"], "failed", None),
        (boom, {"Failed": Success("fine", 3)}, [*WAITED, "Running -> Failed"], "success", 3),
        (boom, {"Deferred": Success("no wait", 4)}, WAITED[:2], "success", 4),
        (boom, {"Deferred": Skipped("no wait")}, WAITED[:2], "skipped", None),
        (boom, {"Deferred": Failed("no wait")}, WAITED[:2], "failed", None),
        (lambda: 1, {"Deferred": Deferred("wait")}, [*WAITED, "Running -> Success"], "success", 1),
    ],
    ids=["success", "failure", "Failed->Success", "Deferred->Success", "->Skipped", "->Failed", "->Deferred"],
)
def test_deferral_and_resume_are_transitions(
    ends: Any, answers: dict[str, Any], told: list[str], end: str, xcom: Any, run_dag: RunDag
) -> None:
    handler = Told(**answers)
    with dag() as made:
        stateful(Waits)(task_id="t", ends=ends, state_handlers=[handler])
    finished = run_dag(made)
    assert (handler, finished.tasks["t"], finished.xcom("t")) == (told, end, xcom)


def test_a_handler_may_end_a_task_where_it_would_resume(run_dag: RunDag) -> None:
    def handler(task: Any, old: State, new: State) -> Any:
        return Skipped("nobody needs it any more") if isinstance(old, Deferred) else None

    with dag() as made:
        stateful(Waits)(task_id="t", ends=boom, state_handlers=[handler])
    assert run_dag(made).tasks == {"t": "skipped"}


def test_a_sensor_that_reschedules_itself_tells_each_poke(run_dag: RunDag) -> None:
    handler, pokes = Told(), [0]

    def poke() -> bool:
        pokes[0] += 1
        return pokes[0] > 1

    with dag() as made:
        stateful(PythonSensor)(
            task_id="t", python_callable=poke, mode="reschedule", poke_interval=0, state_handlers=[handler]
        )
    assert run_dag(made).tasks == {"t": "success"}
    assert handler == [
        "Pending -> Running",
        "Running -> Scheduled",
        "Scheduled -> Running",
        "Running -> Success",
    ]


def test_a_sensor_that_waits_too_long_is_timed_out_and_not_retried(run_dag: RunDag) -> None:
    handler = Told()
    with dag() as made:
        stateful(PythonSensor)(
            task_id="t",
            python_callable=lambda: False,
            timeout=0.01,
            poke_interval=0.01,
            retries=2,
            state_handlers=[handler],
        )
    assert run_dag(made).tasks == {"t": "failed"}
    assert handler == ["Pending -> Running", "Running -> TimedOut"]


# --- ends that are not a plain return or failure ----------------------------------------------------------


def test_a_branch_still_skips_what_it_does_not_take(run_dag: RunDag) -> None:
    handler = Told()
    with dag() as made:
        choose = stateful(BranchPythonOperator)(
            task_id="choose", python_callable=lambda: "a", state_handlers=[handler]
        )
        choose >> [PythonOperator(task_id=name, python_callable=lambda: 1) for name in "ab"]
    assert run_dag(made).tasks == {"choose": "success", "a": "success", "b": "skipped"}
    assert handler == OK


def test_a_triggered_dag_run_is_told_when_the_task_runner_is_done_with_it(run_dag: RunDag) -> None:
    """``execute`` only asks for it: the success comes after, from Airflow's callback."""
    handler = Told()
    with dag() as made:
        stateful(TriggerDagRunOperator)(
            task_id="t", trigger_dag_id="operators", trigger_run_id="other", state_handlers=[handler]
        )
    assert run_dag(made).tasks == {"t": "success"}
    assert handler == OK


class CleansUp(BaseOperator):
    """Takes too long; ``on_kill`` is where it would cancel what it started."""

    killed: list[str] = []  # noqa: RUF012 (one for all copies, on purpose)

    def execute(self, context: Any) -> None:
        time.sleep(30)

    def on_kill(self) -> None:
        self.killed.append(self.task_id)


@pytest.mark.parametrize(
    ("answers", "retries", "end"),
    [
        ({}, 0, "failed"),
        ({"TimedOut": Success("good enough")}, 0, "success"),
        ({"Retrying": Failed()}, 1, "failed"),
    ],
    ids=["kept", "swallowed", "retry cancelled"],
)
def test_a_timeout_cleans_up_once_whatever_handlers_make_of_it(
    answers: dict[str, Any], retries: int, end: str, run_dag: RunDag
) -> None:
    CleansUp.killed.clear()
    handler = Told(**answers)
    with dag() as made:
        stateful(CleansUp)(
            task_id="t",
            execution_timeout=timedelta(seconds=1),
            retries=retries,
            retry_delay=timedelta(0),
            state_handlers=[handler],
        )
    assert run_dag(made).tasks == {"t": end}
    assert handler[:2] == ["Pending -> Running", "Running -> TimedOut"]
    assert CleansUp.killed == ["t"]


def test_a_kill_is_told_and_cannot_be_changed(run_dag: RunDag) -> None:
    """The task runner calls ``on_kill`` on SIGTERM, in the middle of the body."""
    CleansUp.killed.clear()
    handler = Told(Cancelling=Success("no"), Cancelled=Success("no"))

    class Killed(CleansUp):
        def execute(self, context: Any) -> None:
            self.on_kill()
            raise Boom("what the kill does to the body")

    with dag() as made:
        stateful(Killed)(task_id="t", state_handlers=[handler], retries=0)
    assert run_dag(made).tasks == {"t": "failed"}
    assert handler == ["Pending -> Running", "Running -> Cancelling", "Cancelling -> Cancelled"]
    assert CleansUp.killed == ["t"]


# --- outside of execute -----------------------------------------------------------------------------------


class Templated(BaseOperator):
    template_fields = ("text",)

    def __init__(self, *, text: str = "", after: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.text = text
        self.after = after

    def execute(self, context: Any) -> str:
        return self.text

    def post_execute(self, context: Any, result: Any = None) -> None:
        if self.after:
            raise self.after


def test_templates_are_rendered_before_handlers_are_told(run_dag: RunDag) -> None:
    seen: list[str] = []
    with dag() as made:
        stateful(Templated)(
            task_id="t",
            text="{{ ti.task_id }}!",
            state_handlers=[lambda task, old, new: seen.append(task.text)],
        )
    assert run_dag(made).xcom("t") == "t!"
    assert seen == ["t!", "t!"]


def test_a_template_that_does_not_render_is_told_as_it_is(run_dag: RunDag) -> None:
    """It fails before the task runs: ``Pending -> Failed``, told by Airflow's callback."""
    handler, failed = Told(), Told()
    with dag() as made:
        stateful(Templated)(
            task_id="t",
            text="{{ nothing.here }}",
            state_handlers=[handler],
            on_failure=lambda task, state: failed.append(str(state)),
        )
    assert run_dag(made).tasks == {"t": "failed"}
    assert handler == ["Pending -> Failed"]
    assert len(failed) == 1


def test_a_failure_after_the_body_is_told_after_its_success(run_dag: RunDag) -> None:
    handler = Told()
    with dag() as made:
        stateful(Templated)(task_id="t", after=Boom("late"), state_handlers=[handler])
    assert run_dag(made).tasks == {"t": "failed"}
    assert handler == [*OK, "Success -> Failed"]


def test_airflows_own_callbacks_stay_and_come_first(run_dag: RunDag) -> None:
    called: list[str] = []
    with dag(
        default_args={"on_failure_callback": lambda context: called.append("from default_args")}
    ) as made:
        stateful(PythonOperator)(
            task_id="t",
            python_callable=boom,
            on_success_callback=lambda context: called.append("never"),
            state_handlers=[Told()],
        )
    run_dag(made)
    assert called == ["from default_args"]


@pytest.mark.parametrize(
    ("answers", "retries", "error"),
    [({}, 0, Boom), ({}, 1, Boom), ({"Failed": Failed("other")}, 0, AirflowFailException)],
    ids=["untouched", "untouched, retried", "replaced"],
)
def test_airflow_sees_the_bodys_own_error_unless_handlers_replace_it(
    answers: dict[str, Any], retries: int, error: type[Exception], run_dag: RunDag
) -> None:
    seen: list[Any] = []
    with dag() as made:
        stateful(PythonOperator)(
            task_id="t",
            python_callable=boom,
            retries=retries,
            retry_delay=timedelta(0),
            on_failure_callback=lambda context: seen.append(context["exception"]),
            on_retry_callback=lambda context: seen.append(context["exception"]),
            state_handlers=[Told(**answers)],
        )
    run_dag(made)
    assert [type(one) for one in seen] == [error] * (retries + 1)


# --- subclasses, decorators, mapping ----------------------------------------------------------------------


class Twice(Waits):
    def execute(self, context: Any) -> Any:
        return self.go_on(context)


class Between(stateful(Twice)):  # type: ignore[misc]
    """A user's subclass, which calls up from its own ``execute``."""

    def execute(self, context: Any) -> Any:
        return [super().execute(context)]


def test_a_subclass_of_a_stateful_operator_has_one_attempt_around_all_of_it(run_dag: RunDag) -> None:
    handler = Told()
    with dag() as made:
        Between(task_id="t", state_handlers=[handler])
    assert run_dag(made).xcom("t") == ["waited"]
    assert handler == OK
    assert handler.last is not None
    assert handler.last.result == ["waited"]


def test_default_args_give_handlers_to_stateful_operators(run_dag: RunDag) -> None:
    handler = Told()
    with dag(default_args={"state_handlers": [handler]}) as made:
        stateful(PythonOperator)(task_id="t", python_callable=lambda: 1)
        PythonOperator(task_id="other", python_callable=lambda: 1)
    run_dag(made)
    assert handler == OK


def test_a_task_function_decides_too(run_dag: RunDag) -> None:
    handler = Told(Failed=Success("forgiven", 7))
    with dag() as made:

        @stateful(state_handlers=[handler])
        @task(retries=2)
        def t(x: int) -> float:
            return 1 / x

        @task
        def after(x: float) -> float:
            return x + 1

        after(t(0))
    finished = run_dag(made)
    assert finished.xcom("after") == 8
    assert handler == BAD


@pytest.mark.parametrize("taskflow", [False, True], ids=["operator", "@task"])
def test_mapped_instances_decide_for_themselves(taskflow: bool, run_dag: RunDag) -> None:
    seen: list[tuple[int, str]] = []

    def handler(operator: Any, old: State, new: State) -> Any:
        assert new.context is not None
        seen.append((new.context["ti"].map_index, type(new).__name__))
        return Success("forgiven", -1) if new.is_failed() else None

    def inverse(x: int) -> float:
        return 6 / x

    with dag() as made:
        if taskflow:
            stateful(state_handlers=[handler])(task(task_id="t")(inverse)).expand(x=[1, 0])
        else:
            mapped = stateful(PythonOperator).partial(
                task_id="t", python_callable=inverse, state_handlers=[handler]
            )
            mapped.expand(op_args=[[1], [0]])
    finished = run_dag(made)
    assert finished.tasks == {"t[0]": "success", "t[1]": "success"}
    assert finished.xcom("t", map_index=1) == -1
    assert sorted(seen) == [(0, "Running"), (0, "Success"), (1, "Failed"), (1, "Running")]


# --- what Airflow stores of such an operator --------------------------------------------------------------


class NotCopied:
    """A handler that can be neither copied nor pickled."""

    def __call__(self, task: Any, old: State, new: State) -> None:
        pass

    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("cannot be copied")

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError("cannot be pickled")


def serialized(make: Callable[[], Any]) -> str:
    with dag() as made:
        make()
    return json.dumps(DagSerialization.serialize_dag(made)["tasks"], default=str, sort_keys=True)


MADE: dict[str, Callable[[Any], Any]] = {
    "operator": lambda handler: stateful(PythonOperator)(
        task_id="t", python_callable=boom, state_handlers=[handler]
    ),
    "mapped": lambda handler: (
        stateful(PythonOperator)
        .partial(task_id="t", python_callable=boom, state_handlers=[handler], on_failure=boom2)
        .expand(op_args=[[1]])
    ),
    "@task": lambda handler: stateful(state_handlers=[handler])(task(boom))(),
}


def boom2(task: Any, state: State) -> None:
    pass


@pytest.mark.parametrize("made", MADE)
@pytest.mark.parametrize(
    "handler",
    [lambda: lambda task, old, new: None, NotCopied, lambda: callback_factory(boom2, bool)],
    ids=["function", "uncopyable", "callback_factory"],
)
def test_the_serialized_dag_is_the_same_at_every_parse(made: str, handler: Callable[[], Any]) -> None:
    """Another one would be a new version of the DAG, at every parse."""
    first, second = (serialized(lambda: MADE[made](handler())) for _ in range(2))
    assert first == second
    assert " at 0x" not in first


def test_a_stateful_operator_shows_its_own_name(run_dag: RunDag) -> None:
    made = stateful(PythonOperator)
    assert made is stateful(PythonOperator)
    assert made is not PythonOperator
    assert issubclass(made, PythonOperator)
    operator = made(task_id="t", python_callable=boom)
    assert (operator.task_type, operator.operator_name) == ("PythonOperator", "PythonOperator")
    assert operator.template_fields == PythonOperator.template_fields
    shown = json.loads(serialized(lambda: made(task_id="t", python_callable=boom)))[0]["__var"]
    assert (shown["task_type"], shown["_task_module"]) == (
        "PythonOperator",
        "airflow.providers.standard.operators.python",
    )


def test_operators_are_copied_with_handlers_that_cannot_be(run_dag: RunDag) -> None:
    with dag() as made:
        operator = stateful(PythonOperator)(task_id="t", python_callable=boom, state_handlers=[NotCopied()])
    for copied in (copy.copy(operator), copy.deepcopy(operator), copy.deepcopy(made).get_task("t")):
        assert vars(copied)["_handlers"] is vars(operator)["_handlers"]


@pytest.mark.parametrize("operator", [PythonOperator, BaseSensorOperator, DbtCloudRunJobOperator])
def test_stateful_of_stateful_is_itself(operator: type[BaseOperator]) -> None:
    assert stateful(stateful(operator)) is stateful(operator)
    assert issubclass(stateful(operator), StatefulOperator)


@pytest.mark.parametrize("wrong", [boom, 3, "PythonOperator"], ids=["function", "number", "text"])
def test_stateful_of_something_else_says_where_it_belongs(wrong: Any) -> None:
    with pytest.raises(TypeError, match="above @task"):
        stateful(wrong)


def test_options_of_an_operator_are_given_to_the_operator() -> None:
    with pytest.raises(TypeError, match=r"stateful\(PythonOperator\)"):
        stateful(PythonOperator, state_handlers=[])


# --- our own operators and sensors ------------------------------------------------------------------------


@pytest.mark.usefixtures("connections")
@pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])
@pytest.mark.parametrize(("outcome", "end"), [("success", "success"), ("error", "skipped")])
def test_our_operators_and_sensors_take_handlers(
    outcome: str, end: str, deferrable: bool, run_dag: RunDag, standin: StandIn
) -> None:
    starts, waits = Told(Failed=Skipped("not today")), Told(Failed=Skipped("not today"))
    job_id = standin.dbt_cloud.add_job("nightly", plan=Plan(outcome=outcome, polls=1))
    with dag() as made:
        DbtCloudRunJobOperator(
            task_id="start",
            job_id=job_id,
            check_interval=0.01,
            deferrable=deferrable,
            state_handlers=[starts],
        )
    finished = run_dag(made)
    assert finished.tasks == {"start": end}
    waited = WAITED if deferrable else WAITED[:1]
    assert starts == [*waited, "Running -> Success" if outcome == "success" else "Running -> Failed"]
    run_id = finished.xcom("start", key="run")["run_id"]
    with dag() as made:
        DbtCloudJobRunSensor(task_id="wait", run_id=run_id, poke_interval=0.01, state_handlers=[waits])
    assert run_dag(made).tasks == {"wait": end}
    assert waits[0] == "Pending -> Running"
