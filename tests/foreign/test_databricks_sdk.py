"""The Databricks SDK, unchanged, against the stand-in over TLS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, PermissionDenied, ResourceDoesNotExist
from databricks.sdk.service.compute import Library, PythonPyPiLibrary
from databricks.sdk.service.jobs import (
    JobAccessControlRequest,
    JobPermissionLevel,
    NotebookTask,
    RunLifeCycleState,
    RunResultState,
    SubmitTask,
    TerminationCodeCode,
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


def test_run_now_and_wait(standin: StandIn, client: Any) -> None:
    job_id = standin.databricks_jobs.add_job()
    run = client.jobs.run_now_and_wait(job_id, job_parameters={"day": "sun"})
    assert run.state.result_state is RunResultState.SUCCESS
    assert run.status.termination_details.code is TerminationCodeCode.SUCCESS
    assert run.job_parameters[0].value == "sun"


def test_submit_and_wait(standin: StandIn, client: Any) -> None:
    standin.databricks_jobs.submit_plan = Plan(outcome="failed")
    task = SubmitTask(task_key="main", notebook_task=NotebookTask(notebook_path="/n"))
    run = client.jobs.submit_and_wait(tasks=[task])
    assert (run.run_name, run.state.result_state) == ("Untitled", RunResultState.FAILED)
    output = client.jobs.get_run_output(run.tasks[0].run_id)
    assert output.error == "ZeroDivisionError: division by zero"
    assert output.error_trace.endswith(output.error)


def test_get_run_gathers_all_pages(standin: StandIn, client: Any) -> None:
    keys = [f"t{number}" for number in range(250)]
    run_id = standin.databricks_jobs.start(standin.databricks_jobs.add_job(tasks=keys))
    run = client.jobs.get_run(run_id, include_history=True)
    assert sorted(task.task_key for task in run.tasks) == sorted(keys)
    assert len(run.repair_history) == 1


def test_list_runs_gathers_all_pages_and_all_tasks(standin: StandIn, client: Any) -> None:
    keys = [f"t{number}" for number in range(101)]
    job_id = standin.databricks_jobs.add_job(tasks=keys, max_concurrent_runs=45)
    ids = [standin.databricks_jobs.start(job_id) for _ in range(45)]
    runs = list(client.jobs.list_runs(job_id=job_id, limit=25, expand_tasks=True))
    assert [run.run_id for run in runs] == ids[::-1]
    assert {len(run.tasks) for run in runs} == {101}


def test_list_runs_that_are_active(standin: StandIn, client: Any) -> None:
    held = standin.databricks_jobs.start(standin.databricks_jobs.add_job(plan=Plan(hold=True)))
    standin.databricks_jobs.start(standin.databricks_jobs.add_job())
    assert [run.run_id for run in client.jobs.list_runs(active_only=True)] == [held]


def test_repair_needs_the_latest_repair_id_the_second_time(standin: StandIn, client: Any) -> None:
    job_id = standin.databricks_jobs.add_job(plans=(Plan(outcome="failed"), Plan(outcome="failed"), Plan()))
    run_id = client.jobs.run_now_and_wait(job_id).run_id
    client.jobs.repair_run_and_wait(run_id, rerun_all_failed_tasks=True)
    with pytest.raises(InvalidParameterValue, match="latest_repair_id"):
        client.jobs.repair_run(run_id, rerun_all_failed_tasks=True)
    latest = client.jobs.get_run(run_id, include_history=True).repair_history[-1].id
    run = client.jobs.repair_run_and_wait(run_id, rerun_all_failed_tasks=True, latest_repair_id=latest)
    assert run.state.result_state is RunResultState.SUCCESS
    assert [task.attempt_number for task in run.tasks] == [0, 1, 2]


def test_cancel_passes_through_terminating(standin: StandIn, client: Any) -> None:
    run_id = standin.databricks_jobs.start(standin.databricks_jobs.add_job(plan=Plan(hold=True)))
    client.jobs.cancel_run(run_id)
    states = [client.jobs.get_run(run_id).state for _ in range(2)]
    assert states[0].life_cycle_state is RunLifeCycleState.TERMINATING
    assert states[1].result_state is RunResultState.CANCELED


def test_unknown_ids_are_not_found_for_the_sdk(client: Any) -> None:
    """The SDK turns a 400 into "does not exist" by the text of the message."""
    with pytest.raises(ResourceDoesNotExist, match="Run 5 does not exist"):
        client.jobs.get_run(5)
    with pytest.raises(ResourceDoesNotExist, match="Job 5 does not exist"):
        client.jobs.get(5)


def test_jobs_can_be_created_listed_and_deleted(client: Any) -> None:
    job_id = client.jobs.create(name="made").job_id
    assert [job.job_id for job in client.jobs.list(name="MADE")] == [job_id]
    client.jobs.delete(job_id)
    assert list(client.jobs.list()) == []


def test_a_wrong_token_is_denied(standin: StandIn, client: Any) -> None:
    standin.databricks_jobs.tokens = {"another"}
    with pytest.raises(PermissionDenied, match="Invalid access token"):
        client.jobs.get(5)


def test_a_service_principal_logs_in_by_discovery(standin: StandIn) -> None:
    standin.databricks_jobs.tokens, standin.databricks_jobs.clients = set(), {"client": "secret"}
    job_id = standin.databricks_jobs.add_job("mine")
    client: Any = WorkspaceClient(host=standin.url, client_id="client", client_secret="secret")
    assert client.jobs.get(job_id).settings.name == "mine"
    assert client.current_user.me().user_name == "standin@example.com"


def test_clusters_warehouses_libraries_rights_and_repositories(standin: StandIn, client: Any) -> None:
    world = standin.databricks_workspace
    cluster_id, warehouse_id = world.add_cluster(), world.add_warehouse()
    client.clusters.start(cluster_id)
    assert [client.clusters.get(cluster_id).state.value for _ in range(2)] == ["PENDING", "RUNNING"]
    client.libraries.install(cluster_id, [Library(pypi=PythonPyPiLibrary(package="x"))])
    (status,) = client.libraries.cluster_status(cluster_id)
    assert (status.library.pypi.package, status.status.value) == ("x", "INSTALLED")
    client.clusters.delete(cluster_id)
    assert [client.clusters.get(cluster_id).state.value for _ in range(2)] == ["TERMINATING", "TERMINATED"]
    client.warehouses.start(warehouse_id)
    assert [client.warehouses.get(warehouse_id).state.value for _ in range(2)] == ["STARTING", "RUNNING"]
    job_id = standin.databricks_jobs.add_job()
    may = JobAccessControlRequest(user_name="ada", permission_level=JobPermissionLevel.CAN_VIEW)
    changed = client.jobs.update_permissions(str(job_id), access_control_list=[may])
    assert changed == client.jobs.get_permissions(str(job_id))
    assert [each.user_name for each in changed.access_control_list] == ["standin@example.com", "ada"]
    repo = client.repos.create(url="https://example.com/a/b.git", provider="gitHub")
    client.repos.update(repo.id, branch="other")
    assert client.repos.get(repo.id).branch == "other"
    assert client.workspace.get_status(repo.path).object_id == repo.id
    client.repos.delete(repo.id)
    with pytest.raises(ResourceDoesNotExist):
        client.workspace.get_status(repo.path)


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.clusters.get("x"),
        lambda client: client.clusters.start("x"),
        lambda client: client.jobs.update_permissions("1", access_control_list=[]),
        lambda client: client.warehouses.get("x"),
        lambda client: client.repos.update(1, branch="b"),
    ],
)
def test_what_is_not_there_is_told(standin: StandIn, client: Any, call: Any) -> None:
    with pytest.raises((InvalidParameterValue, ResourceDoesNotExist)):
        call(client)
