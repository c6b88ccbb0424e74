"""HOOKS: a broadcast that anyone may connect to, and no one has to.

Event types and payload keys are Bamboo's (``pipeline_event`` of bamboo-pipeline 4.0); ids are Airflow's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from blinker import Signal

from airflow_provider_pipehooks.core.dispatch import Dispatcher, Hook, Record

#: Receivers are called as ``receiver(sender, event=PipelineEvent)``.
pipeline_event = Signal("Something happened to a DAG, a DAG run or a task instance.")


@dataclass(frozen=True, kw_only=True)
class PipelineEvent:
    """One thing that happened.

    :param data: the payload; its keys are listed in the README for each type.
    """

    event_type: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """``{"event_type": str, "data": {...}}``."""
        return {"event_type": self.event_type, "data": dict(self.data)}


def send(event: PipelineEvent, sender: object, *, record: Record | None = None) -> None:
    """Tell every receiver, one after the other; one that raises is logged and recorded, and the next runs.

    Bamboo lets a receiver's error through, which leaves its pipelines hanging; here it stops nothing.
    """
    if not pipeline_event.receivers:
        return
    dispatcher = Dispatcher(
        (Hook(receiver) for receiver in pipeline_event.receivers_for(sender)), record=record
    )
    dispatcher.dispatch(sender, event=event)
