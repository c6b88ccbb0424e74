"""Seconds, as people write them."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_pipehooks.core.durations import LONGEST_S, as_interval, as_limit, as_seconds
from airflow_provider_pipehooks.core.errors import ConfigurationError

GOOD = [
    (30, 30.0),
    (0.5, 0.5),
    ("30", 30.0),
    (" 1.5 ", 1.5),
    (timedelta(minutes=5), 300.0),
    (LONGEST_S, LONGEST_S),
]
BAD: list[Any] = [
    0, -1, math.nan, math.inf, -math.inf, True, "", "abc", "nan", "inf", b"30", [30], timedelta(0),
    timedelta(days=-1), LONGEST_S * 2, 10**400, "1e999",
]  # fmt: skip


@pytest.mark.parametrize(("value", "seconds"), GOOD)
def test_numbers_texts_and_time_spans_are_seconds(value: Any, seconds: float) -> None:
    assert as_seconds(value, "x") == seconds
    assert as_limit(value, "x") == seconds
    assert as_interval(value, 5.0) == seconds


@pytest.mark.parametrize("value", [*BAD, None], ids=lambda value: repr(value)[:12])
def test_anything_else_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^timeout of task 't' must be a number of seconds above 0"):
        as_seconds(value, "timeout of task 't'")
    assert as_interval(value, 5.0) == 5.0


def test_no_limit_is_a_limit() -> None:
    assert as_limit(None, "x") is None


def test_an_interval_is_never_so_short_that_it_spins() -> None:
    assert as_interval(1e-9, 5.0) == 0.01
