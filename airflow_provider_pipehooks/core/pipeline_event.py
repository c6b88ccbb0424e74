"""One thing that happened to a DAG, a DAG run or a task instance, as signals carry it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class PipelineEvent:
    """One thing that happened.

    :param data: the payload; ``handlers.signal.event_types`` lists its keys for each type.
    """

    event_type: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """``{"event_type": str, "data": {...}}``."""
        return {"event_type": self.event_type, "data": dict(self.data)}
