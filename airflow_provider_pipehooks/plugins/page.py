"""8 SHOW: a page in Airflow's UI of the runs that tasks have started, their alerts, hooks and figures.

An application of its own in Airflow's API server, below ``/pipehooks``, in HTML alone: no script, no state,
only GET. Airflow authenticates nobody before it, so every route asks for the user, the style sheet's, too.
All routes are plain functions: they wait for the database and for files in a thread, never in the event loop.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Annotated, Any
from urllib.parse import quote

from airflow.sdk.configuration import conf
from fastapi import Depends, FastAPI, Request, Response
from starlette.exceptions import HTTPException

from airflow_provider_pipehooks.compat.access import Reader, reader_of
from airflow_provider_pipehooks.compat.ledger import RECORD_KEY
from airflow_provider_pipehooks.compat.recorded import Found, Having, Record, kept, record_of, records
from airflow_provider_pipehooks.hooks.registry import SERVICES
from airflow_provider_pipehooks.plugins.shown import query as choices
from airflow_provider_pipehooks.plugins.shown.alerts import alerts_for
from airflow_provider_pipehooks.plugins.shown.figures import (
    LISTED_JOBS,
    LISTED_REASONS,
    Known,
    figures_for,
)
from airflow_provider_pipehooks.plugins.shown.hooks import KEYS, troubles, troubles_now
from airflow_provider_pipehooks.plugins.shown.query import STATES, Query
from airflow_provider_pipehooks.plugins.shown.rendering import render, style, style_version
from airflow_provider_pipehooks.plugins.shown.rows import Row
from airflow_provider_pipehooks.tasks.listening import EVENTS_KEY

log = logging.getLogger(__name__)

#: Another operator may use the same XCom key for something else.
_OURS: Having = {"service": tuple(SERVICES)}
#: Rows of a page.
ROWS = 50
#: Records of hooks that are read for one page, and of runs to learn a user's jobs from.
MOST_RECORDS, MOST_RUNS = 200, 2_000
#: DAGs that the filter offers; any other one may be typed.
_OFFERED_DAGS = 500
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; "
    "form-action 'self'; frame-ancestors 'self'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}

#: Of every route.
Asks = Annotated[Reader, Depends(reader_of)]
App = Callable[..., Awaitable[None]]
Message = MutableMapping[str, Any]


class Headers:
    """Puts :data:`HEADERS` on every answer, a refusal's, too."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Callable[[Message], Awaitable[None]]) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                others = [each for each in message.get("headers", ()) if each[0].decode() not in HEADERS]
                ours = [(name.encode(), text.encode()) for name, text in HEADERS.items()]
                message = {**message, "headers": [*others, *ours]}
            await send(message)

        await self.app(scope, receive, with_headers)


def page() -> FastAPI:
    """The application."""
    app = FastAPI(title="pipehooks", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Headers)
    app.add_exception_handler(HTTPException, _refused)
    for path, route in ROUTES.items():
        app.get(path)(route)
    return app


def runs(request: Request, reader: Asks) -> Response:
    """The runs of tasks, a page of them."""
    query, now = _asked(request)
    found = _runs(reader, query, now, limit=ROWS + 1, offset=(query.page - 1) * ROWS)
    is_more = len(found.records) > ROWS
    return _html(
        request,
        "runs.html",
        query,
        reader,
        now,
        rows=[Row.of(record) for record in found.records[:ROWS]],
        next_page=query.page + 1 if is_more and query.page < choices.LAST_PAGE else None,
        partly=found.partly,
    )


def run(request: Request, reader: Asks) -> Response:
    """All that is recorded of one run.

    :raises HTTPException: 404 where there is none, and where the user may not read the DAG: both alike.
    """
    query, now = _asked(request)
    dag_ids = _dag_ids(reader, query)
    of_task = (query.dag, query.run, query.task, query.map)
    record = record_of(RECORD_KEY, *of_task, having=_OURS) if query.dag in dag_ids else None
    if record is None:
        raise HTTPException(404, "There is no such run, or you may not read its DAG.")
    return _html(request, "run.html", query, reader, now, row=Row.of(record), task_path=task_path(record))


def alerts(request: Request, reader: Asks) -> Response:
    """Alerts that wait, and groups that were told."""
    query, now = _asked(request)
    return _html(request, "alerts.html", query, reader, now, alerts=alerts_for(reader, query.dag), rows=ROWS)


