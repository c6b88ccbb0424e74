"""How far an event log has been handled: nothing is skipped, nothing is handled twice but after a crash."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_pipehooks.core.event_cursor import CHUNK, EventCursor, sortable
from tests.core.anything import bounded, objects, values

BEGIN = datetime(2026, 11, 28, 2, 30, tzinfo=timezone.utc)


def event(number: int, at: str = "2026-11-28T02:30:00.000Z") -> dict[str, Any]:
    return {"id": f"e{number}", "timestamp": at}


def handle(cursor: EventCursor, *events: dict[str, Any]) -> list[str]:
    """Handle what is new, as a task does.

    :return: the ids of those.
    """
    new = []
    for each in events:
        if cursor.is_new(each):
            new.append(each["id"])
            cursor.handled(each)
    return new


def after_a_restart(cursor: EventCursor, kept: dict[int, Any]) -> EventCursor:
    kept.update(json.loads(json.dumps({str(n): each for n, each in cursor.new_chunks().items()})))
    twin = EventCursor(most_ids=cursor.most_chunks * CHUNK)
    twin.restore(json.loads(json.dumps(cursor.to_json())), lambda number: kept[str(number)])  # type: ignore[index]
    return twin


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        ("2026-11-28T02:30:00Z", "2026-11-28T02:30:00000000000"),
        ("2026-11-28T02:30:00.1Z", "2026-11-28T02:30:00100000000"),
        ("2026-11-28T02:30:00.1234567891Z", "2026-11-28T02:30:00123456789"),
        ("2026-11-28T02:30:00.5+00:00", "2026-11-28T02:30:00500000000"),
        ("2026-11-28T08:00:00.5+05:30", "2026-11-28T02:30:00500000000"),
        ("yesterday", ""),
        (None, ""),
        (1700000000000, ""),
        ("9999-12-31T23:59:59-01:00", ""),
        ("2026-13-45T99:99:99Z", ""),
    ],
)
def test_times_sort_whatever_their_digits_and_zone(timestamp: Any, expected: str) -> None:
    assert sortable(timestamp) == expected


def test_the_log_is_read_from_its_beginning_when_nothing_is_known() -> None:
    assert EventCursor().floor() is None


def test_the_first_read_begins_where_it_is_told_to() -> None:
    assert EventCursor(BEGIN).floor() == "2026-11-28T02:30:00.000Z"


def test_the_next_read_begins_a_little_before_the_newest_event_in_milliseconds_rounded_down() -> None:
    cursor = EventCursor(overlap_s=60)
    handle(cursor, event(1, "2026-11-28T02:30:00.123999Z"))
    assert cursor.floor() == "2026-11-28T02:29:00.123Z"
    assert cursor.floor(whole=True) is None


def test_the_overlap_never_goes_behind_the_beginning() -> None:
    cursor = EventCursor(BEGIN, overlap_s=60)
    handle(cursor, event(1, "2026-11-28T02:30:10.000Z"))
    assert cursor.floor() == cursor.floor(whole=True) == "2026-11-28T02:30:00.000Z"


def test_events_of_one_time_and_late_ones_are_all_handled_once() -> None:
    cursor = EventCursor()
    late = event(9, "2026-11-27T02:30:00.000Z")
    assert handle(cursor, event(1), event(2), event(1)) == ["e1", "e2"]
    assert handle(cursor, event(1), event(2), event(3), late) == ["e3", "e9"]
    assert cursor.newest == sortable("2026-11-28T02:30:00.000Z")  # a late one does not move it back


def test_an_event_without_id_is_known_by_all_of_it() -> None:
    cursor = EventCursor()
    cursor.handled({"message": "a"})
    assert not cursor.is_new({"message": "a"})
    assert cursor.is_new({"message": "b"})


def test_an_event_without_id_that_is_nested_too_deeply_is_known_by_its_texts() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    cursor = EventCursor()
    cursor.handled({"message": "a", "details": deep})
    assert not cursor.is_new({"message": "a", "details": deep})
    assert cursor.is_new({"message": "b", "details": deep})


def test_a_time_that_cannot_be_leaves_what_follows_readable() -> None:
    cursor = EventCursor(overlap_s=0)
    cursor.handled(event(1, "2026-11-28T02:30:00.000Z"), latest=sortable("2026-11-28T03:30:00Z"))
    cursor.handled(event(2, "9998-01-01T00:00:00Z"), latest=sortable("2026-11-28T03:30:00Z"))
    assert cursor.floor() == "2026-11-28T02:30:00.000Z"
    assert not cursor.is_new(event(2))


def test_the_record_stays_small_and_chunks_are_written_once() -> None:
    cursor, kept = EventCursor(), dict[int, Any]()
    written = []
    for number in range(3 * CHUNK + 500):
        cursor.handled(event(number))
        chunks = cursor.new_chunks()
        kept.update(chunks)
        written += list(chunks)
        if number % 500 == 0:
            assert len(json.dumps(cursor.to_json())) < 12_000
    assert written == [0, 1, 2]
    assert max(len(json.dumps(chunk)) for chunk in kept.values()) < 12_000


def test_ids_are_bounded_and_events_older_than_those_forgotten_are_not_handled_again() -> None:
    cursor = EventCursor(most_ids=2 * CHUNK)
    for number in range(4 * CHUNK):
        second, millisecond = divmod(number, 1000)
        cursor.handled(event(number, f"2026-11-28T02:30:{second:02}.{millisecond:03}Z"))
    assert len(cursor._known) == 2 * CHUNK
    assert not cursor.is_new(event(7, "2026-11-28T02:30:00.007Z"))
    assert not cursor.is_new(event(99_999, "2026-11-28T02:30:01.500Z"))  # too late to be told apart
    assert cursor.is_new(event(99_999, "2026-11-28T02:30:02.000Z"))
    assert cursor.floor(whole=True) == "2026-11-28T02:30:01.999Z"


def test_of_one_time_all_ids_are_kept_however_many() -> None:
    cursor = EventCursor(most_ids=CHUNK)
    for number in range(3 * CHUNK):
        cursor.handled(event(number))
    assert not any(cursor.is_new(event(number)) for number in range(3 * CHUNK))


@bounded
@given(
    numbers=st.lists(st.integers(0, 60), min_size=1, max_size=60),
    restarts=st.sets(st.integers(0, 60)),
)
def test_over_any_restarts_each_event_is_handled_once(numbers: list[int], restarts: set[int]) -> None:
    cursor, kept, told = EventCursor(most_ids=10_000), dict[int, Any](), list[str]()
    for step, number in enumerate(numbers):
        told += handle(cursor, event(number, f"2026-11-28T02:30:{number:02}.000Z"))
        if step in restarts:
            cursor = after_a_restart(cursor, kept)
    assert sorted(told) == sorted({f"e{number}" for number in numbers})
    assert cursor.count == len(told)


def test_chunks_come_back_after_a_restart() -> None:
    cursor, kept = EventCursor(), dict[int, Any]()
    for number in range(2 * CHUNK + 3):
        cursor.handled(event(number))
    twin = after_a_restart(after_a_restart(cursor, kept), kept)
    assert not any(twin.is_new(event(number)) for number in range(2 * CHUNK + 3))
    assert vars(twin)["_next"] == 2
    assert twin.new_chunks() == {}


@bounded
@given(record=objects | values)
def test_a_record_that_is_none_is_refused(record: Any) -> None:
    with pytest.raises(ValueError, match="Not the record of an event cursor"):
        EventCursor().restore(record, lambda number: None)
