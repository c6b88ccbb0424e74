"""The changes of a run are the same whoever looked, and however seldom."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.core.changes import Change, between, merged
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.core.watch import Watch, look
from tests.core.anything import a_run, bounded, runs, shaped, values

MADE = datetime(2026, 11, 1, 6, 0, tzinfo=timezone.utc)
BEGAN, OVER = MADE + timedelta(seconds=40), MADE + timedelta(minutes=9)
LOOKED = MADE + timedelta(minutes=10)

QUEUED = a_run(RunState.QUEUED, created_at=MADE)
STARTING = a_run(RunState.STARTING, created_at=MADE)
RUNNING = a_run(RunState.RUNNING, created_at=MADE, started_at=BEGAN)
DONE = a_run(RunState.SUCCESS, created_at=MADE, started_at=BEGAN, finished_at=OVER)
LIFE = (QUEUED, STARTING, RUNNING, DONE)


def seen(looks: Iterable[Run], looked_at: datetime = LOOKED) -> tuple[Change, ...]:
    changes: tuple[Change, ...] = ()
    last = None
    for run in looks:
        changes += between(last, run, looked_at)
        last = run
    return changes


def told(changes: Iterable[Change]) -> list[tuple[str | None, str, datetime]]:
    return [(change.old.name if change.old else None, change.new.name, change.at) for change in changes]


@bounded
@given(st.lists(st.sampled_from(LIFE[:-1]), unique=True).map(lambda some: sorted(some, key=LIFE.index)))
def test_whatever_was_missed_the_changes_are_the_same(looks: list[Run]) -> None:
    assert told(seen([*looks, DONE])) == [
        (None, "QUEUED", MADE),
        ("QUEUED", "RUNNING", BEGAN),
        ("RUNNING", "SUCCESS", OVER),
    ]


@bounded
@given(st.lists(st.sampled_from([*LIFE, a_run(None)]), max_size=12))
def test_no_change_is_kept_twice_by_one_wait_whatever_the_remote_says_in_turn(looks: list[Run]) -> None:
    watch = Watch(poll_interval_s=5.0, since_s=0.0)
    for at, run in enumerate(looks):
        watch = look(watch, run, float(at)).watch
    keys = [change.key for change in watch.changes]
    assert len(keys) == len(set(keys)) <= 3


def test_only_the_newest_changes_are_kept() -> None:
    repairs = [between(None, a_run(RunState.RUNNING, attempt=number), LOOKED) for number in range(2, 203)]
    kept = merged((), [change for changes in repairs for change in changes])
    assert [change.attempt for change in kept] == list(range(103, 203))


def test_a_run_that_never_left_the_queue_did_not_run() -> None:
    ended = a_run(RunState.CANCELLED, created_at=MADE, finished_at=OVER)
    assert told(seen([ended])) == [(None, "QUEUED", MADE), ("QUEUED", "CANCELLED", OVER)]


def test_a_time_that_the_remote_does_not_tell_is_that_of_the_look() -> None:
    (queued, running) = seen([a_run(RunState.RUNNING, created_at=MADE)])
    assert (queued.at, queued.source) == (MADE, "remote")
    assert (running.at, running.source) == (LOOKED, "look")


def test_a_status_that_nobody_knows_is_no_change() -> None:
    assert seen([a_run(None)]) == ()
    assert told(seen([QUEUED, a_run(None), DONE]))[-1] == ("RUNNING", "SUCCESS", OVER)


def test_a_repair_goes_on_from_how_the_attempt_before_ended() -> None:
    """The remote then tells the start of the first attempt only; that is not taken for the repair's."""
    failed = a_run(RunState.ERROR, created_at=MADE, started_at=BEGAN, finished_at=OVER)
    again = a_run(RunState.RUNNING, created_at=MADE, started_at=BEGAN, attempt=2)
    mended = a_run(RunState.SUCCESS, created_at=MADE, started_at=BEGAN, finished_at=LOOKED, attempt=2)
    changes = seen([failed, again, mended])
    assert told(changes[2:]) == [
        ("RUNNING", "ERROR", OVER),
        ("ERROR", "RUNNING", LOOKED),
        ("RUNNING", "SUCCESS", LOOKED),
    ]
    assert [change.attempt for change in changes] == [1, 1, 1, 2, 2]
    assert changes[3].source == "look"


def test_merged_changes_keep_their_order_and_the_remotes_times() -> None:
    guessed = between(None, a_run(RunState.RUNNING, created_at=MADE), LOOKED)
    assert told(merged(guessed, seen([RUNNING, DONE]))) == told(seen([DONE]))
    assert merged(seen([DONE]), guessed) == seen([DONE])
    assert merged((), ()) == ()


def test_a_change_reads_as_a_line() -> None:
    first, *_, last = seen([DONE])
    assert str(first) == "dbt Cloud run 42: QUEUED at 2026-11-01T06:00:00+00:00"
    assert str(last) == "dbt Cloud run 42: RUNNING -> SUCCESS at 2026-11-01T06:09:00+00:00"
    (again,) = between(DONE, a_run(RunState.RUNNING, attempt=2), LOOKED)
    assert str(again) == "dbt Cloud run 42, attempt 2: SUCCESS -> RUNNING at 2026-11-01T06:10:00+00:00"


@bounded
@given(st.lists(runs, max_size=3))
def test_a_record_is_read_as_it_was_written(looks: list[Run]) -> None:
    for change in seen(looks):
        assert Change.from_json(json.loads(json.dumps(change.to_json()))) == change


def test_the_key_is_the_same_for_an_id_as_number_and_as_text() -> None:
    (one, *_), (other, *_) = seen([DONE]), seen([a_run(RunState.SUCCESS, run_id="42")])
    assert one.key == other.key == ("dbt_cloud", "42", 1, "QUEUED")


@bounded
@given(
    values
    | shaped(
        service=st.just("dbt_cloud"),
        run_id=st.just(42),
        attempt=st.just(1),
        old=st.just("QUEUED"),
        new=st.just("RUNNING"),
        at=st.just("2026-11-01T06:00:00+00:00"),
        source=st.just("remote"),
    )
)
def test_anything_is_a_change_or_a_value_error(record: Any) -> None:
    with suppress(ValueError):
        assert isinstance(Change.from_json(record), Change)


@pytest.mark.parametrize("missing", ["service", "run_id", "attempt", "new", "at"])
def test_a_record_without_what_makes_a_change_is_refused(missing: str) -> None:
    record = seen([DONE])[0].to_json()
    del record[missing]
    with pytest.raises(ValueError, match=missing):
        Change.from_json(record)
