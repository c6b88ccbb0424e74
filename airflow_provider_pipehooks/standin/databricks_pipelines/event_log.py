"""The event log of a pipeline: sorted by time, so that a page is found without looking at the rest."""

from __future__ import annotations

import json
import math
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cached_property
from heapq import merge
from itertools import count
from operator import attrgetter
from typing import Any

from airflow_provider_pipehooks.standin.databricks_pipelines.times import to_ns

#: Time in nanoseconds, then the order in which events of one moment came.
Key = tuple[int, float]
FIRST: Key = (-(2**63), 0)
LAST: Key = (2**63, math.inf)

#: What can be filtered by beside the time.
COLUMNS = ("id", "update_id", "level")

# From 1582-10-15, where the time of a UUID begins, to 1970, in steps of 100 ns.
_UUID_EPOCH = 0x01B21DD213814000
_by_key = attrgetter("key")


class Row:
    """One event, and what it is found by."""

    def __init__(self, key: Key, event: dict[str, Any]) -> None:
        self.key = key
        self.event = event
        self.id = text_in(event, "id")
        self.level = text_in(event, "level")
        self.update_id = text_in(event.get("origin"), "update_id")

    @cached_property
    def text(self) -> str:
        """As JSON; made once, since logs are read again and again."""
        return json.dumps(self.event, separators=(",", ":"))


class Series:
    """Rows in the order of their keys."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, row: Row) -> None:
        """Insert where it belongs, nearly always at the end."""
        if not self.rows or self.rows[-1].key < row.key:
            self.rows.append(row)
        else:
            insort(self.rows, row, key=_by_key)

    def between(self, low: Key, high: Key, *, falling: bool) -> Iterator[Row]:
        """Rows whose keys lie between both, which do not belong to it."""
        start = bisect_right(self.rows, low, key=_by_key)
        end = bisect_left(self.rows, high, key=_by_key)
        places = range(end - 1, start - 1, -1) if falling else range(start, end)
        return map(self.rows.__getitem__, places)


class EventLog:
    """All events of one pipeline.

    :param numbers: gives each event of the workspace another number, so that ids are unique.
    """

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers
        self._order = count(1)
        self._all = Series()
        self._index: dict[str, dict[str | None, Series]] = {column: defaultdict(Series) for column in COLUMNS}
        #: How often it was read.
        self.requests = 0

    def __len__(self) -> int:
        return len(self._all)

    @property
    def events(self) -> list[dict[str, Any]]:
        """Oldest first."""
        return [row.event for row in self._all.rows]

    def add(self, event: Mapping[str, Any], timestamp: str, origin: Mapping[str, Any]) -> Row:
        """Put an event where its time belongs.

        :param event: may lack all that can be filled in; what it has, it keeps.
        :param timestamp: is shown as it is.
        :param origin: for the keys of ``origin`` that the event lacks.
        :raises ValueError: the timestamp is no moment.
        """
        at_ns, number = to_ns(timestamp), next(self._order)
        details, given = event.get("details"), event.get("origin")
        filled = {
            "id": time_id(at_ns, next(self._numbers)),
            "sequence": {
                "data_plane_id": {"instance": "execution", "seq_no": number},
                "control_plane_seq_no": number,
            },
            "message": "",
            "level": "INFO",
            "maturity_level": "STABLE",
            "event_type": next(iter(details), "") if isinstance(details, Mapping) else "",
            "details": {},
            **event,
            # A test may want to see what becomes of an origin that is none.
            "origin": {**origin, **(given or {})} if isinstance(given or {}, Mapping) else given,
            "timestamp": timestamp,
        }
        row = Row((at_ns, number), filled)
        self._all.add(row)
        for column, index in self._index.items():
            index[getattr(row, column)].add(row)
        return row

    def walk(
        self, wanted: Mapping[str, frozenset[str]], low: Key, high: Key, *, falling: bool
    ) -> Iterator[Row]:
        """Rows between two keys that have one of the wanted values in each of these columns."""
        found = [self._all]
        for column, values in wanted.items():
            held = [self._index[column][value] for value in values if value in self._index[column]]
            if sum(map(len, held)) < sum(map(len, found)):
                found = held
        walks = [series.between(low, high, falling=falling) for series in found]
        rows = walks[0] if len(walks) == 1 else merge(*walks, key=_by_key, reverse=falling)
        return (
            row for row in rows if all(getattr(row, column) in values for column, values in wanted.items())
        )


def text_in(holder: Any, name: str) -> str | None:
    """A text that can be filtered by."""
    value = holder.get(name) if isinstance(holder, Mapping) else None
    return value if isinstance(value, str) else None


def time_id(at_ns: int, number: int) -> str:
    """A UUID that begins with its time, as the real ids do."""
    ticks = max(at_ns // 100 + _UUID_EPOCH, 0)
    low, middle, high = ticks & 0xFFFFFFFF, (ticks >> 32) & 0xFFFF, (ticks >> 48) & 0x0FFF
    return f"{low:08x}-{middle:04x}-{high | 0x1000:04x}-8080-{number & 0xFFFFFFFFFFFF:012x}"
