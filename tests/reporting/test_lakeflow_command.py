"""``pipehooks history query`` and ``export``."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from airflow_provider_pipehooks.__main__ import main
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.lakeflow import QUERIES
from airflow_provider_pipehooks.reporting.lakeflow_tables import TABLES
from airflow_provider_pipehooks.reporting.rows import row_of
from airflow_provider_pipehooks.services.databricks_jobs import DatabricksJobs
from tests.reporting.workspace import HOST, NOW, runs


@pytest.fixture
def path(tmp_path: Path) -> str:
    history = History(str(tmp_path / "history"))
    raw = {**runs(1)[0], "run_name": 'a, "name"\nwith <script>', "run_type": "JOB_RUN"}
    history.append([row_of(DatabricksJobs().parse(raw), account=HOST, seen_at=NOW, raw=raw)])
    return str(tmp_path / "history")


def test_a_query_is_csv(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    query = "SELECT name, change_time, tags, 1.5 AS n FROM system.lakeflow.jobs WHERE job_id <> :no"
    monkeypatch.setattr("sys.stdin", io.StringIO(query))
    assert main(["history", "query", "-", "--set", "no=7", "--path", path]) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert (head, first) == ("name,change_time,tags,n", '"a, ""name""')
    assert second.startswith('with <script>",2026-11-28T06:17:41')
    assert second.endswith("+00:00,,1.5")


@pytest.mark.parametrize("name", sorted(each.stem for each in QUERIES.glob("*.sql")))
def test_each_query_that_comes_along_runs(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--set", "run_name=x"] if name == "submitted_runs" else []
    assert main(["history", "query", name, *given, "--path", str(tmp_path / "empty")]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


@pytest.mark.parametrize(
    ("query", "given", "words"),
    [
        ("SELECT * FROM system.lakeflow.nothing", [], "nothing does not exist"),
        ("SELECT * FROM system.compute.clusters", [], "has system.lakeflow only"),
        ("SELECT", [], "The query cannot be run"),
        ("SELECT :x", [], "The query cannot be run"),
        ("SELECT 1", ["--set", "x"], "--set takes NAME=VALUE, not 'x'"),
        ("", [], "holds no query"),
    ],
)
def test_what_is_wrong_is_said(
    query: str, given: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file := tmp_path / "q.sql").write_text(query)
    assert main(["history", "query", str(file), *given, "--path", str(tmp_path / "h")]) == 1
    told = capsys.readouterr()
    assert words in told.err
    assert told.out == ""


def test_a_query_that_is_no_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "query", "dayly_runs", "--path", str(tmp_path)]) == 1
    assert "'dayly_runs' is no file" in (told := capsys.readouterr().err)
    assert "daily_runs" in told


def test_an_export_says_what_it_wrote(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    for _ in range(2):
        assert main(["history", "export", "--out", str(out), "--path", path]) == 0
    assert "jobs: 1 rows\n" in capsys.readouterr().out
    assert {file.name for file in out.iterdir()} == {f"{name}.parquet" for name in TABLES}


def test_a_folder_that_cannot_be_written_is_said(
    path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file := tmp_path / "file").write_text("")
    assert main(["history", "export", "--out", str(file), "--path", path]) == 1
    assert str(file) in capsys.readouterr().err
