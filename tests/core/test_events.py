"""What a log shows, and the end of a wait on its way through Airflow's database."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.core.changes import between
from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.core.events import (
    EndReason,
    HookProgress,
    LookFailed,
    SomethingWaits,
    StateChanged,
    StillWaiting,
    UnknownStatusSeen,
    WaitEnded,
    WatchEvent,
    read_event,
)
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from tests.core.anything import a_run, bounded, objects, runs, shaped, texts, values

LINES: dict[type, tuple[WatchEvent, str]] = {
    StateChanged: (
        StateChanged(old=a_run(RunState.QUEUED), new=a_run(message="cluster is up")),
        "dbt Cloud run 42 is QUEUED -> RUNNING: cluster is up",
    ),
    UnknownStatusSeen: (
        UnknownStatusSeen(run=a_run(None)),
        "dbt Cloud run 42: 'HIBERNATING' is not a known status; taken as not finished. "
        "Add it to the table in services, or upgrade.",
    ),
    LookFailed: (
        LookFailed(error=RemoteCallError("GET /run answered 503"), in_a_row=2, pause_s=10.0),
        "Could not look at the run (2 in a row, next try in 10 s): GET /run answered 503",
    ),
    StillWaiting: (
        StillWaiting(run=a_run(), waited_s=61.0, looks=13),
        "dbt Cloud run 42 is still RUNNING after 61 s and 13 looks",
    ),
}


@pytest.mark.parametrize("kind", get_args(WatchEvent))
def test_every_event_is_a_line_for_the_log(kind: type) -> None:
    event, line = LINES[kind]
    assert str(event) == line


def test_the_first_state_has_no_arrow() -> None:
    assert str(StateChanged(old=None, new=a_run())) == "dbt Cloud run 42 is RUNNING"


_ends = st.builds(
    WaitEnded,
    reason=st.sampled_from([reason for reason in get_args(EndReason) if reason != "run_ended"]),
    run=st.none() | runs,
    message=st.none() | texts,
) | st.builds(WaitEnded, reason=st.just("run_ended"), run=runs.filter(lambda run: run.is_terminal))


@bounded
@given(_ends)
def test_any_end_of_a_wait_comes_back_as_it_was(end: WaitEnded) -> None:
    assert WaitEnded.from_json(json.loads(json.dumps(end.to_json()))) == end


_payloads = shaped(
    reason=st.sampled_from(get_args(EndReason)), run=runs.map(Run.to_json), message=st.none() | texts
)


@bounded
@given(values | objects | _payloads)
def test_any_json_is_the_end_of_a_wait_or_a_value_error(payload: Any) -> None:
    try:
        end = WaitEnded.from_json(payload)
    except ValueError:
        return
    assert end.reason == payload["reason"]
    assert end.reason != "run_ended" or (end.run is not None and end.run.is_terminal)


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"reason": "bored"},
        {"reason": "run_ended"},
        {"reason": "run_ended", "run": a_run().to_json()},
        {"reason": "run_ended", "run": a_run(None).to_json()},
        {"reason": "deadline", "run": "42"},
        {"reason": "deadline", "message": {"text": "late"}},
        ["run_ended"],
        "run_ended",
    ],
    ids=str,
)
def test_a_lost_payload_never_passes_for_a_success(payload: Any) -> None:
    with pytest.raises(ValueError, match=r"trigger's event|record of a run"):
        WaitEnded.from_json(payload)


def test_a_trigger_tells_the_end_or_that_something_waits() -> None:
    changes = between(None, a_run(), datetime(2026, 11, 1, tzinfo=timezone.utc))
    for told in (
        WaitEnded(reason="run_ended", run=a_run(RunState.SUCCESS), changes=changes),
        WaitEnded(reason="deadline", message="time is up"),
        SomethingWaits(run=a_run(), changes=changes),
    ):
        assert read_event(json.loads(json.dumps(told.to_json()))) == told


@pytest.mark.parametrize(
    "payload", [None, {}, {"waits": None}, {"waits": {}}, {"waits": a_run().to_json(), "changes": [3]}]
)
def test_a_payload_that_is_neither_is_refused(payload: Any) -> None:
    with pytest.raises(ValueError, match=r"Not the record|not the end"):
        read_event(payload)


def test_an_end_is_read_with_every_field() -> None:
    record = {
        "reason": "deadline",
        "run": a_run().to_json(),
        "message": "late",
        "changes": [change.to_json() for change in between(None, a_run(), datetime.now(timezone.utc))],
    }
    end = WaitEnded.from_json(record)
    assert (end.reason, end.run, end.message) == ("deadline", a_run(), "late")
    assert [change.to_json() for change in end.changes] == record["changes"]
    assert WaitEnded.from_json({"reason": "refused"}) == WaitEnded(reason="refused")
    assert (
        WaitEnded.from_json({"reason": "refused", "changes": None, "run": None, "message": None}).changes
        == ()
    )


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        ({"reason": "bored"}, "reason is 'bored'"),
        ({"reason": "run_ended"}, "it says that the run ended, but its run did not"),
        (
            {"reason": "run_ended", "run": a_run().to_json()},
            "it says that the run ended, but its run did not",
        ),
        ({"message": "x"}, "KeyError('reason')"),
        (None, "it is a NoneType"),
    ],
)
def test_what_is_wrong_with_a_payload_is_told(payload: Any, says: str) -> None:
    with pytest.raises(ValueError, match="Not the record of a trigger's event") as raised:
        WaitEnded.from_json(payload)
    assert says in str(raised.value)


def test_something_that_waits_needs_a_run() -> None:
    assert SomethingWaits.from_json({"waits": a_run().to_json()}) == SomethingWaits(run=a_run())
    with pytest.raises(ValueError, match="Not the record of a trigger's event"):
        SomethingWaits.from_json({"waits": a_run().to_json(), "changes": 3})


def test_a_hooks_progress_reads_as_a_line() -> None:
    failed = HookProgress(hook_name="h", state="FAILED", error=ValueError("no"))
    assert str(failed) == "Hook h FAILED: ValueError: no"
