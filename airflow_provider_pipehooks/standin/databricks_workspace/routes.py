"""The paths of clusters, libraries, warehouses, rights of jobs and repositories, on top of a world.

Paths and bodies: those of databricks-sdk 0.156 and of the official Airflow provider.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from airflow_provider_pipehooks.standin.databricks_jobs.errors import ApiError, invalid, wrong_state
from airflow_provider_pipehooks.standin.databricks_workspace.world import OWNER, Json, Machine, Repo, World

Params = Mapping[str, Any]
Handler = Callable[..., Json]
Authorize = Callable[[str | None], None]

WHO = ("user_name", "group_name", "service_principal_name")
LEVELS = ("CAN_VIEW", "CAN_MANAGE_RUN", "IS_OWNER", "CAN_MANAGE")


def get_cluster(world: World, params: Params) -> Json:
    """``GET clusters/get``; counts as a read."""
    cluster = world.cluster(params.get("cluster_id"))
    return {
        "cluster_id": cluster.id,
        "cluster_name": cluster.name,
        "spark_version": "15.4.x-scala2.12",
        "creator_user_name": OWNER,
        "state": cluster.read(),
        "state_message": cluster.message,
    }


def start_cluster(world: World, params: Params) -> Json:
    """``POST clusters/start``: of one that is terminated."""
    _in_state(world.cluster(params.get("cluster_id")), "TERMINATED").go("PENDING", "RUNNING")
    return {}


def restart_cluster(world: World, params: Params) -> Json:
    """``POST clusters/restart``: of one that runs; libraries that were uninstalled are gone then."""
    cluster = _in_state(world.cluster(params.get("cluster_id")), "RUNNING")
    cluster.libraries = [each for each in cluster.libraries if not each.get("uninstalled")]
    cluster.go("RESTARTING", "RUNNING")
    return {}


def terminate_cluster(world: World, params: Params) -> Json:
    """``POST clusters/delete``; one that is terminated stays so."""
    cluster = world.cluster(params.get("cluster_id"))
    if cluster.state != "TERMINATED":
        cluster.go("TERMINATING", "TERMINATED")
    return {}


def install(world: World, params: Params) -> Json:
    """``POST libraries/install``: on a cluster that runs."""
    cluster = _in_state(world.cluster(params.get("cluster_id")), "RUNNING")
    new = [{"library": each} for each in _libraries(params)]
    cluster.libraries += [each for each in new if each not in cluster.libraries]
    return {}


def uninstall(world: World, params: Params) -> Json:
    """``POST libraries/uninstall``: with the next restart."""
    cluster = world.cluster(params.get("cluster_id"))
    for each in cluster.libraries:
        each["uninstalled"] = each.get("uninstalled") or each["library"] in _libraries(params)
    return {}


def cluster_libraries(world: World, params: Params) -> Json:
    """``GET libraries/cluster-status``."""
    cluster = world.cluster(params.get("cluster_id"))
    statuses = [
        {
            "library": each["library"],
            "status": "UNINSTALL_ON_RESTART" if each.get("uninstalled") else "INSTALLED",
        }
        for each in cluster.libraries
    ]
    return {"cluster_id": cluster.id, **({"library_statuses": statuses} if statuses else {})}


def _libraries(params: Params) -> list[Json]:
    found = params.get("libraries")
    if not isinstance(found, list) or not found or not all(isinstance(each, dict) for each in found):
        raise invalid("Missing required field: libraries")
    return found


def _in_state(machine: Machine, state: str) -> Machine:
    if machine.state != state:
        raise wrong_state(f"Cluster {machine.id} is in unexpected state {machine.state.capitalize()}.")
    return machine


def get_warehouse(world: World, params: Params, id: str) -> Json:
    """``GET sql/warehouses/{id}``; counts as a read."""
    warehouse = world.warehouse(id)
    return {
        "id": warehouse.id,
        "name": warehouse.name,
        "cluster_size": "2X-Small",
        "creator_name": OWNER,
        "state": warehouse.read(),
    }


def start_warehouse(world: World, params: Params, id: str) -> Json:
    """``POST sql/warehouses/{id}/start``; one that runs stays so."""
    warehouse = world.warehouse(id)
    if warehouse.state not in ("RUNNING", "STARTING"):
        warehouse.go("STARTING", "RUNNING")
    return {}


def stop_warehouse(world: World, params: Params, id: str) -> Json:
    """``POST sql/warehouses/{id}/stop``; one that is stopped stays so."""
    warehouse = world.warehouse(id)
    if warehouse.state not in ("STOPPED", "STOPPING"):
        warehouse.go("STOPPING", "STOPPED")
    return {}


def get_rights(world: World, params: Params, id: int) -> Json:
    """``GET permissions/jobs/{id}``."""
    levels = world.rights_of(id)
    told = [
        {kind: name, "all_permissions": [{"permission_level": level, "inherited": False}]}
        for (kind, name), level in levels.items()
    ]
    return {"object_id": f"/jobs/{id}", "object_type": "job", "access_control_list": told}


def change_rights(world: World, params: Params, id: int) -> Json:
    """``PATCH permissions/jobs/{id}``: adds to what there is."""
    levels, wanted = world.rights_of(id), params.get("access_control_list")
    if not isinstance(wanted, list):
        raise invalid("Missing required field: access_control_list")
    levels |= dict(map(_right, wanted))
    return get_rights(world, params, id)


def _right(given: Any) -> tuple[tuple[str, str], str]:
    who = [(kind, given[kind]) for kind in WHO if given.get(kind)] if isinstance(given, dict) else []
    if len(who) != 1:
        raise invalid(f"Each access control needs one of {', '.join(WHO)}.")
    if given.get("permission_level") not in LEVELS:
        raise invalid(f"Invalid permission_level {given.get('permission_level')!r} for a job.")
    return who[0], given["permission_level"]


def create_repo(world: World, params: Params) -> Json:
    """``POST repos``."""
    url, provider = params.get("url"), params.get("provider")
    if not url or not provider:
        raise invalid(f"Missing required field: {'provider' if url else 'url'}")
    name = str(url).rstrip("/").rpartition("/")[2].removesuffix(".git")
    path = str(params.get("path") or f"/Repos/{OWNER}/{name}")
    return _repo_json(world.define_repo(path, str(url), str(provider)))


def get_repo(world: World, params: Params, id: int) -> Json:
    """``GET repos/{id}``."""
    return _repo_json(world.repo(id))


def update_repo(world: World, params: Params, id: int) -> Json:
    """``PATCH repos/{id}``: to a branch or a tag."""
    repo = world.repo(id)
    if bool(params.get("branch")) == bool(params.get("tag")):
        raise invalid("Exactly one of branch and tag is needed.")
    repo.branch = str(params.get("branch") or params.get("tag"))
    return _repo_json(repo)


def delete_repo(world: World, params: Params, id: int) -> Json:
    """``DELETE repos/{id}``."""
    del world.repos[world.repo(id).id]
    return {}


def _repo_json(repo: Repo) -> Json:
    return {
        "id": repo.id,
        "path": repo.path,
        "url": repo.url,
        "provider": repo.provider,
        "branch": repo.branch,
        "head_commit_id": "8d1e0c6fb1d14e58ae5ff83ba0a5f4a9b1b4c1d2",
    }


def get_status(world: World, params: Params) -> Json:
    """``GET workspace/get-status``: there is nothing but repositories."""
    path = params.get("path")
    for repo in world.repos.values():
        if repo.path == path:
            return {"object_type": "REPO", "object_id": repo.id, "path": path}
    raise ApiError(404, "RESOURCE_DOES_NOT_EXIST", f"Path ({path}) doesn't exist.")


PATHS: dict[tuple[str, str], Handler] = {
    ("GET", "/api/2.1/clusters/get"): get_cluster,
    ("POST", "/api/2.1/clusters/start"): start_cluster,
    ("POST", "/api/2.1/clusters/restart"): restart_cluster,
    ("POST", "/api/2.1/clusters/delete"): terminate_cluster,
    ("POST", "/api/2.0/libraries/install"): install,
    ("POST", "/api/2.0/libraries/uninstall"): uninstall,
    ("GET", "/api/2.0/libraries/cluster-status"): cluster_libraries,
    ("GET", "/api/2.0/sql/warehouses/{id}"): get_warehouse,
    ("POST", "/api/2.0/sql/warehouses/{id}/start"): start_warehouse,
    ("POST", "/api/2.0/sql/warehouses/{id}/stop"): stop_warehouse,
    ("GET", "/api/2.0/permissions/jobs/{id:int}"): get_rights,
    ("PATCH", "/api/2.0/permissions/jobs/{id:int}"): change_rights,
    ("POST", "/api/2.0/repos"): create_repo,
    ("GET", "/api/2.0/repos/{id:int}"): get_repo,
    # The official provider writes two slashes, and its operators work.
    **{
        (method, f"/api/2.0/repos{slash}/{{id:int}}"): handler
        for method, handler in (("PATCH", update_repo), ("DELETE", delete_repo))
        for slash in ("", "/")
    },
    ("GET", "/api/2.0/workspace/get-status"): get_status,
}


def routes(world: World, authorize: Authorize) -> APIRouter:
    """All routes of this part, to be included in an app at its root.

    :param world: what they read and change, always under its lock.
    :param authorize: checks the ``Authorization`` header; the workspace has one login for all its parts.
    """
    router = APIRouter()
    for (method, path), handler in PATHS.items():
        router.add_route(path, _api(world, authorize, handler), methods=[method], include_in_schema=False)
    return router


def _api(world: World, authorize: Authorize, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            authorize(request.headers.get("authorization"))
            params = _parameters(request, body)
            with world.lock:
                return JSONResponse(handler(world, params, **request.path_params))
        except ApiError as error:
            return JSONResponse(error.body(), status_code=error.status)

    return endpoint


def _parameters(request: Request, body: bytes) -> Json:
    """The query and the JSON body together, as everywhere in this workspace."""
    try:
        sent: Any = json.loads(body) if body else {}
    except ValueError:
        sent = None
    if not isinstance(sent, dict):
        text = "Invalid JSON given in the body of the request - failed to parse given JSON"
        raise ApiError(400, "MALFORMED_REQUEST", text)
    return {**sent, **request.query_params}
