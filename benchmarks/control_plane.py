"""What the control plane costs requests of Airflow's API server that are no matter of its own.

Each request is a bare ASGI call of an application that answers at once, with and without the middleware
before it, so the difference is the middleware alone. The budget is 50 microseconds. By ``make bench``.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

from airflow_provider_pipehooks.plugins.control_plane import App, ControlPlane

BUDGET_US = 50.0
CALLS = 20_000
ROUNDS = 7
RUN = "/api/v2/dags/sales/dagRuns/manual__2026-11-01T00:00:00+00:00"
REQUESTS = (
    ("a page of the UI", "GET", "/ui/dags"),
    ("reading a DAG", "GET", "/api/v2/dags/sales"),
    ("a worker starts a task", "PATCH", "/execution/task-instances/01a200f4-22ef-7c39-b657-7dd1380eda81/run"),
    (
        "a worker's heartbeat",
        "PUT",
        "/execution/task-instances/01a200f4-22ef-7c39-b657-7dd1380eda81/heartbeat",
    ),
    ("setting a Variable", "POST", "/api/v2/variables"),
    ("listing task instances", "POST", "/api/v2/dags/~/dagRuns/~/taskInstances/list"),
    ("a dry run", "PATCH", RUN + "/taskInstances/load/dry_run"),
    ("deleting an XCom", "DELETE", RUN + "/taskInstances/load/xcomEntries/key"),
)


async def answering(scope: Any, receive: Any, send: Any) -> None:
    """The application: answers at once."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Any) -> None:
    pass


async def seconds(app: App, method: str, path: str) -> float:
    """How long so many calls take."""
    scope = {"type": "http", "method": method, "path": path, "root_path": "", "query_string": b""}
    began = time.perf_counter()
    for _ in range(CALLS):
        await app(scope, receive, send)
    return time.perf_counter() - began


async def measure(method: str, path: str) -> tuple[float, float]:
    """Microseconds a request without and with the middleware: the medians of several rounds, in turn."""
    rounds = [
        (await seconds(answering, method, path), await seconds(ControlPlane(answering), method, path))
        for _ in range(ROUNDS)
    ]
    without, with_it = (statistics.median(column) / CALLS * 1e6 for column in zip(*rounds, strict=True))
    return without, with_it


def main() -> None:
    print(f"{'microseconds a request':<28}{'without':>10}{'with':>10}{'added':>10}{'budget':>10}")
    for name, method, path in REQUESTS:
        without, with_it = asyncio.run(measure(method, path))
        print(f"{name:<28}{without:>10.2f}{with_it:>10.2f}{with_it - without:>10.2f}{BUDGET_US:>10.0f}")


if __name__ == "__main__":
    main()
