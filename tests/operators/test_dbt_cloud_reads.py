"""Operators that read from dbt Cloud: a run's files, lists of jobs and of runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem  # type: ignore[import-untyped]

from airflow_provider_pipehooks.core.errors import ConfigurationError, NotFound
from airflow_provider_pipehooks.operators.dbt_cloud import (
    DbtCloudGetJobRunArtifactOperator,
    DbtCloudListJobRunsOperator,
    DbtCloudListJobsOperator,
)
from airflow_provider_pipehooks.standin import Plan, StandIn
from tests.task_context import Try

pytestmark = pytest.mark.usefixtures("connections")
RESULTS = "run_results.json"


def done(kind: Any, **given: Any) -> Any:
    return kind(task_id="t", **given).execute(Try())


@pytest.fixture
def run_id(standin: StandIn) -> int:
    return standin.dbt_cloud.start(101)


def test_a_file_of_a_run_is_put_into_a_folder_that_is_made(run_id: int, tmp_path: Path) -> None:
    name = str(tmp_path / "new" / RESULTS)
    assert done(DbtCloudGetJobRunArtifactOperator, run_id=run_id, path=RESULTS, output_file_name=name) == name
    assert json.loads(Path(name).read_text())["results"]
    assert [each.name for each in Path(name).parent.iterdir()] == [RESULTS]


def test_without_a_name_it_is_named_after_the_run(
    run_id: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert done(DbtCloudGetJobRunArtifactOperator, run_id=str(run_id), path=RESULTS) == f"{run_id}_{RESULTS}"
    assert (tmp_path / f"{run_id}_{RESULTS}").exists()


@pytest.mark.parametrize("as_path", [True, False])
def test_a_file_goes_straight_to_an_object_store(run_id: int, as_path: bool) -> None:
    attach("memory", fs=MemoryFileSystem())
    place = f"memory://bucket-{as_path}/artifacts/{RESULTS}"
    given = ObjectStoragePath(place) if as_path else place
    told = done(DbtCloudGetJobRunArtifactOperator, run_id=run_id, path=RESULTS, output_file_name=given)
    assert told == place
    assert json.loads(ObjectStoragePath(place).read_text())["results"]


def test_a_step_is_asked_for(standin: StandIn, run_id: int, tmp_path: Path) -> None:
    name = str(tmp_path / "x.json")
    with pytest.raises(NotFound):
        done(DbtCloudGetJobRunArtifactOperator, run_id=run_id, path=RESULTS, step=1, output_file_name=name)
    assert [entry.query for entry in standin.journal.find("GET", RESULTS)] == [{"step": "1"}]
    assert not Path(name).exists()


def test_a_file_may_be_longer_than_any_other_answer(
    run_id: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_pipehooks.hooks.bounds.LONGEST_BODY", 100)
    name = str(tmp_path / RESULTS)
    done(DbtCloudGetJobRunArtifactOperator, run_id=run_id, path=RESULTS, output_file_name=name)
    assert Path(name).stat().st_size > 100


@pytest.mark.parametrize("path", ["../../runs/", "/manifest.json", "a/../../b", ""])
def test_a_path_that_leads_elsewhere_is_refused_at_parse(path: str) -> None:
    with pytest.raises(ConfigurationError, match="path of task 't'"):
        DbtCloudGetJobRunArtifactOperator(task_id="t", run_id=1, path=path)


def test_the_jobs_of_all_projects_or_of_one(standin: StandIn) -> None:
    other = standin.dbt_cloud.add_job("nightly", project="Other")
    project = standin.dbt_cloud.jobs[other].project_id
    assert other in done(DbtCloudListJobsOperator)
    assert 101 in done(DbtCloudListJobsOperator)
    assert done(DbtCloudListJobsOperator, project_id=project) == [other]


def test_jobs_come_in_the_order_that_is_asked_for(standin: StandIn) -> None:
    more = [standin.dbt_cloud.add_job(f"job {number}") for number in range(3)]
    assert done(DbtCloudListJobsOperator, order_by="-id")[:3] == more[::-1]


@pytest.fixture
def runs(standin: StandIn) -> list[int]:
    """Two good ones of one job with a bad one in between, then one of another job."""
    plans = [Plan(), Plan(outcome="error"), Plan()]
    jobs = [standin.dbt_cloud.add_job(f"j{at}", plan=each) for at, each in enumerate(plans)]
    ids = [standin.dbt_cloud.start(job_id) for job_id in jobs]
    standin.dbt_cloud.settle()
    return ids


def ids_of(runs: list[dict[str, Any]]) -> list[int]:
    return [run["id"] for run in runs]


def test_runs_come_newest_first_or_as_asked_for(runs: list[int]) -> None:
    assert ids_of(done(DbtCloudListJobRunsOperator)) == runs[::-1]
    assert ids_of(done(DbtCloudListJobRunsOperator, order_by="id")) == runs


@pytest.mark.parametrize(("status", "wanted"), [(20, [1]), ([10], [2, 0]), ("[10, 20]", [2, 1, 0])])
def test_runs_of_some_statuses(runs: list[int], status: Any, wanted: list[int]) -> None:
    assert ids_of(done(DbtCloudListJobRunsOperator, status_filter=status)) == [runs[at] for at in wanted]


def test_the_latest_run_is_read_with_one_request(standin: StandIn, runs: list[int]) -> None:
    job_id = standin.dbt_cloud.runs[runs[1]].job_id
    related = ["job", "environment"]
    latest = done(DbtCloudListJobRunsOperator, job_id=job_id, latest_only=True, include_related=related)
    assert latest["id"] == runs[1]
    assert latest["job"]["name"] == "j1"
    (asked,) = standin.journal.find("GET", "/runs/")
    assert asked.query["include_related"] == "job,environment"


def test_there_may_be_no_latest_run(standin: StandIn) -> None:
    assert done(DbtCloudListJobRunsOperator, latest_only=True) is None


@pytest.mark.parametrize(
    ("kind", "given", "says"),
    [
        (DbtCloudGetJobRunArtifactOperator, {"run_id": "x", "path": "p"}, "run_id of task 't'"),
        (DbtCloudGetJobRunArtifactOperator, {"run_id": 1, "path": "p", "step": 0}, "step of task 't'"),
        (DbtCloudListJobsOperator, {"project_id": "x"}, "project_id of task 't'"),
        (DbtCloudListJobRunsOperator, {"status_filter": ["bad"]}, "status_filter of task 't'"),
        (
            DbtCloudListJobsOperator,
            {"hook_params": {"retries": 1}},
            "hook_params of task 't' has no 'retries'",
        ),
    ],
)
def test_a_wrong_argument_ends_the_parsing(kind: Any, given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        kind(task_id="t", **given)
    assert says in str(raised.value)
