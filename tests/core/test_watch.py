"""One step of a wait: only the run, the deadline, or an answer that waiting cannot mend ends it."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.core import watch as watching
from airflow_provider_pipehooks.core.errors import AccessDenied, NotFound, RemoteCallError
from airflow_provider_pipehooks.core.events import (
    LookFailed,
    StateChanged,
    StillWaiting,
    UnknownStatusSeen,
    WaitEnded,
    WatchEvent,
)
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import TERMINAL, RunState
from airflow_provider_pipehooks.core.watch import (
    GONE_AFTER_LOOKS,
    HEARTBEAT_S,
    LONGEST_PAUSE_S,
    NOT_FOUND_GRACE_S,
    Watch,
    confirming,
)
from tests.core.anything import a_run, bounded
from tests.core.observations import (
    DENIED,
    MISSING,
    NO_ANSWER,
    REFUSED,
    UNAVAILABLE,
    Look,
    Seen,
    ended,
    going_on,
    observations,
    throttled,
    trouble,
    walk,
    watches,
)

RUNNING = a_run(RunState.RUNNING)
SUCCEEDED = a_run(RunState.SUCCESS)
STRANGE = a_run(None)


def a_watch(**fields: float) -> Watch:
    return Watch(**{"poll_interval_s": 5.0, "since_s": 1000.0, **fields})  # type: ignore[arg-type]


def last(watch: Watch, *observed: Seen) -> Look:
    looks = walk(watch, observed)
    assert len(looks) == len(observed), f"ended early: {looks[-1].step.end}"
    return looks[-1]


def reason(look: Look) -> str | None:
    return look.step.end.reason if look.step.end else None


def told(looks: list[Look], kind: type[WatchEvent]) -> list[WatchEvent]:
    return [event for look in looks for event in look.step.events if isinstance(event, kind)]


# what was observed -> how the last look leaves the wait
ENDS: list[tuple[list[Seen], str | None]] = [
    ([a_run(RunState.QUEUED)], None),
    ([a_run(RunState.STARTING)], None),
    ([RUNNING], None),
    ([a_run(None)], None),
    ([SUCCEEDED], "run_ended"),
    ([a_run(RunState.ERROR)], "run_ended"),
    ([a_run(RunState.CANCELLED)], "run_ended"),
    ([RUNNING, SUCCEEDED], "run_ended"),
    ([STRANGE, SUCCEEDED], "run_ended"),
    ([UNAVAILABLE] * 20, None),
    ([NO_ANSWER] * 20, None),
    ([throttled(None)] * 20, None),
    ([UNAVAILABLE, NO_ANSWER, throttled(9), SUCCEEDED], "run_ended"),
    ([MISSING, MISSING, RUNNING], None),
    ([MISSING, MISSING, SUCCEEDED], "run_ended"),
    ([RUNNING, *[MISSING] * 3], None),
    ([RUNNING, *[MISSING] * 4], "not_found"),
    ([RUNNING, *[MISSING] * 3, RUNNING, *[MISSING] * 3], None),
    ([RUNNING, *[MISSING] * 3, UNAVAILABLE, *[MISSING] * 3], None),
    ([RUNNING, UNAVAILABLE, *[MISSING] * 4], "not_found"),
    ([DENIED], None),
    ([DENIED, RUNNING], None),
    ([DENIED, SUCCEEDED], "run_ended"),
    ([DENIED, DENIED], "access_denied"),
    ([DENIED, UNAVAILABLE, DENIED], "access_denied"),
    ([DENIED, RUNNING, DENIED], None),
    ([DENIED, RUNNING, DENIED, DENIED], "access_denied"),
    ([REFUSED], "refused"),
    ([RUNNING, REFUSED], "refused"),
]


@pytest.mark.parametrize(("observed", "expected"), ENDS)
def test_what_ends_a_wait(observed: list[Seen], expected: str | None) -> None:
    assert reason(last(a_watch(), *observed)) == expected


def test_the_end_carries_the_run_as_last_seen() -> None:
    by_run = last(a_watch(), RUNNING, SUCCEEDED).step.end
    by_answer = last(a_watch(), RUNNING, REFUSED).step.end
    assert by_run is not None
    assert (by_run.run, by_run.message) == (SUCCEEDED, None)
    assert by_answer is not None
    assert (by_answer.run, by_answer.message) == (RUNNING, str(REFUSED))


def test_an_unknown_run_gets_a_minute_and_short_pauses() -> None:
    looks = walk(a_watch(poll_interval_s=30.0), [MISSING] * 99)
    assert [look.step.pause_s for look in looks[:-1]] == [5.0] * 12
    assert looks[-1].now_s == 1000.0 + NOT_FOUND_GRACE_S
    assert reason(looks[-1]) == "not_found"


def test_a_short_interval_stays_short_for_an_unknown_run() -> None:
    assert last(a_watch(poll_interval_s=0.5), MISSING).step.pause_s == 0.5


def test_denied_access_asks_for_the_connection_once() -> None:
    looks = walk(a_watch(), [RUNNING, DENIED, UNAVAILABLE, DENIED])
    assert [look.step.reread_connection for look in looks] == [False, True, False, False]


def test_trouble_stretches_the_pause_up_to_the_limit() -> None:
    looks = walk(a_watch(), [UNAVAILABLE] * 9)
    assert [look.step.pause_s for look in looks] == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert [event.in_a_row for event in told(looks, LookFailed)] == [*range(1, 10)]  # type: ignore[union-attr]


def test_trouble_without_end_does_not_overflow() -> None:
    watch = replace(a_watch(), trouble=10**6)
    assert last(watch, UNAVAILABLE).step.pause_s == LONGEST_PAUSE_S


def test_a_long_interval_is_not_shortened_by_trouble() -> None:
    assert last(a_watch(poll_interval_s=900.0), UNAVAILABLE, UNAVAILABLE).step.pause_s == 900.0


def test_a_good_look_resets_the_pause() -> None:
    looks = walk(a_watch(), [UNAVAILABLE, UNAVAILABLE, UNAVAILABLE, RUNNING, UNAVAILABLE])
    assert [look.step.pause_s for look in looks] == [5, 10, 20, 5, 5]


@pytest.mark.parametrize(
    ("retry_after_s", "pause_s"), [(None, 5.0), (0.0, 5.0), (2.0, 5.0), (7.5, 7.5), (1000.0, 1000.0)]
)
def test_no_pause_is_shorter_than_the_remote_asked_for(retry_after_s: float | None, pause_s: float) -> None:
    assert last(a_watch(), throttled(retry_after_s)).step.pause_s == pause_s


@pytest.mark.parametrize("kind", [NotFound, AccessDenied])
def test_every_failed_look_respects_retry_after(kind: type[RemoteCallError]) -> None:
    assert last(a_watch(), kind("no", retry_after_s=44.0)).step.pause_s == 44.0


# what is seen by the look at the deadline -> how the wait ends
AT_THE_DEADLINE: list[tuple[Seen, str]] = [
    (RUNNING, "deadline"),
    (STRANGE, "deadline"),
    (UNAVAILABLE, "deadline"),
    (throttled(9), "deadline"),
    (DENIED, "deadline"),
    (SUCCEEDED, "run_ended"),
    (a_run(RunState.ERROR), "run_ended"),
    (a_run(RunState.CANCELLED), "run_ended"),
    (MISSING, "deadline"),
    (REFUSED, "refused"),
]


@pytest.mark.parametrize(("seen", "expected"), AT_THE_DEADLINE)
def test_the_last_look_is_taken_at_the_deadline(seen: Seen, expected: str) -> None:
    looks = walk(a_watch(deadline_s=1007.0), [RUNNING, RUNNING, seen, RUNNING])
    assert [look.now_s for look in looks] == [1000.0, 1005.0, 1007.0]
    assert reason(looks[-1]) == expected


def test_a_deadline_that_is_past_still_leaves_one_look() -> None:
    assert reason(last(a_watch(deadline_s=900.0), SUCCEEDED)) == "run_ended"
    assert reason(last(a_watch(deadline_s=900.0), RUNNING)) == "deadline"


@pytest.mark.parametrize(("seen", "state"), [(RUNNING, "it is RUNNING"), (UNAVAILABLE, "it was never seen")])
def test_the_deadline_says_how_long_it_waited_for_what(seen: Seen, state: str) -> None:
    end = last(a_watch(deadline_s=1003.0), seen, seen).step.end
    assert end is not None
    assert end.message is not None
    assert end.message.startswith(f"Gave up after waiting 3 s: {state}.")


def test_unknown_status_keeps_watching_and_warns_once() -> None:
    looks = walk(a_watch(), [RUNNING, STRANGE, STRANGE, UNAVAILABLE, STRANGE])
    assert reason(looks[-1]) is None
    assert told(looks, UnknownStatusSeen) == [UnknownStatusSeen(run=STRANGE)]


def test_another_unknown_status_warns_again() -> None:
    other = replace(STRANGE, status="PONDERING")
    assert len(told(walk(a_watch(), [STRANGE, other, other]), UnknownStatusSeen)) == 2


def test_a_change_is_told_once_from_old_to_new() -> None:
    looks = walk(a_watch(), [RUNNING, RUNNING, UNAVAILABLE, RUNNING, SUCCEEDED])
    assert told(looks, StateChanged) == [
        StateChanged(old=None, new=RUNNING),
        StateChanged(old=RUNNING, new=SUCCEEDED),
    ]


def test_a_heartbeat_comes_once_a_minute_and_not_per_look() -> None:
    looks = walk(a_watch(), [RUNNING] * 30)
    assert [look.now_s - 1000.0 for look in looks if told([look], StillWaiting)] == [60.0, 120.0]
    assert told(looks, StillWaiting)[0] == StillWaiting(run=RUNNING, waited_s=60.0, looks=13)


def test_a_change_is_as_good_as_a_heartbeat() -> None:
    looks = walk(a_watch(poll_interval_s=40.0), [a_run(RunState.QUEUED), RUNNING, RUNNING, RUNNING])
    assert [bool(told([look], StillWaiting)) for look in looks] == [False, False, False, True]


def _may_end(look: Look) -> set[str]:
    """The reasons that this look may end the wait for, told from the rules and not from the code."""
    seen, before = look.seen, look.before
    if isinstance(seen, Run):
        if seen.state in TERMINAL:
            return {"run_ended"}
        late = before.deadline_s is not None and look.now_s >= before.deadline_s
        return {"deadline"} if late else set()
    reasons = set()
    if before.deadline_s is not None and look.now_s >= before.deadline_s:
        reasons.add("deadline")
    if isinstance(seen, AccessDenied):
        reasons |= {"access_denied"} if before.reread else set()
    elif isinstance(seen, NotFound):
        late = look.now_s - before.since_s >= NOT_FOUND_GRACE_S
        gone = before.missed + 1 >= GONE_AFTER_LOOKS and (late or before.run)
        reasons |= {"not_found"} if gone else set()
    elif not seen.retryable:
        reasons.add("refused")
    return reasons


@bounded
@given(watches, observations)
def test_no_sequence_of_looks_loses_or_invents_an_end(watch: Watch, observed: list[Seen]) -> None:
    looks = walk(watch, observed)
    for look in looks:
        allowed = _may_end(look)
        assert (reason(look) in allowed) if allowed else (look.step.end is None)
    runs = [look.seen for look in looks if isinstance(look.seen, Run)]
    end = looks[-1].step.end
    assert not end or end.run == (runs[-1] if runs else None)
    assert end or len(looks) == len(observed)


@bounded
@given(watches, observations)
def test_every_pause_is_within_its_limits(watch: Watch, observed: list[Seen]) -> None:
    for look in walk(watch, observed):
        if look.step.end:
            continue
        asked = (look.seen.retry_after_s or 0.0) if isinstance(look.seen, RemoteCallError) else 0.0
        left = watch.deadline_s - look.now_s if watch.deadline_s is not None else float("inf")
        assert min(asked, left) <= look.step.pause_s <= left
        assert 0 < look.step.pause_s <= max(watch.poll_interval_s, LONGEST_PAUSE_S, asked)
        if isinstance(look.seen, Run):
            assert look.step.pause_s == min(watch.poll_interval_s, left)


@bounded
@given(watches, st.lists(going_on | trouble, max_size=25), ended, st.lists(ended | trouble, max_size=3))
def test_the_first_end_of_the_run_is_what_is_reported(
    watch: Watch, before: list[Seen], end: Run, after: list[Seen]
) -> None:
    looks = walk(replace(watch, deadline_s=None), [*before, end, *after])
    assert len(looks) == len(before) + 1
    assert looks[-1].step.end
    assert (looks[-1].step.end.reason, looks[-1].step.end.run) == ("run_ended", end)


@bounded
@given(watches, observations)
def test_the_changes_told_are_the_changes_seen(watch: Watch, observed: list[Seen]) -> None:
    looks = walk(watch, observed)
    runs = [look.seen for look in looks if isinstance(look.seen, Run)]
    seen = runs[:1] + [new for old, new in pairwise(runs) if old.status != new.status]
    changes = told(looks, StateChanged)
    assert [event.new for event in changes] == seen  # type: ignore[union-attr]
    assert [event.old for event in changes] == [None, *seen][: len(seen)]  # type: ignore[union-attr]
    assert [event.run for event in told(looks, UnknownStatusSeen)] == [  # type: ignore[union-attr]
        run for run in seen if run.state is None
    ]


@bounded
@given(watches, st.lists(going_on | trouble, max_size=25))
def test_heartbeats_are_a_minute_apart(watch: Watch, observed: list[Seen]) -> None:
    looks = walk(replace(watch, deadline_s=None), observed)
    spoke = [look.now_s for look in looks if told([look], StillWaiting) + told([look], StateChanged)]
    beats = {look.now_s for look in looks if told([look], StillWaiting)}
    assert all(now_s - past_s >= HEARTBEAT_S for past_s, now_s in pairwise(spoke) if now_s in beats)


def test_waits_that_met_the_same_trouble_come_back_at_different_times() -> None:
    error = RemoteCallError("busy", status_code=429, retryable=True, retry_after_s=60)
    pauses = [
        watching.look(Watch(poll_interval_s=5, since_s=0, spread=spread), error, 1).pause_s
        for spread in (0, 0.5, 1)
    ]
    assert pauses == [60, 67.5, 75]


# --- word for word ----------------------------------------------------------------------------------------


def test_a_cancel_is_seen_confirmed_for_twenty_seconds_each_second() -> None:
    assert confirming(1000.0) == Watch(poll_interval_s=1.0, since_s=1000.0, deadline_s=1020.0)


def test_a_wait_knows_what_it_has_seen() -> None:
    queued, running, ended = (a_run(state) for state in (RunState.QUEUED, RunState.RUNNING, RunState.SUCCESS))
    watch = Watch(poll_interval_s=5.0, since_s=1000.0, trouble=3, reread=True)
    step = watching.look(watch, queued, 1001.0)
    assert step.watch == replace(
        watch, run=queued, looks=1, trouble=0, reread=False, heartbeat_s=1001.0, changes=step.watch.changes
    )
    assert [(change.new, change.at.timestamp()) for change in step.watch.changes] == [
        (RunState.QUEUED, 1001.0)
    ]
    assert (step.pause_s, step.reread_connection, step.end) == (5.0, False, None)
    again = watching.look(step.watch, queued, 1002.0)
    assert again.watch.changes is step.watch.changes
    assert (again.events, again.watch.looks, again.watch.heartbeat_s) == ((), 2, 1001.0)
    on = watching.look(again.watch, running, 1003.0)
    assert [change.new for change in on.watch.changes] == [RunState.QUEUED, RunState.RUNNING]
    over = watching.look(on.watch, ended, 1004.0)
    assert over.end == WaitEnded(reason="run_ended", run=ended, changes=over.watch.changes)
    assert over.watch.changes[-1].new is RunState.SUCCESS
    assert over.watch.changes[-1].at.tzinfo is not None


def test_a_repair_in_place_is_a_change_though_the_state_is_the_same() -> None:
    first = watching.look(Watch(poll_interval_s=5.0, since_s=0.0), a_run(), 1.0).watch
    second = watching.look(first, a_run(attempt=2), 2.0).watch
    assert [(change.attempt, change.new) for change in second.changes][-1] == (2, RunState.RUNNING)


def test_once_a_minute_it_is_told_that_the_run_goes_on() -> None:
    watch = watching.look(Watch(poll_interval_s=5.0, since_s=1000.0), a_run(), 1000.0).watch
    assert watching.look(watch, a_run(), 1059.9).events == ()
    step = watching.look(watch, a_run(), 1060.0)
    assert step.events == (StillWaiting(run=a_run(), waited_s=60.0, looks=2),)
    assert step.watch.heartbeat_s == 1060.0


def test_an_end_that_is_not_the_runs_carries_what_was_seen() -> None:
    watch = watching.look(
        Watch(poll_interval_s=5.0, since_s=1000.0, deadline_s=1010.0), a_run(), 1001.0
    ).watch
    late = watching.look(watch, a_run(), 1010.0)
    assert late.end == WaitEnded(
        reason="deadline",
        run=a_run(),
        message="Gave up after waiting 10 s: it is RUNNING. "
        "Raise the time limit, or look why it takes longer.",
        changes=watch.changes,
    )
    never = watching.look(Watch(poll_interval_s=5.0, since_s=1000.0, deadline_s=1010.0), UNAVAILABLE, 1010.0)
    assert never.end is not None
    assert never.end.message == (
        "Gave up after waiting 10 s: it was never seen. Raise the time limit, or look why it takes longer."
    )
    refused = watching.look(watch, REFUSED, 1002.0)
    assert refused.end == WaitEnded(
        reason="refused", run=a_run(), message="GET /run answered 400", changes=watch.changes
    )
    missed = replace(watch, missed=GONE_AFTER_LOOKS - 1)
    assert watching.look(missed, MISSING, 1002.0).end == WaitEnded(
        reason="not_found", run=a_run(), message="GET /run answered 404", changes=watch.changes
    )


def test_a_failed_look_is_counted_and_stretches_the_pause() -> None:
    watch = Watch(poll_interval_s=10.0, since_s=1000.0, spread=1.0)
    pauses = []
    for at in range(4):
        step = watching.look(watch, UNAVAILABLE, 1001.0 + at)
        watch = step.watch
        assert (watch.trouble, watch.looks) == (at + 1, at + 1)
        assert step.events == (LookFailed(error=UNAVAILABLE, in_a_row=at + 1, pause_s=step.pause_s),)
        pauses.append(step.pause_s)
    assert pauses == [12.5, 25.0, 50.0, 100.0]
    denied = watching.look(watch, DENIED, 1010.0)
    assert (denied.reread_connection, denied.watch.reread, denied.watch.looks) == (True, True, 5)


def test_a_missing_run_gets_its_grace_from_the_beginning_of_the_wait() -> None:
    watch = Watch(poll_interval_s=30.0, since_s=1000.0)
    assert watching.look(watch, MISSING, 1059.9).pause_s == 5.0
    assert watching.look(replace(watch, poll_interval_s=2.0), MISSING, 1001.0).pause_s == 2.0
    missed = replace(watch, missed=GONE_AFTER_LOOKS - 1)
    assert watching.look(missed, MISSING, 1059.9).end is None
    assert watching.look(missed, MISSING, 1060.0).end is not None
