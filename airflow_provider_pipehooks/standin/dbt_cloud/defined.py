"""What a person defines in dbt Cloud: projects, environments and jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_pipehooks.standin.plan import Plan


@dataclass(frozen=True)
class Project:
    """A dbt project of an account."""

    id: int
    account_id: int
    name: str


@dataclass(frozen=True)
class Environment:
    """An environment of a project."""

    id: int
    account_id: int
    project_id: int
    name: str


@dataclass
class Job:
    """A job, the plans of its runs, and its runs: all, and the queue of those that have not ended."""

    id: int
    account_id: int
    project_id: int
    environment_id: int
    name: str
    execute_steps: tuple[str, ...]
    plans: tuple[Plan, ...]
    timeout_seconds: int
    one_at_a_time: bool
    dbt_version: str
    created_at: float
    run_ids: list[int] = field(default_factory=list)
    queue: dict[int, None] = field(default_factory=dict)
    free_at: float = 0.0

    def next_plan(self) -> Plan:
        """The plan of the run about to start; the last one repeats."""
        return self.plans[min(len(self.run_ids), len(self.plans) - 1)]


def as_plan(plan: Plan | Mapping[str, Any] | None) -> Plan:
    """A plan, from one or from its JSON."""
    if plan is None:
        return Plan()
    return plan if isinstance(plan, Plan) else Plan.from_json(plan)


def runs_dbt(commands: Sequence[str]) -> bool:
    """Does any command call dbt?"""
    return any(command.startswith("dbt ") for command in commands)
