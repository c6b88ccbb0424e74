"""A statement of Databricks SQL: executed once, waited for, cancelled; by operator and by sensor."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSensorTimeout

from airflow_provider_pipehooks.core.errors import (
    ConfigurationError,
    RemoteCallError,
    RunCancelled,
    RunFailed,
    WaitTimedOut,
)
from airflow_provider_pipehooks.operators.databricks_jobs import DatabricksSQLStatementsOperator
from airflow_provider_pipehooks.sensors.databricks_jobs import DatabricksSQLStatementsSensor
from airflow_provider_pipehooks.services.databricks_sql import MARK
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from tests.task_context import Try, crashed_before_the_answer, run

pytestmark = pytest.mark.usefixtures("connections")
both = pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])
NEEDED: dict[str, Any] = {"task_id": "t", "warehouse_id": "w", "databricks_retry_delay": 0.001}


def execute(**given: Any) -> DatabricksSQLStatementsOperator:
    return DatabricksSQLStatementsOperator(
        **{**NEEDED, "statement": "SELECT 1", "polling_period_seconds": 0.01, **given}
    )


def sense(**given: Any) -> DatabricksSQLStatementsSensor:
    return DatabricksSQLStatementsSensor(**{**NEEDED, "poke_interval": 0.01, **given})


kinds = pytest.mark.parametrize(
    "make", [execute, lambda **given: sense(statement="SELECT 1", **given)], ids=["operator", "sensor"]
)


def plan(standin: StandIn, *plans: Plan) -> None:
    standin.databricks_sql.plans = list(plans)


def states(standin: StandIn) -> list[str]:
    return [each.state for each in standin.databricks_sql.statements.values()]


@both
@kinds
def test_a_statement_is_executed_once_and_its_id_pushed(
    make: Any, deferrable: bool, standin: StandIn
) -> None:
    plan(standin, Plan(polls=3))
    context = Try()
    run(make(deferrable=deferrable, query_tags={"team": "a", "none": None}), context)
    (statement,) = standin.databricks_sql.statements.values()
    assert context.pushed["statement_id"] == context.pushed["run"]["run_id"] == statement.statement_id
    assert statement.state == "SUCCEEDED"
    tags = {tag["key"]: tag["value"] for tag in statement.body["query_tags"]}
    assert tags.pop(MARK).startswith("pipehooks:")
    assert tags == {
        "airflow_dag_id": "dag",
        "airflow_task_id": "t",
        "airflow_run_id": "manual",
        "airflow_try_number": "1",
        "airflow_map_index": "-1",
        "team": "a",
    }


@both
@kinds
def test_a_statement_that_failed_says_why(make: Any, deferrable: bool, standin: StandIn) -> None:
    plan(standin, Plan(outcome="failed", polls=2, message="[DIVIDE_BY_ZERO] Division by zero."))
    context = Try()
    with pytest.raises(RunFailed, match=r"BAD_REQUEST: \[DIVIDE_BY_ZERO\]"):
        run(make(deferrable=deferrable), context)
    assert context.pushed["run"]["kind"] == "user"


@pytest.mark.parametrize(
    ("code", "kind"),
    [("INTERNAL_ERROR", "platform"), ("RESOURCE_EXHAUSTED", "quota"), ("DEADLINE_EXCEEDED", "timeout")],
)
def test_who_has_to_act_is_told_by_the_code(code: str, kind: str, standin: StandIn) -> None:
    plan(standin, Plan(outcome="failed", details={"error_code": code}))
    context = Try()
    with pytest.raises(Exception, match=code):
        run(execute(), context)
    assert context.pushed["run"]["kind"] == kind


@both
def test_a_statement_that_somebody_cancelled_is_no_failure_of_it(deferrable: bool, standin: StandIn) -> None:
    plan(standin, Plan(outcome="cancelled", polls=1))
    with pytest.raises(RunCancelled):
        run(execute(deferrable=deferrable), Try())


def test_a_closed_statement_has_succeeded(standin: StandIn) -> None:
    """By the API's own words; the official operator fails there."""
    plan(standin, Plan(outcome="closed"))
    run(execute(), Try())
    assert states(standin) == ["CLOSED"]


@both
def test_the_end_of_the_wait_cancels_the_statement(deferrable: bool, standin: StandIn) -> None:
    plan(standin, Plan(hold=True))
    with pytest.raises(WaitTimedOut):
        run(execute(timeout=0.05, deferrable=deferrable), Try())
    assert states(standin) == ["CANCELED"]


@pytest.mark.parametrize(("on_cancel", "state"), [("cancel", "CANCELED"), ("keep", "PENDING")])
def test_a_kill_cancels_the_statement_unless_it_is_to_be_kept(
    on_cancel: Any, state: str, standin: StandIn
) -> None:
    plan(standin, Plan(hold=True))
    operator, context = execute(on_cancel=on_cancel, wait_for_termination=False), Try()
    run(operator, context)
    context.state = "failed"
    operator.on_kill()
    assert states(standin) == [state]


# --- once ---------------------------------------------------------------------------------------------------


