"""States as the official Databricks hook gives them: objects with the remote's own words.

An unknown word is kept and is not terminal, where the official classes raise: Databricks may add one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import Enum
from typing import Any, ClassVar

from airflow_provider_pipehooks.services.reading import object_or_empty, text_or_none


class RunLifeCycleState(Enum):
    """``state.life_cycle_state`` of a run."""

    BLOCKED = "BLOCKED"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    PENDING = "PENDING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SKIPPED = "SKIPPED"
    TERMINATED = "TERMINATED"
    TERMINATING = "TERMINATING"
    WAITING_FOR_RETRY = "WAITING_FOR_RETRY"


class _Told:
    """Equal when all that was told is equal; to JSON and back."""

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if isinstance(other, type(self)) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def __repr__(self) -> str:
        return str(vars(self))

    def to_json(self) -> str:
        """What was told, as an object."""
        return json.dumps(vars(self))

    @classmethod
    def from_json(cls, data: str) -> Any:
        """The object of :meth:`to_json`; further keys are left out."""
        return cls(**json.loads(data))


class RunState(_Told):
    """``state`` of a run.

    :param life_cycle_state: the remote's word.
    :param result_state: empty until the run is over.
    """

    RUN_LIFE_CYCLE_STATES: ClassVar[list[str]] = [
        "PENDING",
        "RUNNING",
        "TERMINATING",
        "TERMINATED",
        "SKIPPED",
        "INTERNAL_ERROR",
        "BLOCKED",
        "WAITING_FOR_RETRY",
        "QUEUED",
    ]

    def __init__(
        self,
        life_cycle_state: str,
        result_state: str = "",
        state_message: str = "",
        *args: Any,
        **kwargs: Any,
    ) -> None:
        self.life_cycle_state = life_cycle_state
        self.result_state = result_state
        self.state_message = state_message

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> RunState:
        """From ``state`` of an answer; words that are no texts are left empty."""
        return cls(*(_text(state, key) for key in ("life_cycle_state", "result_state", "state_message")))

    @property
    def is_terminal(self) -> bool:
        return self.life_cycle_state in ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")

    @property
    def is_successful(self) -> bool:
        return self.result_state == "SUCCESS"


class ClusterState(_Told):
    """``state`` and ``state_message`` of a cluster."""

    CLUSTER_LIFE_CYCLE_STATES: ClassVar[list[str]] = [
        "PENDING",
        "RUNNING",
        "RESTARTING",
        "RESIZING",
        "TERMINATING",
        "TERMINATED",
        "ERROR",
        "UNKNOWN",
    ]

    def __init__(self, state: str = "", state_message: str = "", *args: Any, **kwargs: Any) -> None:
        self.state = state
        self.state_message = state_message

    @classmethod
    def of(cls, cluster: Mapping[str, Any]) -> ClusterState:
        """From the answer of ``clusters/get``."""
        return cls(*(_text(cluster, key) for key in ("state", "state_message")))

    @property
    def is_terminal(self) -> bool:
        return self.state in ("TERMINATING", "TERMINATED", "ERROR", "UNKNOWN")

    @property
    def is_running(self) -> bool:
        return self.state in ("RUNNING", "RESIZING")


class SQLStatementState(_Told):
    """``status`` of a SQL statement."""

    SQL_STATEMENT_LIFE_CYCLE_STATES: ClassVar[list[str]] = [
        "PENDING",
        "RUNNING",
        "SUCCEEDED",
        "FAILED",
        "CANCELED",
        "CLOSED",
    ]

    def __init__(
        self, state: str = "", error_code: str = "", error_message: str = "", *args: Any, **kwargs: Any
    ) -> None:
        self.state = state
        self.error_code = error_code
        self.error_message = error_message

    @classmethod
    def of(cls, status: Mapping[str, Any]) -> SQLStatementState:
        """From ``status`` of an answer: ``{"state": str, "error": {"error_code": str, "message": str}}``."""
        error = object_or_empty(status.get("error"))
        return cls(_text(status, "state"), _text(error, "error_code"), _text(error, "message"))

    @property
    def is_terminal(self) -> bool:
        return self.state in ("SUCCEEDED", "FAILED", "CANCELED", "CLOSED")

    @property
    def is_running(self) -> bool:
        return self.state in ("PENDING", "RUNNING")

    @property
    def is_successful(self) -> bool:
        return self.state == "SUCCEEDED"


class WarehouseState(_Told):
    """``state`` of a SQL warehouse."""

    WAREHOUSE_STATES: ClassVar[list[str]] = [
        "STARTING",
        "RUNNING",
        "STOPPING",
        "STOPPED",
        "DELETING",
        "DELETED",
    ]

    def __init__(self, state: str = "", *args: Any, **kwargs: Any) -> None:
        self.state = state

    @property
    def is_running(self) -> bool:
        return self.state == "RUNNING"

    @property
    def is_stopped(self) -> bool:
        return self.state == "STOPPED"

    @property
    def is_deleted(self) -> bool:
        return self.state in ("DELETING", "DELETED")


def _text(told: Mapping[str, Any], key: str) -> str:
    return text_or_none(told.get(key)) or ""
