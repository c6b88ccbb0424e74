"""Runs that were made before anybody looked: a history for the stand-in, without waiting for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PastRun:
    """A run of a job as it was.

    :param made_at: seconds since the epoch.
    :param queued_s: how long it waited before it started.
    :param run_s: from its start to its end; None: it goes on.
    :param outcome: how it ended, in the words of the service's table of outcomes.
    :param message: the text the remote gives with its end.
    :param started_by: dbt Cloud's ``cause_category``.
    """

    job_id: int
    made_at: float
    queued_s: float = 0.0
    run_s: float | None = 60.0
    outcome: str = "success"
    message: str | None = None
    started_by: str = "scheduled"

    @property
    def started_at(self) -> float:
        """Seconds since the epoch."""
        return self.made_at + self.queued_s

    @property
    def ended_at(self) -> float | None:
        """Seconds since the epoch; None where it goes on."""
        return None if self.run_s is None else self.started_at + self.run_s
