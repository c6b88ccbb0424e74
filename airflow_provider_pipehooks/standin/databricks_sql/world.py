"""What the stand-in remembers of SQL statements, and how they go."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_pipehooks.standin.databricks_jobs.errors import ApiError
from airflow_provider_pipehooks.standin.plan import Plan

Json = dict[str, Any]

#: ``outcome`` of a plan, and the last state it leads to.
OUTCOMES = {"success": "SUCCEEDED", "failed": "FAILED", "cancelled": "CANCELED", "closed": "CLOSED"}
TERMINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "CLOSED"})
#: How the history calls a state.
IN_HISTORY = {
    "PENDING": "QUEUED",
    "RUNNING": "RUNNING",
    "SUCCEEDED": "FINISHED",
    "CLOSED": "FINISHED",
    "FAILED": "FAILED",
    "CANCELED": "CANCELED",
}
ERROR = "[TABLE_OR_VIEW_NOT_FOUND] The table or view `sales` cannot be found. SQLSTATE: 42P01"


@dataclass
class Statement:
    """One statement.

    :param body: what the client sent.
    :param told: whether it is still told of by its id; the history keeps it longer.
    """

    statement_id: str
    body: Json
    plan: Plan
    started_s: float
    polls: int = 0
    cancelled: bool = False
    told: bool = True
    state: str = "PENDING"
    ended_s: float | None = None

    @property
    def is_over(self) -> bool:
        return self.state in TERMINAL


class World:
    """The statements of one workspace.

    :param clock: epoch seconds; tests move it by hand.
    :param speed: how much faster than the clock plans with seconds run.
    """

    def __init__(self, clock: Callable[[], float], speed: float = 1.0) -> None:
        # Tests read from another thread than the one that serves.
        self.lock = threading.RLock()
        self.clock, self.speed = clock, speed
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        with self.lock:
            self.statements: dict[str, Statement] = {}
            #: Of the statements to come, in turn; the last one repeats. ``details``: ``error_code``.
            self.plans: list[Plan] = [Plan()]

    def execute(self, body: Mapping[str, Any]) -> Statement:
        """Begin to execute what was checked already."""
        plan = self.plans[min(len(self.statements), len(self.plans) - 1)]
        if plan.outcome not in OUTCOMES:
            raise ValueError(f"databricks_sql: outcome {plan.outcome!r} is unknown. Known: {list(OUTCOMES)}.")
        made = Statement(str(uuid.uuid4()), dict(body), plan, self.clock())
        self.statements[made.statement_id] = made
        return made

    def find(self, statement_id: str) -> Statement:
        """Find a statement by its id.

        :raises ApiError: there is none, or it is not told of any more.
        """
        found = self.statements.get(statement_id)
        if found is None or not found.told:
            raise ApiError(404, "NOT_FOUND", f"The statement {statement_id} was not found.")
        return found

    def set_plan(self, statement_id: str, plan: Plan) -> None:
        """Let a statement go on by another plan."""
        with self.lock:
            statement = self.statements[statement_id]
            statement.plan, statement.polls, statement.started_s = plan, 0, self.clock()

    def expire(self, statement_id: str) -> None:
        """Do not tell of it by its id any more, as some hours after its end."""
        with self.lock:
            self.statements[statement_id].told = False

    def look(self, statement: Statement, *, read: bool = False) -> str:
        """The state of a statement now.

        :param read: a client reads it, which moves plans with polls on.
        """
        if statement.is_over:
            return statement.state
        statement.polls += read
        if statement.cancelled:
            state = "CANCELED" if read else statement.state
        else:
            path = statement.plan.states or ("PENDING", "RUNNING", OUTCOMES[statement.plan.outcome])
            elapsed_s = (self.clock() - statement.started_s) * self.speed
            at = statement.plan.position(len(path), polls=statement.polls, elapsed_s=elapsed_s)
            state = str(path[at])
        statement.state = state
        if statement.is_over:
            statement.ended_s = self.clock()
        return state

    def cancel(self, statement_id: str) -> None:
        """Ask for a cancel; the next read sees it. One that is over stays as it is."""
        statement = self.find(statement_id)
        if not statement.is_over:
            statement.cancelled = True
