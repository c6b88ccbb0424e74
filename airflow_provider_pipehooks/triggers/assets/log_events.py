"""WATCH: which events of a pipeline's log are told of, and what of each: a record that Airflow can store."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from airflow_provider_pipehooks.core.event_cursor import digest_of, sortable
from airflow_provider_pipehooks.core.texts import storable
from airflow_provider_pipehooks.handlers.event.filters import Where, datasets_of
from airflow_provider_pipehooks.services.reading import object_or_empty, objects, words_or_none

Event = Mapping[str, Any]

#: A record of an event, as JSON.
MOST_BYTES = 6_000
_LONGEST_ID = 100
_MOST_COUNT = 2**63 - 1
#: To make a record fit: characters of the message, of any other text, and expectations.
_SIZES = ((2_000, 300, 20), (1_000, 200, 8), (400, 100, 3), (100, 40, 0))


@dataclass(frozen=True)
class Source:
    """Whose log to read, and how often. Watchers of equal sources share a reading.

    :param pipeline_name: instead of the id.
    """

    conn_id: str
    pipeline_id: str | None
    pipeline_name: str | None
    poll_interval_s: float

    def __str__(self) -> str:
        return f"the events of pipeline {self.pipeline_name or self.pipeline_id} of {self.conn_id}"


# --- which events, and what is told of them ---------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """Which events a watcher is for. Only STABLE ones, as hooks get, and those that tell no maturity.

    :param states: of updates, in lower case; None takes any, and events of any other type.
    :param dropped_rows: only flows whose expectations failed for some rows.
    """

    where: Where = field(default_factory=Where)
    states: frozenset[str] | None = None
    dropped_rows: bool = False

    def fits(self, event: Event) -> bool:
        kind = event.get("event_type")
        if event.get("maturity_level") not in (None, "STABLE") or kind == "hook_progress":
            return False
        if not self.where.fits(event):
            return False
        if self.dropped_rows:
            return kind == "flow_progress" and _has_failures(_quality_of(event))
        if self.states is None:
            return True
        if kind == "update_progress":
            return _state_of(event) in self.states
        return bool(self.where.event_type)


def _details_of(event: Event, kind: str) -> Mapping[str, Any]:
    return object_or_empty(object_or_empty(event.get("details")).get(kind))


def _state_of(event: Event) -> str | None:
    """Of an update or a flow, in lower case."""
    state = _details_of(event, "update_progress").get("state")
    word = words_or_none(state) or words_or_none(_details_of(event, "flow_progress").get("status"))
    return word.lower() if word else None


def _quality_of(event: Event) -> Mapping[str, Any]:
    return object_or_empty(_details_of(event, "flow_progress").get("data_quality"))


def _has_failures(quality: Mapping[str, Any]) -> bool:
    rules = objects(quality.get("expectations"))
    return _count(quality.get("dropped_records")) > 0 or any(_count(r.get("failed_records")) for r in rules)


def _count(value: Any) -> int:
    if isinstance(value, str) and len(value) < 19 and value.isdecimal():
        value = int(value)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return int(min(value, _MOST_COUNT)) if is_number and value > 0 else 0


def record_of(event: Event, source: Source) -> dict[str, Any]:
    """What is told of an event: JSON that is at most :data:`MOST_BYTES` long, with texts that can be stored.

    :param source: tells the pipeline of an event that does not.
    """
    record: dict[str, Any] = {}
    for message, text, rules in _SIZES:
        record = _record_of(event, source, message, text, rules)
        if len(json.dumps(record)) <= MOST_BYTES:
            break
    return record


def _record_of(event: Event, source: Source, message: int, text: int, rules: int) -> dict[str, Any]:
    def words(value: Any, most: int = text) -> str | None:
        # Cut first: it may be megabytes.
        return words_or_none(storable(value[: 2 * most]), most) if isinstance(value, str) else None

    short = min(text, _LONGEST_ID)
    origin = object_or_empty(event.get("origin"))
    quality = _quality_of(event)
    return {
        "id": words(event.get("id"), short),
        "timestamp": words(event.get("timestamp"), 40),
        "event_type": words(event.get("event_type"), short),
        "level": words(event.get("level"), 20),
        "message": words(event.get("message"), message),
        "pipeline_id": words(origin.get("pipeline_id"), short) or words(source.pipeline_id, short),
        "pipeline_name": words(origin.get("pipeline_name")) or words(source.pipeline_name),
        "update_id": words(origin.get("update_id"), short),
        "dataset": next((words(name) for name in datasets_of(event) if name.strip()), None),
        "state": words(_state_of(event), 40),
        "data_quality": _told_quality(quality, rules, words) if quality else None,
    }


def _told_quality(
    quality: Mapping[str, Any], most: int, words: Callable[[Any], str | None]
) -> dict[str, Any]:
    """Numbers as numbers; of the expectations those that failed first, as many as have room."""
    given = objects(quality.get("expectations"))
    rules = [
        {
            "name": words(rule.get("name")),
            "dataset": words(rule.get("dataset")),
            "passed_records": _count(rule.get("passed_records")),
            "failed_records": _count(rule.get("failed_records")),
        }
        for rule in sorted(given, key=lambda rule: _count(rule.get("failed_records")), reverse=True)[:most]
    ]
    told = {"dropped_records": _count(quality.get("dropped_records")), "expectations": rules}
    return {**told, "left_out": len(given) - len(rules)} if len(given) > len(rules) else told


@dataclass(frozen=True)
class LogEvent:
    """An event to report: no more of it than is told.

    :param key: its id and time, by which cursors know it.
    """

    key: Mapping[str, str]
    record: Mapping[str, Any]

    @property
    def time(self) -> str:
        return sortable(self.key["timestamp"])

    @cached_property
    def run_id(self) -> int:
        """Its number."""
        return number_of(self.key)

    @property
    def label(self) -> str:
        return f"{self.record.get('event_type')} event {self.key['id']}"


def key_of(event: Event) -> dict[str, str]:
    """What an event is known by; one without a usable id by all that it holds."""
    found = sortable(event.get("timestamp"))
    return {"id": id_of(event), "timestamp": f"{found[:19]}.{found[19:]}Z" if found else ""}


def id_of(event: Event) -> str:
    known_by = event.get("id")
    if isinstance(known_by, str) and 0 < len(known_by) <= _LONGEST_ID:
        return storable(known_by)
    return f"{digest_of(event):016x}"


def number_of(key: Mapping[str, str]) -> int:
    """Of the 63 bits that a database holds."""
    return digest_of(key) >> 1
