"""What a report is asked for, read from what people write. Pure, and cheap: DAG files are parsed with it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from airflow_provider_pipehooks.core.errors import ConfigurationError

#: By the ending of the file.
FORMATS = ("html", "png", "json", "csv")
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}
_LONGEST = timedelta(days=3_660)


def as_window(value: Any, what: str) -> timedelta:
    """A span of time until now: ``60d``, ``36h``, ``8w``, or a timedelta.

    :raises ConfigurationError: anything else, nothing, or more than ten years.
    """
    span = value if isinstance(value, timedelta) else None
    if isinstance(value, str) and (found := re.fullmatch(r"([0-9]{1,5}) ?([hdw])", value.strip())):
        span = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if span is None or not timedelta() < span <= _LONGEST:
        raise ConfigurationError(
            f"{what} must be a span of at most ten years such as '60d', '36h' or '8w', or a timedelta, "
            f"not {value!r:.100}."
        )
    return span


def as_zone(value: Any, what: str) -> str:
    """The name of a time zone in the IANA database.

    :raises ConfigurationError: there is none of this name.
    """
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(value)
    # Of a name that is none, of one with a NUL or a way out of the database, of a folder, of no text.
    except (KeyError, ValueError, OSError, TypeError) as err:
        raise ConfigurationError(
            f"{what} must be the name of a time zone such as 'Europe/Berlin', not {value!r:.100}."
        ) from err
    return str(value)


def format_of(path: str, what: str) -> str:
    """The format of a report, by the ending of its path.

    :raises ConfigurationError: it has none of :data:`FORMATS`.
    """
    ending = path.rpartition(".")[2].lower() if "." in path else ""
    if ending not in FORMATS:
        endings = ", ".join(f".{each}" for each in FORMATS)
        raise ConfigurationError(f"{what} must end with one of {endings}, not {path!r:.200}.")
    return ending
