"""By how much of itself a job's run time grows in a month. Pure.

A line through the logarithms of the times, so that growth is a part of what is there already: the median of
the slopes between any two parts of the window (Theil and Sen), which a bad week does not turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from math import exp, log
from statistics import median

#: The days with runs are put together to so many parts at most: a slope for each two of them.
_PARTS = 12
#: From less, nothing is told of a month.
_FEWEST_PARTS, _FEWEST_DAYS = 4, 6
_MONTH_DAYS = 30
#: Thousandfold either way: what is more says that times are not to be trusted.
_MOST = log(1000.0)


def trend(times_s: Mapping[int, float]) -> float | None:
    """0.1 for 10 % more in 30 days.

    :param times_s: the median time of each day, by its number; not every day needs to be there.
    :return: None if there are fewer than 4 days, or the last is less than 6 days after the first.
    """
    days = sorted((day, log(time)) for day, time in times_s.items() if time > 0)
    size = -(-len(days) // _PARTS)
    if len(days) < _FEWEST_PARTS or days[-1][0] - days[0][0] < _FEWEST_DAYS:
        return None
    parts = [days[at : at + size] for at in range(0, len(days), size)]
    points = [(sum(day for day, _ in part) / len(part), median(time for _, time in part)) for part in parts]
    slope = median(
        (after - before) / (end - begin) for (begin, before), (end, after) in combinations(points, 2)
    )
    return exp(max(-_MOST, min(_MOST, slope * _MONTH_DAYS))) - 1
