"""One remote run per intent: the decision table, and the marks a run is found by."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.core.intent import Decision, Intent, decide
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import TERMINAL, RunState
from tests.core.anything import a_run, bounded, runs, texts

ANSWERED = Intent(
    dag_id="shop", run_id="manual__1", task_id="build", map_index=-1, generation=1, remote_run_id=42
)
UNANSWERED = replace(ANSWERED, remote_run_id=None)
D = Decision

# record, its run, -> of this generation; the same where a failed run may be continued; of an older one
TABLE: list[tuple[Intent | None, Run | None, Decision, Decision, Decision]] = [
    (None, None, D.START, D.START, D.START),
    (UNANSWERED, None, D.START_AGAIN, D.START_AGAIN, D.CLEARED),
    (UNANSWERED, a_run(RunState.RUNNING), D.JOIN, D.JOIN, D.CLEARED_ACTIVE),
    (UNANSWERED, a_run(RunState.SUCCESS), D.RETURN, D.RETURN, D.CLEARED),
    (UNANSWERED, a_run(RunState.ERROR), D.START_NEXT, D.CONTINUE, D.CLEARED),
    (ANSWERED, None, D.GONE, D.GONE, D.CLEARED),
    (ANSWERED, a_run(RunState.QUEUED), D.JOIN, D.JOIN, D.CLEARED_ACTIVE),
    (ANSWERED, a_run(RunState.STARTING), D.JOIN, D.JOIN, D.CLEARED_ACTIVE),
    (ANSWERED, a_run(RunState.RUNNING), D.JOIN, D.JOIN, D.CLEARED_ACTIVE),
    (ANSWERED, a_run(None), D.JOIN, D.JOIN, D.CLEARED_ACTIVE),
    (ANSWERED, a_run(RunState.SUCCESS), D.RETURN, D.RETURN, D.CLEARED),
    (ANSWERED, a_run(RunState.ERROR), D.START_NEXT, D.CONTINUE, D.CLEARED),
    (ANSWERED, a_run(RunState.CANCELLED), D.START_NEXT, D.START_NEXT, D.CLEARED),
]
#: Cleared: the task is of a later generation than its record.
_LATER = replace(ANSWERED, generation=ANSWERED.generation + 1)


@pytest.mark.parametrize(("record", "run", "same", "continuing", "older"), TABLE)
def test_what_a_task_does_when_it_wakes_up(
    record: Intent | None, run: Run | None, same: Decision, continuing: Decision, older: Decision
) -> None:
    assert decide(record, ANSWERED, run) is same
    assert decide(record, ANSWERED, run, can_continue=True) is continuing
    assert decide(record, _LATER, run) is older
    assert decide(record, _LATER, run, can_continue=True) is older


OTHER_JOB = {D.OTHER_JOB, D.OTHER_JOB_ACTIVE}


def test_every_decision_and_every_state_is_in_the_table() -> None:
    assert {decision for row in TABLE for decision in row[2:]} == set(Decision) - OTHER_JOB
    assert {row[1].state for row in TABLE if row[0] is ANSWERED and row[1]} == {*RunState, None}


OF_JOB_1 = replace(ANSWERED, service="dbt_cloud", job="1")


@pytest.mark.parametrize(
    ("now", "run", "decision"),
    [
        ({}, a_run(RunState.SUCCESS), D.RETURN),
        ({"job": "2"}, a_run(RunState.SUCCESS), D.OTHER_JOB),
        ({"job": "2"}, a_run(RunState.ERROR), D.OTHER_JOB),
        ({"job": "2"}, a_run(RunState.RUNNING), D.OTHER_JOB_ACTIVE),
        ({"job": "2"}, a_run(None), D.OTHER_JOB_ACTIVE),
        ({"job": "2"}, None, D.OTHER_JOB),
        ({"service": "databricks_jobs"}, None, D.OTHER_JOB),
        ({"job": "2", "generation": 9}, a_run(RunState.RUNNING), D.CLEARED_ACTIVE),
        ({"born": "2026-01-01", "turn": 2}, a_run(RunState.SUCCESS), D.RETURN),
    ],
)
def test_a_run_of_another_job_is_never_joined(
    now: dict[str, Any], run: Run | None, decision: Decision
) -> None:
    assert decide(OF_JOB_1, replace(OF_JOB_1, **now), run, can_continue=True) is decision


def test_a_record_of_a_version_that_named_no_job_is_joined() -> None:
    assert decide(ANSWERED, replace(OF_JOB_1, job="2"), a_run(RunState.RUNNING)) is D.JOIN


_STARTS = {D.OTHER_JOB, D.START, D.START_AGAIN, D.START_NEXT, D.GONE, D.CLEARED}


@bounded
@given(runs, st.booleans(), st.sampled_from([ANSWERED, UNANSWERED]), st.integers(0, 2))
def test_nothing_is_started_beside_a_run_that_goes_on(
    run: Run, can_continue: bool, record: Intent, generation: int
) -> None:
    decision = decide(record, replace(ANSWERED, generation=generation), run, can_continue=can_continue)
    assert run.state in TERMINAL or decision not in _STARTS | {D.CONTINUE}


@pytest.mark.parametrize("decision", Decision)
@pytest.mark.parametrize("run", [None, a_run(RunState.ERROR)], ids=["unseen", "seen"])
@pytest.mark.parametrize("record", [None, ANSWERED], ids=["unwritten", "written"])
def test_every_decision_explains_itself(decision: Decision, run: Run | None, record: Intent | None) -> None:
    line = decision.explain(run, record)
    assert line
    assert not re.search(r"[{}]", line)


def test_a_decision_names_the_run_and_how_it_ended() -> None:
    line = D.START_NEXT.explain(a_run(RunState.ERROR, kind="timeout"), ANSWERED)
    assert line == "dbt Cloud run 42 of the last try ended timed out: starting a new one"
    assert D.GONE.explain(None, ANSWERED).startswith("Run 42 of the last try is not there")


_intents = st.builds(
    Intent,
    dag_id=texts,
    run_id=texts,
    task_id=texts,
    map_index=st.integers(-1, 9),
    generation=st.integers(0, 9),
    attempt=st.integers(1, 9),
    baseline=st.integers(0),
    remote_run_id=st.none() | st.integers(1) | texts,
    service=texts,
    job=texts,
    born=texts,
    turn=st.integers(1, 9),
)


@bounded
@given(_intents)
def test_an_intent_comes_back_from_json_with_the_same_marks(intent: Intent) -> None:
    back = Intent.from_json(json.loads(json.dumps(intent.to_json())))
    assert (back, back.token, back.tag) == (intent, intent.token, intent.tag)


@pytest.mark.parametrize(
    "change",
    [
        {"dag_id": "shop2"},
        {"run_id": "manual__2"},
        {"task_id": "build2"},
        {"map_index": 0},
        {"generation": 2},
        {"attempt": 2},
        {"service": "databricks_jobs"},
        {"job": "2"},
        {"born": "2026-01-01T00:00:00+00:00"},
        {"turn": 2},
    ],
    ids=str,
)
def test_another_intent_has_other_marks(change: dict[str, Any]) -> None:
    other = replace(OF_JOB_1, **change)
    assert other.token != OF_JOB_1.token
    assert other.tag != OF_JOB_1.tag


def test_names_that_run_together_are_told_apart() -> None:
    one, two = replace(ANSWERED, dag_id="a", run_id="b,c"), replace(ANSWERED, dag_id="a,b", run_id="c")
    assert one.token != two.token


@bounded
@given(_intents, st.integers(0), st.none() | st.integers(1))
def test_what_is_learned_of_a_start_does_not_change_its_marks(
    intent: Intent, baseline: int, remote_run_id: int | None
) -> None:
    assert replace(intent, baseline=baseline, remote_run_id=remote_run_id).token == intent.token


@bounded
@given(_intents)
def test_the_marks_fit_where_the_remotes_put_them(intent: Intent) -> None:
    assert re.fullmatch(r"[0-9a-f]{64}", intent.token)
    # A cause holds 255 characters, and people want to read a reason in it too.
    assert re.fullmatch(r"pipehooks:[0-9a-f]{16}", intent.tag)


def test_the_token_of_a_release_is_the_token_of_the_next() -> None:
    """A worker that was upgraded between a crash and the retry must find the run of the older one.

    The first is of a version that wrote neither service nor job.
    """
    assert OF_JOB_1.token == "6a2754400a6761c0041568831c8f2376df9c6ce113fcd7b50c1f9d1996ce264c"
    assert ANSWERED.token == "8453915a9bf624df0884515f65b669a222adfea887628762bb48313093f6aa4c"


def test_the_next_attempt_knows_nothing_of_the_last_run() -> None:
    following = replace(UNANSWERED, job="2").after(replace(ANSWERED, baseline=7, attempt=3, job="1"))
    assert (following.attempt, following.baseline, following.remote_run_id) == (4, 0, None)
    assert following.job == "2"


@pytest.mark.parametrize(
    "record", [None, "intent", {}, {"dag_id": "shop"}, {**ANSWERED.to_json(), "generation": "0"}]
)
def test_something_else_than_an_intent_is_refused(record: Any) -> None:
    with pytest.raises(ValueError, match="Not the record of an intent"):
        Intent.from_json(record)


def test_an_intent_goes_from_step_to_step() -> None:
    placed = UNANSWERED.at(41)
    assert (placed.baseline, placed.remote_run_id, placed.adopted) == (41, None, False)
    started = placed.answered(42)
    assert (started.baseline, started.remote_run_id, started.adopted) == (41, 42, False)
    adopted = placed.answered(43, adopted=True)
    assert (adopted.remote_run_id, adopted.adopted) == (43, True)
    assert UNANSWERED.after(adopted).tag != adopted.tag


def test_a_decision_without_a_run_names_what_was_written_down() -> None:
    assert Decision.GONE.explain(None, ANSWERED).startswith(f"Run {ANSWERED.remote_run_id} of the last try")
    assert Decision.GONE.explain(None, None).startswith("Run None of the last try")