def hooks(request: Request, reader: Asks) -> Response:
    """Hooks that failed or are switched off."""
    query, now = _asked(request)
    going_on = kept(EVENTS_KEY, _dag_ids(reader, query), query.since(now), limit=MOST_RECORDS)
    over = _readable(reader, query, KEYS, now, limit=MOST_RECORDS)
    return _html(
        request,
        "hooks.html",
        query,
        reader,
        now,
        now_off=_told(troubles_now(record) for record in going_on),
        past=_told(troubles(record) for record in over.records),
        partly=over.partly,
    )


def figures(request: Request, reader: Asks) -> Response:
    """Figures and charts of the history."""
    query, now = _asked(request)

    def known() -> Known:
        return Known.of(_runs(reader, query, now, limit=MOST_RUNS).records)

    shown = figures_for(reader, query, now, known)
    jobs = sorted(shown.kpis.jobs if shown.kpis else (), key=lambda each: (-each.failed, each.job.job_name))
    return _html(
        request,
        "figures.html",
        query,
        reader,
        now,
        shown=shown,
        jobs=jobs[:LISTED_JOBS],
        more_jobs=max(0, len(jobs) - LISTED_JOBS),
        reasons=shown.kpis.reasons[:LISTED_REASONS] if shown.kpis else (),
    )


def css(reader: Asks) -> Response:
    """The style sheet."""
    return Response(style(), media_type="text/css")


ROUTES: dict[str, Callable[..., Response]] = {
    "/": runs,
    "/run": run,
    "/alerts": alerts,
    "/hooks": hooks,
    "/figures": figures,
    "/page.css": css,
}


def _asked(request: Request) -> tuple[Query, datetime]:
    return Query.read(request.query_params), datetime.now(timezone.utc)


def _dag_ids(reader: Reader, query: Query) -> frozenset[str]:
    """Of which DAGs the XComs are shown."""
    if not reader.reads_xcoms:
        return frozenset()
    return reader.dag_ids & {query.dag} if query.dag else reader.dag_ids


def _readable(reader: Reader, query: Query, keys: Iterable[str], now: datetime, **given: Any) -> Found:
    dag_ids = _dag_ids(reader, query)
    return records(tuple(keys), dag_ids, query.since(now), **given) if dag_ids else Found()


def _runs(reader: Reader, query: Query, now: datetime, **given: Any) -> Found:
    having = {**_OURS, **({"state": STATES[query.state]} if query.state else {})}
    if query.service:
        having["service"] = (query.service,)
    return _readable(reader, query, (RECORD_KEY,), now, having=having, **given)


def _told(each: Iterable[Iterable[Any]]) -> list[Any]:
    return [trouble for some in each for trouble in some]


def _html(
    request: Request, template: str, query: Query, reader: Reader, now: datetime, **given: Any
) -> Response:
    part, alone = template.removesuffix(".html"), replace(query, view="", refresh=0)
    airflow = _address_of_airflow(request)
    base = {
        "query": query,
        "reader": reader,
        "now": now,
        "own_address": f"{airflow}pipehooks/{alone.link('' if part == 'runs' else part).removeprefix('.')}",
        "choices": choices,
        "services": SERVICES,
        "offered": sorted(reader.dag_ids)[:_OFFERED_DAGS],
        "style_version": style_version(),
        "part": part,
        "airflow": airflow,
    }
    return Response(render(template, **base, **given), media_type="text/html")


def task_path(record: Record) -> str:
    """The page of a task instance in Airflow's UI, below its address."""
    dag_id, run_id, task_id = (
        quote(each, safe="") for each in (record.dag_id, record.run_id, record.task_id)
    )
    mapped = f"/mapped/{record.map_index}" if record.map_index >= 0 else ""
    return f"dags/{dag_id}/runs/{run_id}/tasks/{task_id}{mapped}"


def _address_of_airflow(request: Request) -> str:
    """For addresses that are copied; links are relative."""
    told: str = conf.get("api", "base_url", fallback="") or ""
    if told.startswith(("http://", "https://")):
        return f"{told.rstrip('/')}/"
    return f"{str(request.base_url).rstrip('/').removesuffix('pipehooks').rstrip('/')}/"


def _refused(request: Request, error: Exception) -> Response:
    """An answer that a person can do something with, in a browser."""
    assert isinstance(error, HTTPException)
    here = f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path
    text = render(
        "refused.html",
        status=error.status_code,
        detail=str(error.detail),
        # Airflow's own route checks where it leads, and asks the auth manager which page it is.
        login=f"../api/v2/auth/login?next={quote(here, safe='')}",
    )
    return Response(text, error.status_code, error.headers, media_type="text/html")
