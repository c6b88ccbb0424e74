"""When a job counts as slower: a change that lasts, and neither an outlier nor noise."""

from __future__ import annotations

from math import exp
from random import Random

import pytest

from airflow_provider_pipehooks.reporting.slower import FEWEST, slower


def times(count: int, *, spread: float = 0.05, seed: int = 1) -> list[float]:
    random = Random(seed)
    return [600 * exp(random.gauss(0, spread)) for _ in range(count)]


def test_a_fifth_more_is_found_within_seven_runs() -> None:
    for seed in range(50):
        series = times(60, seed=seed)
        slow = series[:40] + [1.2 * time for time in series[40:]]
        change = slower(slow[:47])
        assert change is not None
        assert abs(change.at - 40) <= 2
        assert change.ratio == pytest.approx(1.2, rel=0.12)


def test_noise_is_no_change() -> None:
    assert [seed for seed in range(200) if slower(times(120, seed=seed))] == []


def test_three_outliers_in_a_row_are_no_change() -> None:
    series = times(60)
    series[30:33] = [3000.0, 4000.0, 2500.0]
    assert slower(series) is None
    assert slower(series[:33]) is None


def test_four_times_as_long_is_found_soon() -> None:
    series = times(40) + [2400.0] * 6
    change = slower(series)
    assert change is not None
    assert change.at == 40


def test_a_job_that_has_recovered_is_not_slower() -> None:
    series = times(90)
    series[30:60] = [1.5 * time for time in series[30:60]]
    assert slower(series[:60]) is not None
    assert slower(series) is None


def test_a_job_that_gets_faster_is_not_slower() -> None:
    assert slower(times(30) + [time / 2 for time in times(30, seed=2)]) is None


def test_after_two_changes_the_last_one_counts() -> None:
    series = times(90)
    series = series[:30] + [1.5 * time for time in series[30:60]] + [3 * time for time in series[60:]]
    change = slower(series)
    assert change is not None
    assert abs(change.at - 60) <= 1
    assert change.ratio == pytest.approx(2, rel=0.1)


def test_little_is_not_told() -> None:
    assert slower(times(40, spread=0.001) + [1.08 * time for time in times(40, spread=0.001)]) is None


def test_an_unsteady_job_has_to_change_more() -> None:
    """By a fifth is within what its runs differ anyway; twice as long is not."""
    found = {1.2: 0, 2.0: 0}
    for seed in range(40):
        series = times(100, spread=0.3, seed=seed)
        for factor in found:
            change = slower(series[:60] + [factor * time for time in series[60:]])
            found[factor] += change is not None
    assert found[1.2] <= 8
    assert found[2.0] >= 36


def test_the_same_time_always_is_a_level_too() -> None:
    assert slower([60.0] * 40) is None
    change = slower([60.0] * 40 + [75.0] * 6)
    assert change is not None
    assert (change.at, change.before_s, change.after_s) == (40, 60, 75)


@pytest.mark.parametrize("count", [0, 1, FEWEST, FEWEST + 3])
def test_few_runs_tell_nothing(count: int) -> None:
    assert slower([60.0] * count) is None


def test_the_unit_does_not_matter() -> None:
    series = times(40) + [1.3 * time for time in times(20, seed=3)]
    before, after = slower(series), slower([time / 1000 for time in series])
    assert before is not None
    assert after is not None
    assert before.at == after.at
    assert before.ratio == pytest.approx(after.ratio)
