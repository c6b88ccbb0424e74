"""What a report shows of the figures: the worst first, and so many of them that a person reads it. Pure.

Four hundred jobs on sixty days are 24,000 figures. A page shows the jobs that fail most and says how many
there are besides; CSV and JSON have all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Literal

from airflow_provider_pipehooks.reporting.figures import Day, Figures, Job, Kpis, Reason, Slower

#: So many rows of each; and charts of jobs that became slower, each of which costs 0.07 s.
JOBS, TASKS, REASONS, SLOWER, SLOWER_CHARTS = 40, 15, 15, 15, 3
#: The last days of a longer window; one of sixty days begins and ends within a day.
MATRIX_DAYS = 61

#: How bad a day is: which share of its runs failed.
Level = Literal["none", "few", "many", "most"]


@dataclass(frozen=True)
class Cell:
    """A job on a day with runs."""

    runs: int
    failed: int
    cancelled: int

    @property
    def level(self) -> Level:
        if not self.failed:
            return "none"
        share = self.failed / self.runs
        return "few" if share < 0.1 else "many" if share < 0.5 else "most"


@dataclass(frozen=True)
class Matrix:
    """Jobs by days.

    :param months: each with the number of its days.
    :param rows: a job, and for each day what there was of it; None where it had no run.
    :param left_out: so many days before the first one are not shown.
    """

    days: Sequence[date]
    months: Sequence[tuple[str, int]]
    rows: Sequence[tuple[Job, Sequence[Cell | None]]]
    left_out: int


@dataclass(frozen=True)
class Headline:
    """All services together: counts can be added, times cannot."""

    runs: int
    ended: int
    failed: int
    cancelled: int
    jobs: int
    failing_jobs: int

    @property
    def failure_rate(self) -> float | None:
        return self.failed / self.ended if self.ended else None


def headline(kpis: Kpis) -> Headline:
    runs, ended, failed, cancelled = (
        sum(getattr(each, word) for each in kpis.services)
        for word in ("runs", "ended", "failed", "cancelled")
    )
    failing = sum(bool(each.failed) for each in kpis.jobs)
    return Headline(runs, ended, failed, cancelled, len(kpis.jobs), failing)


def worst(figures: Iterable[Figures], most: int) -> list[Figures]:
    """Those with the most failed runs; of as many, those of which a greater part failed."""
    return sorted(figures, key=lambda each: (-each.failed, -(each.failure_rate or 0), -each.runs))[:most]


def failing(figures: Iterable[Figures]) -> list[Figures]:
    return [each for each in figures if each.failed]


def commonest(kpis: Kpis, most: int = REASONS) -> Sequence[Reason]:
    return kpis.reasons[:most]


def slowest(kpis: Kpis, most: int = SLOWER) -> list[Slower]:
    """Those that became slower by most."""
    return sorted(kpis.slower, key=lambda each: -each.ratio)[:most]


def matrix(kpis: Kpis, jobs: Sequence[Job]) -> Matrix:
    """What some jobs did on each day."""
    days = kpis.window.days
    left_out = max(0, len(days) - MATRIX_DAYS)
    days = days[left_out:]
    column = {day: at for at, day in enumerate(days)}
    rows: dict[Job, list[Cell | None]] = {job: [None] * len(days) for job in jobs}
    for day in kpis.days:
        if (row := rows.get(day.job)) is not None and (at := column.get(day.day)) is not None and day.runs:
            row[at] = _cell(day)
    months = [(month, len(list(of))) for month, of in groupby(days, lambda day: day.replace(day=1))]
    # Above a few narrow columns there is no room for the year.
    titles = [(f"{month:%b %Y}" if count > 3 else f"{month:%b}", count) for month, count in months]
    return Matrix(days, titles, list(rows.items()), left_out)


def _cell(day: Day) -> Cell:
    return Cell(day.runs, day.failed, day.cancelled)
