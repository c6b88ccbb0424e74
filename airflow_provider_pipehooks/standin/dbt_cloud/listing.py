"""The query parameters of dbt Cloud's list endpoints: filters, order and pages, as tables."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from airflow_provider_pipehooks.standin.dbt_cloud.answers import ApiError

MAX_LIMIT = 100
#: The list of orders was cut down to these in May 2023.
RUN_ORDERS = frozenset(f"{sign}{name}" for name in ("id", "created_at", "finished_at") for sign in ("", "-"))
JOB_ORDERS = frozenset(f"{sign}{name}" for name in ("id", "name", "created_at") for sign in ("", "-"))

Predicate = Callable[[Any], bool]


@dataclass(frozen=True)
class Filter:
    """One parameter: how its text is read, and which objects pass."""

    read: Callable[[str], Any]
    passes: Callable[[Any, Any], bool]


@dataclass(frozen=True)
class Page:
    """One page of a list, with what goes into ``extra``."""

    rows: list[Any]
    total: int
    filters: dict[str, Any]
    order_by: str


def boolean(text: str) -> bool:
    """``true`` or ``false``, as JSON or Python writes them."""
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError(text)
    return text.lower() in ("true", "1")


def json_list(read: Callable[[Any], Any]) -> Callable[[str], list[Any]]:
    """Lists come as JSON text in one parameter, ``status__in=[1, 2, 3]``."""

    def parse(text: str) -> list[Any]:
        values = json.loads(text)
        if not isinstance(values, list):
            raise ValueError(text)
        return [read(value) for value in values]

    return parse


def moment(text: str) -> float:
    """A date-time, UTC when it names no zone, in seconds since the epoch."""
    # Python 3.10 does not read a trailing Z.
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (at if at.tzinfo else at.replace(tzinfo=timezone.utc)).timestamp()


def moments(text: str) -> list[float]:
    """A range: exactly two date-times."""
    both = json_list(lambda value: moment(str(value)))(text)
    if len(both) != 2:
        raise ValueError(text)
    return both


def soft_delete_state(text: str) -> str:
    """1, 2 or their names; nothing is ever deleted softly here."""
    names = {"1": "active", "2": "deleted", "active": "active", "deleted": "deleted", "all": "all"}
    if text not in names:
        raise ValueError(text)
    return names[text]


def equals(name: str, read: Callable[[str], Any]) -> Filter:
    """The attribute has this value."""
    return Filter(read, lambda row, value: getattr(row, name) == value)


def one_of(name: str, read: Callable[[Any], Any]) -> Filter:
    """The attribute has one of these values."""
    return Filter(json_list(read), lambda row, values: getattr(row, name) in values)


def between(name: str) -> Filter:
    """The time lies in this range, both ends included; a run that has no such time does not pass."""

    def passes(row: Any, ends: list[float]) -> bool:
        at = getattr(row, name)
        return at is not None and ends[0] <= at <= ends[1]

    return Filter(moments, passes)


def contains(name: str) -> Filter:
    """The text has this part, in any case of letters."""
    return Filter(str, lambda row, part: part.lower() in str(getattr(row, name)).lower())


def not_simulated(default: Any) -> Filter:
    """A flag that nothing here has: only the default passes."""
    return Filter(boolean, lambda _row, value: value is default)


STATE = Filter(soft_delete_state, lambda _row, value: value != "deleted")
IDS = {
    "pk": equals("id", int),
    "pk__in": one_of("id", int),
    "pk__gt": Filter(int, lambda row, value: bool(row.id > value)),
    "state": STATE,
}

RUN_FILTERS: dict[str, Filter] = {
    "pk": equals("id", int),
    "pk__in": one_of("id", int),
    "id__gt": Filter(int, lambda row, value: bool(row.id > value)),
    "job_definition_id": equals("job_id", int),
    "project_id": equals("project_id", int),
    "project_id__in": one_of("project_id", int),
    "environment_id": equals("environment_id", int),
    "deferring_run_id": equals("deferring_run_id", int),
    "status": equals("status", int),
    "status__in": one_of("status", int),
    "created_at__range": between("created_at"),
    "finished_at__range": between("finished_at"),
    "dbt_version": equals("dbt_version", str),
    "dbt_version__in": one_of("dbt_version", str),
    "has_docs_generated": equals("has_docs_generated", boolean),
    "has_sources_generated": equals("has_sources_generated", boolean),
    "state": STATE,
}
JOB_FILTERS: dict[str, Filter] = {
    **IDS,
    "project_id": equals("project_id", int),
    "project_id__in": one_of("project_id", int),
    "environment_id": equals("environment_id", int),
    "name__icontains": contains("name"),
    "dbt_version__in": one_of("dbt_version", str),
    "is_system": not_simulated(False),
    "is_fusion_ready": not_simulated(False),
    "triggers_schedule": not_simulated(False),
}
PROJECT_FILTERS: dict[str, Filter] = {**IDS, "name__icontains": contains("name")}
ENVIRONMENT_FILTERS: dict[str, Filter] = {
    **IDS,
    "id__gt": IDS["pk__gt"],
    "name": equals("name", str),
    "name__icontains": contains("name"),
    "type": Filter(str, lambda _row, value: bool(value == "deployment")),
    "deployment_type": Filter(
        str, lambda row, value: bool((value == "production") == (row.name == "Production"))
    ),
    "dbt_version": Filter(str, lambda _row, value: bool(value == "versionless")),
}


def read_filters(query: Mapping[str, str], known: Mapping[str, Filter]) -> dict[str, Any]:
    """The values of the filters sent; unknown parameters are ignored, as the service does.

    :raises ApiError: 400 for a value that cannot be read.
    """
    values = {}
    for name in query.keys() & known.keys():
        try:
            values[name] = known[name].read(query[name])
        except (ValueError, TypeError):
            raise ApiError(400, f"Invalid value for {name}: {query[name]!r}") from None
    return values


def read_number(query: Mapping[str, str], name: str, default: int) -> int:
    """``limit`` or ``offset``.

    :raises ApiError: 400 when it is not a number from 0 up.
    """
    text = query.get(name, "")
    if text and not text.isdigit():
        raise ApiError(400, f"Invalid value for {name}: {text!r}")
    return int(text) if text else default


def read_order(query: Mapping[str, str], allowed: frozenset[str]) -> str:
    """``order_by``, by default the id.

    :raises ApiError: 400 for an order that is not on offer.
    """
    order = query.get("order_by") or "id"
    if order not in allowed:
        raise ApiError(400, f"Invalid order_by: {order!r}. Allowed: {', '.join(sorted(allowed))}")
    return order


def paged(
    rows: Iterable[Any],
    query: Mapping[str, str],
    *,
    known: Mapping[str, Filter],
    orders: frozenset[str],
    defaults: Mapping[str, Any],
) -> Page:
    """Filter, sort and cut out one page.

    :param defaults: what ``extra.filters`` echoes besides the parameters sent.
    :raises ApiError: 400 for a parameter that cannot be read.
    """
    values = read_filters(query, known)
    order = read_order(query, orders)
    limit, offset = min(read_number(query, "limit", MAX_LIMIT), MAX_LIMIT), read_number(query, "offset", 0)
    passing = [row for row in rows if all(known[name].passes(row, value) for name, value in values.items())]
    passing.sort(key=sort_key(order.lstrip("-")), reverse=order.startswith("-"))
    return Page(
        rows=passing[offset : offset + limit],
        total=len(passing),
        filters={"state": "all", **defaults, **values, "limit": limit, "offset": offset},
        order_by=order,
    )


def sort_key(name: str) -> Callable[[Any], tuple[bool, Any, int]]:
    """Null sorts as the largest value, as in PostgreSQL; the id settles ties."""

    def key(row: Any) -> tuple[bool, Any, int]:
        value = getattr(row, name)
        return (value is None, 0 if value is None else value, row.id)

    return key
