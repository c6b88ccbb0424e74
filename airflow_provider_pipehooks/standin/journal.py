"""Every request the stand-in got, in order: what a test or a curious person reads back."""

from __future__ import annotations

import json
import re
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

#: The oldest entries go first, so that a stand-in that runs for weeks does not fill the memory.
LENGTH = 200_000
#: In the form that asks for a token.
_SECRET = re.compile(r"\b((?:client_)?(?:secret|assertion)=)[^&\s]*")


@dataclass(frozen=True)
class Entry:
    """One request and the status of its answer. Headers are not kept: they carry the token.

    :param body: as JSON when it is, else as text.
    :param status: what the client saw; 0 when the connection was cut instead.
    :param service: ``dbt_cloud``, ``databricks_jobs`` or ``other``.
    :param connection: the same for all requests that came over one TCP connection.
    """

    method: str
    path: str
    query: dict[str, str]
    body: Any
    status: int
    service: str
    connection: int

    def to_json(self) -> dict[str, Any]:
        """As the control route gives it."""
        return asdict(self)


class Journal:
    """The requests since the last reset."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque(maxlen=LENGTH)

    @property
    def entries(self) -> list[Entry]:
        """All of them, oldest first."""
        with self._lock:
            return list(self._entries)

    def find(self, method: str | None = None, path_contains: str = "") -> list[Entry]:
        """Those with this method, if one is given, and this part of the path."""
        return [
            entry for entry in self.entries if method in (None, entry.method) and path_contains in entry.path
        ]

    def count(self, method: str | None = None, path_contains: str = "") -> int:
        """How many requests of this kind came."""
        return len(self.find(method, path_contains))

    @property
    def connections(self) -> int:
        """How many TCP connections the requests came over."""
        return len({entry.connection for entry in self.entries})

    def add(self, entry: Entry) -> None:
        """Write down a request that was handled."""
        with self._lock:
            self._entries.append(entry)

    def clear(self) -> None:
        """Forget them."""
        with self._lock:
            self._entries.clear()


def readable(body: bytes) -> Any:
    """A body as JSON if it is JSON, as text without secrets otherwise, None when empty."""
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return _SECRET.sub(r"\1***", body.decode("utf-8", "replace"))


def entry_of(
    scope: Mapping[str, Any], query: dict[str, str], body: bytes, status: int, service: str
) -> Entry:
    """An entry from what the server knows of a request."""
    connection = scope["standin.connection"]
    return Entry(scope["method"], scope["path"], query, readable(body), status, service, connection)
