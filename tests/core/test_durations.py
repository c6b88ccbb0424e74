"""Seconds, as people write them."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_pipehooks.core.durations import (
    LONGEST_S,
    SHORTEST_S,
    as_interval,
    as_limit,
    as_seconds,
    stored_interval,
)
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
    -1, math.nan, math.inf, -math.inf, True, False, "", "abc", "nan", "inf", b"30", [30],
    timedelta(days=-1), LONGEST_S * 2, 10**400, "1e999", None,
]  # fmt: skip
NOTHING: list[Any] = [0, 0.0, "0", timedelta(0)]


@pytest.mark.parametrize(("value", "seconds"), GOOD)
def test_numbers_texts_and_time_spans_are_seconds(value: Any, seconds: float) -> None:
    assert as_seconds(value, "x") == seconds
    assert as_limit(value, "x") == seconds
    assert as_interval(value, "x") == seconds
    assert stored_interval(value, 5.0) == seconds


@pytest.mark.parametrize("value", BAD, ids=lambda value: repr(value)[:12])
def test_anything_else_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^timeout of task 't' must be a number of seconds above 0"):
        as_seconds(value, "timeout of task 't'")
    with pytest.raises(ConfigurationError, match=r"^x must be a number of seconds of at least 0"):
        as_interval(value, "x")
    assert stored_interval(value, 5.0) == 5.0


@pytest.mark.parametrize("value", NOTHING)
def test_no_pause_is_the_shortest_pause_and_no_time_to_wait_is_a_mistake(value: Any) -> None:
    assert as_interval(value, "x") == stored_interval(value, 5.0) == SHORTEST_S
    with pytest.raises(ConfigurationError, match="above 0"):
        as_limit(value, "x")


def test_no_limit_is_a_limit() -> None:
    assert as_limit(None, "x") is None


def test_an_interval_is_never_so_short_that_it_spins() -> None:
    assert as_interval(1e-9, "x") == SHORTEST_S
