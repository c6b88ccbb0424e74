"""Whether a job takes longer than it did: a change of its run time that luck does not explain. Pure.

Each run that succeeded is asked: is its time likelier at the level so far, or at a level that is 20 % higher?
The answers are added up as evidence, run by run, from where they begin to speak for the higher level; when
they speak against it, the sum is 0 again (a CUSUM of log-likelihood ratios, Page 1954). A level is the median
and the spread of the logarithms of the times since the last change. What keeps single slow runs, and jobs
whose times differ much, from being taken for a change:

- Times are taken to have long tails (Student's t, 4 degrees of freedom): what is far out tells little.
- No run counts for more than a part of what is asked for: at least four slow runs are needed, six if they
  take twice as long and more, and up to thirteen if the job is not steady.
- Of a job that is not steady, a larger change is asked for: one and a half times its spread.
- While there are few runs, the level is taken to be a little higher and wider than it looks.

Being faster is decided in the same way, so a job that has recovered is not slower any more.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt
from statistics import median

#: So many runs of all jobs are looked at one by one, of each at least and at most so many of its newest. Of a
#: job with more, its days are looked at, too.
_ALL, _LEAST, _MOST = 40_000, 100, 1_500
#: Before a level is known, nothing is said.
FEWEST = 14
#: What is asked for, as a logarithm: the higher level is this likely against the lower one, e^8 = 3,000 to 1.
_SURE = 8.0
#: More slow runs than these are needed, for 20 % and for a doubling: outliers may follow each other.
_RUNS_SMALL, _RUNS_LARGE = 3.0, 5.5
#: Of a job whose runs differ by 10 % so many; of others more or fewer; of none more than these.
_RUNS_AT_TENTH, _MOST_RUNS = 6.0, 12.0
_SMALL, _LARGE = log(1.2), log(2.0)
#: A change is no smaller than so many spreads.
_SPREADS = 1.5
#: Nobody minds 3 %, and times may come in whole seconds.
_LEAST_SPREAD = 0.03
#: How wrong a level may be that is known from few runs: higher by this, wider by that.
_DOUBT_LEVEL, _DOUBT_SPREAD = 0.6, 3.0
#: Outliers are slow, so the spread is taken from the 10th to the 75th percentile, 1.956 sigma apart.
_LOW, _HIGH, _WIDTH = 0.10, 0.75, 1.9560
_FREEDOM = 4.0
#: What is less is no news.
LEAST_RATIO = 1.1


def newest(jobs: int) -> int:
    """How many of the newest runs of a job are looked at, by how many jobs there are."""
    return max(_LEAST, min(_MOST, _ALL // max(1, jobs)))


@dataclass(frozen=True)
class Change:
    """From where on times are longer.

    :param at: the index of the first slow one.
    """

    at: int
    before_s: float
    after_s: float

    @property
    def ratio(self) -> float:
        """1.2 is 20 % slower."""
        return self.after_s / self.before_s


def slower(times_s: Sequence[float], *, is_part: bool = False) -> Change | None:
    """The last change of times, if it was one to longer times, by :data:`LEAST_RATIO` at least.

    :param times_s: above 0, the oldest first; :data:`FEWEST` before the change are needed.
    :param is_part: there are older ones, so another part is looked at each time. The level is then taken from
        half of it: one that is known from few would be wrong sooner or later.
    """
    (before, _), (begin, is_slower) = [(0, False), *_levels(times_s, is_part)][-2:]
    if not is_slower:
        return None
    change = Change(begin, median(times_s[before:begin]), median(times_s[begin:]))
    return change if change.ratio >= LEAST_RATIO else None


def last_level(times_s: Sequence[float]) -> int:
    """The index from which on times are as they are now: 0 if they have always been so."""
    return _levels(times_s, is_part=False)[-1][0]


def _levels(times_s: Sequence[float], is_part: bool) -> list[tuple[int, bool]]:
    """Where each level begins, and whether it is a longer one than the one before."""
    levels = [(0, False)]
    fewest = max(FEWEST, len(times_s) // 2) if is_part else FEWEST
    logs = [log(time) for time in times_s]
    while (found := _first_change(logs[levels[-1][0] :], fewest)) is not None:
        at, is_slower = found
        levels.append((levels[-1][0] + at, is_slower))
        fewest = FEWEST
    return levels


def _first_change(logs: Sequence[float], fewest: int) -> tuple[int, bool] | None:
    """Where the level changes first, and whether upwards."""
    if len(logs) <= fewest:
        return None
    level = sorted(logs[:fewest])
    known = _Known(level)
    doubted: list[float] = []
    # Evidence, and since when: 20 % slower, twice as slow; the same for faster.
    evidence, since = [0.0] * 4, [0] * 4
    for at in range(fewest, len(logs)):
        distance = (logs[at] - known.centre) / known.spread
        if not doubted and -known.usual < distance < known.usual:
            insort(level, logs[at])
        else:
            doubted.append(logs[at])
            for number, (shift, from_there, most) in enumerate(known.changes):
                if evidence[number] == 0.0:
                    # It would speak against the change, and there is nothing to take back.
                    if distance < from_there if shift > 0 else distance > from_there:
                        continue
                    since[number] = at
                told = _told(distance - from_there, shift)
                evidence[number] = max(0.0, evidence[number] + min(most, told))
                if evidence[number] > _SURE:
                    return since[number], number < 2
            if any(evidence):
                continue
            for each in doubted:
                insort(level, each)
            doubted.clear()
        if len(level) > known.good_for:
            known = _Known(level)
    return None


def _told(distance: float, shift: float) -> float:
    """How much a run speaks for a change: the logarithm of how much likelier it is after it than before.

    :param distance: in spreads, from where both are as likely: half of the shift.
    """
    before, after = distance + shift / 2, distance - shift / 2
    likelier = (_FREEDOM + before * before) / (_FREEDOM + after * after)
    return (_FREEDOM + 1) / 2 * log(likelier)


class _Known:
    """What is known of a level.

    :param level: sorted.
    """

    def __init__(self, level: Sequence[float]) -> None:
        count = len(level)
        #: Sorting a run in changes little, so it need not be found out anew for each.
        self.good_for = count + count // 20
        self.centre = (level[count // 2] + level[(count - 1) // 2]) / 2
        width = (_at(level, _HIGH) - _at(level, _LOW)) / _WIDTH
        self.spread = max(_LEAST_SPREAD, width) * (1 + _DOUBT_SPREAD / count)
        small = max(_SPREADS, _SMALL / self.spread)
        large = max(2 * small, _LARGE / self.spread)
        doubt = _DOUBT_LEVEL / sqrt(count)
        #: What is no further from the centre, in spreads, speaks against every change.
        self.usual = small / 2 + doubt
        runs = min(_MOST_RUNS, _RUNS_AT_TENTH * (self.spread / 0.1) ** 1.5)
        most_small, most_large = _SURE / max(_RUNS_SMALL, runs), _SURE / max(_RUNS_LARGE, runs)
        #: Of each change: how far it goes, from which distance on a run speaks for it, how much at most.
        self.changes = (
            (small, small / 2 + doubt, most_small),
            (large, large / 2 + doubt, most_large),
            (-small, -small / 2 - doubt, most_small),
            (-large, -large / 2 - doubt, most_large),
        )


def _at(level: Sequence[float], part: float) -> float:
    place = (len(level) - 1) * part
    below = int(place)
    above = min(below + 1, len(level) - 1)
    return level[below] + (level[above] - level[below]) * (place - below)
