"""What the history says of a span of time, as values: counts, rates, times, reasons. Pure.

All times are seconds, all rates parts of one. What cannot be known, since nothing was there to know it from,
is None and never 0: a job without an ended run has no failure rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True, kw_only=True)
class Window:
    """A span of time, ``begin`` in it and ``end`` not, and the time zone in which its days are told apart.

    :param zone: its name in the IANA database.
    """

    begin: datetime
    end: datetime
    zone: str = "UTC"

    @classmethod
    def last(cls, days: float, now: datetime, zone: str = "UTC") -> Window:
        """The last days until now."""
        return cls(begin=now - timedelta(days=days), end=now, zone=zone)

    @property
    def days(self) -> list[date]:
        """The days that it touches, in its time zone."""
        where = ZoneInfo(self.zone)
        first = self.begin.astimezone(where).date()
        last = (self.end - timedelta(microseconds=1)).astimezone(where).date()
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]


@dataclass(frozen=True, kw_only=True)
class Job:
    """Whose figures they are: of a whole service, if there is no ``job_id``; of a task, if there is a key.

    :param job_id: "" for the whole service; runs that belong to no job come under ``(one-time runs)``.
    """

    service: str
    account: str = ""
    job_id: str = ""
    job_name: str = ""
    task_key: str = ""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures of a service, a job or a task.

    :param runs: that were made in the window.
    :param ended: of these, those that have ended: ``succeeded``, ``failed``, ``cancelled`` and skipped ones.
    :param failure_rate: failed of ended.
    :param cancel_rate: cancelled of ended.
    :param run_p50_s: from start to end, of those that succeeded.
    :param run_trend: by how much of itself the run time grows in 30 days; 0.1 is 10 %.
    :param queue_p50_s: from when a run was made to when it started.
    :param recovery_p50_s: from the end of the first failed run of a streak to the end of the next success.
    :param longest_streak: so many failed runs followed each other.
    :param again_share: of all time that runs took, what went into retries and repairs.
    """

    job: Job
    runs: int = 0
    ended: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0
    failure_rate: float | None = None
    cancel_rate: float | None = None
    run_p50_s: float | None = None
    run_p95_s: float | None = None
    run_trend: float | None = None
    queue_p50_s: float | None = None
    queue_p95_s: float | None = None
    recovery_p50_s: float | None = None
    longest_streak: int = 0
    again_share: float | None = None


@dataclass(frozen=True, kw_only=True)
class Day:
    """The runs of a job that were made on a day."""

    job: Job
    day: date
    runs: int
    failed: int
    cancelled: int
    run_p50_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One trouble, by the fingerprint that alerts have.

    :param trouble: its class, see ``core.reasons.ReasonClass``.
    :param example: the message of the last run that met it; ``url`` is that run's page.
    :param jobs: the names of the jobs that met it, sorted, at most ten.
    :param job_count: how many jobs there are of them.
    """

    service: str
    fingerprint: str
    trouble: str
    count: int
    example: str
    url: str | None
    jobs: tuple[str, ...]
    job_count: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, kw_only=True)
class Slower:
    """A job that takes longer than it did.

    :param since: the end of the first run that is counted as slow.
    :param ratio: the median after it by the median before; 1.2 is 20 % slower.
    """

    job: Job
    since: datetime
    ratio: float
    before_s: float
    after_s: float


@dataclass(frozen=True, kw_only=True)
class Started:
    """How many runs of a service were started by what: the service's own word."""

    service: str
    by: str
    runs: int


@dataclass(frozen=True, kw_only=True)
class Kpis:
    """All figures of a window. Nothing seen is an empty list.

    :param services: one for each service; ``jobs`` and ``tasks`` by service, name and key.
    :param days: of jobs; days without a run are left out.
    :param reasons: the commonest first.
    """

    window: Window
    services: tuple[Figures, ...] = ()
    jobs: tuple[Figures, ...] = ()
    tasks: tuple[Figures, ...] = ()
    days: tuple[Day, ...] = ()
    reasons: tuple[Reason, ...] = ()
    slower: tuple[Slower, ...] = ()
    started: tuple[Started, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The same as JSON has it; times and days as ISO 8601."""
        told: dict[str, Any] = _plain(asdict(self))
        return told


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, (date, datetime)) else value
