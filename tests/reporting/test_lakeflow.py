"""Databricks' queries on the history: unchanged, and equal to what was counted in Python from raw JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.lakeflow import QUERIES, Lakeflow, export_lakeflow, open_lakeflow
from airflow_provider_pipehooks.reporting.lakeflow_tables import TABLES
from airflow_provider_pipehooks.reporting.rows import row_of
from airflow_provider_pipehooks.services.databricks_jobs import DatabricksJobs
from tests.reporting import workspace
from tests.reporting.lakeflow_reference import REFERENCES
from tests.reporting.workspace import ENDINGS, HOST, NOW, Json, ms, states

RUNS, UPDATES = workspace.runs(), workspace.updates()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> History:
    history = History(str(tmp_path_factory.mktemp("history")))
    workspace.fill(history, RUNS, UPDATES)
    return history


@pytest.fixture(scope="module")
def lakeflow(filled: History) -> Iterator[Lakeflow]:
    """The queries look back from now, so now has to be the same each time."""
    with open_lakeflow(filled) as opened:
        opened.connection.execute(
            f"CREATE OR REPLACE MACRO current_timestamp() AS TIMESTAMPTZ '{NOW.isoformat()}';"
            f"CREATE OR REPLACE MACRO current_date() AS DATE '{NOW:%Y-%m-%d}'"
        )
        yield opened


def near(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Parts of a number beyond a millionth are the machine's."""
    return tuple(round(value, 6) if isinstance(value, float) else value for value in row)


@pytest.mark.parametrize("name", sorted(each.stem for each in QUERIES.glob("*.sql")))
def test_a_published_query_finds_what_the_api_told(lakeflow: Lakeflow, name: str) -> None:
    text = (QUERIES / f"{name}.sql").read_text()
    found = lakeflow.sql(text, {"run_name": "it's"} if name == "submitted_runs" else None).fetchall()
    expected = REFERENCES[name](RUNS, UPDATES)
    assert [near(row) for row in found] == [near(row) for row in expected]
    assert len(expected) > 1


def test_there_are_ten_queries_and_each_is_counted() -> None:
    assert {each.stem for each in QUERIES.iterdir()} == set(REFERENCES)
    assert len(REFERENCES) >= 10


def test_the_files_hold_the_same_rows(filled: History, lakeflow: Lakeflow, tmp_path: Path) -> None:
    import duckdb

    rows = export_lakeflow(str(tmp_path / "out"), filled)
    assert set(rows) == set(TABLES)
    for name, count in rows.items():
        file = tmp_path / "out" / f"{name}.parquet"
        assert duckdb.execute(f"SELECT count(*) FROM '{file}'").fetchall() == [(count,)]
        kinds = duckdb.execute(f"DESCRIBE SELECT * FROM '{file}'").fetchall()
        made = lakeflow.connection.execute(f"DESCRIBE lakeflow.{name}").fetchall()
        assert [row[:2] for row in kinds] == [row[:2] for row in made]
        assert [row[0] for row in kinds] == list(TABLES[name])
        assert count > 0


# --- what a row says --------------------------------------------------------------------------------------


def told(begun: datetime, ended: datetime | None, ending: Any = ENDINGS[0], **more: Any) -> Json:
    life = states(ending) if ended else {"state": {"life_cycle_state": "RUNNING"}}
    return {
        "job_id": 1,
        "run_id": 5,
        "run_name": "nightly",
        "run_type": "JOB_RUN",
        "trigger": "ONE_TIME",
        "start_time": ms(begun),
        "end_time": ms(ended) if ended else 0,
        **life,
        **more,
    }


def rows(tmp_path: Path, what: str, table: str, *raws: Json, account: str = HOST) -> list[Any]:
    history = History(str(tmp_path))
    parse = DatabricksJobs().parse
    history.append(row_of(parse(raw), account=account, seen_at=NOW, raw=raw) for raw in raws)
    with open_lakeflow(history) as opened:
        return opened.sql(f"SELECT {what} FROM system.lakeflow.{table}").fetchall()


AT = datetime(2026, 11, 20, 4, 47, 0, tzinfo=timezone.utc)


