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

    :param account: "" for the whole service; the same id in two accounts is two jobs.
    :param job_id: "" for the whole service; runs that belong to no job come under ``(one-time runs)``.
    :param job_name: of its newest run that has a name: a renamed job is one job. "" if none has.
    """

    service: str
    account: str = ""
    job_id: str = ""
    job_name: str = ""
    task_key: str = ""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures of a service, a job or a task.

    A run counts once, as it was seen last; a repaired one is one run with its last end. Of a task in a run
    the last try counts. Quantiles lie between the two nearest values, in proportion.

    :param runs: that were made in the window.
    :param ended: of these, those that have ended: ``succeeded``, ``failed``, ``cancelled`` and skipped ones.
    :param failed: with those that their time limit ended.
    :param failure_rate: failed of ended.
    :param cancel_rate: cancelled of ended.
    :param run_p50_s: from start to end, of those that succeeded, without pauses in which a repair or retry
        was waited for. A time below 0 is none.
    :param run_trend: by how much of itself the run time grows in 30 days; 0.1 is 10 %. It takes 4 days with
        runs, the last of them 6 days after the first. Of a service: the median of its jobs'.
    :param queue_p50_s: from when a run was made to when it started, whatever became of it, but skipped.
    :param recovery_p50_s: from the end of the first failed run of a streak to the end of the next success;
        streaks that go on do not count.
    :param longest_streak: so many failed runs followed each other, in the order of their ends. Cancelled and
        skipped runs neither belong to a streak nor end it. Runs that belong to no job have none.
    :param again_share: of all time that ended runs took, what went into retries and repairs; of a task, into
        its later tries. Runs of which it is not known (written by an older version) are left out.
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
    """The runs of a job that were made on a day, which has 23 to 25 hours, as the time zone says."""

    job: Job
    day: date
    runs: int
    failed: int
    cancelled: int
    run_p50_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One trouble of runs that failed or were cancelled, by its fingerprint: see ``core.reasons``.

    :param trouble: its class, see ``core.reasons.ReasonClass``.
    :param example: the message of the last run that met it, else its status; ``url`` is that run's page.
    :param jobs: the names of the jobs that met it, sorted, at most ten.
    :param job_count: how many jobs there are of them.
    :param first_at: when the first run ended that met it in the window.
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
    """A job that takes longer than it did: ``slower`` says how that is decided.

    :param since: the end of the first run that is counted as slow; of a job with very many runs, of the first
        one on its first slow day.
    :param ratio: the median after it by the median before; 1.2 is 20 % slower.
    """

    job: Job
    since: datetime
    ratio: float
    before_s: float
    after_s: float


@dataclass(frozen=True, kw_only=True)
class Started:
    """How many runs of a service were started by what: the service's own word, or ``(not told)``."""

    service: str
    by: str
    runs: int


@dataclass(frozen=True, kw_only=True)
class Kpis:
    """All figures of a window. Nothing seen is an empty list.

    :param services: one for each service; ``jobs`` and ``tasks`` by service, name and key.
    :param days: of jobs; days without a run are left out.
    :param reasons: the commonest first.
    :param slower: what changed most first.
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
