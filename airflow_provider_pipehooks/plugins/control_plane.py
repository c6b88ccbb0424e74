"""HOOKS: a middleware in Airflow's API server that tells what people do, and who did it.

It copies a request and its answer while they pass, changes neither, and delays no other request. Only when
Airflow has answered with success do ``pre_*`` and ``post_*`` become events, both in the thread that calls the
receivers. Airflow refuses much only inside its routes, so a ``pre_*`` sent earlier would tell of operations
that never were; Bamboo, too, is silent about what it refuses.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qs

from airflow_provider_pipehooks.compat.routes import body_of, ids_of, template_of
from airflow_provider_pipehooks.compat.users import user_of
from airflow_provider_pipehooks.core.pipeline_event import PipelineEvent
from airflow_provider_pipehooks.core.texts import storable
from airflow_provider_pipehooks.handlers.signal.sending import tell
from airflow_provider_pipehooks.plugins.background import background
from airflow_provider_pipehooks.plugins.routes import Action, Call, Reader, World, reader_of

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PREFIX = "/api/v2/"
CHANGING = frozenset({"POST", "PATCH", "DELETE"})
#: Clearing 10,000 tasks is answered with about so much; of more, only that something was done.
LARGEST_BODY_BYTES = 16 * 1024 * 1024
#: Of all requests whose events wait for slow receivers; what comes then is not kept.
MOST_BYTES_WAITING = 4 * LARGEST_BODY_BYTES


class ControlPlane:
    """The middleware. Plain ASGI: those of Starlette's kind cost every request of the server."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not may_change(scope):
            await self.app(scope, receive, send)
            return
        seen = Seen(scope)
        try:
            await self.app(scope, seen.copying(receive), seen.copying_answer(send))
        finally:
            # Here even when the client has hung up, since what it asked for is done.
            seen.pass_on()


def may_change(scope: Scope) -> bool:
    """Whether a request is one that may be ours; all others go on from here at once."""
    # Workers' traffic, /execution/..., ends at the last line.
    if scope["type"] != "http" or scope["method"] not in CHANGING:
        return False
    path: str = scope["path"]
    # Below the path that the whole server is mounted at ([api] base_url).
    return path.startswith(PREFIX) or path.removeprefix(scope.get("root_path") or "").startswith(PREFIX)


@dataclass
class Copy:
    """A body as it passes by, up to a limit.

    :param held: how many bytes of it are kept.
    """

    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    held: int = 0

    def add(self, part: bytes) -> None:
        self.size += len(part)
        if self.size > LARGEST_BODY_BYTES:
            self.forget()
        else:
            self.parts.append(part)
            self.held = self.size

    def forget(self) -> None:
        self.parts.clear()
        self.held = 0

    def take(self) -> bytes:
        """The body, which is not kept any longer.

        :raises ValueError: it was too large to be kept.
        """
        body = b"".join(self.parts)
        if len(body) < self.size:
            raise ValueError(f"{self.size} bytes were too many to be kept until they are read")
        self.forget()
        return body


def _object(body: bytes) -> dict[str, Any]:
    """The JSON object in an answer; empty when there is none, as for what is deleted."""
    found = json.loads(body or b"{}")
    return found if isinstance(found, dict) else {}


class Seen:
    """One request, from its beginning to its events.

    Which it is, Airflow's own routing finds out while the request passes.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.reader: Reader | None = None
        self.user: dict[str, str] | None = None
        self.began = _now()
        self.ended = self.began
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
            if message["type"] == "http.response.start" and 200 <= message["status"] < 300:
                self.ended = _now()
                await self._recognize()
            elif message["type"] == "http.response.body" and self.reader:
                self.answer.add(message.get("body", b""))
            await send(message)

        return copy

    async def _recognize(self) -> None:
        """Find out what was done, if it is a matter of ours, and by whom."""
        path = template_of(self.scope).removeprefix(PREFIX)
        reader = reader_of(self.scope["method"], path)
        self.user = await user_of(self.scope) if reader else None
        self.reader = reader if self.user else None

    def pass_on(self) -> None:
        """Leave the rest, which may take time, to the thread that calls the receivers."""
        if self.reader is None:
            return
        try:
            jobs = background()
            if jobs.weight + self.body.size + self.answer.size > MOST_BYTES_WAITING:
                self.body.forget()
                self.answer.forget()
            jobs.put(self.tell, weight=self.body.held + self.answer.held)
        except Exception:
            # A wrong option, or no room for a thread: the request has nothing to do with it.
            log.exception("Could not pass on %(method)s %(path)s; no event tells of it", self.scope)

    def tell(self) -> None:
        """Send the events; of a request that cannot be read, one that says who sent what where."""
        from airflow_provider_pipehooks.compat.database import Database

        try:
            actions = list(self._read(Database(self.scope["app"].state.dag_bag)))
        except Exception:
            log.exception(
                "Could not read what %(method)s %(path)s did; one event says that it was", self.scope
            )
            actions = [self._unread()]
        tell(*self.events(actions))

    def _read(self, world: World) -> Iterable[Action]:
        assert self.reader is not None
        query = parse_qs(self.scope.get("query_string", b"").decode(), keep_blank_values=True)
        fields = query.get("update_mask")
        body, answer = self.body.take(), self.answer.take()
        call = Call(
            ids=ids_of(self.scope),
            body=body_of(self.scope, body),
            answer=_object(answer),
            world=world,
            fields=frozenset(fields) if fields is not None else None,
        )
        return self.reader(call)

    def _unread(self) -> Action:
        dag_id = (self.scope.get("path_params") or {}).get("dag_id")
        request = {"method": self.scope["method"], "path": storable(self.scope["path"])}
        return Action("unread_operation", {"dag_id": dag_id, **request})

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