def clock(hour: int, minute: int = 0) -> datetime:
    return AT.replace(hour=hour, minute=minute)


def test_a_run_of_three_hours_has_a_row_an_hour_and_its_result_in_the_last(tmp_path: Path) -> None:
    raw = told(AT, clock(7, 10), run_duration=8_580_999)
    what = "period_start_time, period_end_time, result_state, termination_code, run_duration_seconds"
    assert rows(tmp_path, what, "job_run_timeline", raw) == [
        (AT, clock(5), None, None, None),
        (clock(5), clock(6), None, None, None),
        (clock(6), clock(7), None, None, None),
        (clock(7), clock(7, 10), "SUCCEEDED", "SUCCESS", 8_580),
    ]


def test_a_run_that_ends_with_the_hour_has_no_empty_row(tmp_path: Path) -> None:
    found = rows(tmp_path, "period_end_time, result_state", "job_run_timeline", told(AT, clock(6)))
    assert found == [(clock(5), None), (clock(6), "SUCCEEDED")]


def test_a_run_that_goes_on_has_the_hours_that_are_over(tmp_path: Path) -> None:
    begun = NOW - timedelta(hours=2)
    found = rows(tmp_path, "period_end_time, result_state", "job_run_timeline", told(begun, None))
    assert found == [(NOW.replace(minute=0, second=0) + timedelta(hours=hour), None) for hour in (-1, 0)]


def test_a_run_that_was_skipped_begins_and_ends_at_once(tmp_path: Path) -> None:
    raw = {**told(AT, AT, ENDINGS[-1]), "end_time": 0}
    what = "period_start_time, period_end_time, result_state, termination_code"
    assert rows(tmp_path, what, "job_run_timeline", raw) == [(AT, AT, "SKIPPED", "SKIPPED")]


def test_an_end_that_nobody_told_is_null(tmp_path: Path) -> None:
    raw = {**told(AT, clock(7), ENDINGS[8]), "end_time": 0}
    found = rows(tmp_path, "period_end_time, result_state", "job_run_timeline", raw)
    assert found == [(None, "FAILED")]


@pytest.mark.parametrize(
    ("ending", "word"),
    [
        (("TERMINATED", "UPSTREAM_CANCELED", "SKIPPED", "SUCCESS"), "BLOCKED"),
        (("TERMINATED", "EXCLUDED", "SKIPPED", "SUCCESS"), "SKIPPED"),
        (("TERMINATED", "DISABLED", "DISABLED", "SUCCESS"), "SKIPPED"),
        (("TERMINATED", "A NEW WORD", "A_NEW_CODE", "CLIENT_ERROR"), "ERROR"),
    ],
)
def test_the_words_of_results(tmp_path: Path, ending: Any, word: str) -> None:
    found = rows(tmp_path, "result_state", "job_run_timeline", told(AT, clock(4, 50), ending))
    assert found == [(word,)]


def test_a_time_limit_that_only_the_message_tells_of_is_one(tmp_path: Path) -> None:
    raw = told(AT, clock(4, 50))
    raw["status"]["termination_details"] = {
        "code": "CANCELED",
        "type": "CLIENT_ERROR",
        "message": "Run timed out.",
    }
    del raw["state"]
    found = rows(tmp_path, "result_state, termination_code", "job_run_timeline", raw)
    assert found == [("TIMED_OUT", "CANCELLED")]


def test_parameters_are_a_map(tmp_path: Path) -> None:
    named = [{"name": "day", "value": "1", "default": "0"}, {"name": "day", "value": "2"}, {"value": "3"}]
    raw = told(AT, clock(5), job_parameters=named)
    what = "map_keys(job_parameters), map_keys(job_parameters['day'])"
    assert rows(tmp_path, what, "job_run_timeline", raw) == [(["day"], ["value", "default"])]


