"""How a body of a task ended, told from what it raised.

Airflow says much by exceptions. They are known by name, so that this needs no Airflow; a test holds the
names against ``airflow.sdk.exceptions``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Ending(Enum):
    """What an exception out of ``execute``, ``poke`` or a resumed method means for the node."""

    WAITS = "waits for an event"
    ASKS = "waits for a human's answer"
    POKES_AGAIN = "is poked again later, in a new process"
    SKIPPED = "skips itself"
    FINISHED = "its own work is done and well"
    SAID_NO = "failed by decision"
    RAISED = "failed by an error"


_AIRFLOWS: Mapping[str, Ending] = {
    "TaskDeferred": Ending.WAITS,
    "TaskAwaitingInput": Ending.ASKS,
    "AirflowRescheduleException": Ending.POKES_AGAIN,
    "AirflowSkipException": Ending.SKIPPED,
    "DownstreamTasksSkipped": Ending.FINISHED,
    "DagRunTriggerException": Ending.FINISHED,
    "AirflowFailException": Ending.SAID_NO,
    "AirflowSensorTimeout": Ending.SAID_NO,
    "TaskDeferralTimeout": Ending.SAID_NO,
}


class NodeFailed(Exception):
    """``execute``, or the method a wait resumes with, returned False. Airflow may retry."""


def ending_of(error: BaseException) -> Ending:
    """What the exception means."""
    if isinstance(error, NodeFailed):
        return Ending.SAID_NO
    for kind in type(error).__mro__:
        if kind.__module__.startswith("airflow.") and kind.__name__ in _AIRFLOWS:
            return _still_waiting(error) or _AIRFLOWS[kind.__name__]
    return Ending.RAISED


def _still_waiting(error: BaseException) -> Ending | None:
    """A triggered DAG run is waited for by Airflow itself, after ``execute``."""
    return Ending.WAITS if getattr(error, "wait_for_completion", False) else None
