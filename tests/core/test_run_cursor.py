"""Where a watcher of finished runs stands: nothing lost, nothing told twice, in any order, and bounded."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_cursor import (
    LAG,
    MOST_ENDED,
    MOST_OPEN,
    Cursor,
    Filter,
    Round,
    Sent,
    Sighting,
    begin,
    mark_of,
    pack,
    unpack,
)
from airflow_provider_pipehooks.core.run_state import RunState

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
ANY = Filter()
#: Airflow's ``[state_store] max_value_storage_bytes``.
LIMIT = 65_535


def seen(
    run_id: int, state: RunState = RunState.SUCCESS, *, at_s: float | None = None, job: int = 1
) -> Sighting:
    made = NOON + timedelta(seconds=run_id if at_s is None else at_s)
    run = Run(service="dbt_cloud", run_id=run_id, state=state, status="", job_id=job, created_at=made)
    return Sighting(run=run, position=run_id, project_id=job * 10)


def listed(*sightings: Sighting, above: int = 0) -> Round:
    return Round(seen=sightings, above=above, mark=mark_of(sightings))


def test_a_run_that_had_ended_before_the_start_is_never_owed() -> None:
    cursor = begin([seen(1), seen(2)], []).cursor(ANY)
    assert cursor.take(listed(seen(1), seen(2)), ANY).owed == ()


def test_a_run_that_goes_on_is_owed_when_it_ends_and_only_then() -> None:
    cursor = begin([seen(9)], [seen(1, RunState.RUNNING)]).cursor(ANY)
    going_on = cursor.take(listed(seen(1, RunState.RUNNING)), ANY)
    assert going_on.owed == ()
    ended = going_on.take(listed(seen(1)), ANY)
    assert ended.owed == (1,)
    assert ended.take(listed(seen(1)), ANY).owed == (1,)


def test_a_start_awaits_only_what_the_filter_takes() -> None:
    start = begin([], [seen(1, RunState.RUNNING, job=1), seen(2, RunState.RUNNING, job=2)])
    assert start.cursor(Filter(job_ids=frozenset({2}))).open == {2}
    assert start.cursor(Filter(project_ids=frozenset({10}))).open == {1}


def test_the_mark_stays_behind_the_newest_run() -> None:
    behind = LAG.total_seconds()
    assert mark_of([seen(1, at_s=0), seen(2, at_s=behind), seen(3, at_s=behind + 1)]) == 1
    assert mark_of([seen(5), seen(6)]) == 0


def test_a_run_that_comes_late_into_the_list_is_not_overtaken() -> None:
    cursor = Cursor(mark=0).take(listed(seen(1), seen(3)), ANY)
    assert cursor.take(listed(seen(1), seen(2), seen(3)), ANY).owed == (1, 3, 2)


def test_a_list_that_begins_above_the_mark_does_not_move_it() -> None:
    far = listed(seen(1000), seen(9000), above=900)
    assert Cursor(mark=5).take(far, ANY).mark == 5
    assert Cursor(mark=950).take(far, ANY).mark == 1000


def test_a_run_that_is_gone_is_forgotten() -> None:
    cursor = Cursor(mark=9, open=frozenset({1, 2}), owed=(3, 4))
    after = cursor.take(Round(gone=frozenset({1, 3})), ANY)
    assert (after.open, after.owed) == (frozenset({2}), (4,))


def test_an_unwanted_state_ends_the_wait_without_a_word() -> None:
    cursor = Cursor(mark=9, open=frozenset({1}))
    after = cursor.take(listed(seen(1)), Filter(states=frozenset({RunState.ERROR})))
    assert (after.open, after.owed) == (frozenset(), ())


def test_sending_and_arriving() -> None:
    cursor = Cursor(mark=0, owed=(1, 2)).send(1, 7)
    assert (cursor.owed, cursor.sent) == ((2,), Sent(run_id=1, dag_runs=7))
    assert cursor.arrived() == Cursor(mark=0, owed=(2,))
    assert cursor.send_again() == Cursor(mark=0, owed=(1, 2))


def test_a_cursor_is_the_same_after_it_was_stored() -> None:
    cursor = Cursor(
        mark=5,
        open=frozenset({1, 70403110257001}),
        told={7: 9},
        owed=(3,),
        sent=Sent(run_id=2, dag_runs=None),
    )
    assert Cursor.from_json(json.loads(json.dumps(cursor.to_json()))) == cursor


@pytest.mark.parametrize(
    "record", [None, {}, [], "x", {"mark": "x"}, {**Cursor(mark=1).to_json(), "open": "!"}]
)
def test_what_is_not_a_cursor_is_refused(record: object) -> None:
    with pytest.raises(ValueError, match="Not the record of a cursor"):
        Cursor.from_json(record)


@given(st.sets(st.integers(min_value=1, max_value=2**63)))
def test_packed_ids_come_out_again(ids: set[int]) -> None:
    assert unpack(pack(ids)) == sorted(ids)


def test_a_full_cursor_fits_into_airflows_store() -> None:
    ids = random.Random(1).sample(range(10**18, 9 * 10**18), MOST_OPEN + MOST_ENDED)
    ended = ids[MOST_OPEN:]
    cursor = Cursor(mark=10**18, open=frozenset(ids[:MOST_OPEN]), told={each: each for each in ended})
    assert len(json.dumps(cursor.to_json())) < LIMIT


@dataclass
class World:
    """Runs that are made, come into the lists a little later, and end in any order."""

    random: random.Random
    now_s: float = 0.0
    made: dict[int, float] = field(default_factory=dict)
    shows_s: dict[int, float] = field(default_factory=dict)
    ends_s: dict[int, float] = field(default_factory=dict)

    def make(self, count: int, longest_s: float) -> None:
        for _ in range(count):
            run_id = len(self.made) + 1
            self.made[run_id] = self.now_s
            self.shows_s[run_id] = self.now_s + self.random.uniform(0, LAG.total_seconds() / 2)
            self.ends_s[run_id] = self.now_s + self.random.uniform(0, longest_s)

    def sighting(self, run_id: int) -> Sighting:
        state = RunState.SUCCESS if self.ends_s[run_id] <= self.now_s else RunState.RUNNING
        return seen(run_id, state, at_s=self.made[run_id], job=run_id % 3)

    def look(self, cursor: Cursor) -> Round:
        shown = [each for each in self.made if self.shows_s[each] <= self.now_s]
        above = [self.sighting(each) for each in shown if each > cursor.mark]
        again = [self.sighting(each) for each in cursor.open if each <= cursor.mark]
        return Round(seen=(*above, *again), above=cursor.mark, mark=mark_of(above))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(), steps=st.integers(min_value=5, max_value=60), wanted=st.sampled_from([(), (1,)]))
def test_every_run_is_owed_exactly_once_over_any_number_of_restarts(
    seed: int, steps: int, wanted: tuple[int, ...]
) -> None:
    """Runs end out of order and come late into the lists; the watcher may go on from its stored place."""
    world, chosen = World(random.Random(seed)), Filter(job_ids=frozenset(wanted))
    cursor = stored = Cursor(mark=0)
    told: list[int] = []
    for step in range(steps + 30):
        if step < steps:
            world.make(world.random.randrange(20), longest_s=world.random.choice((1, 60, 5000)))
        world.now_s += world.random.choice((1, 10, 300))
        cursor = cursor.take(world.look(cursor), chosen)
        if cursor.owed:
            # As the watcher does: what is owed is written down before it is told.
            stored = Cursor.from_json(json.loads(json.dumps(cursor.to_json())))
            told += cursor.owed
            for run_id in cursor.owed:
                cursor = cursor.send(run_id, None).arrived()
            stored = cursor
        elif world.random.random() < 0.3:
            cursor = stored
    world.now_s += 10_000
    told += cursor.take(world.look(cursor), chosen).owed
    assert sorted(told) == [each for each in world.made if not wanted or each % 3 in wanted]


def test_more_runs_than_a_cursor_holds_are_found_again_later() -> None:
    world = World(random.Random(1))
    for _ in range(60):
        world.make(100, longest_s=1)
        world.now_s += 60
    cursor, told = Cursor(mark=0), list[int]()
    while len(told) < len(world.made):
        cursor = cursor.take(world.look(cursor), ANY)
        assert len(cursor.told) + len(cursor.owed) <= 2 * MOST_ENDED
        assert cursor.owed, "nothing more is found"
        told += cursor.owed
        for run_id in cursor.owed:
            cursor = cursor.send(run_id, None).arrived()
    assert sorted(told) == list(world.made)


def test_thousands_of_active_runs_do_not_hide_the_others() -> None:
    world = World(random.Random(1))
    world.make(MOST_OPEN + 500, longest_s=1)
    world.ends_s = dict.fromkeys(world.ends_s, 5000.0)
    world.now_s = 300
    cursor = Cursor(mark=0).take(world.look(Cursor(mark=0)), ANY)
    assert len(cursor.open) == MOST_OPEN
    world.make(10, longest_s=1)
    world.now_s = 600
    cursor = cursor.take(world.look(cursor), ANY)
    assert sorted(cursor.owed) == list(world.made)[-10:]
    assert len(json.dumps(cursor.to_json())) < LIMIT
