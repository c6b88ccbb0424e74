"""The rows the stand-in keeps: jobs, runs, the rounds of a run (original and repairs) and task runs."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_pipehooks.standin.databricks_jobs.states import Outcome, outcome
from airflow_provider_pipehooks.standin.plan import Plan

Json = dict[str, Any]


class Ids:
    """Ids in rising order, walked from the newest without sorting."""

    def __init__(self) -> None:
        self._ids: list[int] = []

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, id_: int) -> None:
        """Insert once; new ids are larger than all others, so this is an append nearly always."""
        at = bisect_left(self._ids, id_)
        if at == len(self._ids) or self._ids[at] != id_:
            self._ids.insert(at, id_)

    def discard(self, id_: int) -> None:
        """Remove if present."""
        at = bisect_left(self._ids, id_)
        if at < len(self._ids) and self._ids[at] == id_:
            del self._ids[at]

    def older(self, than: int | None = None) -> Iterator[int]:
        """Newest first, those below ``than``."""
        end = len(self._ids) if than is None else bisect_left(self._ids, than)
        return reversed(self._ids[:end])

    def newer(self, than: int) -> Iterator[int]:
        """Oldest first, those above ``than``."""
        return iter(self._ids[bisect_right(self._ids, than) :])


@dataclass
class Plans:
    """Plans for successive rounds; the last one repeats."""

    plans: Sequence[Plan]
    used: int = 0

    def __post_init__(self) -> None:
        for plan in self.plans:
            outcome(plan.outcome)

    def at(self, number: int) -> Plan:
        """The plan of round ``number``, counted from 0."""
        return self.plans[min(number, len(self.plans) - 1)]

    def take(self) -> Plan:
        """The plan of the next round."""
        plan = self.at(self.used)
        self.used += 1
        return plan


@dataclass(frozen=True)
class Behaviour:
    """What a test said about one task: its plans by attempt, and what get-output reports."""

    plans: Plans | None = None
    error: str | None = None
    error_trace: str | None = None
    output: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Job:
    """A job and the runs that hold its slots."""

    job_id: int
    settings: Json
    created_ms: int
    plans: Plans
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    run_ids: Ids = field(default_factory=Ids)
    running: dict[int, None] = field(default_factory=dict)
    waiting: deque[int] = field(default_factory=deque)

    @property
    def max_concurrent_runs(self) -> int:
        """The limit, 1 unless the settings say otherwise."""
        return int(self.settings.get("max_concurrent_runs") or 1)

    @property
    def queue_enabled(self) -> bool:
        """Whether runs over the limit wait instead of being skipped."""
        return bool((self.settings.get("queue") or {}).get("enabled"))


@dataclass
class TaskRun:
    """One attempt at one task."""

    run_id: int
    task_key: str
    settings: Json
    behaviour: Behaviour
    attempt_number: int = 0
    cancelled: bool = False
    outcome: Outcome | None = None
    ended_ms: int = 0

    @property
    def plan(self) -> Plan | None:
        """The task's own plan, if a test gave it one."""
        plans = self.behaviour.plans
        return plans.at(self.attempt_number) if plans else None

    @property
    def upstream(self) -> list[str]:
        """Keys of the tasks this one waits for."""
        return [dependency["task_key"] for dependency in self.settings.get("depends_on") or ()]


@dataclass
class Round:
    """One go at a run: the original one, or a repair."""

    plan: Plan
    tasks: list[TaskRun]
    started_ms: int
    repair_id: int | None = None
    polls: int = 0
    begun_s: float = 0.0
    cancel_looks: int | None = None
    outcome: Outcome | None = None
    last_word: str = ""
    ended_ms: int = 0

    @property
    def type(self) -> str:
        """``ORIGINAL`` or ``REPAIR``."""
        return "ORIGINAL" if self.repair_id is None else "REPAIR"


@dataclass
class Run:
    """A run of a job, or one that was submitted.

    :param rounds: the original and its repairs, oldest first; the last one is going on or the last to end.
    :param body: what the client sent to start it.
    :param job: None for a submitted run, which belongs to no job one could look up.
    :param queued: waits for a slot.
    :param queue_ms: how long it waited for a slot.
    """

    run_id: int
    job_id: int
    run_name: str
    run_type: str
    body: Json
    settings: Json
    plans: Plans
    started_ms: int
    job: Job | None = None
    idempotency_token: str | None = None
    rounds: list[Round] = field(default_factory=list)
    queued: bool = False
    queue_ms: int = 0

    @property
    def round(self) -> Round:
        """The one that is going on, or was the last."""
        return self.rounds[-1]

    @property
    def repair_history(self) -> list[Round]:
        """All rounds, the original first."""
        return self.rounds

    @property
    def tasks(self) -> list[TaskRun]:
        """All task runs of all rounds, oldest first."""
        return [task for round_ in self.rounds for task in round_.tasks]

    @property
    def latest_tasks(self) -> dict[str, TaskRun]:
        """The highest attempt of each task."""
        return {task.task_key: task for task in self.tasks}

    @property
    def is_over(self) -> bool:
        """It was seen at a terminal state."""
        return self.round.outcome is not None

    @property
    def cancelled(self) -> bool:
        """Someone asked to cancel it."""
        return self.round.cancel_looks is not None

    @property
    def is_legacy(self) -> bool:
        """Submitted with one task at the root of the body instead of a list of tasks."""
        return self.run_type == "SUBMIT_RUN" and "tasks" not in self.body
