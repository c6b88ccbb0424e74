"""``pipehooks history``."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_pipehooks.__main__ import main
from airflow_provider_pipehooks.reporting.history import History
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
