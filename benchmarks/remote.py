"""The stand-in of one case, in a process of its own: what it costs is not counted."""

from __future__ import annotations

from multiprocessing.connection import Connection
from typing import Any

from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from benchmarks.cases import RUNS_OF_JOB, Case

#: The word of each service for a run that fails, and the state in which it is then reported.
FAILURE = {"dbt_cloud": "error", "databricks_jobs": "failed"}
#: Each strikes one request in a hundred.
FAULTS = (
    {"status": 500},
    {"status": 503},
    {"status": 429, "retry_after": 1},
    {"reset": "before"},
    {"body": "garbage"},
)


def serve(case: Case, pipe: Connection) -> None:
    """Say where it listens; then start the runs when told to, and say at the end what was seen."""
    with StandIn(tls=True) as standin:
        world = getattr(standin, case.service)
        warm_up = start(case, world, [Plan()])[0]
        pipe.send({"port": standin.port, "ca_file": str(standin.ca_file), "ended": warm_up})
        pipe.recv()
        standin.journal.clear()
        for fault in FAULTS if case.restless else ():
            standin.faults.add(Fault(service=case.service, rate=0.01, **fault))
        run_ids = start(case, world, plans(case))
        pipe.send(run_ids)
        pipe.recv()
        pipe.send(seen(standin, case, run_ids))


def start(case: Case, world: Any, plans: list[Plan]) -> list[int]:
    """Start a run for each plan, all at once; a few runs share a job."""
    at_once = {
        "dbt_cloud": {"one_at_a_time": False},
        "databricks_jobs": {"max_concurrent_runs": RUNS_OF_JOB},
    }[case.service]
    run_ids = []
    for first in range(0, len(plans), RUNS_OF_JOB):
        share = plans[first : first + RUNS_OF_JOB]
        job_id = world.add_job(f"job {first}", plans=share, **at_once)
        run_ids += [world.start(job_id) for _ in share]
    if case.service == "databricks_jobs":
        _spread(world, run_ids)
    return run_ids


def _spread(world: Any, run_ids: list[int]) -> None:
    """Give each run a start of its own: a workspace starts at most 35 runs a second."""
    for ago_ms, run_id in enumerate(reversed(run_ids)):
        world.runs[run_id].started_ms -= ago_ms


def plans(case: Case) -> list[Plan]:
    """How long each run takes, and how it ends."""
    return [
        Plan(
            seconds=case.ends_after_s(index),
            outcome=FAILURE[case.service] if case.fails(index) else "success",
        )
        for index in range(case.waits)
    ]


def seen(standin: StandIn, case: Case, run_ids: list[int]) -> dict[str, Any]:
    """Requests, connections, faults, and when each run ended, in seconds since the epoch."""
    runs = getattr(standin, case.service).runs
    return {
        "requests": standin.journal.count(),
        "connections": standin.journal.connections,
        "faults": sum(armed.hits for armed in standin.faults.armed),
        "ends": [_ended_s(runs[run_id]) for run_id in run_ids],
    }


def _ended_s(run: Any) -> float:
    """As planned, not as looked at; a run nobody looked at any more counts as ended now."""
    if hasattr(run, "rounds"):
        return float(run.round.begun_s + run.round.plan.seconds)
    return float(run.plan_from + run.plan.seconds)
