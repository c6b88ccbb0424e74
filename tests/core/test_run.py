"""A run as it crosses borders: what comes back is what went in, or an error that says so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.core.errors import explain
from airflow_provider_pipehooks.core.records import VERSION_KEY
from airflow_provider_pipehooks.core.run import Failure, Run
from airflow_provider_pipehooks.core.run_state import FAILED, TERMINAL, RunState
from tests.core.anything import a_run, bounded, objects, runs, shaped, values

# state -> terminal, success, failed, outcome
STATES = {
    RunState.QUEUED: (False, False, False, "queued"),
    RunState.STARTING: (False, False, False, "starting"),
    RunState.RUNNING: (False, False, False, "running"),
    RunState.SUCCESS: (True, True, False, "success"),
    RunState.ERROR: (True, False, True, "error"),
    RunState.CANCELLED: (True, False, True, "cancelled"),
    None: (False, False, False, "unknown (HIBERNATING)"),
}


@pytest.mark.parametrize("state", [*RunState, None])
def test_every_state_says_what_it_is(state: RunState | None) -> None:
    run = a_run(state)
    assert (run.is_terminal, run.is_success, run.is_failed, run.outcome) == STATES[state]


def test_a_failed_state_is_a_terminal_one() -> None:
    assert TERMINAL - {RunState.SUCCESS} == FAILED


@pytest.mark.parametrize(
    ("kind", "outcome"), [("timeout", "timed out"), ("skipped", "skipped"), ("quota", "error")]
)
def test_how_it_ended_may_say_more_than_the_state(kind: Any, outcome: str) -> None:
    assert a_run(RunState.ERROR, kind=kind).outcome == outcome


@bounded
@given(runs)
def test_any_run_comes_back_from_json_as_it_was(run: Run) -> None:
    assert Run.from_json(json.loads(json.dumps(run.to_json()))) == run


def test_keys_of_a_newer_version_are_left_out() -> None:
    record = a_run(failures=(Failure(name="model.shop.orders", message="boom"),)).to_json()
    record["colour"] = "blue"
    record["failures"][0]["severity"] = 3
    assert Run.from_json(record).failures == (Failure(name="model.shop.orders", message="boom"),)


def test_a_record_of_the_first_version_is_readable() -> None:
    record = {"service": "dbt_cloud", "run_id": 42, "state": "SUCCESS", "status": "Success"}
    assert Run.from_json(record) == a_run(RunState.SUCCESS, status="Success")


records = shaped(
    service=st.just("dbt_cloud"),
    run_id=st.integers(),
    state=st.sampled_from([None, *(state.name for state in RunState)]),
    status=st.just("Running"),
    job_id=st.none(),
    name=st.none(),
    url=st.none(),
    message=st.none(),
    kind=st.none(),
    cancelled_by=st.none(),
    attempt=st.just(1),
    created_at=st.none(),
    started_at=st.none(),
    finished_at=st.none(),
    failures=st.lists(shaped(name=st.just("a"), message=st.just("b"), url=st.none()), max_size=2),
)


def _read(record: Any) -> Run | None:
    try:
        return Run.from_json(record)
    except ValueError:
        return None


@bounded
@given(values | objects | records)
def test_any_json_is_a_run_or_a_value_error(record: Any) -> None:
    if run := _read(record):
        assert (run.state.name if run.state is not None else None) == record["state"]
        assert explain(run)
        assert Run.from_json(run.to_json()) == run


_GOOD = a_run().to_json()


@pytest.mark.parametrize("key", sorted(_GOOD.keys() - {VERSION_KEY}))
@pytest.mark.parametrize("wrong", [{"a": 1}, [1], True, 1.5], ids=repr)
def test_a_field_of_another_type_is_refused(key: str, wrong: Any) -> None:
    with pytest.raises(ValueError, match="Not the record of a run"):
        Run.from_json({**_GOOD, key: wrong})


@pytest.mark.parametrize("key", ["service", "run_id", "state", "status"])
def test_a_record_without_what_makes_a_run_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="Not the record of a run"):
        Run.from_json({name: value for name, value in _GOOD.items() if name != key})
