"""Faults a test or a demo can inject: errors, delays, cut connections and broken bodies."""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

RESETS = frozenset({"before", "after"})
BODIES = frozenset({"truncated", "garbage", "empty", "html"})
HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
GARBAGE = b'\x00\xff{"data": [[['
SEED = 20240527


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong, and for which requests.

    :param path: part of the path with its query, or a regular expression found in it.
    :param method: only this method.
    :param status: answer with it instead of calling the service.
    :param after_accept: the service is called first, then its answer is replaced by ``status``.
    :param retry_after: the header ``Retry-After``, in seconds, beside ``status``.
    :param delay_s: wait before anything else.
    :param reset: cut the connection ``before`` the service is called, or ``after``: its answer is lost.
    :param body: spoil the body of the answer: ``truncated``, ``garbage``, ``empty`` or ``html``.
    :param rate: the share of matching requests that it hits, the same ones in every run.
    :param times: how often at most.
    :param skip: let this many matching requests pass first.
    :param each: a regular expression; ``times`` and ``skip`` are counted for each text it finds in
        ``METHOD target body``, such as ``runs/([0-9]+)/`` for each run. Requests without it are let pass.
    :param service: ``dbt_cloud``, ``databricks_jobs``, ``databricks_pipelines`` or ``databricks_sql``.
    """

    path: str = ""
    method: str | None = None
    status: int | None = None
    after_accept: bool = False
    retry_after: float | None = None
    delay_s: float = 0.0
    reset: str | None = None
    body: str | None = None
    rate: float = 1.0
    times: int | None = None
    skip: int = 0
    each: str | None = None
    service: str | None = None

    def __post_init__(self) -> None:
        if self.reset is not None and self.reset not in RESETS:
            raise ValueError(f"reset is {self.reset!r}. Use 'before' or 'after'.")
        if self.body is not None and self.body not in BODIES:
            raise ValueError(f"body is {self.body!r}. Use one of {', '.join(sorted(BODIES))}.")
        re.compile(self.path)
        re.compile(self.each or "")

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Fault:
        """Read a fault sent to the control route.

        :raises TypeError: a key that is not a parameter of a fault; names it.
        """
        return cls(**data)

    def matches(self, method: str, target: str, service: str) -> bool:
        """Is this request meant?"""
        if self.method is not None and self.method.upper() != method:
            return False
        if self.service is not None and self.service != service:
            return False
        return self.path in target or re.search(self.path, target) is not None

    @property
    def calls_service(self) -> bool:
        """Does the service get the request?"""
        if self.reset is not None:
            return self.reset == "after"
        return self.status is None or self.after_accept


@dataclass
class Armed:
    """A fault in force, and how often it was met and has struck."""

    fault: Fault
    met: int = 0
    hits: int = 0
    met_by_key: Counter[str] = field(default_factory=Counter)
    hits_by_key: Counter[str] = field(default_factory=Counter)

    def strikes(self, request: str, chance: Callable[[], float]) -> bool:
        """Count a request that is meant, and decide about it.

        :param request: ``METHOD target body``.
        """
        fault, key = self.fault, ""
        if fault.each is not None:
            found = re.search(fault.each, request)
            if found is None:
                return False
            key = found.group(found.lastindex or 0)
        self.met += 1
        self.met_by_key[key] += 1
        if self.met_by_key[key] <= fault.skip or self.hits_by_key[key] >= (
            math.inf if fault.times is None else fault.times
        ):
            return False
        if fault.rate < 1.0 and chance() >= fault.rate:
            return False
        self.hits += 1
        self.hits_by_key[key] += 1
        return True

    def to_json(self) -> dict[str, Any]:
        """As the control route gives it."""
        return {**asdict(self.fault), "met": self.met, "hits": self.hits}


class Faults:
    """The faults in force; the first that strikes a request is the only one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(SEED)
        self._armed: list[Armed] = []

    @property
    def armed(self) -> list[Armed]:
        """In the order they were added."""
        with self._lock:
            return list(self._armed)

    def add(self, fault: Fault) -> Armed:
        """Put a fault in force.

        :return: counts how often it strikes.
        """
        armed = Armed(fault)
        with self._lock:
            self._armed.append(armed)
        return armed

    def clear(self) -> None:
        """All is well again; rates begin anew."""
        with self._lock:
            self._armed.clear()
            self._random.seed(SEED)

    def strike(self, method: str, target: str, service: str, body: str = "") -> Fault | None:
        """The fault that hits this request, if any; counted as a hit."""
        with self._lock:
            for armed in self._armed:
                fault = armed.fault
                if not fault.matches(method, target, service):
                    continue
                if armed.strikes(f"{method} {target} {body}", self._random.random):
                    return fault
        return None


