"""What is measured: how many waits for which service with whose trigger, and when their runs end."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache

SERVICES = ("dbt_cloud", "databricks_jobs")
OFFICIAL, OURS = "official", "pipehooks"
#: Runs end evenly spread over this part of a case, in seconds after its start.
FIRST_END_S, LAST_END_S = 40.0, 60.0
#: Of a restless case: a tenth of the waits comes later, another is cancelled early, of another the run fails.
LATE_EVERY = LEAVING_EVERY = FAILING_EVERY = 10
COME_AND_GO_S = (5.0, 35.0)
#: So that nobody can tell much about a run from others of its job.
RUNS_OF_JOB = 10
SEED = 7


@dataclass(frozen=True, kw_only=True)
class Case:
    """One row of the table.

    :param poll_s: the poll interval the triggers are given.
    :param restless: the stand-in spoils 5 % of the answers, waits come and go, and every tenth run fails.
    :param scale: shortens all times, for a quick look; figures count only at 1.
    """

    service: str
    provider: str
    waits: int
    poll_s: float = 5.0
    restless: bool = False
    scale: float = 1.0

    @property
    def title(self) -> str:
        trouble = ", 5 % faults, waits come and go" if self.restless else ""
        return f"{self.service}, {self.provider}, {self.waits:,} waits, poll {self.poll_s:g} s{trouble}"

    @property
    def interval_s(self) -> float:
        return self.poll_s * self.scale

    def ends_after_s(self, index: int) -> float:
        """When run ``index`` ends, counted from the start of all runs; in no order."""
        return self.scale * (FIRST_END_S + (LAST_END_S - FIRST_END_S) * shuffled(self.waits)[index])

    @property
    def lasts_s(self) -> float:
        """When the last run ends."""
        return self.scale * LAST_END_S

    def fails(self, index: int) -> bool:
        return self.restless and index % FAILING_EVERY == 3

    def begins_after_s(self, index: int) -> float:
        """When the wait for run ``index`` comes."""
        return self._moment(index) if self.restless and index % LATE_EVERY == 5 else 0.0

    def leaves_after_s(self, index: int) -> float | None:
        """When the wait for run ``index`` is cancelled, always before its run ends; None for never."""
        return self._moment(index) if self.restless and index % LEAVING_EVERY == 7 else None

    def _moment(self, index: int) -> float:
        first, last = COME_AND_GO_S
        return self.scale * (first + (last - first) * index / self.waits)


@cache
def shuffled(count: int) -> list[float]:
    """As many numbers from 0 to 1, evenly spread, in an order that is the same every time."""
    found = [index / count for index in range(count)]
    random.Random(SEED).shuffle(found)
    return found


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What a case cost and what came of it.

    :param cpu_s: of the process with the triggers, over the waiting period.
    :param latencies_s: from the end of each run to its event, sorted.
    :param memory_mb: the peak above what the process had before the triggers were made.
    :param expected: waits that were not cancelled.
    :param lost: of those, without an event.
    :param repeated: events beyond one for each wait.
    :param wrong: events that say another state than the run ended in.
    :param blocked: how often the event loop was late by more than Airflow's warning threshold.
    :param longest_block_s: the longest of these.
    :param starved: of these, how often the process hardly got the processor: the machine was busy.
    """

    requests: int
    connections: int
    faults: int
    cpu_s: float
    wall_s: float
    latencies_s: tuple[float, ...]
    memory_mb: float
    expected: int
    lost: int
    repeated: int
    wrong: int
    blocked: int
    longest_block_s: float
    starved: int

    def latency_s(self, share: float) -> float:
        """The latency that this share of the events does not exceed."""
        if not self.latencies_s:
            return float("nan")
        return self.latencies_s[min(int(share * len(self.latencies_s)), len(self.latencies_s) - 1)]

    @property
    def each_once(self) -> bool:
        """Every wait that was not cancelled was reported once, and rightly."""
        return not (self.lost or self.repeated or self.wrong)