def test_a_repaired_run_tells_its_durations_once(tmp_path: Path) -> None:
    history = [
        {"start_time": ms(AT), "end_time": ms(clock(4, 50)), **states(ENDINGS[8])},
        {"start_time": ms(clock(4, 55)), "end_time": ms(clock(5, 5)), **states(ENDINGS[0])},
    ]
    raw = told(AT, clock(5, 5), repair_history=history, run_duration=1_080_000)
    what = "period_start_time, period_end_time, result_state, run_duration_seconds"
    assert rows(tmp_path, what, "job_run_timeline", raw) == [
        (AT, clock(4, 50), "FAILED", None),
        (clock(4, 55), clock(5), None, None),
        (clock(5), clock(5, 5), "SUCCEEDED", 1_080),
    ]


def test_a_repair_that_only_the_history_saw_ends_once_more(tmp_path: Path) -> None:
    """Lists have no repair_history: the second row is the whole run, with an end that is later."""
    tries = [{"task_key": "a", "start_time": ms(AT)}, {"task_key": "a", "start_time": ms(clock(8, 30))}]
    history = History(str(tmp_path))
    for attempt, raw in enumerate((told(AT, clock(5), ENDINGS[8]), told(AT, clock(9), tasks=tries)), 1):
        row = row_of(DatabricksJobs().parse(raw), account=HOST, seen_at=NOW, raw=raw)
        history.append([{**row, "attempt": attempt}])
    what = "period_start_time, period_end_time, result_state"
    with open_lakeflow(history) as opened:
        found = opened.sql(f"SELECT {what} FROM system.lakeflow.job_run_timeline").fetchall()
    assert found == [(AT, clock(5), "FAILED"), (clock(8, 30), clock(9), "SUCCEEDED")]


@pytest.mark.parametrize(
    ("result", "word"), [("TIMEDOUT", "TIMED_OUT"), ("UPSTREAM_FAILED", "BLOCKED"), ("FAILED", "FAILED")]
)
def test_the_words_of_tasks(tmp_path: Path, result: str, word: str) -> None:
    state = {"life_cycle_state": "TERMINATED", "result_state": result}
    task = {"task_key": "a", "run_id": 9, "start_time": ms(AT), "end_time": ms(AT), "state": state}
    what = "run_id, job_run_id, result_state"
    found = rows(tmp_path, what, "job_task_run_timeline", told(AT, clock(5), tasks=[task]))
    assert found == [("9", "5", word)]


def test_a_task_that_never_began_stands_at_the_end_of_its_run(tmp_path: Path) -> None:
    state = {"life_cycle_state": "TERMINATED", "result_state": "UPSTREAM_FAILED"}
    task = {"task_key": "a", "start_time": 0, "end_time": 0, "state": state, "existing_cluster_id": "c"}
    what = "period_start_time, period_end_time, compute_ids"
    found = rows(tmp_path, what, "job_task_run_timeline", told(AT, clock(5), tasks=[task]))
    assert found == [(clock(5), clock(5), None)]


def test_the_workspace_is_a_number_where_one_is_told(tmp_path: Path) -> None:
    raw = told(AT, clock(5))
    what = "DISTINCT workspace_id"
    azure = "adb-4711.3.azuredatabricks.net"
    assert rows(tmp_path / "host", what, "jobs", raw) == [(HOST,)]
    assert rows(tmp_path / "azure", what, "jobs", raw, account=azure) == [("4711",)]
    raw["run_page_url"] = f"https://{HOST}/?o=12#job/1/run/5"
    assert rows(tmp_path / "page", what, "jobs", raw) == [("12",)]


def test_a_job_has_a_row_for_each_change(tmp_path: Path) -> None:
    plan = {"quartz_cron_expression": "0 0 4 * * ?", "timezone_id": "UTC", "pause_status": "PAUSED"}
    raws = [
        told(AT, AT, run_id=1),
        told(clock(5), clock(5), run_id=2, schedule=plan, trigger="PERIODIC"),
        # by hand: such a run has no schedule, the job still has
        told(clock(6), clock(6), run_id=3),
        told(clock(7), clock(7), run_id=4, run_name="renamed"),
        told(clock(8), clock(8), run_id=5, job_id=77, run_type="SUBMIT_RUN"),
    ]
    what = "name, change_time, trigger_type, paused, trigger.schedule.quartz_cron_expression, tags, run_as"
    cron = ("CRON", True, "0 0 4 * * ?", None, None)
    assert rows(tmp_path, what, "jobs", *raws) == [
        ("nightly", AT, None, None, None, None, None),
        ("nightly", clock(5), *cron),
        ("renamed", clock(7), *cron),
    ]


