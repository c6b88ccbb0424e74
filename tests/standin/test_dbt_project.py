"""Real dbt on the example project: a few seconds a build, so there are few."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_pipehooks.standin import Plan, StandIn
from airflow_provider_pipehooks.standin.command import EXAMPLE_PROJECT
from airflow_provider_pipehooks.standin.dbt_cloud import dbt_project

if TYPE_CHECKING:
    from tests.standin.conftest import DbtApi

PATIENCE_S = 60
BAD_ROWS = "dbt build --vars '{bad_rows: true}'"


@pytest.fixture(scope="module")
def building() -> Iterator[StandIn]:
    with StandIn(dbt_project=EXAMPLE_PROJECT) as standin:
        yield standin


@pytest.fixture
def real(building: StandIn, connect: Callable[[StandIn], DbtApi]) -> DbtApi:
    building.reset()
    return connect(building)


def wait_for(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, "waited too long"
        time.sleep(0.05)


def wait_for_end(dbt: DbtApi, run_id: int) -> dict[str, Any]:
    wait_for(lambda: bool(dbt.get(f"runs/{run_id}/")["is_complete"]))
    run: dict[str, Any] = dbt.get(f"runs/{run_id}/", include_related="run_steps")
    return run


def test_a_build_succeeds_and_leaves_its_artifacts(real: DbtApi) -> None:
    run_id = real.start()
    wait_for(lambda: real.status(run_id) == 3)
    run = wait_for_end(real, run_id)
    assert (run["status"], [step["name"] for step in run["run_steps"]]) == (
        10,
        [
            "Clone Git Repository",
            "Create Profile from Connection DuckDB",
            "Invoke dbt with `dbt build`",
        ],
    )
    assert "Completed successfully" in run["run_steps"][2]["logs"]
    results = real.ask("GET", f"runs/{run_id}/artifacts/run_results.json").json()["results"]
    assert {each["status"] for each in results} == {"success", "pass"}
    assert {"manifest.json", "run_results.json"} <= set(real.get(f"runs/{run_id}/artifacts/"))


def test_bad_rows_fail_exactly_one_test_and_stop_the_rest(real: DbtApi) -> None:
    run_id = real.start(steps_override=[BAD_ROWS, "dbt docs generate"])
    run = wait_for_end(real, run_id)
    assert (run["status"], run["can_retry"], len(run["run_steps"])) == (20, True, 3)
    results = real.ask("GET", f"runs/{run_id}/artifacts/run_results.json?step=3").json()["results"]
    failed = [each for each in results if each["status"] in ("fail", "error")]
    assert [each["unique_id"] for each in failed] == ["test.analytics.order_amounts_are_not_negative"]
    assert failed[0]["message"] == "Got 2 results, configured to fail if != 0"


def test_a_cancel_ends_the_process(building: StandIn, real: DbtApi) -> None:
    run_id = real.start()
    works = building.dbt_cloud.runner._works  # type: ignore[union-attr]
    wait_for(lambda: works[run_id].process is not None)
    process = works[run_id].process
    real.post(f"runs/{run_id}/cancel/")
    assert real.status(run_id) == 30
    assert process.wait(timeout=10) == -signal.SIGKILL


def test_a_job_can_stay_simulated(building: StandIn, real: DbtApi) -> None:
    plan = Plan(outcome="error", details={"simulate": True})
    assert real.status(real.start(building.dbt_cloud.add_job("quick", plan=plan))) == 20


def test_a_command_that_is_not_dbt_fails_with_a_reason(real: DbtApi) -> None:
    run_id = real.start(steps_override=["echo hello", "dbt build"])
    run = wait_for_end(real, run_id)
    assert (run["status"], run["run_steps"][-1]["logs"]) == (
        20,
        "Only dbt commands can be run, this is 'echo hello'.\n",
    )


def test_a_missing_dbt_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbt_project, "is_installed", lambda: False)
    with pytest.raises(RuntimeError, match=r"airflow-provider-pipehooks\[demo\]"):
        StandIn(dbt_project=EXAMPLE_PROJECT).start()


def test_a_folder_without_a_project_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no dbt_project\.yml"):
        StandIn(dbt_project=tmp_path).start()


def test_nothing_is_written_into_the_project() -> None:
    names = {path.name for path in EXAMPLE_PROJECT.iterdir()}
    assert names == {"dbt_project.yml", "profiles.yml", "seeds", "models", "tests"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_says_where_it_listens_and_ends_cleanly(number: signal.Signals) -> None:
    code = "import sys; from airflow_provider_pipehooks.standin.command import run; sys.exit(run(['--tls']))"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(4)]
    os.kill(process.pid, number)
    assert process.wait(timeout=20) == 0
    assert "https://localhost:" in lines[0]
    assert "REQUESTS_CA_BUNDLE=" in lines[1]
