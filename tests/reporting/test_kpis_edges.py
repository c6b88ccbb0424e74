"""What counts as a run, and what nothing can be said of."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.reporting.figures import Figures, Kpis, Window
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.kpis import kpis
from airflow_provider_pipehooks.reporting.rows import Row
from tests.reporting.made_rows import BEGIN, at, failed_run, row, run

DAYS = 60
WINDOW = Window(begin=BEGIN, end=BEGIN + timedelta(days=DAYS))


def told(tmp_path: Path, *rows: Row, window: Window = WINDOW, **which: Any) -> Kpis:
    history = History(str(tmp_path))
    history.append(rows)
    return kpis(history, window, **which)


def job(tmp_path: Path, *rows: Row) -> Figures:
    (figures,) = told(tmp_path, *rows).jobs
    return figures


def test_no_history_is_no_figure(tmp_path: Path) -> None:
    assert kpis(History(str(tmp_path / "none")), WINDOW) == Kpis(window=WINDOW)


def test_of_a_run_that_goes_on_only_the_queue_is_known(tmp_path: Path) -> None:
    going = run(1, None, started_at=at(1.5))
    found = job(tmp_path, row(going))
    assert (found.runs, found.ended, found.failure_rate, found.run_p50_s) == (1, 0, None, None)
    assert (found.again_share, found.recovery_p50_s, found.longest_streak) == (None, None, 0)
    assert (found.queue_p50_s, found.queue_p95_s) == (1800, 1800)


def test_a_run_that_never_ends_stays_one_that_goes_on(tmp_path: Path) -> None:
    found = job(tmp_path, row(run(1, None), seen=24 * 90))
    assert (found.runs, found.ended) == (1, 0)


def test_a_run_counts_as_it_was_seen_last(tmp_path: Path) -> None:
    going = run(1, None)
    ended = replace(going, state=RunState.SUCCESS, finished_at=at(2))
    found = job(tmp_path, row(ended, seen=3), row(going, seen=2))
    assert (found.runs, found.succeeded, found.run_p50_s) == (1, 1, 3600)


@pytest.mark.parametrize("attempts", [(1, 2), (1, 1), (2, 1)], ids=str)
def test_a_repaired_run_is_one_run_that_ended_as_it_ended_last(
    tmp_path: Path, attempts: tuple[int, int]
) -> None:
    """A list of runs has no history of repairs: the attempt may look the same, or lower than it was."""
    before, after = attempts
    bad = failed_run(hours=1, attempt=before)
    good = replace(bad, state=RunState.SUCCESS, kind=None, finished_at=at(9), attempt=after)
    found = told(tmp_path, row(bad, seen=2), row(good, seen=10))
    assert (found.jobs[0].runs, found.jobs[0].succeeded, found.jobs[0].failed) == (1, 1, 0)
    assert found.reasons == ()


def test_two_attempts_seen_together_are_the_higher_one(tmp_path: Path) -> None:
    bad = failed_run(hours=1)
    good = replace(bad, state=RunState.SUCCESS, kind=None, attempt=2)
    both = [row(good, seen=5), row(bad, seen=5)]
    for number, rows in enumerate((both, both[::-1])):
        found = job(tmp_path / str(number), *rows)
        assert (found.runs, found.succeeded) == (1, 1)


def test_the_pause_before_a_repair_is_no_run_time(tmp_path: Path) -> None:
    begin = int(at(1).timestamp() * 1000)
    hour = 3_600_000
    tasks = [
        {"task_key": "load", "attempt_number": 0, "start_time": begin, "end_time": begin + hour},
        {
            "task_key": "load",
            "attempt_number": 1,
            "start_time": begin + 10 * hour,
            "end_time": begin + 12 * hour,
        },
    ]
    found = job(tmp_path, row(run(1, 12 * 3600), raw={"tasks": tasks}))
    assert found.run_p50_s == 3 * 3600
    assert found.again_share == pytest.approx(2 / 3)


def test_what_was_tried_again_is_unknown_in_old_files(tmp_path: Path) -> None:
    """They have no such columns, and the other figures are there."""
    history = History(str(tmp_path))
    history.append([row(run(1))])
    (file,) = tmp_path.rglob("*.parquet")
    duckdb.execute(f"COPY (SELECT * EXCLUDE (again_s, paused_s) FROM '{file}') TO '{file}.old.parquet'")
    file.unlink()
    (found,) = kpis(history, WINDOW).jobs
    assert (found.again_share, found.run_p50_s) == (None, 60)
    history.append([row(run(2, 60), raw={"retrying_run_id": 1})])
    (found,) = kpis(history, WINDOW).jobs
    assert (found.again_share, found.runs) == (1.0, 2)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"started_at": at(0.9)}, (None, 420)),  # started before it was made
        ({"finished_at": at(0.5)}, (0, None)),  # ended before it started
        ({"finished_at": None}, (0, None)),
        ({"started_at": None}, (None, None)),
    ],
)
def test_a_time_that_cannot_be_is_none(tmp_path: Path, fields: Any, expected: Any) -> None:
    found = job(tmp_path, row(run(1, 60, **fields)))
    assert (found.ended, found.succeeded) == (1, 1)
    assert (found.queue_p50_s, found.run_p50_s) == expected


def test_a_run_that_nobody_knows_when_it_was_made_is_in_no_window(tmp_path: Path) -> None:
    assert told(tmp_path, row(run(1, created_at=None))).jobs == ()


def test_a_run_that_its_time_limit_ended_has_failed(tmp_path: Path) -> None:
    late = run(1, state=RunState.CANCELLED, kind="timeout", message="timed out")
    stopped = run(2, state=RunState.CANCELLED, kind="cancelled")
    skipped = run(3, state=RunState.CANCELLED, kind="skipped")
    found = job(tmp_path, *map(row, (late, stopped, skipped)))
    assert (found.ended, found.failed, found.cancelled, found.succeeded) == (3, 1, 1, 0)
    assert found.failure_rate == found.cancel_rate == pytest.approx(1 / 3)


def test_a_streak_is_broken_by_a_success_and_by_nothing_else(tmp_path: Path) -> None:
    runs = [
        failed_run(hours=1),
        failed_run(hours=2),
        run(3, state=RunState.CANCELLED, kind="cancelled"),
        failed_run(hours=4),
        run(5),
        run(6),
        failed_run(hours=7),
        run(8.5),
        failed_run(hours=9),
    ]
    found = job(tmp_path, *map(row, runs))
    assert found.longest_streak == 3
    assert (
        found.recovery_p50_s == (4 * 3600 + 1.5 * 3600) / 2
    )  # the last has not recovered, and does not count


def test_one_time_runs_are_together_and_have_no_streak(tmp_path: Path) -> None:
    runs = [failed_run(hours=hours, job_id=None, name=f"x{hours}") for hours in range(3)] + [
        run(5, job_id=None)
    ]
    found = job(tmp_path, *map(row, runs))
    assert (found.job.job_id, found.job.job_name) == ("(one-time runs)", "(one-time runs)")
    assert (found.runs, found.longest_streak, found.recovery_p50_s) == (4, 0, None)


def test_a_renamed_job_is_one_and_the_same_id_elsewhere_is_another(tmp_path: Path) -> None:
    rows = [row(run(1, name="new"), account="b"), row(run(2, name="old")), row(run(3, name="fresh"))]
    rows += [row(run(4, name=None))]
    found = told(tmp_path, *rows)
    assert [(each.job.account, each.job.job_name, each.runs) for each in found.jobs] == [
        ("host", "fresh", 3),
        ("b", "new", 1),
    ]
    (service,) = found.services
    assert (service.job.job_id, service.runs) == ("", 4)


def test_a_task_counts_as_its_last_try_and_its_time_as_all(tmp_path: Path) -> None:
    bad, good = failed_run(hours=1, took_s=60), run(1.5, took_s=180)
    rows = [
        {**row(bad, task_key="load"), "run_id": "1"},
        {**row(good, task_key="load"), "run_id": "1", "attempt": 2},
        row(run(1, 2000)),
    ]
    (task,) = told(tmp_path, *rows).tasks
    assert (task.job.task_key, task.runs, task.succeeded, task.failed) == ("load", 1, 1, 0)
    assert task.again_share == 0.75


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
def test_days_are_those_of_the_time_zone_when_clocks_change(tmp_path: Path, zone: str) -> None:
    """Every hour of sixty days, over the end of summer time in Berlin and New York."""
    from zoneinfo import ZoneInfo

    begin = BEGIN + timedelta(days=30, hours=7)
    window = Window(begin=begin, end=begin + timedelta(days=60), zone=zone)
    runs = [run(30 * 24 + 7 + hour) for hour in range(60 * 24)]
    found = told(tmp_path, *map(row, runs), window=window)
    expected: dict[date, int] = {}
    for each in runs:
        assert each.created_at is not None
        day = each.created_at.astimezone(ZoneInfo(zone)).date()
        expected[day] = expected.get(day, 0) + 1
    assert {each.day: each.runs for each in found.days} == expected


def test_only_what_is_asked_for_is_counted(tmp_path: Path) -> None:
    rows = [row(run(1)), row(run(2, job_id=8)), row(run(3, service="dbt_cloud")), row(run(4, job_id=None))]
    assert [each.job.service for each in told(tmp_path, *rows).services] == ["databricks_jobs", "dbt_cloud"]
    history = History(str(tmp_path))
    assert [each.runs for each in kpis(history, WINDOW, service="dbt_cloud").services] == [1]
    assert [each.job.job_id for each in kpis(history, WINDOW, job_id="8").jobs] == ["8"]
    assert [each.runs for each in kpis(history, WINDOW, job_id="(one-time runs)").jobs] == [1]
    assert kpis(history, WINDOW, job_id="' OR 1=1 --").jobs == ()


def test_the_window_has_its_begin_and_not_its_end(tmp_path: Path) -> None:
    rows = [row(run(0)), row(run(24 * DAYS)), row(run(-0.001)), row(run(24 * DAYS - 0.001))]
    assert job(tmp_path, *rows).runs == 2


def test_the_commonest_reasons_come_first_with_their_last_run(tmp_path: Path) -> None:
    runs = [failed_run(f"No table t{hour}", hours=hour, url=f"https://x/{hour}") for hour in range(3)]
    runs += [failed_run("Disk full", hours=5, job_id=8, name="other")]
    runs += [failed_run("Disk full", hours=6, kind="skipped", state=RunState.CANCELLED)]
    first, second = told(tmp_path, *map(row, runs)).reasons
    assert (first.count, first.example, first.url, first.jobs) == (
        3,
        "No table t2",
        "https://x/2",
        ("nightly",),
    )
    assert (first.trouble, first.first_at, first.last_at) == (
        "user",
        runs[0].finished_at,
        runs[2].finished_at,
    )
    assert (second.count, second.jobs, second.job_count) == (1, ("other",), 1)
    assert len(told(tmp_path / "b", *map(row, runs), most_reasons=1).reasons) == 1


def test_a_job_that_got_slower_is_told_since_its_first_slow_run(tmp_path: Path) -> None:
    runs = [run(12 * n, 600 + n % 7 if n < 80 else 900 + n % 7) for n in range(100)]
    (found,) = told(tmp_path, *map(row, runs)).slower
    assert (found.job.job_name, found.since) == ("nightly", runs[80].finished_at)
    assert (found.before_s, found.after_s) == (603, 903)
    assert found.ratio == pytest.approx(903 / 603)


def test_of_a_job_with_many_runs_a_change_of_long_ago_is_told_by_its_day(tmp_path: Path) -> None:
    runs = [run(n / 2, 600 + n % 7 if n < 48 * 20 else 900 + n % 7) for n in range(48 * 40)]
    (found,) = told(tmp_path, *map(row, runs)).slower
    assert found.since == runs[48 * 20].finished_at
    assert found.ratio == pytest.approx(1.5, rel=0.01)


def test_of_a_job_with_many_runs_a_change_of_today_is_told_by_its_runs(tmp_path: Path) -> None:
    """The second of two: the first one shows in its days."""
    times = [600] * 48 * 20 + [900] * 48 * 20 + [1200] * 8
    runs = [run(n / 2, time + n % 7) for n, time in enumerate(times)]
    (found,) = told(tmp_path, *map(row, runs)).slower
    assert found.since == runs[48 * 40].finished_at
    assert (found.before_s, found.after_s) == pytest.approx((903, 1203), abs=1)


def test_one_time_runs_do_not_get_slower(tmp_path: Path) -> None:
    runs = [run(12 * n, 600 if n < 80 else 900, job_id=None) for n in range(100)]
    assert told(tmp_path, *map(row, runs)).slower == ()


def test_growth_is_a_part_of_the_run_time_in_a_month(tmp_path: Path) -> None:
    runs = [run(24 * day + 1, 100 * 1.1 ** (day / 30)) for day in range(DAYS)]
    found = told(tmp_path, *map(row, runs))
    assert found.jobs[0].run_trend == pytest.approx(0.1)
    assert found.services[0].run_trend == pytest.approx(0.1)


def test_a_week_is_needed_to_tell_of_a_month(tmp_path: Path) -> None:
    runs = [run(24 * day + 1, 100 + day) for day in range(6)]
    assert job(tmp_path, *map(row, runs)).run_trend is None


def test_figures_can_be_written_as_json(tmp_path: Path) -> None:
    found = told(tmp_path, row(failed_run(hours=1)), row(run(2), started_by="PERIODIC"))
    assert [(each.by, each.runs) for each in found.started] == [("(not told)", 1), ("PERIODIC", 1)]
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["jobs"][0]["failed"] == 1
