"""Templates, and how they show what others wrote: escaped, without control characters, without secrets."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import cache
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from airflow_provider_pipehooks.core.run import label_of
from airflow_provider_pipehooks.core.texts import storable, without_secrets
from airflow_provider_pipehooks.reporting import words

#: Of one text; more is cut, with a mark.
_MOST_CHARS = 10_000
#: What turns the direction of all text after it.
_TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@cache
def templates() -> Environment:
    """The templates. Whatever they put out is escaped, after it was made fit to be shown."""
    made = Environment(
        loader=PackageLoader("airflow_provider_pipehooks.plugins", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=fit,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "moment": moment,
        "iso": lambda when: _utc(when).isoformat(timespec="seconds"),
        "duration": duration,
        "percent": words.percent,
        "number": words.number,
        "service": words.service,
        "safe_url": safe_url,
    }
    made.globals["label_of"] = label_of
    return made


def render(name: str, **given: Any) -> str:
    """A page."""
    return templates().get_template(name).render(**given)


@cache
def style() -> str:
    """The style sheet: the same for everybody, whatever is in the database."""
    loader: Any = templates().loader
    text: str = loader.get_source(templates(), "page.css")[0]
    return text


@cache
def style_version() -> str:
    """What the address of the style sheet changes by."""
    return sha256(style().encode()).hexdigest()[:8]


def fit(value: Any) -> Any:
    """A text that others may have written."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    # First cut: patterns over a megabyte take as long as all the rest of the page.
    text = without_secrets(_TURNS.sub("", storable(value[: 2 * _MOST_CHARS])))
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]} [...]"


def safe_url(url: Any) -> str | None:
    """An address that may be followed: of http or https, without a login in it; None for all others."""
    return words.link(url) if isinstance(url, str) and not re.search(r"\s", url) else None


def _utc(when: datetime) -> datetime:
    return when.astimezone(timezone.utc) if when.tzinfo else when.replace(tzinfo=timezone.utc)


def moment(when: datetime | None) -> str:
    """``2026-11-28 14:03``, in UTC."""
    return f"{_utc(when):%Y-%m-%d %H:%M}" if when is not None else words.NO_DATA


def duration(seconds: float | timedelta | None) -> str:
    """``45 s``, ``3.2 min``, ``1.5 h``, ``2.0 d``."""
    if isinstance(seconds, timedelta):
        seconds = max(0.0, seconds.total_seconds())
    return words.duration(seconds)
