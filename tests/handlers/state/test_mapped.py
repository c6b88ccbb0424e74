"""Handlers of mapped and decorated tasks: checked when they are written, stored nowhere, shipped nowhere."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import BranchPythonOperator, PythonOperator
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.serialization.serialized_objects import DagSerialization

from airflow_provider_pipehooks.handlers.state.given import Handed
from airflow_provider_pipehooks.handlers.state_handlers import (
    Retrying,
    State,
    Success,
    state_handlers,
    stateful,
)
from airflow_provider_pipehooks.operators.dbt_cloud import DbtCloudRunJobOperator
from tests.dag_runs import Finished

RunDag = Callable[[DAG], Finished]
TOLD: list[str] = []


def tells(operator: Any, old: State, new: State) -> None:
    TOLD.append(f"{operator.task_id} {type(new).__name__}")


def takes_too_little(operator: Any) -> None:
    """Is no handler."""


async def never_runs(operator: Any, old: State, new: State) -> None:
    """Is no handler."""


@pytest.fixture(autouse=True)
def nothing_told() -> None:
    TOLD.clear()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"state_handlers": [takes_too_little]}, TypeError),
        ({"state_handlers": [never_runs]}, TypeError),
        ({"state_handlers": tells}, TypeError),
        ({"on_failure": takes_too_little, "state_handlers": [tells]}, TypeError),
        ({"state_handlers": [tells], "on_handler_error": "shrug"}, ValueError),
    ],
)
@pytest.mark.parametrize("kind", [stateful(PythonOperator), DbtCloudRunJobOperator])
def test_a_wrong_handler_of_a_mapped_operator_ends_the_parsing(
    kind: Any, given: dict[str, Any], error: type[Exception]
) -> None:
    with DAG("d", schedule=None), pytest.raises(error):
        kind.partial(task_id="t", **given)


def test_a_wrong_handler_of_a_decorated_task_ends_the_parsing() -> None:
    with pytest.raises(TypeError, match="must take"):

        @stateful(state_handlers=[takes_too_little])
        @task
        def t() -> None:
            """Is never made."""


def test_a_second_stateful_is_refused_since_it_would_replace_the_first() -> None:
    with pytest.raises(TypeError, match="has state handlers already"):

        @stateful(state_handlers=[tells])
        @stateful(state_handlers=[tells])
        @task
        def t() -> None:
            """Is never made."""


def mapped() -> DAG:
    with DAG("mapped", schedule=None, **state_handlers(tells, of="dag")) as made:

        @stateful(state_handlers=[tells])
        @task
        def each(number: int) -> int:
            return number

        each.expand(number=[1, 2])
        operator = stateful(PythonOperator).partial(
            task_id="operator", python_callable=lambda number: number, state_handlers=[tells]
        )
        operator.expand(op_args=[[1], [2]])
    return made


def test_handlers_of_mapped_tasks_are_told_and_the_flows_are_too(run_dag: RunDag) -> None:
    assert run_dag(mapped()).state == "success"
    assert sorted(TOLD[:8]) == [
        *["each Running"] * 2,
        *["each Success"] * 2,
        *["operator Running"] * 2,
        *["operator Success"] * 2,
    ]


def test_no_source_of_a_handler_is_stored_with_the_dag() -> None:
    stored = json.dumps(DagSerialization.to_dict(mapped()))
    assert "TOLD.append" not in stored
    assert "state handlers tells" in stored


def test_what_is_handed_on_is_the_handlers() -> None:
    assert list(Handed([tells])) == [tells]
    assert Handed([tells])[0] is tells


@pytest.mark.parametrize("decorator", [task.virtualenv, task.external_python], ids=["virtualenv", "external"])
def test_only_the_function_is_shipped_to_another_python(decorator: Any) -> None:
    with DAG("d", schedule=None):

        @stateful(state_handlers=[tells])
        @decorator(**({"python": "/usr/bin/python3"} if decorator is task.external_python else {}))
        def shipped() -> int:
            return 3

        output = shipped()
    source = output.operator.get_python_source()
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    assert (function.name, function.decorator_list) == ("shipped", [])


# --- Airflow's own exceptions from a handler ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "ends", "tries"),
    [(AirflowSkipException("no"), "skipped", 1), (AirflowFailException("no"), "failed", 1)],
    ids=["skip", "fail"],
)
def test_airflows_exceptions_from_a_handler_mean_what_they_mean_in_a_task(
    error: Exception, ends: str, tries: int, run_dag: RunDag
) -> None:
    def decides(operator: Any, old: State, new: State) -> None:
        if new.is_successful():
            raise error

    with DAG("said", schedule=None, default_args={"retries": 2, "retry_delay": 0}) as made:
        stateful(EmptyOperator)(task_id="t", state_handlers=[decides])
    done = run_dag(made)
    (ti,) = done.dag_run.get_task_instances()
    assert (done.tasks["t"], ti.try_number) == (ends, tries)


def test_garbage_is_logged_too_where_errors_of_handlers_are(
    run_dag: RunDag, caplog: pytest.LogCaptureFixture
) -> None:
    with DAG("garbage", schedule=None) as made:
        stateful(EmptyOperator)(
            task_id="t", state_handlers=[lambda operator, old, new: "fine", tells], on_handler_error="log"
        )
    assert run_dag(made).tasks == {"t": "success"}
    assert TOLD == ["t Running", "t Success"]
    assert "returned 'fine', not a State or None" in caplog.text


def test_the_callbacks_of_a_dag_given_to_tasks_say_so_and_tell_nothing(
    run_dag: RunDag, caplog: pytest.LogCaptureFixture
) -> None:
    with DAG("misplaced", schedule=None, default_args=state_handlers(tells, of="dag")) as made:
        EmptyOperator(task_id="t")
    assert run_dag(made).tasks == {"t": "success"}
    assert TOLD == []
    assert "is for DAG(...), not for a task" in caplog.text


def forgives(operator: Any, old: State, new: State) -> Any:
    return Success("forgiven") if new.is_failed() else None


def test_a_branch_that_is_forgiven_goes_all_its_ways(run_dag: RunDag) -> None:
    def breaks() -> str:
        raise ValueError("no way")

    with DAG("forgiven", schedule=None) as made:
        branch = stateful(BranchPythonOperator)(
            task_id="branch", python_callable=breaks, state_handlers=[forgives]
        )
        branch >> [EmptyOperator(task_id="left"), EmptyOperator(task_id="right")]
    assert run_dag(made).tasks == {"branch": "success", "left": "success", "right": "success"}


def test_a_template_that_fails_cannot_be_forgiven(run_dag: RunDag) -> None:
    with DAG("unforgiven", schedule=None) as made:
        stateful(PythonOperator)(
            task_id="t",
            python_callable=lambda: 1,
            op_args=["{{ nothing.like_this.at_all }}"],
            state_handlers=[tells, forgives],
        )
    assert run_dag(made).tasks == {"t": "failed"}
    assert TOLD == ["t Failed"]


def test_the_message_of_a_returned_retrying_is_not_the_next_trys(run_dag: RunDag) -> None:
    seen: list[str | None] = []

    def asks_for_more(operator: Any, old: State, new: State) -> Any:
        seen.append(old.message)
        return Retrying("because I say so") if new.is_failed() else None

    def once() -> None:
        if not seen[1:]:
            raise ValueError("no")

    with DAG("again", schedule=None, default_args={"retry_delay": timedelta(0)}) as made:
        stateful(PythonOperator)(task_id="t", python_callable=once, retries=1, state_handlers=[asks_for_more])
    assert run_dag(made).tasks == {"t": "success"}
    assert "because I say so" not in seen
