"""WATCH: how long to wait until the next look at a run that is well.

Short right after the start, where runs fail on their settings, and around the time when the job usually
ends; longer in between; never longer than the task's ``poll_interval``.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

#: No look comes sooner than this after the last, unless ``poll_interval`` itself is that short.
SHORTEST_PAUSE_S = 2.5
#: How much of the difference to the newest run the learned values move.
_LEARNING = 0.2
#: The window around the usual end: so many mean deviations to both sides, and at least this share of it.
_DEVIATIONS = 2.0
_NARROWEST = 0.1
_LOOKS_IN_IT = 6
_JOBS_KEPT = 10_000


@dataclass(frozen=True)
class Usual:
    """How long the runs of a job take, as learned from those that ended.

    :param mean_s: moves towards newer runs.
    :param deviation_s: the mean distance of a run from it.
    """

    mean_s: float
    deviation_s: float

    def after(self, duration_s: float) -> Usual:
        """With one more run that ended."""
        off_s = duration_s - self.mean_s
        return Usual(
            self.mean_s + _LEARNING * off_s, self.deviation_s + _LEARNING * (abs(off_s) - self.deviation_s)
        )

    @property
    def reach_s(self) -> float:
        """Half of the window in which an end is likely."""
        return max(_DEVIATIONS * self.deviation_s, _NARROWEST * self.mean_s)


class UsualDurations:
    """What a watcher has learned of the jobs whose runs it saw end; it asks the remote for nothing."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[int | str, Usual] = OrderedDict()

    def of(self, job_id: int | str | None) -> Usual | None:
        return self._jobs.get(job_id) if job_id is not None else None

    def learn(self, job_id: int | str | None, duration_s: float) -> None:
        """Take in a run that succeeded; others end at any time."""
        if job_id is None or duration_s <= 0:
            return
        usual = self._jobs.pop(job_id, None)
        self._jobs[job_id] = usual.after(duration_s) if usual else Usual(duration_s, 0.0)
        while len(self._jobs) > _JOBS_KEPT:
            self._jobs.popitem(last=False)


def pause_s(poll_interval_s: float, waited_s: float, elapsed_s: float | None, usual: Usual | None) -> float:
    """The pause until the next look.

    :param poll_interval_s: the longest pause the task allows.
    :param waited_s: since this wait began.
    :param elapsed_s: since the run started; None when that is not known.
    :param usual: of the run's job, if anything is known.
    """
    shortest = min(poll_interval_s / 2, SHORTEST_PAUSE_S)
    # Each look at a new run comes after twice as long as it was waited for before.
    pause = min(poll_interval_s, max(shortest, 2 * waited_s))
    if usual is None or elapsed_s is None:
        return pause
    opens_in = usual.mean_s - usual.reach_s - elapsed_s
    if opens_in > 0:
        return min(pause, max(shortest, opens_in))
    if elapsed_s > usual.mean_s + usual.reach_s:
        return pause
    return min(pause, max(shortest, 2 * usual.reach_s / _LOOKS_IN_IT))
