"""Seconds, as people write them: numbers, texts of numbers, time spans."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow_provider_pipehooks.core.errors import ConfigurationError

#: No pause is shorter, whatever is asked for: a loop that does not pause stops everything beside it.
SHORTEST_S = 0.1
#: A hundred years; more than that is more than a clock can take.
LONGEST_S = 100 * 365 * 86_400.0


def as_seconds(value: Any, what: str, *, or_nothing: bool = False) -> float:
    """A duration above 0.

    :param what: how the message names it: ``check_interval of task 'build'``.
    :param or_nothing: take 0 too.
    :raises ConfigurationError: anything else, such as a bool, a text that is no number, or no end.
    """
    seconds: Any = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, str):
        try:
            seconds = float(seconds)
        except ValueError:
            seconds = None
    is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not is_number or not 0 <= seconds <= LONGEST_S or not (seconds or or_nothing):
        least = "of at least 0" if or_nothing else "above 0"
        raise ConfigurationError(f"{what} must be a number of seconds {least} or a timedelta, not {value!r}.")
    return float(seconds)


def as_limit(value: Any, what: str) -> float | None:
    """The same for a limit, where None means none."""
    return None if value is None else as_seconds(value, what)


def as_interval(value: Any, what: str) -> float:
    """A pause between two looks; 0, which the official operators take, is as short as may be.

    :raises ConfigurationError: as for :func:`as_seconds`.
    """
    return max(as_seconds(value, what, or_nothing=True), SHORTEST_S)


def stored_interval(value: Any, default_s: float) -> float:
    """An interval that a trigger was stored with: whatever it is, the wait goes on."""
    try:
        return as_interval(value, "poll_interval")
    except ConfigurationError:
        return default_s
