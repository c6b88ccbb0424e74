"""A client for the stand-in's Databricks Jobs: real paths, no network, a clock that is moved by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI

from airflow_provider_pipehooks.standin.databricks_jobs import World, routes

NOW_S = 1_800_000_000.0


class Api:
    """A world with a clock that is moved by hand, and a client that sends a token unless told otherwise."""

    def __init__(self) -> None:
        self.now_s = NOW_S
        self.world = World(clock=lambda: self.now_s, speed=1.0, base_url=lambda: "https://host")
        self.app = FastAPI()
        self.app.include_router(routes(self.world))
        self.headers = {"Authorization": "Bearer t"}

    def ask(self, method: str, path: str, **sent: Any) -> httpx.Response:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="https://host") as client:
                return await client.request(method, path, **{"headers": self.headers, **sent})

        return asyncio.run(call())

    def get(self, endpoint: str, /, version: str = "2.2", **params: Any) -> dict[str, Any]:
        return self.ask("GET", f"/api/{version}/jobs/{endpoint}", params=params).json()

    def post(self, endpoint: str, /, version: str = "2.2", **body: Any) -> dict[str, Any]:
        return self.ask("POST", f"/api/{version}/jobs/{endpoint}", json=body).json()

    def run(self, run_id: int, **params: Any) -> dict[str, Any]:
        return self.get("runs/get", run_id=run_id, **params)

    def word(self, run_id: int) -> str:
        return self.run(run_id)["state"]["life_cycle_state"]

    def words(self, run_id: int, reads: int) -> list[str]:
        return [self.word(run_id) for _ in range(reads)]


def refusal(answer: dict[str, Any]) -> tuple[str, str]:
    return answer["error_code"], answer["message"]


def tasks_by_key(run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {task["task_key"]: task for task in run["tasks"]}


def start_many(api: Api, count: int, **job: Any) -> list[int]:
    job_id = api.world.add_job(**{"max_concurrent_runs": count, **job})
    ids = []
    for _ in range(count):
        ids.append(api.world.start(job_id))
        api.now_s += 1
    return ids
