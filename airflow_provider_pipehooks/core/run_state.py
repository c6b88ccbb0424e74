"""The one state table that every service's words are mapped to."""

from __future__ import annotations

from enum import IntEnum


class RunState(IntEnum):
    """State of a remote run, in dbt Cloud's codes (Administrative API v2, ``run.status``)."""

    QUEUED = 1
    STARTING = 2
    RUNNING = 3
    SUCCESS = 10
    ERROR = 20
    CANCELLED = 30


#: No further change can come, unless someone repairs the run.
TERMINAL = frozenset({RunState.SUCCESS, RunState.ERROR, RunState.CANCELLED})
FAILED = frozenset({RunState.ERROR, RunState.CANCELLED})
