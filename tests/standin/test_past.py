"""Runs that were made before anybody looked, in both worlds."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_pipehooks.hooks.databricks import DatabricksHook
from airflow_provider_pipehooks.hooks.dbt_cloud import DbtCloudHook
from airflow_provider_pipehooks.standin import PastRun, StandIn

pytestmark = pytest.mark.usefixtures("connections")
MADE = datetime(2026, 10, 1, 3, tzinfo=timezone.utc)


def runs(job_id: int, *, bad: str) -> list[PastRun]:
    """One that goes on, one that failed an hour before, one that succeeded two hours before."""
    ago = [MADE.timestamp() - 3_600 * hours for hours in range(3)]
    return [
        PastRun(job_id=job_id, made_at=ago[0], run_s=None),
        PastRun(job_id=job_id, made_at=ago[1], queued_s=5, run_s=60, outcome=bad, message="no such table"),
        PastRun(job_id=job_id, made_at=ago[2]),
    ]


def test_dbt_clouds_past_is_listed(standin: StandIn) -> None:
    ids = standin.dbt_cloud.add_past_runs(runs(101, bad="error"))
    found = list(DbtCloudHook().list_runs(include_related="trigger"))
    assert [(run["id"], run["status"]) for run in found] == [(ids[2], 3), (ids[1], 20), (ids[0], 10)]
    failed = found[1]
    assert (failed["created_at"], failed["started_at"], failed["finished_at"]) == (
        "2026-10-01 02:00:00.000000+00:00",
        "2026-10-01 02:00:05.000000+00:00",
        "2026-10-01 02:01:05.000000+00:00",
    )
    assert (failed["status_message"], failed["trigger"]["cause_category"]) == ("no such table", "scheduled")


def test_databricks_past_is_listed(standin: StandIn) -> None:
    world = standin.databricks_jobs
    ids = world.add_past_runs(runs(world.add_job("nightly", tasks=["a", "b"]), bad="failed"))
    found = list(DatabricksHook().list_runs(expand_tasks=True))
    words = [(run["run_id"], run["state"].get("result_state")) for run in found]
    assert words == [(ids[2], None), (ids[1], "FAILED"), (ids[0], "SUCCESS")]
    failed = found[1]
    made_ms = int(MADE.timestamp() - 3_600) * 1000
    times = (failed["start_time"], failed["queue_duration"], failed["end_time"])
    assert times == (made_ms, 5_000, made_ms + 65_000)
    assert [task["state"]["result_state"] for task in failed["tasks"]] == ["FAILED", "SUCCESS"]
    assert [run["run_id"] for run in DatabricksHook().list_runs(active_only=True)] == [ids[2]]


def test_a_past_after_the_present_is_refused(standin: StandIn) -> None:
    world = standin.databricks_jobs
    job_id = world.add_job("nightly")
    world.start(job_id)
    with pytest.raises(ValueError, match="there is a newer run"):
        world.add_past_runs([PastRun(job_id=job_id, made_at=MADE.timestamp())])


@pytest.mark.parametrize("service", ["dbt_cloud", "databricks_jobs"])
def test_an_unknown_outcome_is_refused(standin: StandIn, service: str) -> None:
    world: Any = getattr(standin, service)
    job_id = world.add_job("nightly")
    with pytest.raises(ValueError, match="lost"):
        world.add_past_runs([PastRun(job_id=job_id, made_at=MADE.timestamp(), outcome="lost")])
