"""The ASGI application: control routes, and around the services' routes the journal and the faults."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airflow_provider_pipehooks.standin import (
    control,
    databricks_jobs,
    databricks_pipelines,
    databricks_sql,
    dbt_cloud,
)
from airflow_provider_pipehooks.standin.databricks_workspace import routes as workspace_routes
from airflow_provider_pipehooks.standin.faults import Faults, suffer
from airflow_provider_pipehooks.standin.journal import Journal, entry_of
from airflow_provider_pipehooks.standin.unplayed import Unplayed

if TYPE_CHECKING:
    from airflow_provider_pipehooks.standin.server import StandIn

#: Whose path it is: the first that matches.
SERVICES = (
    (re.compile(r"^/api/v[23]/"), "dbt_cloud"),
    (re.compile(r"^/api/2\.0/pipelines(/|$)"), "databricks_pipelines"),
    (re.compile(r"^/api/2\.0/sql/"), "databricks_sql"),
    (re.compile(r"^/(api/2\.\d/|oidc/)"), "databricks_jobs"),
)


def service_of(path: str) -> str:
    """The service a path belongs to, ``other`` if none."""
    return next((name for pattern, name in SERVICES if pattern.match(path)), "other")


def build_app(standin: StandIn) -> ASGIApp:
    """Everything the server answers."""
    services = FastAPI(openapi_url=None, redirect_slashes=False)
    services.include_router(control.routes(standin))
    services.include_router(databricks_jobs.routes(standin.databricks_jobs))
    services.include_router(databricks_pipelines.routes(standin.databricks_pipelines, login_of(standin)))
    services.include_router(databricks_sql.routes(standin.databricks_sql, login_of(standin)))
    services.include_router(dbt_cloud.routes(standin.dbt_cloud))
    services.include_router(workspace_routes(standin.databricks_workspace, login_of(standin)))
    # The last, so that it gets what no other route takes.
    services.router.routes.append(Route("/api/{rest:path}", Unplayed()))
    return Watched(services, standin.journal, standin.faults)


def login_of(standin: StandIn) -> Callable[[str | None], None]:
    """The check of the workspace's login, for its parts beside Jobs, which keeps the tokens."""

    def authorize(header: str | None) -> None:
        with standin.databricks_jobs.lock:
            standin.databricks_jobs.authorize(header)

    return authorize


class Watched:
    """Lets control requests pass; writes down all others and lets faults strike them."""

    def __init__(self, app: ASGIApp, journal: Journal, faults: Faults) -> None:
        self.app = app
        self.journal = journal
        self.faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or scope["path"].startswith(control.PREFIX):
            await self.app(scope, receive, send)
            return
        # Read first: a request that is dropped before its handler is in the journal with its body, too.
        body = await read_body(receive)
        scope["standin.service"] = service = service_of(scope["path"])
        query_text = scope["query_string"].decode("latin-1")
        target = f"{scope['path']}?{query_text}" if query_text else scope["path"]
        status = 0

        async def watched_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if (b"content-length", b"0") in message.get("headers", []):
                    # The client has all of it, and may look into the journal, before the empty body is sent.
                    note()
            elif not message.get("more_body", False):
                note()
            await send(message)

        noted = False

        def note() -> None:
            nonlocal noted
            if not noted:
                noted = True
                query = dict(parse_qsl(query_text, keep_blank_values=True))
                self.journal.add(entry_of(scope, query, body, status, service))

        scope["standin.note"] = note
        try:
            fault = self.faults.strike(scope["method"], target, service, body.decode("utf-8", "replace"))
            if fault is None:
                await self.app(scope, replay(body, receive), watched_send)
            else:
                await suffer(fault, self.app, scope, replay(body, receive), watched_send)
        finally:
            note()


async def read_body(receive: Receive) -> bytes:
    """The whole body of a request."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return b"".join(parts)


def replay(body: bytes, receive: Receive) -> Receive:
    """Give a body that was read already once more, then whatever comes."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again
