"""Errors are decisions: which class for which end, what the text tells, and that they travel whole."""

from __future__ import annotations

import copy
import pickle

import pytest
from airflow.sdk.exceptions import AirflowException
from hypothesis import given

from airflow_provider_pipehooks.core import errors
from airflow_provider_pipehooks.core.errors import (
    SHOWN_FAILURES,
    AccessDenied,
    ConfigurationError,
    NotFound,
    PipehooksError,
    RemoteCallError,
    RunCancelled,
    RunEnded,
    RunFailed,
    RunTimedOut,
    WaitTimedOut,
    error_for,
    explain,
)
from airflow_provider_pipehooks.core.run import Failure, FailureKind, Run
from airflow_provider_pipehooks.core.run_state import RunState
from tests.core.anything import a_run, bounded, runs

# state, kind -> class
ENDS: list[tuple[RunState, FailureKind | None, type[RunEnded]]] = [
    (RunState.ERROR, "user", RunFailed),
    (RunState.ERROR, "configuration", RunFailed),
    (RunState.ERROR, "platform", RunFailed),
    (RunState.ERROR, "quota", RunFailed),
    (RunState.ERROR, None, RunFailed),
    (RunState.ERROR, "timeout", RunTimedOut),
    (RunState.CANCELLED, "timeout", RunTimedOut),
    (RunState.CANCELLED, "cancelled", RunCancelled),
    (RunState.CANCELLED, "skipped", RunCancelled),
    (RunState.CANCELLED, None, RunCancelled),
]


@pytest.mark.parametrize(("state", "kind", "expected"), ENDS)
def test_the_error_of_a_run_tells_how_it_ended(
    state: RunState, kind: FailureKind | None, expected: type[RunEnded]
) -> None:
    run = a_run(state, kind=kind)
    assert type(error_for(run)) is expected
    assert error_for(run).run is run


def test_a_failed_run_is_explained_in_full() -> None:
    run = a_run(
        RunState.CANCELLED,
        kind="cancelled",
        name="nightly",
        message="stop asked for",
        cancelled_by="ada",
        url="https://dbt.example/runs/42",
        failures=tuple(Failure(name=f"model.shop.m{n}", message=f"boom {n}") for n in range(7)),
    )
    assert explain(run).splitlines() == [
        "dbt Cloud run 42 (nightly) was cancelled by ada: stop asked for",
        *(f"  model.shop.m{n}: boom {n}" for n in range(SHOWN_FAILURES)),
        "  and 2 more",
        "See https://dbt.example/runs/42",
    ]


@pytest.mark.parametrize(
    ("run", "line"),
    [
        (a_run(RunState.ERROR), "dbt Cloud run 42 failed."),
        (a_run(RunState.CANCELLED, kind="skipped"), "dbt Cloud run 42 was skipped."),
        (a_run(RunState.CANCELLED, kind="timeout", message="1 day"), "dbt Cloud run 42 timed out: 1 day"),
    ],
)
def test_a_run_that_says_little_is_explained_in_one_line(run: Run, line: str) -> None:
    assert explain(run) == line


@pytest.mark.parametrize(("count", "lines"), [(0, 1), (1, 2), (SHOWN_FAILURES, 6), (SHOWN_FAILURES + 1, 7)])
def test_no_more_failures_are_shown_than_can_be_read(count: int, lines: int) -> None:
    run = a_run(RunState.ERROR, failures=(Failure(name="a", message="b"),) * count)
    assert len(explain(run).splitlines()) == lines


@bounded
@given(runs)
def test_any_run_is_explained_and_its_page_comes_last(run: Run) -> None:
    text = explain(run)
    assert text.startswith(run.label)
    assert not run.url or text.endswith(f"See {run.url}")


@pytest.mark.parametrize("kind", [RunFailed, RunCancelled, RunTimedOut, WaitTimedOut])
@pytest.mark.parametrize("travel", [copy.deepcopy, lambda err: pickle.loads(pickle.dumps(err))])
def test_an_error_travels_with_its_run(kind: type[RunEnded], travel: object) -> None:
    sent = kind(a_run(RunState.ERROR, failures=(Failure(name="a", message="b"),)), "own words")
    came = travel(sent)  # type: ignore[operator]
    assert (type(came), came.run, str(came)) == (kind, sent.run, "own words")


@pytest.mark.parametrize("kind", [RemoteCallError, NotFound, AccessDenied])
def test_a_refused_call_travels_with_its_fields(kind: type[RemoteCallError]) -> None:
    sent = kind("GET /run answered 429", status_code=429, retryable=True, retry_after_s=7.0)
    came = pickle.loads(pickle.dumps(sent))
    assert type(came) is kind
    assert (str(came), came.status_code, came.retryable, came.retry_after_s) == (str(sent), 429, True, 7.0)


@pytest.mark.parametrize(
    ("status_code", "retryable", "unknown"),
    [(None, True, True), (502, True, True), (200, True, True), (429, True, False), (400, False, False)],
)
def test_a_lost_answer_leaves_open_what_became_of_the_call(
    status_code: int | None, retryable: bool, unknown: bool
) -> None:
    assert RemoteCallError("x", status_code=status_code, retryable=retryable).outcome_unknown is unknown


def test_every_error_is_one_of_ours() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    ours = [kind for kind in kinds if kind is not AirflowException]
    assert all(issubclass(kind, PipehooksError) for kind in ours)
    assert issubclass(ConfigurationError, ValueError)


@pytest.mark.parametrize(
    "error", [RunFailed(a_run(RunState.ERROR)), RemoteCallError("no"), ConfigurationError("no")], ids=repr
)
def test_what_users_of_the_official_providers_catch_catches_ours(error: Exception) -> None:
    assert isinstance(error, AirflowException)
