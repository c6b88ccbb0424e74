"""Figures and foreign texts as a report shows them. Pure.

What is None is told as :data:`NO_DATA`, which no figure looks like: 0 failures are not the same as no runs.
"""

from __future__ import annotations

import re
from datetime import datetime
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from airflow_provider_pipehooks.core.texts import cut, storable, without_secrets
from airflow_provider_pipehooks.hooks.registry import SERVICES
from airflow_provider_pipehooks.reporting.figures import Job, Window

NO_DATA = "–"
#: No more of a name or message is shown.
NAME_CHARS, TEXT_CHARS = 90, 300
_LONGEST_LINK = 2_000
#: They turn the direction of what follows; or they are no characters at all, and no valid HTML.
_UNFIT = re.compile(
    "[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef"
    + "".join(chr((plane << 16) + end) for plane in range(17) for end in (0xFFFE, 0xFFFF))
    + "]"
)


def text(value: object, limit: int = TEXT_CHARS) -> str:
    """A text that others wrote, in one line that can be shown anywhere; not yet escaped.

    :param limit: in characters; a longer one is cut with a mark.
    """
    # First cut: patterns over a megabyte take as long as all the rest.
    plain = _UNFIT.sub("", storable(str(value)[: 4 * limit]))
    return cut(" ".join(without_secrets(plain).split()), limit)


def name(job: Job) -> str:
    """A job's name, or its id where it has none."""
    return text(job.job_name, NAME_CHARS) or text(job.job_id, NAME_CHARS) or "(no name)"


def service(word: str) -> str:
    """A service as people know it."""
    return SERVICES[word].title if word in SERVICES else text(word, NAME_CHARS) or "(no name)"


def link(url: str | None) -> str | None:
    """An address that may be followed; None for anything but http and https, or with a login in it."""
    if not url or len(url) > _LONGEST_LINK or url != text(url, _LONGEST_LINK):
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return url if parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc else None


def number(value: float | None) -> str:
    """``1,234``."""
    return NO_DATA if value is None else f"{value:,.0f}"


def percent(share: float | None) -> str:
    """A part of one: ``3.1 %``; what is not 0 is not told as 0."""
    if share is None:
        return NO_DATA
    if 0 < abs(share) < 0.0005:
        return "<0.1 %"
    return f"{100 * share:,.1f} %" if abs(share) < 9.995 else f"{100 * share:,.0f} %"


def change(ratio: float | None) -> str:
    """By how much something grew, 0.2 for 20 %: ``+20 %``."""
    if ratio is None:
        return NO_DATA
    whole = round(100 * ratio)
    return f"{whole:+,} %".replace("-", "\N{MINUS SIGN}") if whole else "0 %"


def duration(seconds: float | None) -> str:
    """``45 s``, ``3.2 min``, ``1.5 h``, ``2.0 d``."""
    if seconds is None:
        return NO_DATA
    per, unit = unit_of(seconds)
    digits = 0 if unit == "s" and seconds >= 10 else 1
    return f"{seconds / per:,.{digits}f} {unit}"


def unit_of(seconds: float) -> tuple[float, str]:
    """The unit that a time is told in, and how many seconds it has."""
    for per, unit in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min")):
        # 59.96 s are told as 1.0 min, not as 60 s.
        if seconds >= per * 0.9995:
            return per, unit
    return 1.0, "s"


def moment(when: datetime, zone: str) -> str:
    """``2026-11-28 14:03``, in a time zone."""
    return f"{when.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def count(number_: int, one: str, many: str | None = None) -> str:
    """``1 job``, ``2 jobs``."""
    return f"{number_:,} {one if number_ == 1 else many or one + 's'}"


def span(window: Window) -> str:
    """``60 days until 2026-11-28 12:00 (UTC)``."""
    return f"{long(window)} until {moment(window.end, window.zone)} ({window.zone})"


def long(window: Window) -> str:
    """``60 days``."""
    hours = round((window.end - window.begin).total_seconds() / 3_600)
    return count(hours // 24, "day") if hours and hours % 24 == 0 else count(hours, "hour")
