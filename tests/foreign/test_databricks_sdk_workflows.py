"""Jobs that a client defines, runs and repairs: the Databricks SDK, unchanged, against the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue
from databricks.sdk.service.jobs import (
    JobCluster,
    JobSettings,
    NotebookTask,
    RunResultState,
    Task,
    TaskDependency,
)

from airflow_provider_pipehooks.standin import Plan, StandIn


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn(tls=True) as standin:
        yield standin


@pytest.fixture
def standin(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    server.reset()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_file))
    return server


@pytest.fixture
def client(standin: StandIn) -> Any:
    return WorkspaceClient(host=standin.url, token="dapi-secret")


def a_task(key: str, *after: str, **given: Any) -> Task:
    upstream = [TaskDependency(task_key=each) for each in after]
    return Task(task_key=key, depends_on=upstream, notebook_task=NotebookTask(notebook_path="/n"), **given)


def results(run: Any) -> dict[str, RunResultState]:
    return {task.task_key: task.state.result_state for task in run.tasks}


def test_a_job_that_was_expected_fails_where_it_should_and_a_repair_mends_it(
    standin: StandIn, client: Any
) -> None:
    standin.databricks_jobs.expect_job(
        "shop", tasks=[{"task_key": "load", "plans": [Plan(outcome="failed"), Plan()]}]
    )
    job_id = client.jobs.create(name="shop", tasks=[a_task("load"), a_task("report", "load")]).job_id
    run = client.jobs.run_now_and_wait(job_id)
    assert results(run) == {"load": RunResultState.FAILED, "report": RunResultState.UPSTREAM_FAILED}
    client.jobs.repair_run_and_wait(run.run_id, rerun_tasks=["load", "report"])
    assert set(results(client.jobs.get_run(run.run_id)).values()) == {RunResultState.SUCCESS}


def test_a_reset_keeps_how_the_job_goes(standin: StandIn, client: Any) -> None:
    standin.databricks_jobs.expect_job("shop", plan=Plan(outcome="failed"))
    job_id = client.jobs.create(name="shop", tasks=[a_task("load")]).job_id
    client.jobs.reset(job_id, JobSettings(name="shop", tasks=[a_task("load"), a_task("more")]))
    run = client.jobs.run_now_and_wait(job_id)
    assert run.state.result_state is RunResultState.FAILED
    assert len(run.tasks) == 2


REFUSED: dict[str, dict[str, Any]] = {
    "a task with nothing to run": {"tasks": [Task(task_key="a")]},
    "a key with a blank": {"tasks": [a_task("a b")]},
    "a cluster that is not there": {"tasks": [a_task("a", job_cluster_key="small")]},
    "two clusters": {
        "tasks": [a_task("a", job_cluster_key="small", existing_cluster_id="c")],
        "job_clusters": [JobCluster(job_cluster_key="small", new_cluster=None)],
    },
    "too many at once": {"tasks": [a_task("a")], "max_concurrent_runs": 1001},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_job_may_have_is_refused(name: str, standin: StandIn, client: Any) -> None:
    with pytest.raises(InvalidParameterValue):
        client.jobs.create(name="shop", **REFUSED[name])
    assert standin.databricks_jobs.jobs == {}
