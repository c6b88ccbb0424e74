"""``list_runs`` of both hooks on the stand-in: every run once, in as many requests as there are pages."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from itertools import islice

import pytest

from airflow_provider_pipehooks.core.errors import ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.hooks.databricks import DatabricksHook
from airflow_provider_pipehooks.hooks.dbt_cloud import DbtCloudHook
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn

pytestmark = pytest.mark.usefixtures("connections")


def lists_asked(standin: StandIn, path: str) -> int:
    return sum(entry.path.endswith(path) for entry in standin.journal.entries)


def databricks_runs(standin: StandIn, count: int, **job: object) -> list[int]:
    world = standin.databricks_jobs
    job_id = world.add_job(max_concurrent_runs=1_000, plan=Plan(hold=True), **job)  # type: ignore[arg-type]
    return [world.start(job_id) for _ in range(count)]


def test_every_databricks_run_is_told_once_in_as_many_requests_as_pages(standin: StandIn) -> None:
    made = databricks_runs(standin, 60)
    found = [run["run_id"] for run in DatabricksHook().list_runs()]
    assert sorted(found) == made
    assert lists_asked(standin, "runs/list") == 3


def test_a_page_is_read_when_it_is_needed(standin: StandIn) -> None:
    databricks_runs(standin, 60)
    assert len(list(islice(DatabricksHook().list_runs(), 10))) == 10
    assert lists_asked(standin, "runs/list") == 1


def test_databricks_filters_are_the_apis(standin: StandIn) -> None:
    first, second = databricks_runs(standin, 2, name="a"), databricks_runs(standin, 3, name="b")
    hook = DatabricksHook()
    job_id = next(iter(hook.list_runs()))["job_id"]
    assert {run["run_id"] for run in hook.list_runs(job_id=job_id)} == set(second)
    assert list(hook.list_runs(completed_only=True)) == []
    assert len(list(hook.list_runs(active_only=True))) == len(first + second)
    later = datetime.now(timezone.utc) + timedelta(hours=1)
    assert list(hook.list_runs(start_time_from=later)) == []
    assert len(list(hook.list_runs(start_time_to=later))) == 5


def test_large_runs_come_with_all_their_tasks(standin: StandIn) -> None:
    databricks_runs(standin, 1, tasks=[f"task_{number}" for number in range(120)])
    databricks_runs(standin, 1, tasks=["only"])
    found = [len(run["tasks"]) for run in DatabricksHook().list_runs(expand_tasks=True)]
    assert sorted(found) == [1, 120]
    assert all("tasks" not in run for run in DatabricksHook().list_runs())


def test_runs_that_are_made_meanwhile_hide_none_and_repeat_none(standin: StandIn) -> None:
    made = databricks_runs(standin, 60)
    told: list[int] = []
    for run in DatabricksHook().list_runs():
        if len(told) == 10:
            databricks_runs(standin, 7)
        told.append(run["run_id"])
    assert len(told) == len(set(told))
    assert set(made) <= set(told)


def test_every_dbt_cloud_run_is_told_once(standin: StandIn) -> None:
    world = standin.dbt_cloud
    job_id = world.add_job("nightly", plan=Plan(hold=True), one_at_a_time=False)
    other = world.add_job("other", plan=Plan(hold=True), one_at_a_time=False)
    made = [world.start(job_id) for _ in range(230)]
    world.start(other)
    told: list[int] = []
    for run in DbtCloudHook().list_runs(job_definition_id=job_id):
        if len(told) == 50:
            made.append(world.start(job_id))
        told.append(run["id"])
    assert len(told) == len(set(told)) == 230
    assert set(told) == set(made[:230])
    assert lists_asked(standin, "/runs/") == 3


def test_dbt_cloud_filters_are_the_apis(standin: StandIn) -> None:
    world = standin.dbt_cloud
    world.start(world.add_job("nightly", plan=Plan(outcome="error")))
    hook = DbtCloudHook()
    assert [run["status"] for run in hook.list_runs(status__in=[20])] == [20]
    assert list(hook.list_runs(status__in=[10])) == []
    now = datetime.now(timezone.utc)
    assert len(list(hook.list_runs(created_at__range=[now - timedelta(hours=1), now]))) == 1
    assert list(hook.list_runs(created_at__range=(now - timedelta(2), now - timedelta(1)))) == []


def test_a_wrong_filter_is_said_at_once() -> None:
    with pytest.raises(ConfigurationError, match="active_only and completed_only"):
        DatabricksHook().list_runs(active_only=True, completed_only=True)
    with pytest.raises(ConfigurationError, match="offset is not a filter here"):
        DbtCloudHook().list_runs(offset=100)


def test_a_page_that_fails_for_a_moment_is_asked_again(standin: StandIn) -> None:
    databricks_runs(standin, 30)
    standin.faults.add(Fault(path="runs/list", status=503, times=1))
    assert len(list(DatabricksHook(retry_delay=0).list_runs())) == 30
    standin.faults.add(Fault(path="runs/list", status=403))
    with pytest.raises(RemoteCallError):
        list(DatabricksHook().list_runs())
