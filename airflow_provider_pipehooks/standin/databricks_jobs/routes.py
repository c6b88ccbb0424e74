"""The real paths of the Jobs API and of both token endpoints, on top of a world."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from airflow_provider_pipehooks.standin.databricks_jobs import job_routes, run_routes
from airflow_provider_pipehooks.standin.databricks_jobs.errors import ApiError, OAuthError
from airflow_provider_pipehooks.standin.databricks_jobs.model import Json
from airflow_provider_pipehooks.standin.databricks_jobs.world import World

Handler = Callable[[World, Mapping[str, Any], str], Json]
Endpoint = Callable[[Request], Awaitable[Response]]

VERSIONS = ("2.1", "2.2")

JOBS: dict[tuple[str, str], Handler] = {
    ("POST", "run-now"): run_routes.run_now,
    ("POST", "runs/submit"): run_routes.submit,
    ("GET", "runs/get"): run_routes.get_run,
    ("GET", "runs/list"): run_routes.list_runs,
    ("POST", "runs/cancel"): run_routes.cancel,
    ("POST", "runs/cancel-all"): run_routes.cancel_all,
    ("POST", "runs/repair"): run_routes.repair,
    ("GET", "runs/get-output"): run_routes.get_output,
    ("GET", "runs/export"): run_routes.export,
    ("POST", "runs/delete"): run_routes.delete,
    ("GET", "get"): job_routes.get,
    ("GET", "list"): job_routes.list_jobs,
    ("POST", "create"): job_routes.create,
    ("POST", "update"): job_routes.update,
    ("POST", "reset"): job_routes.reset,
    ("POST", "delete"): job_routes.delete,
}


def routes(world: World) -> APIRouter:
    """All routes of the Jobs part, to be included in an app at its root.

    :param world: what they read and change, always under its lock.
    """
    router = APIRouter()
    for version in VERSIONS:
        for (method, name), handler in JOBS.items():
            endpoint = _api(world, handler, version)
            router.add_route(
                f"/api/{version}/jobs/{name}", endpoint, methods=[method], include_in_schema=False
            )
    for path, handler in (
        ("/api/2.0/clusters/spark-versions", _spark_versions),
        ("/api/2.1/clusters/spark-versions", _spark_versions),
        ("/api/2.0/preview/scim/v2/Me", _me),
    ):
        router.add_route(path, _api(world, handler, "2.1"), methods=["GET"], include_in_schema=False)
    _add_login_routes(router, world)
    return router


def _api(world: World, handler: Handler, version: str) -> Endpoint:
    """Authorize, read the parameters, call under the lock, and turn refusals into their bodies."""

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            with world.lock:
                world.authorize(request.headers.get("authorization"))
                return JSONResponse(handler(world, _parameters(request, body), version))
        except ApiError as error:
            return JSONResponse(error.body(), status_code=error.status)

    return endpoint


def _parameters(request: Request, body: bytes) -> Json:
    """The query and the JSON body together: the official async client sends GET parameters as a body."""
    try:
        sent = json.loads(body) if body else {}
    except ValueError:
        sent = None
    if not isinstance(sent, dict):
        text = "Invalid JSON given in the body of the request - failed to parse given JSON"
        raise ApiError(400, "MALFORMED_REQUEST", text)
    return {**sent, **request.query_params}


def _spark_versions(world: World, params: Mapping[str, Any], version: str) -> Json:
    """The connection test of the official provider asks for this."""
    return {"versions": [{"key": "15.4.x-scala2.12", "name": "15.4 LTS (Scala 2.12, Spark 3.5.0)"}]}


def _me(world: World, params: Mapping[str, Any], version: str) -> Json:
    return {"id": "1", "userName": "standin@example.com", "active": True, "displayName": "Stand-in"}


def _add_login_routes(router: APIRouter, world: World) -> None:
    def discovery(path: str, answer: Callable[[], Json]) -> None:
        async def endpoint(request: Request) -> Response:
            return JSONResponse(answer())

        router.add_route(path, endpoint, methods=["GET"], include_in_schema=False)

    def token(path: str, answer: Callable[[dict[str, str], str | None], Json]) -> None:
        async def endpoint(request: Request) -> Response:
            form = dict(parse_qsl((await request.body()).decode(errors="replace")))
            try:
                with world.lock:
                    return JSONResponse(answer(form, request.headers.get("authorization")))
            except OAuthError as error:
                return JSONResponse(error.body(), status_code=error.status)

        router.add_route(path, endpoint, methods=["POST"], include_in_schema=False)

    # Recent SDKs look here first to learn where the token endpoint is.
    discovery(
        "/.well-known/databricks-config",
        lambda: {"oidc_endpoint": f"{world.base_url()}/oidc", "workspace_id": "1", "cloud": "AWS"},
    )
    discovery(
        "/oidc/.well-known/oauth-authorization-server",
        lambda: {
            "issuer": f"{world.base_url()}/oidc",
            "authorization_endpoint": f"{world.base_url()}/oidc/v1/authorize",
            "token_endpoint": f"{world.base_url()}/oidc/v1/token",
            "grant_types_supported": ["client_credentials"],
            "scopes_supported": ["all-apis"],
        },
    )
    token("/oidc/v1/token", world.workspace_token)
    token("/{tenant}/oauth2/token", lambda form, header: world.azure_token(form, header, version=1))
    token("/{tenant}/oauth2/v2.0/token", lambda form, header: world.azure_token(form, header, version=2))