_CONNECTIONS = itertools.count(1)


class TransportProtocol(H11Protocol):
    """uvicorn's protocol, with its connection in the scope: a fault can cut it, the journal numbers it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        app, number = self.app, next(_CONNECTIONS)

        async def with_transport(scope: Any, receive: Any, send: Any) -> None:
            scope["standin.transport"] = self.transport
            scope["standin.connection"] = number
            await app(scope, receive, send)

        self.app = with_transport


async def suffer(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Handle one request the way the fault wants it."""
    if fault.delay_s:
        await asyncio.sleep(fault.delay_s)
    answer = await collect(app, scope, receive) if fault.calls_service else Answer(500, [], b"")
    if fault.reset is not None:
        await cut(scope, receive)
        return
    if fault.status is not None:
        answer = error_answer(fault, scope["standin.service"])
    if fault.body is not None:
        answer = spoil(fault.body, answer)
    if fault.body == "truncated":
        await send_half(answer, scope, receive, send)
    else:
        await send_answer(answer, send)


@dataclass(frozen=True)
class Answer:
    """A whole answer, before it is sent."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


async def collect(app: ASGIApp, scope: Scope, receive: Receive) -> Answer:
    """Let the service answer, and keep the answer."""
    status, headers, parts = 500, [], []

    async def keep(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message.get("headers", []))
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, keep)
    return Answer(status, headers, b"".join(parts))


def error_answer(fault: Fault, service: str) -> Answer:
    """An error in the words of the service."""
    assert fault.status is not None
    headers = [(b"content-type", b"application/json")]
    if fault.retry_after is not None:
        headers.append((b"retry-after", f"{fault.retry_after:g}".encode()))
    return Answer(fault.status, headers, json.dumps(error_body(fault.status, service)).encode())


_DATABRICKS_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    409: "RESOURCE_CONFLICT",
    429: "REQUEST_LIMIT_EXCEEDED",
}


def error_body(status: int, service: str) -> dict[str, Any]:
    """dbt Cloud's envelope, or the error object of Databricks."""
    text = "The service is not available now." if status >= 500 else "The request was not accepted."
    if service in ("databricks_jobs", "databricks_pipelines"):
        code = _DATABRICKS_CODES.get(status, "TEMPORARILY_UNAVAILABLE" if status >= 500 else "BAD_REQUEST")
        return {"error_code": code, "message": text}
    state = {"code": status, "is_success": False, "user_message": text, "developer_message": ""}
    return {"status": state, "data": None}


def spoil(kind: str, answer: Answer) -> Answer:
    """The answer with another body."""
    if kind == "truncated":
        return answer
    body, media_type = {
        "garbage": (GARBAGE, b"application/json"),
        "empty": (b"", b"application/json"),
        "html": (HTML, b"text/html"),
    }[kind]
    others = [
        (key, value) for key, value in answer.headers if key not in (b"content-length", b"content-type")
    ]
    return Answer(answer.status, [*others, (b"content-type", media_type)], body)


def start_of(answer: Answer) -> Message:
    """Status and headers; the length is that of the whole body."""
    headers = [(key, value) for key, value in answer.headers if key != b"content-length"]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def send_answer(answer: Answer, send: Send) -> None:
    """Send it whole."""
    await send(start_of(answer))
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def send_half(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """Promise all, send half, and cut the connection."""
    await send(start_of(answer))
    await send(
        {"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True}
    )
    # The half must have left this machine before the cut, else the client sees no answer at all.
    await asyncio.sleep(0.05)
    await cut(scope, receive)


async def cut(scope: Scope, receive: Receive) -> None:
    """Abort the TCP connection, and wait until the server knows, so that it sends no error of its own."""
    # Into the journal first: the client may look there as soon as it sees the cut.
    scope["standin.note"]()
    scope["standin.transport"].abort()
    while (await receive())["type"] != "http.disconnect":
        pass
