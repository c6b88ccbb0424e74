"""What becomes of a task in Airflow when its handlers decide, and of its retries."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.retry_policy import ExceptionRetryPolicy, RetryAction, RetryRule
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airflow_provider_pipehooks.handlers.state_handlers import (
    Cancelled,
    Failed,
    Paused,
    Pending,
    Retrying,
    Running,
    Skipped,
    State,
    Success,
    TimedOut,
    signals,
)
from tests.dag_runs import Finished
from tests.handlers.state.recorded import Boom, Recorder, boom, fails, fails_times

RunDag = Callable[[DAG], Finished]
one = lambda: 1  # noqa: E731


def raises(error: Exception) -> Callable[[], Any]:
    def body() -> Any:
        raise error

    return body


def when(kind: type[State], then: Any, times: int = 1000) -> Callable[..., Any]:
    """A handler that answers ``then`` for a new state of exactly this kind: returns it, or raises it."""
    left = [times]

    def handler(task: Any, old: State, new: State) -> Any:
        if type(new) is not kind or not left[0]:
            return None
        left[0] -= 1
        if isinstance(then, Exception):
            raise then
        return then() if callable(then) else then

    return handler


def told(rec: Recorder) -> list[str]:
    """``["Pending -> Running", "body", ...]``, without messages."""
    short = []
    for line in rec.lines["t"]:
        words = line.removeprefix("t: ").split(" -> ")
        short.append(" -> ".join(word.split("(")[0] for word in words))
    return short


def run(
    run_dag: RunDag, body: Callable[[], Any], *handlers: Any, **arguments: Any
) -> tuple[Recorder, Finished]:
    rec = Recorder()
    with DAG("decisions", schedule=None) as dag:
        rec.task("t", body, rec.handler("t"), *handlers, **arguments)
    return rec, run_dag(dag)


FIRST = ["Pending -> Running"]
OK = ["Pending -> Running", "body", "Running -> Success"]
BAD = ["Pending -> Running", "body", "Running -> Failed"]
NO = ["Pending -> Running", "body", "Running -> Skipped"]
AGAIN = ["Failed -> Retrying", "Retrying -> Running", "body", "Running -> Failed"]

DECISIONS: dict[str, tuple[Callable[[], Any], Any, int, list[str], str]] = {
    # body, handler, retries, told, end
    "Running->Skipped": (one, when(Running, Skipped("no need")), 2, FIRST, "skipped"),
    "Running->Success": (one, when(Running, Success("done", 7)), 2, FIRST, "success"),
    "Running->Failed is not retried": (one, when(Running, Failed("no")), 2, FIRST, "failed"),
    "Running->TimedOut is not retried": (one, when(Running, TimedOut("no")), 2, FIRST, "failed"),
    "Running->Retrying": (
        one,
        when(Running, Retrying("later"), 1),
        0,
        [*FIRST, "Retrying -> Running", *OK[1:]],
        "success",
    ),
    "Running->Pending is no end": (one, when(Running, Pending()), 2, [*FIRST, "Pending -> Failed"], "failed"),
    "Running->Paused is no end": (one, when(Running, Paused()), 2, [*FIRST, "Paused -> Failed"], "failed"),
    "Success->Failed": (one, when(Success, Failed("bad data")), 0, OK, "failed"),
    "Success->Failed is retried": (
        one,
        when(Success, Failed("bad data"), 1),
        1,
        [*OK, "Failed -> Retrying", "Retrying -> Running", "body", "Running -> Success"],
        "success",
    ),
    "Success->Skipped": (one, when(Success, Skipped("nothing new")), 0, OK, "skipped"),
    "Success->Running is no end": (one, when(Success, Running()), 2, [*OK, "Running -> Failed"], "failed"),
    "Success->Cancelled": (one, when(Success, Cancelled("stop")), 2, OK, "failed"),
    "Failed->Success is not retried": (boom, when(Failed, Success("fine", 5)), 2, BAD, "success"),
    "Failed->Skipped": (boom, when(Failed, Skipped("never mind")), 2, BAD, "skipped"),
    "Failed->Retrying without retries": (
        fails_times(2),
        when(Failed, lambda: Retrying("again")),
        0,
        [*BAD, "Retrying -> Running", *BAD[1:], "Retrying -> Running", *OK[1:]],
        "success",
    ),
    "Failed->Failed is retried": (boom, when(Failed, lambda: Failed("other")), 1, [*BAD, *AGAIN], "failed"),
    "Retrying->Failed cancels the retry": (
        boom,
        when(Retrying, Failed("enough")),
        3,
        [*BAD, "Failed -> Retrying"],
        "failed",
    ),
    "Retrying->Success": (boom, when(Retrying, Success("fine")), 3, [*BAD, "Failed -> Retrying"], "success"),
    "Skipped->Failed is retried": (
        raises(AirflowSkipException("no")),
        when(Skipped, Failed("must run")),
        1,
        [*NO, "Failed -> Retrying", "Retrying -> Running", *NO[1:]],
        "failed",
    ),
    "Skipped->Success": (
        raises(AirflowSkipException("no")),
        when(Skipped, Success("ran", 3)),
        0,
        NO,
        "success",
    ),
    "AirflowFailException is not retried": (
        raises(AirflowFailException("final")),
        None,
        2,
        BAD,
        "failed",
    ),
    "AirflowFailException, Failed->Retrying": (
        raises(AirflowFailException("final")),
        when(Failed, Retrying("still"), 1),
        0,
        [*BAD, "Retrying -> Running", *BAD[1:]],
        "failed",
    ),
    "signal FAIL on Running is not retried": (one, when(Running, signals.FAIL("no")), 2, FIRST, "failed"),
    "signal SUCCESS on Failed": (boom, when(Failed, signals.SUCCESS("fine")), 2, BAD, "success"),
    "signal RETRY on Failed": (
        fails_times(1),
        when(Failed, signals.RETRY("again")),
        0,
        [*BAD, "Retrying -> Running", *OK[1:]],
        "success",
    ),
    "signal RETRY in the body": (
        raises(signals.RETRY("not yet")),
        when(Retrying, Success("enough")),
        0,
        ["Pending -> Running", "body", "Running -> Retrying"],
        "success",
    ),
    "signal ENDRUN": (one, when(Running, signals.ENDRUN(Skipped("end"))), 0, FIRST, "skipped"),
    "signal PAUSE is no end": (
        one,
        when(Running, signals.PAUSE("wait")),
        2,
        [*FIRST, "Paused -> Failed"],
        "failed",
    ),
}


@pytest.mark.parametrize("case", DECISIONS)
def test_decisions(case: str, run_dag: RunDag) -> None:
    body, handler, retries, expected, end = DECISIONS[case]
    rec, finished = run(run_dag, body, *([handler] if handler else []), retries=retries)
    assert (told(rec), finished.tasks["t"]) == (expected, end)


@pytest.mark.parametrize(
    ("body", "state", "value"),
    [(one, Success, 1), (boom, Success("fine", {"a": [1]}), {"a": [1]}), (boom, Success("none"), None)],
    ids=["untouched", "replaced", "replaced by nothing"],
)
def test_the_states_result_is_what_the_task_returns(
    body: Callable[[], Any], state: Any, value: Any, run_dag: RunDag
) -> None:
    handler = when(Failed, state) if isinstance(state, State) else when(Failed, None)
    _, finished = run(run_dag, body, handler)
    assert finished.xcom("t") == value


def test_a_result_edited_in_place_is_what_the_task_returns(run_dag: RunDag) -> None:
    def edit(task: Any, old: State, new: State) -> None:
        if new.is_successful():
            new.result = "edited"

    _, finished = run(run_dag, one, edit)
    assert finished.xcom("t") == "edited"


def test_cancelling_a_retry_tells_on_failure_a_second_time(run_dag: RunDag) -> None:
    rec = Recorder()
    with DAG("cancelled_retry", schedule=None) as dag:
        cancel = when(Retrying, Failed("enough"))
        rec.task("t", boom, cancel, on_failure=rec.callback("on_failure"), retries=2)
    run_dag(dag)
    assert rec.lines["t"][1:] == [
        "on_failure: Failed(\"Error during execution of task: Boom('boom')\") = Boom('boom')",
        "on_failure: Failed('enough')",
    ]


# --- handlers that raise ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raising_on", "body", "expected"),
    [
        (Running, one, [*FIRST, "Failed -> Retrying", "Retrying -> Running", *OK[1:]]),
        (Success, one, [*OK, "Failed -> Retrying", "Retrying -> Running", *OK[1:]]),
        (Failed, fails_times(1), [*BAD, "Failed -> Retrying", "Retrying -> Running", *OK[1:]]),
        (Retrying, fails_times(1), [*BAD, "Failed -> Retrying", "Retrying -> Running", *OK[1:]]),
    ],
    ids=["Running", "Success", "Failed", "Retrying"],
)
def test_a_raising_handler_does_not_cost_the_retries(
    raising_on: type[State], body: Callable[[], Any], expected: list[str], run_dag: RunDag
) -> None:
    rec, finished = run(run_dag, body, when(raising_on, Boom("handler"), 1), retries=1)
    assert (told(rec), finished.tasks["t"]) == (expected, "success")


@pytest.mark.parametrize("raising_on", [Running, Success, Failed, Retrying])
def test_a_raising_handler_that_is_only_logged_changes_nothing(
    raising_on: type[State], run_dag: RunDag, caplog: pytest.LogCaptureFixture
) -> None:
    rec, finished = run(
        run_dag, fails_times(1), when(raising_on, Boom("handler")), retries=1, on_handler_error="log"
    )
    assert told(rec) == [*BAD, "Failed -> Retrying", "Retrying -> Running", *OK[1:]]
    assert finished.tasks["t"] == "success"
    assert "Boom('handler')" in caplog.text


def test_an_always_raising_handler_ends_in_failure_after_all_retries(run_dag: RunDag) -> None:
    def handler(task: Any, old: State, new: State) -> None:
        fails("always")

    rec, finished = run(run_dag, one, handler, retries=2)
    assert finished.tasks["t"] == "failed"
    assert told(rec).count("Failed -> Retrying") == 2
    assert "body" not in told(rec)


def test_the_log_names_the_handler_and_its_error(run_dag: RunDag, caplog: pytest.LogCaptureFixture) -> None:
    def careless(task: Any, old: State, new: State) -> None:
        raise SyntaxError("oops")

    run(run_dag, one, careless)
    (first, *_) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert all(word in first for word in ("careless", "SyntaxError", "oops", "state handler"))


# --- when the next try starts -------------------------------------------------------------------------------


def start_times(run_dag: RunDag, **arguments: Any) -> list[datetime | None]:
    seen: list[datetime | None] = []

    def note(task: Any, old: State, new: State) -> None:
        if isinstance(new, Retrying):
            seen.append(new.start_time)

    run(run_dag, fails_times(1), note, retries=1, **arguments)
    return seen


def test_retrying_knows_when_the_next_try_starts(run_dag: RunDag) -> None:
    before = datetime.now(timezone.utc)
    (start,) = start_times(run_dag, retry_delay=timedelta(seconds=0))
    assert start is not None
    assert before <= start <= datetime.now(timezone.utc)


def test_a_backoff_that_only_the_scheduler_knows_is_not_guessed(run_dag: RunDag) -> None:
    arguments = {"retry_exponential_backoff": 1.5, "max_retry_delay": timedelta(seconds=0)}
    assert start_times(run_dag, retry_delay=timedelta(0), **arguments) == [None]


def test_a_handlers_start_time_is_airflows(run_dag: RunDag) -> None:
    """The task's own delay would be 300 s; the handler's is over at once."""
    now = datetime.now(timezone.utc)
    handler = when(Failed, Retrying("now", start_time=now))
    rec, finished = run(run_dag, fails_times(1), handler, retry_delay=timedelta(seconds=300))
    assert finished.tasks["t"] == "success"
    assert told(rec) == [*BAD, "Retrying -> Running", *OK[1:]]


def test_a_retry_policy_that_says_no_is_told_as_no_retry(run_dag: RunDag) -> None:
    policy = ExceptionRetryPolicy([RetryRule(exception=Boom, action=RetryAction.FAIL)])
    rec, finished = run(run_dag, boom, retries=2, retry_policy=policy)
    assert (told(rec), finished.tasks["t"]) == (BAD, "failed")


def test_a_handler_overrules_the_retry_policy(run_dag: RunDag) -> None:
    policy = ExceptionRetryPolicy([RetryRule(exception=Boom, action=RetryAction.FAIL)])
    again = when(Failed, Retrying("again"), 1)
    rec, _ = run(run_dag, boom, again, retries=2, retry_policy=policy)
    assert told(rec) == [*BAD, "Retrying -> Running", *BAD[1:]]
