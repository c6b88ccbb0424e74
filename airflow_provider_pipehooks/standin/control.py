"""Control over HTTP, for tests and demos in another process: faults, journal, plans, reset."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, HTTPException, Request

from airflow_provider_pipehooks.standin.databricks_jobs.errors import ApiError
from airflow_provider_pipehooks.standin.faults import Fault
from airflow_provider_pipehooks.standin.plan import Plan

if TYPE_CHECKING:
    from airflow_provider_pipehooks.standin.server import StandIn

PREFIX = "/_standin"
LOOPBACK = "127.0.0.1"
SERVICES = ("dbt_cloud", "databricks_jobs", "databricks_pipelines", "databricks_sql")
#: Those with jobs and runs; pipelines have routes of their own, statements need none.
JOB_SERVICES = SERVICES[:2]


def routes(standin: StandIn) -> APIRouter:
    """The control routes of one stand-in. They ask for no token: it listens on loopback only.

    A page in a browser on this machine could reach them, by a name of its own that leads to loopback.
    """
    router = APIRouter(prefix=PREFIX, dependencies=[Depends(from_this_machine)])
    add_general(router, standin)
    add_faults(router, standin)
    # Before those of all services: the first route that matches answers.
    add_pipelines(router, standin)
    add_worlds(router, standin)
    return router


def from_this_machine(request: Request) -> None:
    """Refuse what a page of somebody else's has sent."""
    if request.url.hostname not in (LOOPBACK, "localhost", "::1"):
        raise HTTPException(403, f"Only {LOOPBACK} and localhost are answered here.")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.url.netloc:
        raise HTTPException(403, "A page of another site may not use this.")


def add_general(router: APIRouter, standin: StandIn) -> None:
    """Health, journal and reset."""

    @router.get("/health")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "services": list(SERVICES)}

    @router.get("/journal")
    async def journal(path_contains: str = "", method: str | None = None) -> dict[str, Any]:
        found = standin.journal.find(method, path_contains)
        return {"count": len(found), "entries": [entry.to_json() for entry in found]}

    @router.post("/reset")
    async def reset() -> dict[str, str]:
        standin.reset()
        return {"status": "ok"}


def add_faults(router: APIRouter, standin: StandIn) -> None:
    """List, add and clear faults."""

    @router.get("/faults")
    async def list_faults() -> list[dict[str, Any]]:
        return [armed.to_json() for armed in standin.faults.armed]

    @router.post("/faults")
    async def add_fault(request: Request) -> dict[str, Any]:
        data = await request.json()
        try:
            return standin.faults.add(Fault.from_json(data)).to_json()
        except (TypeError, ValueError) as err:
            raise HTTPException(400, str(err)) from err

    @router.delete("/faults")
    async def clear_faults() -> dict[str, str]:
        standin.faults.clear()
        return {"status": "ok"}


def add_worlds(router: APIRouter, standin: StandIn) -> None:
    """Define jobs, look at runs and change their plans, for each service."""

    @router.post("/{service}/jobs")
    async def add_job(service: str, request: Request) -> dict[str, int]:
        world, data = world_of(standin, service), await request.json()
        try:
            return {"job_id": world.add_job(**with_plans(data))}
        except (TypeError, ValueError) as err:
            raise HTTPException(400, str(err)) from err

    @router.get("/{service}/runs")
    async def list_runs(service: str) -> list[dict[str, Any]]:
        world = world_of(standin, service)
        with world.lock:
            return [plain(vars(run)) for run in world.runs.values()]

    @router.put("/{service}/runs/{run_id}/plan")
    async def set_plan(service: str, run_id: int, request: Request) -> dict[str, str]:
        world, data = world_of(standin, service), await request.json()
        try:
            world.set_plan(run_id, Plan.from_json(data))
        except KeyError as err:
            raise HTTPException(404, f"{service} has no run {run_id}.") from err
        except (TypeError, ValueError) as err:
            raise HTTPException(400, str(err)) from err
        return {"status": "ok"}


def add_pipelines(router: APIRouter, standin: StandIn) -> None:
    """Define pipelines, start their updates and change their plans, and write into their logs."""
    prefix, world = "/databricks_pipelines", standin.databricks_pipelines

    @router.post(f"{prefix}/pipelines")
    async def add_pipeline(request: Request) -> dict[str, str]:
        data = await request.json()
        with refusals():
            if isinstance(data.get("events"), str):
                raise ValueError("events must be a list: files are not read for other processes.")
            return {"pipeline_id": world.add_pipeline(**with_plans(data))}

    @router.post(f"{prefix}/pipelines/{{pipeline_id}}/start")
    async def start(pipeline_id: str, request: Request) -> dict[str, str]:
        data = await request.json() if await request.body() else {}
        with refusals():
            return {"update_id": world.start(pipeline_id, **data)}

    @router.post(f"{prefix}/pipelines/{{pipeline_id}}/events")
    async def emit(pipeline_id: str, request: Request, at: str | None = None) -> dict[str, str]:
        data = await request.json()
        with refusals():
            return {"id": world.emit(pipeline_id, data, at=at)}

    @router.get(f"{prefix}/runs")
    async def list_updates() -> list[dict[str, Any]]:
        with world.lock:
            return [plain(update.to_json()) for update in world.updates.values()]

    @router.put(f"{prefix}/updates/{{update_id}}/plan")
    async def set_plan(update_id: str, request: Request) -> dict[str, str]:
        data = await request.json()
        if update_id not in world.updates:
            raise HTTPException(404, f"databricks_pipelines has no update {update_id}.")
        with refusals():
            world.set_plan(update_id, Plan.from_json(data))
        return {"status": "ok"}


@contextmanager
def refusals() -> Iterator[None]:
    """Say what was wrong with a request.

    :raises HTTPException: 400 for a mistake in the request, or with the status the API would give.
    """
    try:
        yield
    except ApiError as err:
        raise HTTPException(err.status, err.message) from err
    except (TypeError, ValueError, AttributeError) as err:
        raise HTTPException(400, str(err)) from err


def world_of(standin: StandIn, service: str) -> Any:
    """What a service with jobs remembers.

    :raises HTTPException: 404 for a service that does not exist or has no jobs.
    """
    if service not in JOB_SERVICES:
        raise HTTPException(404, f"No service {service!r} with jobs. There are: {', '.join(JOB_SERVICES)}.")
    return getattr(standin, service)


def with_plans(data: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``add_job`` or ``add_pipeline``, with plans read from their JSON."""
    read = dict(data)
    if "plan" in read:
        read["plan"] = Plan.from_json(read["plan"])
    if "plans" in read:
        read["plans"] = tuple(Plan.from_json(each) for each in read["plans"])
    return read


def plain(value: Any) -> Any:
    """Only what JSON can hold: other things as their text."""
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
