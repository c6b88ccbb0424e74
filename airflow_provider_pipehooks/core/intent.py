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
    :param service: of the run; empty in records of versions that did not write it, like the next three.
    :param job: of the run, as its service names it; empty for a run without one.
    :param born: when the DAG run began: one that is deleted and made anew has the same ``run_id``.
    :param turn: how often the operator had run in this try, from 1: a task may execute several.
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
    service: str = ""
    job: str = ""
    born: str = ""
    turn: int = 1

    @property
    def token(self) -> str:
        """64 hex digits, the most Databricks takes as ``idempotency_token``; equal for equal intents."""
        name = (self.dag_id, self.run_id, self.task_id, self.map_index, self.generation, self.attempt)
        # A record of a version before them is still found under the token that it was started with.
        later = (self.service, self.job, self.born, self.turn) if self.service else ()
        return hashlib.sha256(repr((*name, *later)).encode()).hexdigest()

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

    def after(self, record: Intent) -> Intent:
        """The same as the next attempt after another one, which is over."""
        return replace(self, attempt=record.attempt + 1)

    def is_of_service(self, service: str) -> bool:
        """Whether its run can be asked for there."""
        return self.service in ("", service)

    def is_of_other_job(self, first: Intent) -> bool:
        """Whether it wanted something else than the task wants now."""
        return bool(self.service) and (self.service, self.job) != (first.service, first.job)


_FIELDS: Mapping[str, Types] = {
    **dict.fromkeys(("dag_id", "run_id", "task_id", "service", "job", "born"), TEXT),
    **dict.fromkeys(("map_index", "generation", "attempt", "baseline", "turn"), NUMBER),
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
    OTHER_JOB = "The task has another job now than in its last try: starting a run of it"
    OTHER_JOB_ACTIVE = "The task has another job now: cancelling {run}, then starting a run of the new one"
    CLEARED_ACTIVE = "The task was cleared while {run} was going on: cancelling it, then starting a new one"

    def explain(self, run: Run | None, record: Intent | None) -> str:
        """The log line: what was found and what is done."""
        label = run.label if run else f"Run {record.remote_run_id if record else None}"
        return self.value.format(run=label, outcome=run.outcome if run else "")


def decide(record: Intent | None, first: Intent, run: Run | None, *, can_continue: bool = False) -> Decision:
    """What to do, from what was written down and what the remote says of it.

    :param record: from the state store; None on the first start.
    :param first: what the task would write down now, had it never been tried.
    :param run: the record's run as it is now, found by its id, or by its mark when the id was never
        stored; None when the remote has no such run.
    :param can_continue: a run that ended badly is to be repaired or retried in place.
    """
    if record is None:
        return Decision.START
    active = run is not None and not run.is_terminal
    if record.generation != first.generation:
        return Decision.CLEARED_ACTIVE if active else Decision.CLEARED
    if record.is_of_other_job(first):
        return Decision.OTHER_JOB_ACTIVE if active else Decision.OTHER_JOB
    if run is None:
        return Decision.START_AGAIN if record.remote_run_id is None else Decision.GONE
    if not run.is_terminal:
        return Decision.JOIN
    if run.is_success:
        return Decision.RETURN
    # A cancelled run was meant to end, so it is not continued.
    return Decision.CONTINUE if can_continue and run.state is RunState.ERROR else Decision.START_NEXT
