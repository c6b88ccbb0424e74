"""One dbt Cloud run of the stand-in: what is kept of it and how it moves along its plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airflow_provider_pipehooks.standin.plan import Plan

QUEUED, STARTING, RUNNING, SUCCESS, ERROR, CANCELLED = 1, 2, 3, 10, 20, 30
TERMINAL = frozenset({SUCCESS, ERROR, CANCELLED})

#: The way of a run by the outcome of its plan. Only its message tells a timeout, as on the real service.
PATHS: dict[str, tuple[int, ...]] = {
    "success": (QUEUED, STARTING, RUNNING, SUCCESS),
    "error": (QUEUED, STARTING, RUNNING, ERROR),
    "cancelled": (QUEUED, STARTING, RUNNING, CANCELLED),
    "timeout": (QUEUED, STARTING, RUNNING, CANCELLED),
}


def path_of(plan: Plan) -> tuple[int, ...]:
    """The status codes a run with this plan goes through.

    :raises ValueError: an outcome that dbt Cloud does not know.
    """
    if plan.states:
        return tuple(int(state) for state in plan.states)
    if plan.outcome not in PATHS:
        raise ValueError(f"dbt_cloud has no outcome {plan.outcome!r}. Use one of {', '.join(PATHS)}.")
    return PATHS[plan.outcome]


@dataclass
class Step:
    """A step of a run: a log, and the files dbt left, in memory or in a folder."""

    index: int
    name: str
    status: int
    command: str | None = None
    logs: str = ""
    debug_logs: str = ""
    started_at: float | None = None
    finished_at: float | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    target: Path | None = None

    def artifact_paths(self) -> list[str]:
        """Paths below ``target/``, sorted."""
        if self.target is None:
            return sorted(self.files)
        found = (path for path in self.target.rglob("*") if path.is_file())
        return sorted(path.relative_to(self.target).as_posix() for path in found)

    def artifact(self, path: str) -> bytes | None:
        """The content of one file, None when dbt did not write it."""
        if self.target is None:
            return self.files.get(path)
        file = (self.target / path).resolve()
        if not file.is_relative_to(self.target.resolve()) or not file.is_file():
            return None
        return file.read_bytes()


@dataclass
class Run:
    """What the stand-in remembers of a run; times are seconds since the epoch."""

    id: int
    account_id: int
    project_id: int
    environment_id: int
    job_id: int
    plan: Plan
    trigger: dict[str, Any]
    commands: tuple[str, ...]
    created_at: float
    dbt_version: str = "versionless"
    timeout_seconds: int = 0
    retrying_run_id: int | None = None
    status: int = QUEUED
    status_message: str | None = None
    updated_at: float = 0.0
    dequeued_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    polls: int = 0
    plan_from: float = 0.0
    cancel_requested_by: str | None = None
    cancelled_by: str | None = None
    is_real: bool = False
    steps: list[Step] = field(default_factory=list)
    deferring_run_id: int | None = None
    has_docs_generated: bool = False
    has_sources_generated: bool = False

    @property
    def is_terminal(self) -> bool:
        """No further change can come."""
        return self.status in TERMINAL

    @property
    def steps_override(self) -> list[str] | None:
        """The commands sent with the start instead of the job's own."""
        value: list[str] | None = self.trigger.get("steps_override")
        return value

    @property
    def cause(self) -> str:
        """Why it was started, in the words of who started it."""
        return str(self.trigger["cause"])

    def dequeue(self, at: float) -> None:
        """Leave the job's queue: from now on the plan counts."""
        self.dequeued_at = self.plan_from = at

    def replan(self, plan: Plan, now: float) -> None:
        """Follow another plan from now on."""
        path_of(plan)
        self.plan, self.polls, self.plan_from = plan, 0, now

    def advance(self, now: float, speed: float) -> None:
        """Move to where the plan says the run is now; never backwards."""
        if self.is_terminal:
            return
        if self.cancel_requested_by is not None:
            self.cancelled_by = self.cancel_requested_by
            self.enter(CANCELLED, now)
        elif self.dequeued_at is not None:
            if not self.is_real:
                self._follow_plan(now, speed)
            self._enforce_timeout(now, speed)

    def _follow_plan(self, now: float, speed: float) -> None:
        path = path_of(self.plan)
        elapsed_s = max(0.0, now - self.plan_from) * speed
        index = self.plan.position(len(path), polls=self.polls, elapsed_s=elapsed_s)
        done = path.index(self.status) if self.status in path else -1
        for step in range(done + 1, index + 1):
            self.enter(path[step], self._due(step, len(path) - 1, now, speed))

    def _due(self, index: int, last: int, now: float, speed: float) -> float:
        # A poll comes late: the times of a run in seconds are those of its plan, not of the look.
        if self.plan.polls or not self.plan.seconds:
            return now
        return min(now, self.plan_from + self.plan.seconds * index / last / speed) if last else now

    def _enforce_timeout(self, now: float, speed: float) -> None:
        if self.is_terminal or not self.timeout_seconds or self.started_at is None:
            return
        if (now - self.started_at) * speed >= self.timeout_seconds:
            self.status_message = timeout_message(self.timeout_seconds)
            self.enter(CANCELLED, self.started_at + self.timeout_seconds / speed)

    def enter(self, status: int, at: float, message: str | None = None) -> None:
        """Take a status, with the times and the text that belong to it."""
        self.status, self.updated_at = status, at
        if status != QUEUED and self.started_at is None and self.cancel_requested_by is None:
            self.started_at = at
        if not self.is_terminal:
            return
        self.finished_at = at
        if self.cancel_requested_by is None:
            self.status_message = message or self.status_message or self._message_of_plan()
            if self.plan.outcome == "cancelled" and status == CANCELLED and not self.is_real:
                self.cancelled_by = str(self.plan.details.get("cancelled_by", "Ada Lovelace"))

    def _message_of_plan(self) -> str | None:
        if self.plan.message is None and self.plan.outcome == "timeout" and not self.is_real:
            return timeout_message(self.timeout_seconds or 86400)
        return self.plan.message


def timeout_message(seconds: int) -> str:
    """The text with which dbt Cloud marks a run that its own timeout ended."""
    return (
        f"This run timed out after running for {humanize(seconds)}, "
        f"which exceeded the configured timeout of {seconds} seconds."
    )


def humanize(seconds: float) -> str:
    """A duration the way the remote writes it, two units at most: "56 minutes, 48 seconds"."""
    rest, parts = int(seconds), []
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}{'' if count == 1 else 's'}")
    return ", ".join(parts[:2]) or "0 seconds"
