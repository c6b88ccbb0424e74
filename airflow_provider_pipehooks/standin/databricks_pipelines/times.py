"""Moments as the API writes them, in UTC, and as numbers that sort: nanoseconds since the epoch."""

from __future__ import annotations

import re
from datetime import datetime, timezone

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?", re.IGNORECASE)
_DIGITS = 9


def to_ns(text: str) -> int:
    """Read a moment, with any number of fraction digits; UTC when it names no zone.

    :raises ValueError: it is none.
    """
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a moment such as '2026-11-28T02:30:00.123Z'.")
    day, time, fraction, zone = found.groups()
    # Python 3.10 does not read a trailing Z.
    offset = "+00:00" if zone in (None, "Z", "z") else zone
    whole_s = int(datetime.fromisoformat(f"{day}T{time}{offset}").timestamp())
    return whole_s * 1_000_000_000 + int((fraction or "").ljust(_DIGITS, "0")[:_DIGITS])


def to_text(at_s: float, digits: int) -> str:
    """Write epoch seconds with so many fraction digits; what is finer is cut off.

    A float tells microseconds, so further digits are zeros.
    """
    seconds, micros = divmod(round(at_s * 1_000_000), 1_000_000)
    # Not from the float: it would round up to the next second.
    text = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{micros:06}".ljust(_DIGITS, "0")[: max(digits, 0)]
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


def moment_text(at: datetime | str, digits: int) -> str:
    """A moment a test gave: a text stays as it is, a datetime without a zone is UTC.

    :raises ValueError: a text that is no moment.
    """
    if isinstance(at, str):
        to_ns(at)
        return at
    return to_text((at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp(), digits)
