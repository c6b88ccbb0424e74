"""The rows the stand-in keeps: pipelines, their updates, and the recovery between a failure and its retry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_pipehooks.standin.databricks_pipelines.event_log import EventLog
from airflow_provider_pipehooks.standin.databricks_pipelines.states import PIPELINE_STATE, TERMINAL, path_of
from airflow_provider_pipehooks.standin.plan import Plan

Json = dict[str, Any]


@dataclass
class Plans:
    """Plans for successive updates; the last one repeats."""

    plans: Sequence[Plan]
    used: int = 0

    def __post_init__(self) -> None:
        for plan in self.plans:
            path_of(plan, resets=False)

    def take(self) -> Plan:
        """The plan of the next update."""
        plan = self.plans[min(self.used, len(self.plans) - 1)]
        self.used += 1
        return plan


@dataclass
class Pipeline:
    """A pipeline, its updates and its event log.

    :param spec: its settings, as the API has them.
    :param flows: names of its flows, each filling the dataset of the same name.
    :param updates: oldest first; only the last one can be active.
    :param recovery: a failed update is going to be tried again.
    :param rest: its state while nothing goes on: ``IDLE`` or ``FAILED``.
    """

    pipeline_id: str
    spec: Json
    plans: Plans
    flows: tuple[str, ...]
    created_ms: int
    log: EventLog
    updates: list[Update] = field(default_factory=list)
    recovery: Recovery | None = None
    rest: str = "IDLE"
    healthy: bool = True
    cause: str | None = None

    @property
    def name(self) -> str:
        """As the settings have it."""
        return str(self.spec.get("name", ""))

    @property
    def continuous(self) -> bool:
        """Its updates run until they are stopped or fail."""
        return bool(self.spec.get("continuous"))

    @property
    def active(self) -> Update | None:
        """The update that is not over."""
        return self.updates[-1] if self.updates and not self.updates[-1].is_over else None

    @property
    def is_timed(self) -> bool:
        """What goes on moves with the clock."""
        if self.active is not None:
            return bool(self.active.plan.seconds)
        return self.recovery is not None and self.recovery.after_s is not None

    @property
    def state(self) -> str:
        """The word of the pipeline itself."""
        if self.active is not None:
            return PIPELINE_STATE.get(self.active.state, "RUNNING")
        return self.rest if self.recovery is None else "RECOVERING"

    @property
    def cluster_id(self) -> str:
        """One for all its updates."""
        return f"1128-023000-{self.pipeline_id[:8]}"


@dataclass
class Update:
    """One update of a pipeline.

    :param body: what the client sent to start it, with fields the stand-in does not know.
    :param attempt: how many updates of its chain of retries came before it.
    :param retrying: what the plans of its chain say about retries, the latest word counts.
    :param path: the states it goes through, of which ``at`` is the position of the present one.
    :param begun_s: since when its plan counts.
    :param history: the states it has been in.
    """

    update_id: str
    pipeline: Pipeline
    plan: Plan
    body: Json
    cause: str
    created_s: float
    attempt: int = 0
    retrying: Mapping[str, Any] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    at: int = 0
    begun_s: float = 0.0
    polls: int = 0
    cancel_looks: int | None = None
    history: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        """Where it is."""
        return self.history[-1] if self.history else ""

    @property
    def is_over(self) -> bool:
        """It has come to an end."""
        return self.state in TERMINAL

    @property
    def short_id(self) -> str:
        """As messages have it."""
        return self.update_id[:6]

    @property
    def resets(self) -> bool:
        """It clears tables before it fills them."""
        return bool(self.body.get("full_refresh") or self.body.get("full_refresh_selection"))

    @property
    def development(self) -> bool:
        """It was started in development mode, or its pipeline is in it and the start does not say."""
        return bool(self.body.get("development", self.pipeline.spec.get("development")))

    @property
    def is_endless(self) -> bool:
        """It stays where it runs: a continuous pipeline does not complete."""
        return self.pipeline.continuous and self.path[-1] == "COMPLETED" and not self.plan.states

    @property
    def will_be_retried(self) -> bool:
        """Its failure is not the last word; in development mode it is."""
        retries = int(self.retrying.get("retries", 0))
        return self.state == "FAILED" and not self.development and self.attempt < retries

    def to_json(self) -> Json:
        """As the control route gives it."""
        known = ("update_id", "cause", "attempt", "polls", "history", "body")
        found = {name: getattr(self, name) for name in known}
        return {"pipeline_id": self.pipeline.pipeline_id, "state": self.state, **found}


@dataclass
class Recovery:
    """The time between a failed update and the one that tries again.

    :param reads: how often the pipeline or its updates were read since.
    """

    failed: Update
    since_s: float
    reads: int = 0

    @property
    def after_s(self) -> float | None:
        """Its length in seconds of the plan, if it is not counted in reads."""
        given = self.failed.retrying.get("retry_after_seconds")
        return None if given is None else float(given)

    @property
    def after_polls(self) -> int:
        """Its length in reads."""
        return int(self.failed.retrying.get("retry_after_polls", 1))
