"""What one process of a task leaves for the next one: over a wait, a new poke, or a retry.

It is kept in Airflow's task state store, which outlives all three; XComs do not: Airflow deletes them when a
try begins, and before each poke of a sensor in reschedule mode.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_pipehooks.core.records import (
    MAYBE_TEXT,
    NUMBER,
    VERSION,
    VERSION_KEY,
    Types,
    known,
    reading,
)

log = logging.getLogger(__name__)

KEY = "pipehooks_node"
#: Of one output, as JSON. The store is for small things; a larger output is known by its key only.
MOST_BYTES = 16_384


@dataclass(frozen=True, kw_only=True)
class NodeRecord:
    """The record.

    :param try_number: of the process that wrote it.
    :param waits: name of the :class:`Ending` that left the task waiting; None when the try has ended.
    :param outputs: those that fit.
    :param unfit: keys of those that do not.
    :param by_hooks: keys of those that hooks have set.
    """

    try_number: int = 0
    waits: str | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    unfit: Sequence[str] = ()
    by_hooks: Sequence[str] = ()


_FIELDS: Mapping[str, Types] = {
    "try_number": NUMBER,
    "waits": MAYBE_TEXT,
    "outputs": (Mapping,),
    "unfit": (Sequence,),
    "by_hooks": (Sequence,),
}


def read(context: Mapping[str, Any]) -> NodeRecord:
    """What the process before has left; an empty record when there is none, or none that can be read."""
    try:
        record = context["task_state_store"].get(KEY) or {}
        with reading("a node", record):
            return NodeRecord(**known(record, _FIELDS))
    except Exception:
        log.exception("Could not read what the last process of this task left for its node hooks")
        return NodeRecord()


def write(context: Mapping[str, Any], record: NodeRecord) -> None:
    """Leave the record. A failure is logged: no hook may change how the task ends."""
    try:
        context["task_state_store"].set(KEY, {VERSION_KEY: VERSION, **asdict(record)})
    except Exception:
        log.exception("Could not leave the outputs for the node hooks of this task's next process")


def fits(value: Any) -> bool:
    """Whether an output can be kept in a record."""
    try:
        return len(json.dumps(value)) <= MOST_BYTES
    except (TypeError, ValueError, RecursionError):
        return False
