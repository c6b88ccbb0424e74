"""One pure step of a watcher of finished runs: where it stands + what is in the lists now -> what is news.

It may be stopped at any moment, and has to go on later without repeating or losing a run. What it needs for
that is a :class:`Cursor`, small enough for Airflow's asset state store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_pipehooks.core.records import VERSION, VERSION_KEY, reading
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import TERMINAL, RunState

#: A run may come into the lists after one with a higher position. So the mark stays this far behind the
#: newest run, by the remote's own clock, and the runs above it are read again and told apart by their ids.
LAG = timedelta(seconds=120)
#: What a cursor holds at most. With 19 digits an id, 3,500 packed ones take 42 kB, 500 others 20 kB: below
#: the 65,535 bytes of Airflow's ``[state_store] max_value_storage_bytes``. What finds no room is left above
#: the mark, and so is found again.
MOST_OPEN = 3_500
MOST_ENDED = 500


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A run in a list of runs.

    :param position: grows with the time the run was made; the lists can be read from a position on.
    :param project_id: where the service has projects.
    """

    run: Run
    position: int
    project_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one round of reading saw, for all watchers alike.

    :param seen: runs above ``above``, and the open runs of all watchers.
    :param above: the lists were read from this position on; None when they were not read.
    :param mark: no run at or below it can appear any more.
    :param gone: runs the remote does not know any more.
    :param starts: for watchers without a cursor: where they begin, by their ``since``.
    """

    seen: tuple[Sighting, ...] = ()
    above: int | None = None
    mark: int = 0
    gone: frozenset[int] = frozenset()
    starts: Mapping[datetime | None, Start] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which finished runs a watcher is for; an empty set of ids takes any."""

    job_ids: frozenset[int] = frozenset()
    project_ids: frozenset[int] = frozenset()
    states: frozenset[RunState] = TERMINAL

    def may_take(self, seen: Sighting) -> bool:
        """What is true of a run from its start on."""
        return (not self.job_ids or seen.run.job_id in self.job_ids) and (
            not self.project_ids or seen.project_id in self.project_ids
        )


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A run whose event was handed to Airflow, which may not have stored it yet.

    :param dag_runs: how many runs the DAG that it starts had before; None when that is not known.
    """

    run_id: int
    dag_runs: int | None = None


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """Where a watcher stands.

    :param mark: every run at or below it is either in ``open`` or done with.
    :param open: runs that had not ended when last seen.
    :param told: run id -> position: above the mark, ended, and reported already.
    :param owed: ended runs that are still to be reported, in this order.
    :param sent: the one that is being reported.
    """

    mark: int
    open: frozenset[int] = frozenset()
    told: Mapping[int, int] = field(default_factory=dict)
    owed: tuple[int, ...] = ()
    sent: Sent | None = None

    def take(self, seen: Round, wanted: Filter) -> Cursor:
        """Take in what a round saw: newly ended runs are owed now."""
        step = _Step(self, wanted)
        for sighting in sorted(seen.seen, key=lambda each: each.position):
            step.look(sighting)
        # Read from above our mark on: what lies between has not been seen.
        covered = seen.above is not None and seen.above <= self.mark
        return step.result(max(self.mark, seen.mark) if covered else self.mark, seen.gone)

    def send(self, run_id: int, dag_runs: int | None) -> Cursor:
        owed = tuple(each for each in self.owed if each != run_id)
        return replace(self, owed=owed, sent=Sent(run_id=run_id, dag_runs=dag_runs))

    def arrived(self) -> Cursor:
        return replace(self, sent=None)

    def send_again(self) -> Cursor:
        assert self.sent is not None
        return replace(self, owed=(self.sent.run_id, *self.owed), sent=None)

    def to_json(self) -> dict[str, Any]:
        """What the asset state store keeps."""
        return {
            VERSION_KEY: VERSION,
            "mark": self.mark,
            "open": pack(self.open),
            "told": [[run_id, position] for run_id, position in self.told.items()],
            "owed": list(self.owed),
            "sent": [self.sent.run_id, self.sent.dag_runs] if self.sent else None,
        }

    @classmethod
    def from_json(cls, record: Any) -> Cursor:
        """:raises ValueError: not the record of a cursor; quotes it."""
        with reading("a cursor", record):
            sent = record.get("sent")
            return cls(
                mark=int(record["mark"]),
                open=frozenset(unpack(record.get("open", ""))),
                told={int(run_id): int(position) for run_id, position in record.get("told", ())},
                owed=tuple(map(int, record.get("owed", ()))),
                sent=Sent(run_id=int(sent[0]), dag_runs=sent[1]) if sent else None,
            )


class _Step:
    """The parts of a cursor while it takes in a round."""

    def __init__(self, cursor: Cursor, wanted: Filter) -> None:
        self.cursor, self.wanted = cursor, wanted
        self.open, self.told, self.owed = set(cursor.open), dict(cursor.told), list(cursor.owed)
        self.left_at: int | None = None

    def look(self, seen: Sighting) -> None:
        run_id = int(seen.run.run_id)
        known = run_id in self.open
        if not known:
            new = seen.position > self.cursor.mark and run_id not in self.told
            if not new or not self.wanted.may_take(seen):
                return
        if not seen.run.is_terminal:
            if known or self._has_room(len(self.open) < MOST_OPEN, seen):
                self.open.add(run_id)
        elif seen.run.state not in self.wanted.states:
            self.open.discard(run_id)
        elif self._has_room(len(self.told) + len(self.owed) < MOST_ENDED, seen):
            self.open.discard(run_id)
            self.told[run_id] = seen.position
            self.owed.append(run_id)

    def _has_room(self, is_so: bool, seen: Sighting) -> bool:
        if not is_so and self.left_at is None:
            self.left_at = seen.position
        return is_so

    def result(self, mark: int, gone: frozenset[int]) -> Cursor:
        if self.left_at is not None:
            mark = max(self.cursor.mark, min(mark, self.left_at - 1))
        return replace(
            self.cursor,
            mark=mark,
            open=frozenset(self.open - gone),
            told={run_id: position for run_id, position in self.told.items() if position > mark},
            owed=tuple(run_id for run_id in self.owed if run_id not in gone),
        )


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where a watcher without a cursor begins.

    :param active: runs that go on now.
    """

    mark: int
    told: Mapping[int, int] = field(default_factory=dict)
    active: tuple[Sighting, ...] = ()

    def cursor(self, wanted: Filter) -> Cursor:
        going_on = [int(each.run.run_id) for each in self.active if wanted.may_take(each)]
        return Cursor(mark=self.mark, told=dict(self.told), open=frozenset(going_on[:MOST_OPEN]))


