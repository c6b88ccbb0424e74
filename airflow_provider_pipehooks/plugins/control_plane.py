"""HOOKS: a middleware in Airflow's API server that tells what people do, and who did it.

It copies a request and its answer while they pass, changes neither, and delays no other request. Only when
Airflow has answered with success do ``pre_*`` and ``post_*`` become events, both in the thread that calls the
receivers. Airflow refuses much only inside its routes, so a ``pre_*`` sent earlier would tell of operations
that never were; Bamboo, too, is silent about what it refuses.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qs

from airflow_provider_pipehooks.compat.users import user_of
from airflow_provider_pipehooks.core.pipeline_event import PipelineEvent
from airflow_provider_pipehooks.handlers.signal.sending import tell
from airflow_provider_pipehooks.plugins.background import background
from airflow_provider_pipehooks.plugins.routes import Action, Call, Reader, World, find

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PREFIX = "/api/v2/"
CHANGING = frozenset({"POST", "PATCH", "DELETE"})
#: Clearing 10,000 tasks is answered with about so much; of more, nothing is told.
LARGEST_BODY_BYTES = 16 * 1024 * 1024


class ControlPlane:
    """The middleware. Plain ASGI: those of Starlette's kind cost every request of the server."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen = self._look(scope)
        if seen is None:
            await self.app(scope, receive, send)
            return
        seen.user = await user_of(scope)
        if seen.user is None:
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, seen.copying(receive), seen.copying_answer(send))
        finally:
            # Here even when the client has hung up, since what it asked for is done.
            seen.pass_on()

    @staticmethod
    def _look(scope: Scope) -> Seen | None:
        """A request that is one of ours; all others go on from here at once."""
        # Workers' traffic, /execution/..., ends at the second line.
        if scope["type"] != "http" or scope["method"] not in CHANGING:
            return None
        path: str = scope["path"]
        if not path.startswith(PREFIX) and not (path := _below_root(scope)).startswith(PREFIX):
            return None
        found = find(scope["method"], path[len(PREFIX) :].rstrip("/"))
        return Seen(scope, *found) if found else None


def _below_root(scope: Scope) -> str:
    """The path without the one that the whole server is mounted at (``[api] base_url``)."""
    return str(scope["path"]).removeprefix(scope.get("root_path") or "")


@dataclass
class Copy:
    """A body as it passes by, up to a limit."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def add(self, part: bytes) -> None:
        self.size += len(part)
        if self.size <= LARGEST_BODY_BYTES:
            self.parts.append(part)
        else:
            self.parts.clear()

    def read(self) -> dict[str, Any]:
        """The JSON object in it; empty when there is none.

        :raises ValueError: it was too large to be kept.
        """
        if self.size > LARGEST_BODY_BYTES:
            raise ValueError(f"{self.size} bytes are more than the {LARGEST_BODY_BYTES} that are read")
        found = json.loads(b"".join(self.parts) or b"{}")
        return found if isinstance(found, dict) else {}


class Seen:
    """One request of ours, from its beginning to its events.

    :param reader: makes actions of it.
    :param ids: from its path.
    """

    def __init__(self, scope: Scope, reader: Reader, ids: dict[str, str]) -> None:
        self.scope = scope
        self.reader = reader
        self.ids = ids
        self.user: dict[str, str] | None = None
        self.began = _now()
        self.ended = self.began
        self.status = 0
        self.body = Copy()
        self.answer = Copy()

    def copying(self, receive: Receive) -> Receive:
        async def copy() -> Message:
            message = await receive()
            self.body.add(message.get("body", b""))
            return message

        return copy

    def copying_answer(self, send: Send) -> Send:
        async def copy(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status, self.ended = message["status"], _now()
            elif message["type"] == "http.response.body" and self.is_done:
                self.answer.add(message.get("body", b""))
            await send(message)

        return copy

    @property
    def is_done(self) -> bool:
        return 200 <= self.status < 300

    def pass_on(self) -> None:
        """Leave the rest, which may take time, to the thread that calls the receivers."""
        if not self.is_done:
            return
        try:
            background().put(self.tell)
        except Exception:
            # A wrong option, or no room for a thread: the request has nothing to do with it.
            log.exception("Could not pass on %(method)s %(path)s; no event tells of it", self.scope)

    def tell(self) -> None:
        """Send the events; a request that cannot be read is logged."""
        from airflow_provider_pipehooks.compat.database import Database

        try:
            actions = list(self.reader(self._call(Database(self.scope["app"].state.dag_bag))))
        except Exception:
            log.exception("Could not read what %(method)s %(path)s did; no event tells of it", self.scope)
            return
        tell(*self.events(actions))

    def _call(self, world: World) -> Call:
        fields = parse_qs(self.scope.get("query_string", b"").decode()).get("update_mask")
        return Call(
            ids=self.ids,
            body=self.body.read(),
            answer=self.answer.read(),
            world=world,
            fields=frozenset(fields) if fields else None,
        )

    def events(self, actions: list[Action]) -> Iterator[PipelineEvent]:
        """First ``pre_*`` of all that the request changed, then ``post_*`` of all."""
        user = self.user or {}
        who = {"user": user.get("name"), "user_id": user.get("id")}
        for action in actions:
            data = {**action.data, **who, "when": self.began}
            yield PipelineEvent(event_type=f"pre_{action.name}", data=data)
        for action in actions:
            data = {**action.data, **action.after, **who, "when": self.ended}
            yield PipelineEvent(event_type=f"post_{action.name}", data=data)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()
