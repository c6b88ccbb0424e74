"""A user's receiver and a user's action, in the plugins folder: every event becomes a line of a file."""

from __future__ import annotations

import json
import os
from typing import Any


def write(sender: object, event: Any) -> None:
    _append({"sender": sender, **event.as_dict()})


def act(event: Any, note: str) -> None:
    """For rules of the listener."""
    _append({"rule": note, **event.as_dict()})


def _append(row: dict[str, Any]) -> None:
    line = json.dumps({**row, "pid": os.getpid()}, default=str) + "\n"
    # One write to a file opened for appending stays whole, whichever process it comes from.
    file = os.open(os.environ["WRITTEN_EVENTS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line.encode())
    os.close(file)
