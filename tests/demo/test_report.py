"""What the demo says at its end."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from airflow_provider_pipehooks.demo import report
from airflow_provider_pipehooks.demo.follow import Seen
from airflow_provider_pipehooks.demo.scenarios import SCENARIOS, Scenario
from airflow_provider_pipehooks.demo.services import Alert

GREEN, BAD = (next(each for each in SCENARIOS if each.key == key) for key in ("all_green", "bad_rows"))


def console() -> Console:
    return Console(file=io.StringIO(), width=80)


def said(to: Console) -> str:
    return to.file.getvalue()  # type: ignore[attr-defined]


def alert(scenario: Scenario) -> Alert:
    return Alert(
        subject=f"{scenario.dag_id} failed", body="\n".join(scenario.alert_says), run_id=scenario.run_id
    )


def test_what_is_wrong_is_told_below_its_dag_run() -> None:
    to = console()
    seen = [Seen(scenario=GREEN, state="failed", seconds=3.0), Seen(scenario=BAD, state="failed")]
    wrong = report.say_what_happened(to, seen, [alert(BAD)])
    assert list(wrong) == ["all_green"]
    lines = said(to).splitlines()
    assert lines[2].split()[:2] == ["WRONG", "all_green"]
    assert lines[3].strip() == "the DAG run should have ended in 'success', but is 'failed'"
    assert lines[4].split()[:3] == ["as", "expected", "bad_rows"]


def test_the_last_line_says_what_was_expected_and_what_came() -> None:
    to = console()
    report.say_end(to, {"all_green": ["1 alert came"]}, 5, 3, 80.0, Path("/x/logs"))
    [last] = said(to).splitlines()
    assert last == (
        "Demo failed: 1 of 5 DAG runs did not go as expected. all_green: 1 alert came. Logs: /x/logs"
    )


def test_a_subscriber_sees_subject_and_body() -> None:
    to = console()
    report.say_alerts(to, [alert(BAD)])
    assert "| Subject: dbt_cloud_nightly failed\n" in said(to)
    assert "| Got 2 results, configured to fail if != 0\n" in said(to)


def test_alerts_are_stored_as_they_were_mailed(tmp_path: Path) -> None:
    report.store([alert(BAD)], tmp_path / "alerts")
    [path] = (tmp_path / "alerts").iterdir()
    assert path.name == "01_demo_bad_rows.txt"
    assert path.read_text().startswith("From: ")
    assert path.read_text().endswith(BAD.alert_says[-1])