def begin(newest: Iterable[Sighting], active: Iterable[Sighting]) -> Start:
    """Start from now: what has ended is over, what goes on is awaited.

    :param newest: the newest runs in any state, as far as a page goes.
    """
    newest = list(newest)
    going_on = {int(each.run.run_id): each for each in (*newest, *active) if not each.run.is_terminal}
    mark = mark_of(newest) or min((each.position for each in newest), default=1) - 1
    ended = {int(each.run.run_id): each.position for each in newest if each.position > mark}
    return Start(
        mark=mark,
        told={run_id: position for run_id, position in ended.items() if run_id not in going_on},
        active=tuple(going_on.values()),
    )


def mark_of(seen: Iterable[Sighting]) -> int:
    """The highest position that is old enough not to be overtaken; 0 when none is."""
    made = [(each.run.created_at, each.position) for each in seen if each.run.created_at is not None]
    if not made:
        return 0
    newest = max(created_at for created_at, _ in made)
    return max((position for created_at, position in made if created_at <= newest - LAG), default=0)


_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def pack(ids: Iterable[int]) -> str:
    """Ids as the steps between them, in base 36: half the length, and thousands fit into a cursor."""
    words, before = [], 0
    for each in sorted(ids):
        step, word = each - before, ""
        before = each
        while step:
            step, digit = divmod(step, 36)
            word = _DIGITS[digit] + word
        words.append(word)
    return " ".join(words)


def unpack(text: str) -> list[int]:
    """As :func:`pack` took them, in order."""
    ids, last = [], 0
    for word in text.split():
        last += int(word, 36)
        ids.append(last)
    return ids
