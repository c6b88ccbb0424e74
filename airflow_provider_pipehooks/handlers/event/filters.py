"""HOOKS: which events of a pipeline concern a hook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from airflow_provider_pipehooks.core.errors import ConfigurationError

Event = Mapping[str, Any]

#: Where the table that an event is about has its name; not every event has one, and types differ.
_DATASETS = ("dataset_name", "table_name", "flow_name", "sink_name")


@dataclass(frozen=True)
class Where:
    """What an event has to be; an empty one is true of all.

    :param event_type: one of these, such as ``flow_progress``.
    :param level: one of these: ``INFO``, ``WARN``, ``ERROR``, ``METRICS``.
    :param dataset: one of these globs fits the table, flow or sink that it is about.
    """

    event_type: tuple[str, ...] = ()
    level: tuple[str, ...] = ()
    dataset: tuple[str, ...] = ()

    def fits(self, event: Event) -> bool:
        """Whether the event is one of them."""
        if self.event_type and event.get("event_type") not in self.event_type:
            return False
        if self.level and event.get("level") not in self.level:
            return False
        return not self.dataset or any(
            fnmatchcase(name, glob) for name in datasets_of(event) for glob in self.dataset
        )


def datasets_of(event: Event) -> list[str]:
    """The names of what an event is about."""
    origin = event.get("origin")
    names = [origin.get(key) for key in _DATASETS] if isinstance(origin, Mapping) else []
    return [name for name in names if isinstance(name, str)]


def where_of(given: Mapping[str, Any] | Where | None) -> Where:
    """A filter as people write it: ``{"event_type": "flow_progress", "level": ["ERROR", "WARN"]}``.

    :raises ConfigurationError: a key that is none, or a value that is neither a text nor a list of texts.
    """
    if isinstance(given, Where):
        return given
    known = {each.name for each in fields(Where)}
    if not isinstance(given or {}, Mapping):
        raise ConfigurationError(f"where must be an object, not a {type(given).__name__}.")
    read: dict[str, tuple[str, ...]] = {}
    for key, value in (given or {}).items():
        if key not in known:
            near = get_close_matches(str(key), known, n=1)
            hint = f"Do you mean {near[0]!r}?" if near else f"Known are {', '.join(sorted(known))}."
            raise ConfigurationError(f"where has no {key!r}. {hint}")
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
            raise ConfigurationError(f"where[{key!r}] must be a text or a list of texts.")
        read[key] = tuple(texts)
    return Where(**read)
