"""Exactly one remote run per intent: what a task wanted to start, and what to do when it wakes up again.

Airflow runs ``execute`` anew after a crash, a retry and a clear, and it looks the same from inside. The
record written before the start, and the run it led to, tell them apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import Enum
from typing import Any

from airflow_provider_pipehooks.core.records import (
    FLAG,
    MAYBE_ID,
    NUMBER,
    TEXT,
    VERSION,
    VERSION_KEY,
    Types,
    known,
    reading,
)
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState


@dataclass(frozen=True, kw_only=True)
class Intent:
    """One remote run that a task wants, whether or not it exists yet.

    :param generation: larger after a user cleared the task; the same over retries and crashes.
    :param attempt: 1, and one more after each run that ended badly.
    :param baseline: the highest run id of the job seen before the start; 0 where the service needs none.
    :param remote_run_id: set once the start was answered.
    :param adopted: the run was going on already, started by something else: it is never cancelled.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    generation: int
    attempt: int = 1
    baseline: int = 0
    remote_run_id: int | str | None = None
    adopted: bool = False

    @property
    def token(self) -> str:
        """64 hex digits, the most Databricks takes as ``idempotency_token``; equal for equal intents."""
        name = (self.dag_id, self.run_id, self.task_id, self.map_index, self.generation, self.attempt)
        return hashlib.sha256(repr(name).encode()).hexdigest()

    @property
    def tag(self) -> str:
        """A short mark for remotes without a token, to find the run by: ``pipehooks:`` and 16 hex digits."""
        return f"pipehooks:{self.token[:16]}"

    def to_json(self) -> dict[str, Any]:
        """The record for Airflow's task state store."""
        return {VERSION_KEY: VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Intent:
        """:raises ValueError: not such a record; quotes it."""
        with reading("an intent", record):
            return cls(**known(record, _FIELDS))

    def at(self, baseline: int) -> Intent:
        return replace(self, baseline=baseline)

    def answered(self, remote_run_id: int | str, *, adopted: bool = False) -> Intent:
        return replace(self, remote_run_id=remote_run_id, adopted=adopted)

    def next_attempt(self) -> Intent:
        return replace(self, attempt=self.attempt + 1, baseline=0, remote_run_id=None, adopted=False)


_FIELDS: Mapping[str, Types] = {
    **dict.fromkeys(("dag_id", "run_id", "task_id"), TEXT),
    **dict.fromkeys(("map_index", "generation", "attempt", "baseline"), NUMBER),
    "remote_run_id": MAYBE_ID,
    "adopted": FLAG,
}


class Decision(Enum):
    """What to do on a start of ``execute``; the value is the log line, with the run's label put in."""

    START = "No run was started yet: starting one"
    START_AGAIN = "A start was written down but no run of it exists: starting it again under the same mark"
    JOIN = "{run} of an earlier try goes on: waiting for it, starting none"
    RETURN = "{run} of an earlier try has succeeded already: starting none"
    START_NEXT = "{run} of the last try ended {outcome}: starting a new one"
    GONE = "{run} of the last try is not there any more: starting a new one"
    CONTINUE = "{run} of the last try ended {outcome}: continuing that run"
    CLEARED = "The task was cleared: starting a new run"
    CLEARED_ACTIVE = "The task was cleared while {run} was going on: cancelling it, then starting a new one"

    def explain(self, run: Run | None, record: Intent | None) -> str:
        """The log line: what was found and what is done."""
        label = run.label if run else f"Run {record.remote_run_id if record else None}"
        return self.value.format(run=label, outcome=run.outcome if run else "")


def decide(
    record: Intent | None, generation: int, run: Run | None, *, can_continue: bool = False
) -> Decision:
    """What to do, from what was written down and what the remote says of it.

    :param record: from the state store; None on the first start.
    :param generation: of the task as it starts now.
    :param run: the record's run as it is now, found by its id, or by its mark when the id was never
        stored; None when the remote has no such run.
    :param can_continue: a run that ended badly is to be repaired or retried in place.
    """
    if record is None:
        return Decision.START
    if record.generation != generation:
        return Decision.CLEARED_ACTIVE if run and not run.is_terminal else Decision.CLEARED
    if run is None:
        return Decision.START_AGAIN if record.remote_run_id is None else Decision.GONE
    if not run.is_terminal:
        return Decision.JOIN
    if run.is_success:
        return Decision.RETURN
    # A cancelled run was meant to end, so it is not continued.
    return Decision.CONTINUE if can_continue and run.state is RunState.ERROR else Decision.START_NEXT
