"""The paths of dbt Cloud that a client needs to start, watch and report runs.

Paths and bodies: dbt Cloud API v2 and v3. Every path is served with and without its trailing slash, and never
redirected: a redirect would lose the body of a POST.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from airflow_provider_pipehooks.standin.dbt_cloud import answers, artifacts, catalog, runs
from airflow_provider_pipehooks.standin.dbt_cloud.answers import ApiError
from airflow_provider_pipehooks.standin.dbt_cloud.call import Call, Listed
from airflow_provider_pipehooks.standin.dbt_cloud.world import World

Answer = Callable[[Call], Any]

#: method, path below ``/api/{version}/accounts``, answer
V2 = (
    ("GET", "", catalog.list_accounts),
    ("GET", "/{account_id:int}", catalog.get_account),
    ("GET", "/{account_id:int}/jobs", catalog.list_jobs),
    ("GET", "/{account_id:int}/jobs/{job_id:int}", catalog.get_job),
    ("POST", "/{account_id:int}/jobs/{job_id:int}/run", runs.start_run),
    ("POST", "/{account_id:int}/jobs/{job_id:int}/rerun", runs.rerun_job),
    ("GET", "/{account_id:int}/jobs/{job_id:int}/artifacts/{path:path}", artifacts.get_artifact_of_job),
    ("GET", "/{account_id:int}/runs", runs.list_runs),
    ("GET", "/{account_id:int}/runs/{run_id:int}", runs.get_run),
    ("POST", "/{account_id:int}/runs/{run_id:int}/cancel", runs.cancel_run),
    ("POST", "/{account_id:int}/runs/{run_id:int}/retry", runs.retry_run),
    ("GET", "/{account_id:int}/runs/{run_id:int}/retry", runs.what_would_be_retried),
    ("GET", "/{account_id:int}/runs/{run_id:int}/artifacts", artifacts.list_artifacts),
    ("GET", "/{account_id:int}/runs/{run_id:int}/artifacts/{path:path}", artifacts.get_artifact),
    ("GET", "/{account_id:int}/steps/{step_id:int}", artifacts.get_step),
)
V3 = (
    ("GET", "", catalog.list_accounts),
    ("GET", "/{account_id:int}", catalog.get_account),
    ("GET", "/{account_id:int}/projects", catalog.list_projects),
    ("GET", "/{account_id:int}/projects/{project_id:int}", catalog.get_project),
    ("GET", "/{account_id:int}/projects/{project_id:int}/environments", catalog.list_environments),
    (
        "GET",
        "/{account_id:int}/projects/{project_id:int}/environments/{environment_id:int}",
        catalog.get_environment,
    ),
    ("GET", "/{account_id:int}/environments", catalog.list_environments),
    ("GET", "/{account_id:int}/environments/{environment_id:int}", catalog.get_environment),
)


def routes(world: World) -> APIRouter:
    """Everything this service answers, bound to what it remembers."""
    router = APIRouter(redirect_slashes=False)
    for version, table in (("v2", V2), ("v3", V3)):
        for method, path, answer in table:
            full, endpoint = f"/api/{version}/accounts{path}", endpoint_for(world, answer)
            # With the slash first: otherwise the list of artifacts would be taken for a file without a name.
            for form in (full,) if path.endswith(":path}") else (f"{full}/", full):
                router.add_route(form, endpoint, methods=[method])
    # The official hook tests a connection by asking for the front page.
    router.add_route("/", front_page, methods=["GET"])
    return router


async def front_page(_request: Request) -> Response:
    """What a browser would see."""
    return Response(
        "<html><title>Stand-in for dbt Cloud and Databricks</title></html>", media_type="text/html"
    )


def endpoint_for(world: World, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    """Wrap an answer with the token check, the envelope and the error bodies."""

    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            with world.lock:
                check_token(world, request.headers.get("authorization", ""))
                result = answer(read_call(world, request, body))
        except ApiError as err:
            return JSONResponse(err.body(), err.code)
        return as_response(result)

    return endpoint


def as_response(result: Any) -> Response:
    """Put data into the envelope; files go out as they are."""
    if isinstance(result, Response):
        return result
    if isinstance(result, Listed):
        return JSONResponse(answers.envelope(result.data, result.extra))
    return JSONResponse(answers.envelope(result))


def check_token(world: World, header: str) -> None:
    """Both forms, ``Token`` and ``Bearer``, are good.

    :raises ApiError: 401, the same for a missing prefix, a wrong token and a wrong host.
    """
    kind, _, token = header.partition(" ")
    if kind not in ("Token", "Bearer") or not token.strip():
        raise ApiError(401, "Invalid token.")
    if world.tokens is not None and token.strip() not in world.tokens:
        raise ApiError(401, "Invalid token.")


def read_call(world: World, request: Request, body: bytes) -> Call:
    """Read path, query and body.

    :raises ApiError: 404 for an account the token cannot see, 400 for a body that is not JSON.
    """
    params = request.path_params
    account_id = params.get("account_id", 0)
    if "account_id" in params and account_id not in world.accounts:
        raise ApiError(404, answers.NOT_FOUND)
    try:
        data = json.loads(body) if body else None
    except ValueError:
        raise ApiError(400, "JSON parse error") from None
    ids = {name: value for name, value in params.items() if isinstance(value, int)}
    # A repeated parameter counts once, with its last value: who repeats include_related loses the others.
    return Call(world, account_id, ids, str(params.get("path", "")), dict(request.query_params), data)
