"""Templates, and how they show what others wrote: escaped, without control characters, without secrets."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import cache
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from airflow_provider_pipehooks.core.run import label_of
from airflow_provider_pipehooks.core.texts import storable, without_secrets
from airflow_provider_pipehooks.hooks.registry import SERVICES

#: Of one text; more is cut, with a mark.
_MOST_CHARS = 10_000
#: What turns the direction of all text after it.
_TURNS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
NO_DATA = "–"


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
        "percent": percent,
        "growth": growth,
        "number": lambda value: NO_DATA if value is None else f"{value:,.0f}",
        "service": lambda word: SERVICES[word].title if word in SERVICES else word,
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
    if not isinstance(url, str) or fit(url) != url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    is_safe = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    return url if is_safe and not re.search(r"\s", url) else None


def _utc(when: datetime) -> datetime:
    return when.astimezone(timezone.utc) if when.tzinfo else when.replace(tzinfo=timezone.utc)


def moment(when: datetime | None) -> str:
    """``2026-11-28 14:03``, in UTC."""
    return f"{_utc(when):%Y-%m-%d %H:%M}" if when is not None else NO_DATA


def duration(seconds: float | timedelta | None) -> str:
    """``45 s``, ``3.2 min``, ``1.5 h``, ``2.0 d``."""
    if seconds is None:
        return NO_DATA
    if isinstance(seconds, timedelta):
        seconds = max(0.0, seconds.total_seconds())
    for per, unit in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min")):
        # 59.96 s are told as 1.0 min, not as 60 s.
        if seconds >= per * 0.9995:
            return f"{seconds / per:,.1f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def percent(share: float | None) -> str:
    """A part of one: ``3.1 %``; what is not 0 is not told as 0."""
    if share is None:
        return NO_DATA
    return "<0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def growth(ratio: float | None) -> str:
    """``+12 %``."""
    return NO_DATA if ratio is None else f"{100 * ratio:+.0f} %".replace("-", "\N{MINUS SIGN}")
