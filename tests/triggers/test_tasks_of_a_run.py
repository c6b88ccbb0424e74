"""WATCH: many tasks of one Databricks run, each with a trigger of its own, share the reads of the run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from airflow_provider_pipehooks.standin import Plan, StandIn
from airflow_provider_pipehooks.triggers.remote_run import RemoteRunTrigger

pytestmark = pytest.mark.usefixtures("connections")
TASKS = 30


async def test_fewer_reads_than_tasks(standin: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_pipehooks.triggers.remote_run.settle_s", lambda: 0.0)
    world = standin.databricks_jobs
    tasks: list[Any] = [
        {"task_key": f"t{at}", "outcome": "failed" if at == 7 else "success"} for at in range(TASKS)
    ]
    run_id = world.start(world.add_job(tasks=tasks, plan=Plan(polls=4)))

    async def event(at: int) -> dict[str, Any]:
        trigger = RemoteRunTrigger(
            service="databricks_jobs",
            conn_id="databricks_default",
            run_id=run_id,
            poll_interval=0.2,
            options={"task_key": f"t{at}"},
        )
        (payload,) = [event.payload async for event in trigger.run()]
        found: dict[str, Any] = payload
        return found

    ends = await asyncio.gather(*map(event, range(TASKS)))
    states = [end["run"]["state"] for end in ends]
    assert [at for at, state in enumerate(states) if state != "SUCCESS"] == [7]
    assert len({end["run"]["run_id"] for end in ends}) == TASKS
    assert standin.journal.count("GET", "runs/get") < TASKS
