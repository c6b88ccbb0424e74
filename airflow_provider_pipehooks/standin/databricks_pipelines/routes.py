"""The real paths of the Pipelines API, on top of a world."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from airflow_provider_pipehooks.standin.databricks_jobs.errors import ApiError
from airflow_provider_pipehooks.standin.databricks_pipelines import pipeline_routes, update_routes
from airflow_provider_pipehooks.standin.databricks_pipelines.model import Json
from airflow_provider_pipehooks.standin.databricks_pipelines.world import World

Handler = Callable[..., Json | Response]
Authorize = Callable[[str | None], None]
Endpoint = Callable[[Request], Awaitable[Response]]

BASE = "/api/2.0/pipelines"

PIPELINES: dict[tuple[str, str], Handler] = {
    ("POST", ""): pipeline_routes.create,
    ("GET", ""): pipeline_routes.list_pipelines,
    ("GET", "/{pipeline_id}"): pipeline_routes.get,
    ("POST", "/{pipeline_id}/updates"): update_routes.start,
    ("GET", "/{pipeline_id}/updates"): update_routes.list_updates,
    ("GET", "/{pipeline_id}/updates/{update_id}"): update_routes.get,
    ("POST", "/{pipeline_id}/stop"): pipeline_routes.stop,
    ("POST", "/{pipeline_id}/environment/apply"): pipeline_routes.apply_environment,
    ("GET", "/{pipeline_id}/events"): pipeline_routes.list_events,
}


def routes(world: World, authorize: Authorize) -> APIRouter:
    """All routes of the Pipelines part, to be included in an app at its root.

    :param world: what they read and change, always under its lock.
    :param authorize: checks the ``Authorization`` header; the workspace has one login for all its parts.
    """
    router = APIRouter()
    for (method, path), handler in PIPELINES.items():
        endpoint = _api(world, authorize, handler)
        router.add_route(f"{BASE}{path}", endpoint, methods=[method], include_in_schema=False)
    return router


def _api(world: World, authorize: Authorize, handler: Handler) -> Endpoint:
    """Authorize, read the parameters, call under the lock, and turn refusals into their bodies."""

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            authorize(request.headers.get("authorization"))
            params = _parameters(request, body)
            with world.lock:
                answer = handler(world, params, **request.path_params)
                return answer if isinstance(answer, Response) else JSONResponse(answer)
        except ApiError as error:
            return JSONResponse(error.body(), status_code=error.status)

    return endpoint


def _parameters(request: Request, body: bytes) -> Json:
    """The query and the JSON body together, as everywhere in this workspace; ``order_by`` may be repeated."""
    try:
        sent: Any = json.loads(body) if body else {}
    except ValueError:
        sent = None
    if not isinstance(sent, dict):
        text = "Invalid JSON given in the body of the request - failed to parse given JSON"
        raise ApiError(400, "MALFORMED_REQUEST", text)
    query = request.query_params
    orders = {"order_by": query.getlist("order_by")} if "order_by" in query else {}
    return {**sent, **query, **orders}
