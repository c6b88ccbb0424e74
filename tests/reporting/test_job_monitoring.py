"""The how-to on job monitoring: each block does what the page says, on the stand-in."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_pipehooks.__main__ import main
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.lakeflow_tables import TABLES
from airflow_provider_pipehooks.standin import Plan, StandIn
from tests.aws import Topic, moto_url, topic
from tests.dag_runs import Finished

__all__ = ["moto_url", "topic"]

PAGE = Path(__file__).parent.parent.parent / "docs/job_monitoring.md"
PARTS = re.split(r"^## \d\. ", PAGE.read_text(), flags=re.MULTILINE)[1:]
NOW = datetime.now(timezone.utc)


def blocks(part: int, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PARTS[part - 1], re.DOTALL)


def names_of(part: int) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for block in blocks(part, "python"):
        exec(compile(block, PAGE.name, "exec"), names)
    return names


@pytest.fixture
def run(
    standin: StandIn,
    connections: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[[int], dict[str, str]]:
    """Save the SQL of a part under its names, run its commands; what each of ours printed."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def run_them(part: int) -> dict[str, str]:
        for text in blocks(part, "sql"):
            (tmp_path / text.splitlines()[0].removeprefix("-- ")).write_text(text)
        printed = {}
        for line in "".join(blocks(part, "bash")).splitlines():
            words = shlex.split(line)
            if words[0] == "airflow":
                assert words[1:4] == ["connections", "add", "databricks_default"]
                continue
            assert words[0] == "pipehooks"
            code = main(words[1:])
            told = capsys.readouterr()
            # no topic for alerts is WRONG, and is not what the page asks
            assert code == 0 or words[1] == "check", told.err
            printed[line] = told.out
        return printed

    return run_them


@pytest.fixture
def runs(standin: StandIn) -> dict[int, tuple[datetime, timedelta, str | None]]:
    """Eight runs of two days and a job: begin, run time, and why it failed."""
    world, made = standin.databricks_jobs, {}
    clock = world.clock
    messages = [None, "no such table", None, "no such table", "out of memory", None, None, None]
    for number, message in enumerate(messages):
        begin = NOW.replace(hour=5, minute=0, second=0, microsecond=0) - timedelta(
            days=5 - number % 2, hours=-number
        )
        length = timedelta(minutes=10 + number)
        outcome = "failed" if message else "success"
        plan = Plan(outcome=outcome, seconds=length.total_seconds(), message=message)
        world.clock = begin.timestamp
        run_id = world.start(world.add_job(f"job {number % 2}", id=100 + number % 2, plan=plan))
        world.clock = clock
        with world.lock:
            world.look(world.runs[run_id])
        made[run_id] = (begin, length, message)
    return made


def table(printed: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(printed)))


def test_the_token_is_tried(run: Callable[[int], dict[str, str]], standin: StandIn) -> None:
    (told,) = run(1).values()
    assert f"connection databricks_default: {standin.url} accepts this connection" in told


def test_the_runs_are_listed_and_kept(
    run: Callable[[int], dict[str, str]], runs: dict[int, tuple[datetime, timedelta, str | None]]
) -> None:
    pages = names_of(2)["failed_runs"]()
    failed = [str(run_id) for run_id, (_, _, message) in runs.items() if message]
    assert sorted(page.rsplit("/", 1)[1] for page in pages) == failed
    (told,) = run(2).values()
    assert f"{len(runs)} runs, {2 * len(runs)} rows written" in told
    with History().open() as db:
        assert db.execute("SELECT count(*) FROM runs WHERE task_key = ''").fetchall() == [(len(runs),)]


def test_how_much_fails(run: Callable[[int], dict[str, str]], runs: dict[int, Any]) -> None:
    run(2)
    percent, jobs = run(3).values()
    assert table(percent) == [{"runs": "8", "failed": "3", "percent": "37.5"}]
    assert [(row["name"], row["runs"], row["failures"]) for row in table(jobs)] == [
        ("job 1", "4", "2"),
        ("job 0", "4", "1"),
    ]


def test_failures_a_day(
    run: Callable[[int], dict[str, str]], runs: dict[int, tuple[datetime, timedelta, str | None]]
) -> None:
    run(2)
    days, results = run(4).values()
    expected: dict[str, int] = {}
    for begin, length, message in runs.values():
        day = (begin + length).date().isoformat()
        expected[day] = expected.get(day, 0) + bool(message)
    assert {row["day"]: int(row["failed"]) for row in table(days)} == {
        day: count for day, count in expected.items() if count
    }
    assert sum(int(row["runs"]) for row in table(results)) == len(runs)


def test_the_error_messages(run: Callable[[int], dict[str, str]], runs: dict[int, Any]) -> None:
    run(2)
    errors, tasks = run(5).values()
    told = [(row["class"], row["runs"], row["message"]) for row in table(errors)]
    assert told == [("user", "2", "no such table"), ("user", "1", "out of memory")]
    assert all(row["page"].startswith("http") for row in table(errors))
    assert [row["codes"] for row in table(tasks)] == ["RUN_EXECUTION_ERROR"] * 2


def test_how_run_times_go(
    run: Callable[[int], dict[str, str]],
    runs: dict[int, tuple[datetime, timedelta, str | None]],
    tmp_path: Path,
) -> None:
    run(2)
    trend, longest, written = run(6).values()
    longest_ids = sorted(runs, key=lambda run_id: runs[run_id][1], reverse=True)
    assert [row["run_id"] for row in table(longest)] == [str(run_id) for run_id in longest_ids]
    assert table(longest)[0]["seconds"] == str(17 * 60)
    assert sum(int(row["runs"]) for row in table(trend)) == 5
    frame = names_of(6)["run_times"]()
    assert list(frame["median_seconds"]) == [float(row["median_seconds"]) for row in table(trend)]
    assert "job_run_timeline: 8 rows" in written
    assert {file.stem for file in (tmp_path / "lakeflow").iterdir()} == set(TABLES)


@pytest.mark.usefixtures("runs")
def test_the_report(run: Callable[[int], dict[str, str]], tmp_path: Path) -> None:
    run(2)
    run(7)
    told = json.loads((tmp_path / "report.json").read_text())
    ((service),) = told["services"]
    assert (service["runs"], service["failed"], service["failure_rate"]) == (8, 3, 3 / 8)
    assert {job["job"]["job_name"]: job["failed"] for job in told["jobs"]} == {"job 0": 1, "job 1": 2}
    assert "no such table" in (tmp_path / "report.html").read_text()


@pytest.mark.usefixtures("runs")
def test_the_report_of_every_week(
    run: Callable[[int], dict[str, str]],
    topic: Topic,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_dag: Callable[..., Finished],
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_SNS_ARN", topic.arn)
    finished = run_dag(names_of(7)["dag"])
    assert finished.tasks == {"report": "success"}
    message = topic.only()
    assert message.subject == "Airflow: 3 of 8 runs failed in 60 days, worst job 1"
    assert "no such table" in message.text
    (report,) = tmp_path.glob("report-*.html")
    assert str(report.name) in message.text
