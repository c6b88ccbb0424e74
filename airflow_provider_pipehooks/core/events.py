"""What happens while a run is watched. Past tense, frozen; ``str(event)`` is the line for the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from airflow_provider_pipehooks.core.changes import Change
from airflow_provider_pipehooks.core.records import (
    MAYBE_TEXT,
    TEXT,
    VERSION,
    VERSION_KEY,
    known,
    reading,
)
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.texts import shorten

if TYPE_CHECKING:
    from airflow_provider_pipehooks.core.errors import RemoteCallError


@dataclass(frozen=True, kw_only=True)
class StateChanged:
    """The remote's word for the run changed, or was seen for the first time (``old`` is None)."""

    old: Run | None
    new: Run

    def __str__(self) -> str:
        since = f"{self.old.status} -> " if self.old else ""
        reason = f": {shorten(self.new.message)}" if self.new.message else ""
        return f"{self.new.label} is {since}{self.new.status}{reason}"


@dataclass(frozen=True, kw_only=True)
class UnknownStatusSeen:
    """The remote used a word our table does not have; it is watched on as not terminal."""

    run: Run

    def __str__(self) -> str:
        return (
            f"{self.run.label}: {self.run.status!r} is not a known status; taken as not finished. "
            "Add it to the table in services, or upgrade."
        )


@dataclass(frozen=True, kw_only=True)
class LookFailed:
    """One look at the run failed in a way that says nothing about the run.

    :param in_a_row: how many looks have failed since the last good one, this one included.
    """

    error: RemoteCallError
    in_a_row: int
    pause_s: float

    def __str__(self) -> str:
        count = f"{self.in_a_row} in a row, next try in {self.pause_s:.0f} s"
        return f"Could not look at the run ({count}): {self.error}"


@dataclass(frozen=True, kw_only=True)
class StillWaiting:
    """Once a minute, so that a quiet log is not a dead one."""

    run: Run
    waited_s: float
    looks: int

    def __str__(self) -> str:
        return (
            f"{self.run.label} is still {self.run.status} after {self.waited_s:.0f} s and {self.looks} looks"
        )


@dataclass(frozen=True, kw_only=True)
class HookProgress:
    """A hook was switched on, failed, or was switched off. Recorded, and never dispatched to hooks.

    The states are those of Databricks' ``hook_progress`` events.

    :param error: None where nothing failed.
    """

    hook_name: str
    state: Literal["ENABLED", "FAILED", "DISABLED"]
    error: Exception | None = None

    def __str__(self) -> str:
        why = f": {type(self.error).__name__}: {self.error}" if self.error is not None else ""
        return f"Hook {self.hook_name} {self.state}{why}"


WatchEvent = StateChanged | UnknownStatusSeen | LookFailed | StillWaiting

EndReason = Literal["run_ended", "deadline", "not_found", "access_denied", "refused"]


@dataclass(frozen=True, kw_only=True)
class WaitEnded:
    """A wait is over; the payload of the trigger's event, so it can be read back from JSON.

    :param reason: ``run_ended``: see ``run``; ``deadline``: time is up and the run goes on; the others:
        the remote answered in a way that waiting cannot mend.
    :param run: as last seen; None when it was never seen.
    :param message: for reasons other than ``run_ended``.
    :param changes: what happened to the run during the wait.
    """

    reason: EndReason
    run: Run | None = None
    message: str | None = None
    changes: tuple[Change, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """``{"reason": str, "run": <outcome record> | None, "message": str | None, "changes": [...]}``."""
        return {
            VERSION_KEY: VERSION,
            "reason": self.reason,
            "run": self.run.to_json() if self.run else None,
            "message": self.message,
            "changes": [change.to_json() for change in self.changes],
        }

    @classmethod
    def from_json(cls, payload: Mapping[str, Any] | None) -> WaitEnded:
        """Read what came back through Airflow's database.

        :raises ValueError: missing, or not what :meth:`to_json` wrote: a lost payload must never pass for
            a success.
        """
        with reading("a trigger's event", payload):
            values = known(payload, {"reason": TEXT, "message": MAYBE_TEXT})
            if values["reason"] not in get_args(EndReason):
                raise ValueError(f"reason is {values['reason']!r}")
            assert payload is not None
            run = Run.from_json(payload["run"]) if payload.get("run") else None
            if values["reason"] == "run_ended" and (run is None or not run.is_terminal):
                raise ValueError("it says that the run ended, but its run did not")
            changes = tuple(map(Change.from_json, payload.get("changes") or ()))
            return cls(**values, run=run, changes=changes)


@dataclass(frozen=True, kw_only=True)
class SomethingWaits:
    """The run goes on, and something is there that only the task can do; the wait begins anew after it.

    :param run: as last seen.
    :param changes: what happened to the run since the wait began.
    """

    run: Run
    changes: tuple[Change, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """``{"waits": <outcome record>, "changes": [...]}``."""
        changes = [change.to_json() for change in self.changes]
        return {VERSION_KEY: VERSION, "waits": self.run.to_json(), "changes": changes}

    @classmethod
    def from_json(cls, payload: Mapping[str, Any]) -> SomethingWaits:
        """:raises ValueError: not what :meth:`to_json` wrote."""
        with reading("a trigger's event", payload):
            changes = tuple(map(Change.from_json, payload.get("changes") or ()))
            return cls(run=Run.from_json(payload["waits"]), changes=changes)


def read_event(payload: Mapping[str, Any] | None) -> WaitEnded | SomethingWaits:
    """What a trigger told, as it came back through Airflow's database.

    :raises ValueError: neither of the two; a lost payload must never pass for a success.
    """
    if isinstance(payload, Mapping) and "waits" in payload:
        return SomethingWaits.from_json(payload)
    return WaitEnded.from_json(payload)