def test_a_task_has_a_row_for_each_change(tmp_path: Path) -> None:
    def tasks(*upstream: str, attempts: int = 1) -> list[Json]:
        deps = [{"task_key": key} for key in upstream]
        old = [{"task_key": "b", "attempt_number": at} for at in range(attempts - 1)]
        return [{"task_key": "b", "attempt_number": attempts - 1, "depends_on": deps}, *old]

    raws = [
        told(AT, AT, run_id=1, tasks=tasks("a")),
        told(clock(5), clock(5), run_id=2, tasks=tasks("a", attempts=2)),
        told(clock(6), clock(6), run_id=3, tasks=tasks("a", "c")),
    ]
    found = rows(tmp_path, "task_key, depends_on_keys, change_time", "job_tasks", *raws)
    assert found == [("b", ["a"], AT), ("b", ["a", "c"], clock(6))]


def test_a_pipelines_update_tells_tables_and_settings(lakeflow: Lakeflow) -> None:
    found = lakeflow.sql(
        "SELECT DISTINCT full_refresh_selection FROM system.lakeflow.pipeline_update_timeline "
        "WHERE len(full_refresh_selection) > 0"
    ).fetchall()
    assert found == [([{"table_catalog": "main", "table_schema": "shop", "table_name": "orders"}],)]
    settings = lakeflow.sql(
        "SELECT pipeline_id, settings.development, map_keys(configuration) "
        "FROM system.lakeflow.pipelines ORDER BY ALL"
    ).fetchall()
    assert settings == [(f"pipeline-{n}", flag, ["a"]) for n in (0, 1) for flag in (False, True)]


#: None of these is of the type that the API promises.
HOSTILE: dict[str, Any] = {
    "run_name": ["<script>", 1],
    "run_type": {"a": 1},
    "trigger": 7,
    "trigger_info": "x",
    "schedule": [1, 2],
    "tasks": [None, 5, "x", {"task_key": 9, "start_time": "soon", "depends_on": 3}, {"start_time": 2**70}],
    "job_parameters": {"a": "b"},
    "repair_history": [{"start_time": 2**62, "end_time": -1}, {"start_time": None}, 7],
    "cluster_instance": "c",
    "run_duration": float("nan"),
    "setup_duration": "long",
    "queue_duration": 2**80,
    "run_page_url": "https://x/?o=1;DROP TABLE runs",
}


@pytest.mark.parametrize("key", [*HOSTILE, "all"])
def test_a_hostile_answer_spoils_nothing(tmp_path: Path, key: str) -> None:
    good = told(AT, clock(5), run_id=6)
    bad = told(AT, clock(5), run_id=5) | (HOSTILE if key == "all" else {key: HOSTILE[key]})
    found = rows(tmp_path, "DISTINCT run_id", "job_run_timeline WHERE run_id = '6'", bad, good)
    assert found == [("6",)]


def test_times_that_are_none_make_no_million_rows(tmp_path: Path) -> None:
    raw = told(datetime(1971, 1, 1, tzinfo=timezone.utc), datetime(9999, 1, 1, tzinfo=timezone.utc))
    assert len(rows(tmp_path, "*", "job_run_timeline", raw)) == 1
    year = told(AT - timedelta(days=401), AT)
    assert len(rows(tmp_path / "a", "*", "job_run_timeline", year)) == 1
    back = told(clock(9), clock(7), run_id=6)
    assert rows(tmp_path / "b", "period_end_time", "job_run_timeline", back) == [(clock(9),)]


def test_other_system_schemas_are_refused(lakeflow: Lakeflow) -> None:
    with pytest.raises(ConfigurationError, match=r"reads system\.billing"):
        lakeflow.sql("SELECT * FROM system.billing.usage")
