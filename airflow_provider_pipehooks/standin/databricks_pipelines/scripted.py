"""Logs that were recorded or written by hand: from a list, or from a file of JSON or of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Event = Mapping[str, Any]


def read_events(events: Iterable[Event] | str | Path | None) -> list[Event]:
    """All events of a list or a file, in its order.

    :raises ValueError: the file holds neither a list of events, nor an answer with ``events``, nor one
        event a line.
    """
    if events is None:
        return []
    if isinstance(events, (str, Path)):
        path = Path(events)
        found = parsed(path.read_text(encoding="utf-8"))
        if found is None:
            raise ValueError(f"{path}: holds no events, neither as a JSON list nor one a line.")
        return found
    return list(events)


def parsed(text: str) -> list[Event] | None:
    """The events of a text, None when it is something else."""
    try:
        found = json.loads(text)
    except ValueError:
        found = lines(text)
    if isinstance(found, dict):
        found = found.get("events", [found])
    good = isinstance(found, list) and all(isinstance(each, dict) for each in found)
    return found if good else None


def lines(text: str) -> list[Any] | None:
    """One event a line, None when a line is no JSON."""
    try:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        return None
