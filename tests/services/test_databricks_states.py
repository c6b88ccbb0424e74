"""Every word Databricks has for how a run is, in the older ``state``, the newer ``status``, and both."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_pipehooks.core.run import FailureKind, Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.services import databricks_states
from airflow_provider_pipehooks.services.databricks_states import WITH_FAILURES, parse_run

End = tuple[RunState | None, FailureKind | None]

SUCCESS: End = (RunState.SUCCESS, None)
USER: End = (RunState.ERROR, "user")
CONFIGURATION: End = (RunState.ERROR, "configuration")
PLATFORM: End = (RunState.ERROR, "platform")
QUOTA: End = (RunState.ERROR, "quota")
TIMEOUT: End = (RunState.ERROR, "timeout")
CANCELLED: End = (RunState.CANCELLED, "cancelled")
SKIPPED: End = (RunState.CANCELLED, "skipped")
UNKNOWN: End = (None, None)


def old(life: str, result: Any = None, message: str | None = None) -> dict[str, Any]:
    state = {"life_cycle_state": life, "result_state": result, "state_message": message}
    return {"state": {key: value for key, value in state.items() if value is not None}}


def new(state: str, code: Any = None, message: str | None = None) -> dict[str, Any]:
    details = {"termination_details": {"code": code, "type": "X", "message": message}}
    return {"status": {"state": state, **(details if code is not None else {})}}


def read(*dialects: dict[str, Any], **policy: bool) -> Run:
    data: dict[str, Any] = {"run_id": 7}
    for dialect in dialects:
        data |= dialect
    return parse_run(data, **policy)


def end_of(run: Run) -> End:
    assert run.is_terminal == (run.state in {RunState.SUCCESS, RunState.ERROR, RunState.CANCELLED})
    return run.state, run.kind


# life_cycle_state -> state, kind; TERMINATED is in the next table
LIFE_CYCLES: list[tuple[str, End]] = [
    ("QUEUED", (RunState.QUEUED, None)),
    ("PENDING", (RunState.STARTING, None)),
    ("RUNNING", (RunState.RUNNING, None)),
    ("BLOCKED", (RunState.QUEUED, None)),
    ("WAITING_FOR_RETRY", (RunState.RUNNING, None)),
    ("TERMINATING", (RunState.RUNNING, None)),
    ("SKIPPED", SKIPPED),
    ("INTERNAL_ERROR", PLATFORM),
    ("HIBERNATING", UNKNOWN),
]
# result_state of a TERMINATED run -> state, kind
RESULTS: list[tuple[str, End]] = [
    ("SUCCESS", SUCCESS),
    ("SUCCESS_WITH_FAILURES", USER),
    ("FAILED", USER),
    ("TIMEDOUT", TIMEOUT),
    ("CANCELED", CANCELLED),
    ("MAXIMUM_CONCURRENT_RUNS_REACHED", SKIPPED),
    ("EXCLUDED", SKIPPED),
    ("UPSTREAM_FAILED", SKIPPED),
    ("UPSTREAM_CANCELED", SKIPPED),
    ("DISABLED", SKIPPED),
    ("EVAPORATED", PLATFORM),
]
# status.state -> state, and a life_cycle_state of the same moment
STATUS_STATES: list[tuple[str, RunState | None, str]] = [
    ("BLOCKED", RunState.QUEUED, "BLOCKED"),
    ("PENDING", RunState.STARTING, "PENDING"),
    ("QUEUED", RunState.QUEUED, "QUEUED"),
    ("RUNNING", RunState.RUNNING, "RUNNING"),
    ("WAITING", RunState.RUNNING, "WAITING_FOR_RETRY"),
    ("TERMINATING", RunState.RUNNING, "TERMINATING"),
    ("HIBERNATING", None, "RUNNING"),
]
# termination_details.code -> state, kind, and the older words for the same end
CODES: list[tuple[str, End, str, str | None]] = [
    ("SUCCESS", SUCCESS, "TERMINATED", "SUCCESS"),
    ("SUCCESS_WITH_FAILURES", USER, "TERMINATED", "SUCCESS_WITH_FAILURES"),
    ("USER_CANCELED", CANCELLED, "TERMINATED", "CANCELED"),
    ("CANCELED", CANCELLED, "TERMINATED", "CANCELED"),
    ("SKIPPED", SKIPPED, "SKIPPED", None),
    ("DISABLED", SKIPPED, "TERMINATED", "DISABLED"),
    ("MAX_CONCURRENT_RUNS_EXCEEDED", SKIPPED, "SKIPPED", "MAXIMUM_CONCURRENT_RUNS_REACHED"),
    ("MAX_JOB_QUEUE_SIZE_EXCEEDED", SKIPPED, "SKIPPED", None),
    ("RUN_EXECUTION_ERROR", USER, "INTERNAL_ERROR", "FAILED"),
    ("INVALID_RUN_CONFIGURATION", CONFIGURATION, "INTERNAL_ERROR", None),
    ("INVALID_CLUSTER_REQUEST", CONFIGURATION, "INTERNAL_ERROR", "FAILED"),
    ("RESOURCE_NOT_FOUND", CONFIGURATION, "INTERNAL_ERROR", "FAILED"),
    ("UNAUTHORIZED_ERROR", CONFIGURATION, "INTERNAL_ERROR", "FAILED"),
    ("FEATURE_DISABLED", CONFIGURATION, "INTERNAL_ERROR", "FAILED"),
    ("LIBRARY_INSTALLATION_ERROR", CONFIGURATION, "INTERNAL_ERROR", "FAILED"),
    ("REPOSITORY_CHECKOUT_FAILED", CONFIGURATION, "INTERNAL_ERROR", "FAILED"),
    ("STORAGE_ACCESS_ERROR", CONFIGURATION, "INTERNAL_ERROR", "FAILED"),
    ("MAX_SPARK_CONTEXTS_EXCEEDED", CONFIGURATION, "INTERNAL_ERROR", "FAILED"),
    ("INTERNAL_ERROR", PLATFORM, "INTERNAL_ERROR", "FAILED"),
    ("DRIVER_ERROR", PLATFORM, "INTERNAL_ERROR", "FAILED"),
    ("CLUSTER_ERROR", PLATFORM, "INTERNAL_ERROR", "FAILED"),
    ("CLOUD_FAILURE", PLATFORM, "INTERNAL_ERROR", "FAILED"),
    ("BREAKING_CHANGE", PLATFORM, "INTERNAL_ERROR", "FAILED"),
    ("CLUSTER_TERMINATED_BY_USER", PLATFORM, "INTERNAL_ERROR", "FAILED"),
    ("CLUSTER_REQUEST_LIMIT_EXCEEDED", QUOTA, "INTERNAL_ERROR", "FAILED"),
    ("WORKSPACE_RUN_LIMIT_EXCEEDED", QUOTA, "INTERNAL_ERROR", "FAILED"),
    ("BUDGET_POLICY_LIMIT_EXCEEDED", QUOTA, "INTERNAL_ERROR", "FAILED"),
    ("EVAPORATED", PLATFORM, "INTERNAL_ERROR", None),
]


@pytest.mark.parametrize(("life", "expected"), LIFE_CYCLES)
def test_every_life_cycle_in_the_older_words(life: str, expected: End) -> None:
    run = read(old(life))
    assert (end_of(run), run.status) == (expected, life)


@pytest.mark.parametrize(("result", "expected"), RESULTS)
def test_every_result_in_the_older_words(result: str, expected: End) -> None:
    run = read(old("TERMINATED", result))
    assert (end_of(run), run.status) == (expected, f"TERMINATED {result}")


@pytest.mark.parametrize(("state", "expected", "life"), STATUS_STATES)
def test_every_status_in_the_newer_words_and_in_both(
    state: str, expected: RunState | None, life: str
) -> None:
    for run in (read(new(state)), read(new(state), old(life))):
        assert (end_of(run), run.status) == ((expected, None), state)


@pytest.mark.parametrize(("code", "expected", "life", "result"), CODES)
def test_every_code_in_the_newer_words_and_in_both(
    code: str, expected: End, life: str, result: str | None
) -> None:
    for run in (read(new("TERMINATED", code)), read(new("TERMINATED", code), old(life, result))):
        assert (end_of(run), run.status) == (expected, f"TERMINATED {code}")


@pytest.mark.parametrize(("result", "expected"), RESULTS)
def test_the_older_words_tell_what_the_newer_leave_out(result: str, expected: End) -> None:
    assert end_of(read(new("TERMINATED"), old("TERMINATED", result))) == expected


@pytest.mark.parametrize(("result", "expected"), RESULTS)
def test_a_code_nobody_knows_leaves_it_to_the_older_words(result: str, expected: End) -> None:
    assert end_of(read(new("TERMINATED", "EVAPORATED"), old("TERMINATED", result))) == expected


@pytest.mark.parametrize(("life", "expected"), [("SKIPPED", SKIPPED), ("INTERNAL_ERROR", PLATFORM)])
def test_an_older_life_cycle_tells_how_it_ended(life: str, expected: End) -> None:
    assert end_of(read(new("TERMINATED"), old(life))) == expected


def test_every_word_of_our_tables_has_a_row() -> None:
    lives = {life for life, _ in LIFE_CYCLES} | {state for state, _, _ in STATUS_STATES}
    assert {*databricks_states.GOING_ON, *databricks_states.ENDED} == lives - {"HIBERNATING"}
    assert {*databricks_states.RESULTS, WITH_FAILURES} == {row[0] for row in RESULTS} - {"EVAPORATED"}
    assert {*databricks_states.CODES, WITH_FAILURES} == {row[0] for row in CODES} - {"EVAPORATED"}


@pytest.mark.parametrize("life", [row[0] for row in LIFE_CYCLES if row[1][0] in (RunState.RUNNING, None)])
@pytest.mark.parametrize("result", ["SUCCESS", "FAILED", "CANCELED"])
def test_a_result_before_the_end_is_not_the_end(life: str, result: str) -> None:
    """TERMINATING already has a result, and it may still change."""
    assert not read(old(life, result)).is_terminal
    assert not read(new(life, result)).is_terminal


@pytest.mark.parametrize(
    "dialects",
    [
        [old("TERMINATED")],
        [new("TERMINATED")],
        [new("TERMINATED"), old("TERMINATED")],
        [new("TERMINATED"), old("RUNNING")],
        [{}],
        [{"state": None, "status": "TERMINATED"}],
        [new("TERMINATED", ["SUCCESS"]), old("TERMINATED", 5)],
        [new("TERMINATED", " "), old("TERMINATED", "")],
    ],
    ids=str,
)
def test_an_end_without_a_word_of_how_is_not_the_end_yet(dialects: list[dict[str, Any]]) -> None:
    assert end_of(read(*dialects)) == UNKNOWN


_SWF = [
    [old("TERMINATED", WITH_FAILURES)],
    [new("TERMINATED", WITH_FAILURES)],
    [new("TERMINATED", WITH_FAILURES), old("TERMINATED", WITH_FAILURES)],
    [new("TERMINATED", "SUCCESS"), old("TERMINATED", WITH_FAILURES)],
]


@pytest.mark.parametrize("dialects", _SWF, ids=str)
@pytest.mark.parametrize(("is_success", "expected"), [(False, USER), (True, SUCCESS)])
def test_success_with_failures_is_what_the_user_says(
    dialects: list[dict[str, Any]], is_success: bool, expected: End
) -> None:
    assert end_of(read(*dialects, with_failures_is_success=is_success)) == expected


@pytest.mark.parametrize("result", ["FAILED", "EVAPORATED", "CANCELED"])
def test_the_policy_is_about_nothing_else(result: str) -> None:
    assert not read(old("TERMINATED", result), with_failures_is_success=True).is_success


# Only a text or the older word tell that a limit ended the run.
LIMITS: list[tuple[list[dict[str, Any]], End]] = [
    ([new("TERMINATED", "CANCELED"), old("TERMINATED", "TIMEDOUT")], TIMEOUT),
    ([new("TERMINATED", "CANCELED", "Run timed out after 60 s")], TIMEOUT),
    ([new("TERMINATED", "CANCELED", "exceeded the maximum duration")], TIMEOUT),
    ([new("TERMINATED", "CANCELED", "max run duration reached")], TIMEOUT),
    ([old("TERMINATED", "CANCELED", "TimedOut")], TIMEOUT),
    ([new("TERMINATED", "CANCELED", "cluster reclaimed")], CANCELLED),
    ([new("TERMINATED", "RUN_EXECUTION_ERROR", "socket timed out")], USER),
    ([new("TERMINATED", "SUCCESS", "one attempt timed out")], SUCCESS),
]


@pytest.mark.parametrize(("dialects", "expected"), LIMITS)
def test_a_run_cut_by_its_time_limit_is_no_cancel(dialects: list[dict[str, Any]], expected: End) -> None:
    assert end_of(read(*dialects)) == expected


def test_the_newer_reason_is_preferred_and_a_queue_has_one_too() -> None:
    both = read(new("TERMINATED", "DRIVER_ERROR", "driver died"), old("INTERNAL_ERROR", "FAILED", "failed"))
    queued = read({"status": {"state": "QUEUED", "queue_details": {"message": "limit reached"}}})
    assert (both.message, queued.message) == ("driver died", "limit reached")
    assert read(old("QUEUED"), {"state": {"queue_reason": "full"}}).message == "full"


def test_a_run_is_read_in_full() -> None:
    run = parse_run(
        {
            **old("TERMINATED", "SUCCESS"),
            "run_id": 7,
            "job_id": 5,
            "run_name": "nightly",
            "run_page_url": "https://dbc.example/run/7",
            "start_time": 1_779_878_536_000,
            "end_time": 0,
            "repair_history": [
                {"type": "ORIGINAL"},
                {"type": "REPAIR", "id": 1},
                {"type": "REPAIR", "id": 2},
            ],
        }
    )
    assert (run.service, run.run_id, run.job_id, run.name) == ("databricks_jobs", 7, 5, "nightly")
    assert (run.url, run.attempt, run.finished_at) == ("https://dbc.example/run/7", 3, None)
    assert str(run.started_at) == "2026-05-27 10:42:16+00:00"


@pytest.mark.parametrize("run_id", [None, "7", 0, -1, True, 7.0, [7]])
def test_what_has_no_run_id_is_no_run(run_id: Any) -> None:
    with pytest.raises(ValueError, match="Not a Databricks run"):
        parse_run({**old("TERMINATED", "SUCCESS"), "run_id": run_id})
