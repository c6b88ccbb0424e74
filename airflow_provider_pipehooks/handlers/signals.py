"""HOOKS: a broadcast that anyone may connect to, and no one has to.

Event types and payload keys are Bamboo's (``pipeline_event`` of bamboo-pipeline 4.0), listed in
``handlers.signal.event_types``; ids are Airflow's.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps
from typing import Any
from weakref import ReferenceType

from blinker import Signal

from airflow_provider_pipehooks.core.events import HookProgress
from airflow_provider_pipehooks.core.pipeline_event import PipelineEvent
from airflow_provider_pipehooks.handlers.dispatch import Dispatcher, Hook, Record
from airflow_provider_pipehooks.handlers.dotted import load
from airflow_provider_pipehooks.handlers.plain import refuse_result

__all__ = [
    "PipelineEvent",
    "Receiver",
    "connect",
    "connect_later",
    "pipeline_event",
    "recent_failures",
    "send",
    "staying",
]

log = logging.getLogger(__name__)

#: Receivers are called as ``receiver(sender, event=PipelineEvent)``; the sender is the DAG id.
pipeline_event = Signal("Something happened to a DAG, a DAG run or a task instance.")

Receiver = Callable[..., Any]

#: Dotted paths of receivers that the next event connects.
_named: deque[str] = deque()

#: The last failures of receivers in this process, oldest first.
recent_failures: deque[HookProgress] = deque(maxlen=100)


def send(event: PipelineEvent, sender: object, *, record: Record = recent_failures.append) -> None:
    """Tell every receiver, one after the other; one that raises is logged and recorded, and the next runs.

    Bamboo lets a receiver's error through, which leaves its pipelines hanging; here it stops nothing.
    """
    # Another thread may be connecting the same ones.
    with suppress(IndexError):
        while _named:
            connect(_named.popleft())
    if not pipeline_event.receivers:
        return
    hooks = (Hook(staying(receiver)) for receiver in _connected(sender))
    Dispatcher(hooks, record=record).dispatch(sender, event=event)


def _connected(sender: object) -> list[Receiver]:
    """Who listens to a sender, in the order they were connected; blinker itself keeps no order."""
    listening = list(pipeline_event.receivers_for(sender))
    known = (
        each() if isinstance(each, ReferenceType) else each
        for each in pipeline_event.receivers.copy().values()
    )
    return [receiver for receiver in known if receiver in listening]


def staying(receiver: Receiver) -> Receiver:
    """A receiver that calls ``sys.exit()`` would end the task or thread that it is told in.

    One that is a coroutine or a generator would never run, and nobody would know.
    """

    @wraps(receiver, assigned=("__qualname__",))
    def call(*args: Any, **kwargs: Any) -> None:
        try:
            refuse_result(receiver(*args, **kwargs))
        except SystemExit as err:
            raise RuntimeError(f"It called sys.exit({err.code!r}).") from err

    if not hasattr(receiver, "__qualname__"):
        call.__qualname__ = type(receiver).__qualname__
    return call


def connect_later(paths: Iterable[str]) -> None:
    """Have the receivers with these dotted paths connected before the next event is sent.

    Not at once: most processes of Airflow send no event, and need not import what receivers need.
    """
    _named.extend(paths)


def connect(path: str) -> None:
    """Connect the receiver with a dotted path; when that cannot be, it is logged and left out."""
    try:
        # Not weakly: a receiver that nothing else holds would be gone before the first event.
        pipeline_event.connect(load(path), weak=False)
    except Exception as err:
        log.exception(
            "Receiver %r of pipeline events is left out: %s. Correct its path, or mend its module.", path, err
        )
