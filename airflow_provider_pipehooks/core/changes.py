"""What has happened to a run, as rows that are kept: the same whoever looked, and however seldom.

A wait may see a run queued, running and ended, or only its end; the remote tells all three times in the end.
So changes are made of what a run has passed, not of what was seen of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from airflow_provider_pipehooks.core.records import (
    ID,
    NUMBER,
    TEXT,
    VERSION,
    VERSION_KEY,
    Types,
    known,
    reading,
)
from airflow_provider_pipehooks.core.run import Run, label_of
from airflow_provider_pipehooks.core.run_state import RunState

#: Whose clock a time is of: the remote's, or that of the process that saw the change.
Source = Literal["remote", "look"]
Key = tuple[str, str, int, str]
MOST_CHANGES = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A run came into a state.

    :param attempt: of the run in place: 1, and one more with each repair.
    :param old: the state before; None for the first.
    :param new: QUEUED, RUNNING, or how it ended. What is between the two is passed too quickly to be seen by
        all.
    :param at: when, timezone-aware.
    """

    service: str
    run_id: int | str
    attempt: int
    old: RunState | None
    new: RunState
    at: datetime
    source: Source

    @property
    def key(self) -> Key:
        """The same for the same change, wherever it was seen."""
        return (self.service, str(self.run_id), self.attempt, self.new.name)

    def __str__(self) -> str:
        since = f"{self.old.name} -> " if self.old else ""
        again = f", attempt {self.attempt}" if self.attempt > 1 else ""
        label = label_of(self.service, self.run_id)
        return f"{label}{again}: {since}{self.new.name} at {self.at.isoformat()}"

    def to_json(self) -> dict[str, Any]:
        """``{"service", "run_id", "attempt", "old", "new", "at", "source"}``; the time as ISO 8601 text."""
        return {
            VERSION_KEY: VERSION,
            "service": self.service,
            "run_id": self.run_id,
            "attempt": self.attempt,
            "old": self.old.name if self.old else None,
            "new": self.new.name,
            "at": self.at.isoformat(),
            "source": self.source,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Change:
        """Read what :meth:`to_json` wrote.

        :raises ValueError: not the record of a change; quotes it.
        """
        with reading("a change", record):
            values = known(record, _FIELDS)
            values["old"] = RunState[record["old"]] if record.get("old") else None
            values["new"] = RunState[record["new"]]
            values["at"] = datetime.fromisoformat(record["at"])
            values["source"] = "look" if record.get("source") == "look" else "remote"
            return cls(**values)


#: State names, time and source are read on their own.
_FIELDS: Mapping[str, Types] = {"service": TEXT, "run_id": ID, "attempt": NUMBER}


def between(old: Run | None, new: Run, looked_at: datetime) -> tuple[Change, ...]:
    """The changes that a look tells of, in the order they happened.

    :param old: the run as the look before saw it; None before the first one.
    """
    known = old if old is not None and old.attempt == new.attempt else None
    before = {state for state, _ in _passed(known)} if known else set()
    last = max(before, default=old.state if old else None)
    changes = []
    for state, at in _passed(new):
        if state not in before:
            changes.append(
                Change(
                    service=new.service,
                    run_id=new.run_id,
                    attempt=new.attempt,
                    old=last,
                    new=state,
                    at=at or looked_at,
                    source="remote" if at else "look",
                )
            )
            last = state
    return tuple(changes)


def _passed(run: Run) -> Iterator[tuple[RunState, datetime | None]]:
    """What a run has come through, with the remote's time where it tells one.

    A repair goes on in place: the remote then tells the start of the first attempt only.
    """
    if run.state is None:
        return
    first = run.attempt == 1
    if first:
        yield RunState.QUEUED, run.created_at
    if run.state is RunState.RUNNING or (run.is_terminal and run.started_at):
        yield RunState.RUNNING, run.started_at if first else None
    if run.is_terminal:
        yield run.state, run.finished_at


def merged(known: Iterable[Change], more: Iterable[Change]) -> tuple[Change, ...]:
    """Each change once, in the order they came; a time of the remote's is better than one of ours.

    :return: the newest of them: a run that is repaired without end fills no XCom.
    """
    rows: dict[Key, Change] = {}
    for change in (*known, *more):
        before = rows.get(change.key)
        if before is None or (before.source == "look" and change.source == "remote"):
            rows[change.key] = change
    return tuple(rows.values())[-MOST_CHANGES:]
