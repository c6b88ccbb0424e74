"""The line that an alert gets from the history, and that no alert is hurt by it."""

from __future__ import annotations

import builtins
import logging
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_pipehooks.compat.storage import Folder
from airflow_provider_pipehooks.core.run import Failure, Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.rows import Row
from airflow_provider_pipehooks.reporting.seen import what_is_known
from tests.reporting.made_rows import at, failed_run, row, run

NOW = at(24 * 60)


def remember(path: Path, *runs: Run | Row) -> str:
    History(str(path)).append([row(each) if isinstance(each, Run) else each for each in runs])
    return str(path)


def line(path: str, of: Run) -> str | None:
    return what_is_known(of, path, now=NOW)


def test_rate_sightings_and_the_time_to_mend(tmp_path: Path) -> None:
    runs = [run(12 * n) for n in range(97)]
    runs += [failed_run(f"Table t{n} not found", hours=12 * n + 1) for n in (1, 2, 3)]
    mends = [run(12 * n + 1 + minutes / 60) for n, minutes in ((1, 5), (2, 6), (3, 9))]
    path = remember(tmp_path, *runs, *mends)
    now = failed_run("Table t77 not found", hours=24 * 60)
    assert (
        line(path, now)
        == "Fails 3 % of its runs (60 days); seen 3 times; a retry mends it in 6 min (median)."
    )


def test_a_run_does_not_count_itself(tmp_path: Path) -> None:
    failed = failed_run(hours=2)
    path = remember(tmp_path, run(1), failed)
    assert line(path, failed) == "Its only other run did not fail (60 days); not seen before."


def test_the_same_trouble_of_another_job_is_known(tmp_path: Path) -> None:
    path = remember(tmp_path, failed_run(hours=1, job_id=8), failed_run(hours=2, job_id=9), run(3, job_id=9))
    assert line(path, failed_run(hours=5)) == "Seen 2 times in 2 jobs; a retry mends it in 60 min (median)."


def test_few_runs_are_told_by_number(tmp_path: Path) -> None:
    path = remember(tmp_path, run(1), run(2), failed_run("Disk full", hours=3))
    assert line(path, failed_run(hours=5)) == "1 of its 3 other runs failed, too (60 days); not seen before."


def test_a_trouble_that_was_explained_is_found_as_the_list_of_runs_told_it(tmp_path: Path) -> None:
    path = remember(tmp_path, failed_run("Task load failed", hours=1), run(2))
    explained = replace(
        failed_run("Task load failed", hours=9), failures=(Failure(name="load", message="KeyError"),)
    )
    known = line(path, explained)
    assert known is not None
    assert "seen once" in known


def test_what_is_older_than_sixty_days_is_not_counted(tmp_path: Path) -> None:
    path = remember(tmp_path, failed_run(hours=-1), run(10))
    known = line(path, failed_run(hours=24 * 60))
    assert known == "Its only other run did not fail (60 days); not seen before."


@pytest.mark.parametrize("seconds", [45, 5_400, 7 * 86_400])
def test_spans_are_rounded_to_what_they_say(tmp_path: Path, seconds: int) -> None:
    path = remember(tmp_path, failed_run(hours=1), run(1, 60 + seconds))
    told = {45: "45 s", 5_400: "2 h", 7 * 86_400: "7 days"}[seconds]
    assert f"mends it in {told} (median)" in str(line(path, failed_run(hours=3)))


def test_another_job_says_nothing(tmp_path: Path) -> None:
    path = remember(tmp_path, run(1, job_id=8), failed_run("Disk full", hours=2, job_id=8))
    assert line(path, failed_run(hours=5)) is None


@pytest.mark.parametrize("state", [RunState.SUCCESS, RunState.RUNNING, None])
def test_a_run_that_did_not_fail_is_not_looked_up(tmp_path: Path, state: RunState | None) -> None:
    path = remember(tmp_path, run(1))
    assert line(path, run(2, state=state)) is None


def test_no_history_no_line(tmp_path: Path) -> None:
    assert line(str(tmp_path / "none"), failed_run()) is None


def test_a_file_in_place_of_the_folder_hurts_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "runs").write_text("")
    with caplog.at_level(logging.INFO):
        assert line(str(tmp_path), failed_run()) is None
    assert "The history says nothing of Databricks run" in caplog.text


def test_garbage_files_are_left_out(tmp_path: Path) -> None:
    path = remember(tmp_path, run(1))
    (file,) = tmp_path.rglob("*.parquet")
    file.with_name("x.parquet").write_bytes(b"PAR1 garbage")
    assert line(path, failed_run(hours=2)) == "Its only other run did not fail (60 days); not seen before."


def test_without_duckdb_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = remember(tmp_path, run(1))
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name == "duckdb":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    assert line(path, failed_run(hours=2)) is None


def test_a_store_that_does_not_answer_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    answers = threading.Event()

    def hang(*args: Any) -> Any:
        answers.wait()
        raise OSError("too late")

    monkeypatch.setattr(Folder, "names", hang)
    with caplog.at_level(logging.INFO):
        assert what_is_known(failed_run(), str(tmp_path), longest_s=0.01) is None
    answers.set()
    assert "within 0.01 s" in caplog.text
