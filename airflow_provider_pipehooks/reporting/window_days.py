"""In which day of a window a moment lies, as an expression of SQL: days have 23 to 25 hours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

from airflow_provider_pipehooks.reporting.figures import Window

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DAY_US = 86_400_000_000


def day_of(moment: str, window: Window) -> str:
    """The number of a day, 0 for the window's first.

    Python's time zones say where days begin, so that they are those of ``Window.days`` whatever zones DuckDB
    knows; and a few comparisons for each run cost less than its zones do.

    :param moment: an expression: microseconds since the epoch, in the window.
    """
    whens = []
    for number, begin, until in _pieces(window):
        is_even = (until - begin) % _DAY_US == 0
        days = f" + ({moment} - {begin}) // {_DAY_US}" if is_even else ""
        whens.append(f"WHEN {moment} < {until} THEN {number}{days}")
    return f"CASE {' '.join(whens)} END"


def _pieces(window: Window) -> Iterator[tuple[int, int, int]]:
    """Days in a row of 24 hours each, and single ones that have not: number of the first, begin, end."""
    where = ZoneInfo(window.zone)
    days = window.days
    begins = [_midnight(day, where) for day in [*days, days[-1] + timedelta(days=1)]] if days else []
    first = 0
    for number in range(1, len(begins)):
        ends_piece = number == len(begins) - 1 or begins[number + 1] - begins[number] != _DAY_US
        if ends_piece or begins[number] - begins[number - 1] != _DAY_US:
            yield first, begins[first], begins[number]
            first = number


def _midnight(day: date, where: ZoneInfo) -> int:
    return micros(datetime.combine(day, time(), tzinfo=where))


def micros(moment: datetime) -> int:
    """Microseconds since the epoch."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def moment(micros: int) -> datetime:
    """The other way, in UTC."""
    return EPOCH + timedelta(microseconds=micros)