@kinds
@pytest.mark.parametrize("answered", [True, False], ids=["id stored", "no id stored"])
def test_after_a_crash_the_next_try_joins_the_statement(make: Any, answered: bool, standin: StandIn) -> None:
    plan(standin, Plan(hold=True))
    context = Try()
    run(make(wait_for_termination=False), context)
    if not answered:
        crashed_before_the_answer(context.store)
    (statement_id,) = standin.databricks_sql.statements
    standin.databricks_sql.set_plan(statement_id, Plan())
    run(make(), context.next())
    assert states(standin) == ["SUCCEEDED"]


@kinds
@pytest.mark.parametrize(
    "how",
    [{"reset": "after"}, {"status": 503, "after_accept": True}, {"body": "truncated"}],
    ids=["lost", "503", "truncated"],
)
def test_a_start_whose_answer_was_lost_is_found_by_its_mark(make: Any, how: Any, standin: StandIn) -> None:
    standin.faults.add(Fault(path="sql/statements$", method="POST", times=1, **how))
    run(make(), Try())
    assert len(standin.databricks_sql.statements) == 1


def test_a_start_that_did_not_arrive_is_sent_again(standin: StandIn) -> None:
    standin.faults.add(Fault(path="sql/statements$", method="POST", times=1, reset="before"))
    run(execute(), Try())
    assert len(standin.databricks_sql.statements) == 1


def test_where_the_history_cannot_be_read_nothing_is_sent_again(standin: StandIn) -> None:
    standin.faults.add(Fault(path="sql/statements$", method="POST", times=1, reset="after"))
    standin.faults.add(Fault(path="sql/history", status=403))
    with pytest.raises(RemoteCallError, match="sql/history"):
        run(execute(), Try())
    assert len(standin.databricks_sql.statements) == 1


@kinds
def test_a_statement_that_is_forgotten_by_its_id_is_not_executed_again(make: Any, standin: StandIn) -> None:
    context = Try()
    run(make(), context)
    (statement_id,) = standin.databricks_sql.statements
    standin.databricks_sql.expire(statement_id)
    if make is execute:
        run(make(), context.next())
    assert len(standin.databricks_sql.statements) == 1


@kinds
def test_after_a_failure_a_retry_executes_it_again(make: Any, standin: StandIn) -> None:
    plan(standin, Plan(outcome="failed"), Plan())
    context = Try()
    with pytest.raises(RunFailed):
        run(make(), context)
    run(make(), context.next())
    assert states(standin) == ["FAILED", "SUCCEEDED"]


@kinds
def test_after_a_clear_the_statement_that_goes_on_is_cancelled_first(make: Any, standin: StandIn) -> None:
    plan(standin, Plan(hold=True), Plan())
    context = Try()
    run(make(wait_for_termination=False), context)
    run(make(), context.next(cleared=4))
    assert states(standin) == ["CANCELED", "SUCCEEDED"]


# --- the sensor ---------------------------------------------------------------------------------------------


@both
def test_a_statement_of_somebody_else_is_waited_for(deferrable: bool, standin: StandIn) -> None:
    plan(standin, Plan(polls=4))
    context = Try()
    run(execute(wait_for_termination=False), context)
    (statement_id,) = standin.databricks_sql.statements
    run(sense(statement_id=statement_id, deferrable=deferrable), Try())
    assert states(standin) == ["SUCCEEDED"]


@pytest.mark.parametrize("statement_id", ["../../jobs/list?x=", "<script>", "no\0such"])
def test_an_id_of_nothing_stays_in_its_place(statement_id: str, standin: StandIn) -> None:
    with pytest.raises(AirflowSensorTimeout):
        run(sense(statement_id=statement_id, timeout=0.05), Try())
    assert all(entry.path.startswith("/api/2.0/sql/statements/") for entry in standin.journal.find())


# --- hostile answers and wrong arguments --------------------------------------------------------------------


@pytest.mark.parametrize("body", ["garbage", "empty", "html", "truncated"])
@both
def test_garbage_while_waiting_is_waited_through(deferrable: bool, body: str, standin: StandIn) -> None:
    plan(standin, Plan(polls=2))
    standin.faults.add(Fault(path="sql/statements/", method="GET", times=1, body=body))
    run(execute(deferrable=deferrable), Try())
    assert states(standin) == ["SUCCEEDED"]


def test_an_unknown_state_is_not_the_end(standin: StandIn) -> None:
    plan(standin, Plan(states=("PENDING", "HIBERNATING", "SUCCEEDED"), polls=4))
    run(execute(), Try())
    assert states(standin) == ["SUCCEEDED"]


@pytest.mark.parametrize(
    ("make", "given", "says"),
    [
        (execute, {"warehouse_id": " "}, "warehouse_id of task 't'"),
        (execute, {"statement": ["SELECT 1"]}, "statement of task 't'"),
        (execute, {"parameters": {"a": 1}}, "parameters of task 't'"),
        (execute, {"query_tags": ["a"]}, "query_tags of task 't'"),
        (execute, {"timeout": "soon"}, "timeout of task 't'"),
        (sense, {}, "give statement or statement_id"),
        (sense, {"statement": "SELECT 1", "statement_id": "x"}, "not both"),
    ],
)
def test_a_wrong_literal_is_refused_when_the_dag_is_parsed(make: Any, given: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        make(**given)
