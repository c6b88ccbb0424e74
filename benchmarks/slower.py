"""How soon a job that got slower is told of, and how often one that did not.

``python -m benchmarks.slower [--write]``, about a quarter of an hour; ``--write`` keeps it in RESULTS.md.

40 jobs run for 60 days, five of them take 20 % longer from a random moment on, 20 times over: 100 changes to
find, and 700 jobs to leave alone. The rule looks after each run (for false alarms, four times a day at most)
at the runs until then, as it would with a report each time. With 400 jobs it sees fewer runs of each.

Beside it what no rule can beat: one that knows in advance how times are distributed, each job's level, and
that a change would be 20 %. Its limit is set so that it has no false alarm among the 700 (a CUSUM, which is
optimal where all that is known: Moustakides 1986).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import exp, gamma, inf, log, pi, sqrt
from random import Random

from airflow_provider_pipehooks.reporting.slower import newest, slower
from benchmarks.results import machine, table, write_section

JOBS, SLOW, SEEDS, DAYS = 40, 5, 20, 60
#: On which day the change comes: two weeks are there to compare with, one week to find it in.
FIRST_DAY, LAST_DAY = 14, 53
FACTOR = 1.2
WITHIN = 7
#: For false alarms; changes are looked for after each run.
LOOKS_A_DAY = 4
#: Of more jobs, fewer runs of each are looked at.
MANY_JOBS = 400
#: Outliers take three times as long, or so.
OUTLIER, OUTLIER_SPREAD = log(3), 0.5


@dataclass(frozen=True)
class Times:
    """How the times of a job differ, as logarithms.

    :param spread: of most: 0.05 is about 5 %.
    :param outliers: what part of the runs are outliers.
    :param freedom: of Student's t; None is normal.
    """

    spread: float
    outliers: float = 0.0
    freedom: int | None = None

    def __str__(self) -> str:
        tail = f", {self.outliers:.0%} outliers" if self.outliers else ""
        return (
            f"{'lognormal' if self.freedom is None else f't, {self.freedom} degrees'} {self.spread:.0%}{tail}"
        )

    def draw(self, random: Random) -> float:
        value = random.gauss(0, 1)
        if self.freedom is not None:
            value /= sqrt(random.gammavariate(self.freedom / 2, 2) / self.freedom)
        is_outlier = random.random() < self.outliers
        return self.spread * value + (random.gauss(OUTLIER, OUTLIER_SPREAD) if is_outlier else 0.0)

    def density(self, value: float) -> float:
        if self.freedom is not None:
            free = self.freedom
            scale = gamma((free + 1) / 2) / gamma(free / 2) / sqrt(free * pi) / self.spread
            return scale * (1 + (value / self.spread) ** 2 / free) ** (-(free + 1) / 2)
        outliers = _normal(value, OUTLIER, sqrt(OUTLIER_SPREAD**2 + self.spread**2))
        return (1 - self.outliers) * _normal(value, 0, self.spread) + self.outliers * outliers


def _normal(value: float, centre: float, spread: float) -> float:
    return exp(-(((value - centre) / spread) ** 2) / 2) / spread / sqrt(2 * pi)


CASES = (
    Times(0.03, outliers=0.05),
    Times(0.05),
    Times(0.05, outliers=0.05),
    Times(0.05, freedom=3),
    Times(0.07, outliers=0.05),
    Times(0.10, outliers=0.05),
    Times(0.20, outliers=0.05),
)


@dataclass(frozen=True)
class Job:
    """What a job took, as logarithms; ``change`` is the index of its first slow run."""

    logs: Sequence[float]
    change: int | None


def jobs_of(times: Times, runs_a_day: int) -> Iterator[Job]:
    for seed in range(SEEDS):
        random = Random(f"{times} {runs_a_day} {seed}")
        slow = set(random.sample(range(JOBS), SLOW))
        for number in range(JOBS):
            level = random.gauss(6, 1)
            logs = [level + times.draw(random) for _ in range(DAYS * runs_a_day)]
            change = random.randrange(FIRST_DAY * runs_a_day, LAST_DAY * runs_a_day)
            if number in slow:
                logs[change:] = [value + log(FACTOR) for value in logs[change:]]
            yield Job([value - level for value in logs], change if number in slow else None)


def told_at(logs: Sequence[float], begin: int, step: int, most: int) -> int | None:
    """After how many runs the rule tells first that the job is slower.

    :param most: so many of the newest runs are looked at.
    """
    series = [600 * exp(value) for value in logs]
    for end in range(begin, len(series) + 1, step):
        if slower(series[max(0, end - most) : end], is_part=end > most) is not None:
            return end
    return None


def best_scores(times: Times, logs: Sequence[float]) -> Iterator[float]:
    """After each run, what the best rule there can be has for a change of 20 %."""
    score = 0.0
    for value in logs:
        before, after = times.density(value), times.density(value - log(FACTOR))
        score = max(0.0, score + (log(after / before) if before and after else 0.0))
        yield score


def row(times: Times, runs_a_day: int, all_jobs: int) -> list[object]:
    jobs = list(jobs_of(times, runs_a_day))
    changed = [job for job in jobs if job.change is not None]
    steady = [job for job in jobs if job.change is None]
    step, most = max(1, runs_a_day // LOOKS_A_DAY), newest(all_jobs)
    false = sum(told_at(job.logs, 1, step, most) is not None for job in steady)
    false_before = sum(told_at(job.logs[: job.change], 1, step, most) is not None for job in changed)
    limit = max(max(best_scores(times, job.logs)) for job in steady)
    ours = delays(changed, lambda job: told_at(job.logs, (job.change or 0) + 1, 1, most))
    best = delays(
        changed, lambda job: first_above(list(best_scores(times, job.logs)), limit, job.change or 0)
    )
    return [
        runs_a_day,
        all_jobs,
        times,
        sum(delay <= WITHIN for delay in ours),
        sum(delay < inf for delay in ours),
        " / ".join(shown(ours, part) for part in (0.5, 0.95, 1)),
        f"{false + false_before}",
        sum(delay <= WITHIN for delay in best),
        " / ".join(shown(best, part) for part in (0.5, 0.95, 1)),
    ]


def first_above(scores: Sequence[float], limit: float, begin: int) -> int | None:
    return next((at + 1 for at in range(begin, len(scores)) if scores[at] > limit), None)


def delays(changed: Sequence[Job], told: Callable[[Job], int | None]) -> list[float]:
    """Runs from the first slow one to the one after which it is told, sorted; endless if it never is."""
    ends = [(job.change or 0, told(job)) for job in changed]
    return sorted(inf if end is None else end - change for change, end in ends)


def shown(delays: Sequence[float], part: float) -> str:
    delay = delays[min(len(delays) - 1, int(part * len(delays)))]
    return "never" if delay == inf else f"{delay:.0f}"


HEAD = (
    "runs a day",
    "jobs",
    "times",
    f"told within {WITHIN} runs, of 100",
    "told at all",
    "runs until told, p50 / p95 / max",
    "false alarms, of 700 and before changes",
    f"best rule there can be: within {WITHIN}",
    "p50 / p95 / max",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slower", description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep it in RESULTS.md")
    write = parser.parse_args().write
    rows = []
    for runs_a_day, all_jobs in ((1, JOBS), (4, JOBS), (24, JOBS), (24, MANY_JOBS)):
        for times in CASES:
            rows.append(row(times, runs_a_day, all_jobs))
            print(*rows[-1], sep=" | ", flush=True)
    text = f"{machine()}\n\n{table(HEAD, rows)}"
    print(text)
    if write:
        write_section("Slower jobs", text)


if __name__ == "__main__":
    main()
