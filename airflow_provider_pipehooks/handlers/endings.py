"""What an exception out of a task's work means: the one table of Airflow's ways to say so, and one of ours.

They are known by name, so that parsing a DAG imports nothing for it and node hooks need no Airflow; a test
holds the names against ``airflow.sdk.exceptions``.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Ending(Enum):
    """How ``execute``, ``poke`` or a resumed method left the task."""

    WAITS = "waits for an event"
    ASKS = "waits for a human's answer"
    POKES_AGAIN = "is poked again later, in a new process"
    SKIPPED = "skips itself"
    FINISHED = "its own work is done and well"
    SAID_NO = "failed by decision"
    WAITED_TOO_LONG = "what it waited for did not come in time"
    TIMED_OUT = "its work took too long"
    TERMINATED = "Airflow ended it"
    RAISED = "failed by an error"

    @property
    def is_wait(self) -> bool:
        """The task runs again later, in the same try."""
        return self in (Ending.WAITS, Ending.ASKS, Ending.POKES_AGAIN)

    @property
    def is_failure(self) -> bool:
        return not self.is_wait and self not in (Ending.SKIPPED, Ending.FINISHED)

    @property
    def is_error(self) -> bool:
        """A failure that was not decided on, but happened; of the others Bamboo tells by ``fail`` alone."""
        return self in (Ending.TIMED_OUT, Ending.TERMINATED, Ending.RAISED)


_KNOWN: Mapping[str, Ending] = {
    "TaskDeferred": Ending.WAITS,
    "TaskAwaitingInput": Ending.ASKS,
    "AirflowRescheduleException": Ending.POKES_AGAIN,
    "AirflowSkipException": Ending.SKIPPED,
    "DownstreamTasksSkipped": Ending.FINISHED,
    "DagRunTriggerException": Ending.FINISHED,
    "AirflowFailException": Ending.SAID_NO,
    "AirflowSensorTimeout": Ending.WAITED_TOO_LONG,
    "TaskDeferralTimeout": Ending.WAITED_TOO_LONG,
    "AirflowTaskTimeout": Ending.TIMED_OUT,
    "WaitTimedOut": Ending.TIMED_OUT,
    "AirflowTaskTerminated": Ending.TERMINATED,
}
#: Airflow fails the task for these without another try.
_NEVER_RETRIED = frozenset({"AirflowFailException", "AirflowSensorTimeout", "AirflowTaskTerminated"})


class NodeFailed(Exception):
    """``execute``, or the method a wait resumes with, returned False. Airflow may retry."""


def ending_of(error: BaseException) -> Ending:
    """What the exception means."""
    if isinstance(error, NodeFailed):
        return Ending.SAID_NO
    name = _known_name(error)
    if name is None:
        return Ending.RAISED
    # A triggered DAG run is waited for by Airflow itself, after ``execute``.
    return Ending.WAITS if getattr(error, "wait_for_completion", False) else _KNOWN[name]


def is_never_retried(error: BaseException) -> bool:
    """Whether Airflow makes no other try after it, whatever ``retries`` says."""
    return _known_name(error) in _NEVER_RETRIED


def _known_name(error: BaseException) -> str | None:
    """The nearest class that the table has, of Airflow's or ours."""
    theirs = ("airflow.", "airflow_provider_pipehooks.")
    names = (kind.__name__ for kind in type(error).__mro__ if kind.__module__.startswith(theirs))
    return next((name for name in names if name in _KNOWN), None)
