"""``pipehooks report``."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from airflow_provider_pipehooks.__main__ import main
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.sync import sync_history
from airflow_provider_pipehooks.standin import Plan, StandIn

pytestmark = pytest.mark.usefixtures("connections")


@pytest.fixture
def path(standin: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A history with a failed run of each service; what is written without a folder is written here."""
    world = standin.databricks_jobs
    world.start(world.add_job("load_shops", plan=Plan(outcome="failed"), tasks=["load"]))
    standin.dbt_cloud.start(standin.dbt_cloud.add_job("nightly", plan=Plan(outcome="error")))
    for service in ("dbt_cloud", "databricks_jobs"):
        sync_history(service, history=History(str(tmp_path / "h")))
    monkeypatch.chdir(tmp_path)
    return str(tmp_path / "h")


def test_it_writes_a_page(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--path", path]) == 0
    text = Path("report.html").read_text()
    assert "load_shops" in text
    assert "nightly" in text
    assert capsys.readouterr().out == f"report.html: {len(text.encode()):,} bytes\n"


def test_the_ending_says_what_is_written(path: str) -> None:
    outs = [f"--out=a.{form}" for form in ("json", "csv", "png")]
    assert main(["report", "--path", path, *outs]) == 0
    assert len(json.loads(Path("a.json").read_text())["jobs"]) == 2
    with Path("a.csv").open(encoding="utf-8-sig") as file:
        assert {row["about"] for row in csv.DictReader(file)} >= {"service", "job", "day"}
    assert Path("a.png").read_bytes().startswith(b"\x89PNG")


def test_the_format_decides_over_the_ending(path: str) -> None:
    assert main(["report", "--path", path, "--format", "json", "--out", "a.txt"]) == 0
    assert json.loads(Path("a.txt").read_text())["window"]["zone"] == "UTC"


def test_only_what_was_asked_for_is_in_it(path: str) -> None:
    asked = ["--service", "dbt_cloud", "--window", "2w", "--time-zone", "Asia/Tokyo", "--out", "a.json"]
    assert main(["report", "--path", path, *asked]) == 0
    told = json.loads(Path("a.json").read_text())
    assert [job["job"]["job_name"] for job in told["jobs"]] == ["nightly"]
    assert told["window"]["zone"] == "Asia/Tokyo"
    (job,) = told["jobs"]
    assert main(["report", "--path", path, "--job", job["job"]["job_id"], "--out", "b.json"]) == 0
    assert len(json.loads(Path("b.json").read_text())["jobs"]) == 1


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--window", "soon"], "argument --window: it must be a span"),
        (["--time-zone", "Mars"], "argument --time-zone: it must be the name of a time zone"),
        (["--out", "report.pdf"], "--out must end with one of .html"),
        (["--service", "snowflake"], "invalid choice: 'snowflake'"),
    ],
)
def test_what_is_asked_for_wrongly_is_refused(
    given: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["report", *given])
    assert exit_.value.code == 2
    assert says in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_named(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("")
    assert main(["report", "--path", path, "--out", "file/report.html"]) == 1
    assert "file" in capsys.readouterr().err
