"""Parameters as they come in: sizes of pages, orders, and the filter of the list of events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_pipehooks.standin.databricks_jobs.checks import integer
from airflow_provider_pipehooks.standin.databricks_jobs.errors import ApiError, invalid
from airflow_provider_pipehooks.standin.databricks_pipelines.event_log import COLUMNS, FIRST, LAST, Key
from airflow_provider_pipehooks.standin.databricks_pipelines.times import to_ns

Params = Mapping[str, Any]

_QUOTED = r"'(?:[^']|'')*'"
_CONDITION = re.compile(
    rf"""\s*(?P<column>[a-z_][\w.]*)\s*
    (?P<operation>>=|<=|<>|!=|=|>|<|\bin\b|\blike\b)\s*
    (?P<value>{_QUOTED}|\(\s*{_QUOTED}(?:\s*,\s*{_QUOTED})*\s*\)|[\w.+-]+)\s*""",
    re.IGNORECASE | re.VERBOSE,
)
_AND = re.compile(r"and\b", re.IGNORECASE)
_TEXT = re.compile(_QUOTED)

# Which operations a column has.
_OPERATIONS = {
    "timestamp": frozenset({"=", ">", ">=", "<", "<="}),
    **dict.fromkeys(COLUMNS, frozenset({"=", "in"})),
}


def page_size(params: Params, *, default: int, largest: int, strict: bool = False) -> int:
    """``max_results``; 0 is the default.

    :param strict: more than the largest size is an error; otherwise it is that size.
    :raises ApiError: negative, or too large.
    """
    size = integer(params, "max_results") or default
    if size < 0 or (strict and size > largest):
        raise invalid(f"Invalid max_results {size}: it must be between 1 and {largest}.")
    return min(size, largest)


def order(params: Params, *columns: str) -> tuple[str, bool] | None:
    """``order_by``: a column, and whether values fall. None if it was not sent.

    :raises ApiError: not exactly one of these columns with ``asc`` or ``desc``.
    """
    sent = params.get("order_by") or []
    given = [sent] if isinstance(sent, str) else list(sent)
    if not given:
        return None
    words = str(given[0]).lower().split()
    if len(given) > 1 or len(words) != 2 or words[0] not in columns or words[1] not in ("asc", "desc"):
        known = ", ".join(f"'{column} asc', '{column} desc'" for column in columns)
        raise invalid(f"Unsupported order_by {given!r}. Supported: {known}.")
    return words[0], words[1] == "desc"


@dataclass
class EventFilter:
    """What a filter selects: a span of time whose ends do not belong to it, and values of columns."""

    low: Key = FIRST
    high: Key = LAST
    wanted: dict[str, frozenset[str]] = field(default_factory=dict)


def event_filter(text: str) -> EventFilter:
    """Read conditions joined by AND.

    :raises ApiError: another column or operation than those of the log, or no condition at all.
    """
    found, at = EventFilter(), 0
    while text.strip():
        condition = _CONDITION.match(text, at)
        if condition is None:
            raise _unreadable(text)
        _narrow(found, text, **condition.groupdict())
        if condition.end() == len(text):
            break
        joint = _AND.match(text, condition.end())
        if joint is None:
            raise _unreadable(text)
        at = joint.end()
    return found


def _unreadable(text: str) -> ApiError:
    return invalid(f"Could not parse the filter {text!r}.")


def _narrow(found: EventFilter, text: str, column: str, operation: str, value: str) -> None:
    if operation.lower() not in _OPERATIONS.get(column, ()):
        raise invalid(f"Operation '{operation}' not allowed on '{column}'")
    values = [each[1:-1].replace("''", "'") for each in _TEXT.findall(value)]
    if not values or value.startswith("(") != (operation.lower() == "in"):
        raise _unreadable(text)
    if column != "timestamp":
        before = found.wanted.get(column)
        found.wanted[column] = frozenset(values) if before is None else before.intersection(values)
        return
    try:
        at_ns = to_ns(values[0])
    except ValueError as err:
        raise invalid(f"Invalid timestamp in the filter: {err}") from None
    before_it, after_it = (at_ns, FIRST[1]), (at_ns, LAST[1])
    if operation in ("=", ">", ">="):
        found.low = max(found.low, after_it if operation == ">" else before_it)
    if operation in ("=", "<", "<="):
        found.high = min(found.high, before_it if operation == "<" else after_it)
