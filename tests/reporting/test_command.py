"""``pipehooks history``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_provider_pipehooks.__main__ import main
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.sync import sync_history
from airflow_provider_pipehooks.standin import Fault, StandIn

pytestmark = pytest.mark.usefixtures("connections")


def test_a_sync_says_what_it_did(
    standin: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    standin.dbt_cloud.start(standin.dbt_cloud.add_job("nightly"))
    path = str(tmp_path / "h")
    assert main(["history", "sync", "dbt_cloud", "--days", "3", "--path", path]) == 0
    assert "1 runs, 1 rows written, since " in capsys.readouterr().out
    with History(path).open() as db:
        assert db.execute("SELECT count(*) FROM runs").fetchall() == [(1,)]


def test_a_remote_that_refuses_is_named(
    standin: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    standin.faults.add(Fault(path="/runs/", status=403))
    assert main(["history", "sync", "dbt_cloud", "--path", str(tmp_path / "h")]) == 1
    assert "answered 403" in capsys.readouterr().err


def test_a_service_without_a_history_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["history", "sync", "snowflake"])
    assert exit_.value.code == 2


def test_a_task_has_the_parts_in_its_log(
    standin: StandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    standin.dbt_cloud.start(standin.dbt_cloud.add_job("nightly"))
    with caplog.at_level("INFO"):
        sync_history("dbt_cloud", history=History(str(tmp_path / "h")), days=1)
    assert "dbt_cloud: 1 rows of the runs since " in caplog.text


def test_a_damaged_file_is_told_beside_the_output(standin: StandIn, tmp_path: Path) -> None:
    """Seen in a process: what Airflow's logging writes is not what a test's does."""
    standin.dbt_cloud.start(standin.dbt_cloud.add_job("nightly"))
    command = [sys.executable, "-m", "airflow_provider_pipehooks", "history", "sync", "dbt_cloud"]
    command += ["--days", "1", "--path", str(tmp_path)]
    for said in ("", "is damaged, its rows are left out"):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert said in done.stderr
        assert re.fullmatch(r"[\d-]{10}: 1 rows\n1 runs, 1 rows written, since .* UTC\.\n", done.stdout)
        (file,) = tmp_path.rglob("*.parquet")
        file.write_bytes(file.read_bytes()[:-1])


def test_ctrl_c_says_what_becomes_of_it(
    standin: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*given: object) -> int:
        raise KeyboardInterrupt

    standin.dbt_cloud.start(standin.dbt_cloud.add_job("nightly"))
    monkeypatch.setattr(History, "append", end)
    assert main(["history", "sync", "dbt_cloud", "--days", "1", "--path", str(tmp_path)]) == 1
    assert "ended. What was read is kept" in capsys.readouterr().err
