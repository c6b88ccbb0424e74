"""What tasks have left, read from a real database, by its indexes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_pipehooks.compat import recorded
from airflow_provider_pipehooks.compat.recorded import Record, kept, record_of, records
from tests.plugins.page_world import NOW, Database, run_of

WEEK = NOW - timedelta(days=7)
MINE = ("ann_shops",)


@pytest.fixture
def database(airflow_db: None) -> Iterator[Database]:
    database = Database()
    database.clear()
    database.dag("ann_shops", "bob_shops")
    yield database
    database.clear()


def found(*asked: Any, **given: Any) -> list[Record]:
    return list(records(*asked, **given).records)


def test_the_newest_dag_run_comes_first_whenever_its_task_ended(database: Database) -> None:
    for age in (3, 1, 2):
        database.leave("ann_shops", age, age=timedelta(hours=age))
    assert [record.value for record in found(["run"], MINE, WEEK, limit=9)] == [1, 2, 3]
    assert [record.value for record in found(["run"], MINE, WEEK, limit=1, offset=1)] == [2]
    assert found(["run"], MINE, NOW + timedelta(days=1), limit=9) == []


def test_a_record_has_its_task_as_it_is_now(database: Database) -> None:
    run_id = database.leave("ann_shops", {"a": 1}, map_index=4, state="up_for_retry")
    (record,) = found(["run"], MINE, WEEK, limit=9)
    told = (record.dag_id, record.run_id, record.task_id, record.map_index, record.key, record.value)
    assert told == ("ann_shops", run_id, "load", 4, "run", {"a": 1})
    assert (record.task_state, record.try_number) == ("up_for_retry", 2)
    assert record.at == NOW


def test_one_task_instance_of_many(database: Database) -> None:
    run_id = database.leave("ann_shops", 0, map_index=0)
    for index in (1, 2):
        database.leave("ann_shops", index, map_index=index, run_id=run_id)
    record = record_of("run", "ann_shops", run_id, "load", 2)
    assert record is not None
    assert record.value == 2
    assert record_of("run", "ann_shops", run_id, "load", 3) is None
    assert record_of("run", "bob_shops", run_id, "load", 2) is None
    assert record_of("run", "ann_shops", run_id, "load", 2, having={"service": ["dbt_cloud"]}) is None


def test_many_dag_runs_are_looked_at_in_parts_and_each_record_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DAG runs of the same moment, too: thousands begin at midnight."""
    monkeypatch.setattr(recorded, "_FIRST_DAG_RUNS", 2)
    monkeypatch.setattr(recorded, "_MOST_AT_ONCE", 3)
    for number in range(20):
        run_id = database.leave("ann_shops", number, age=timedelta(hours=number // 5))
        database.leave("ann_shops", number + 100, run_id=run_id, task_id="more")
    everything = [record.value for record in found(["run"], MINE, WEEK, limit=99)]
    assert sorted(everything) == [*range(20), *range(100, 120)]
    for size in (1, 3, 7):
        pages = [found(["run"], MINE, WEEK, limit=size, offset=at) for at in range(0, 45, size)]
        assert [record.value for page in pages for record in page] == everything


def test_no_more_dag_runs_are_looked_at_than_can_be_waited_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        database.leave("ann_shops", number, age=timedelta(hours=number))
    monkeypatch.setattr(recorded, "MOST_DAG_RUNS", 4)
    monkeypatch.setattr(recorded, "_FIRST_DAG_RUNS", 3)
    few = records(["run"], MINE, WEEK, limit=99)
    assert ([record.value for record in few.records], few.partly) == ([0, 1, 2, 3], True)
    assert not records(["run"], MINE, WEEK, limit=4).partly
    assert not records(["run"], MINE, NOW - timedelta(hours=2, minutes=1), limit=99).partly


@pytest.mark.parametrize(
    ("having", "which"),
    [
        ({"service": ["dbt_cloud"]}, {1, 3}),
        ({"service": ["dbt_cloud", "databricks_jobs"]}, {1, 2, 3}),
        ({"service": ["dbt_cloud"], "state": ["ERROR"]}, {1}),
        ({"state": [None]}, {3, 4, 5, 6}),
        ({"service": []}, set()),
    ],
)
def test_fields_are_compared_as_texts_whatever_they_are(
    having: Any, which: set[int], database: Database
) -> None:
    values = [
        {"service": "dbt_cloud", "state": "ERROR"},
        {"service": "databricks_jobs", "state": "ERROR"},
        {"service": "dbt_cloud", "state": None},
        {"service": {"dbt_cloud": 1}},
        "dbt_cloud",
        7,
    ]
    for number, value in enumerate(values, 1):
        database.leave("ann_shops", value, map_index=number)
    assert {record.map_index for record in found(["run"], MINE, WEEK, having=having, limit=9)} == which


def test_stores_are_read_of_tasks_that_go_on_and_where_they_hold_json(database: Database) -> None:
    database.keep("ann_shops", "events", {"a": 1})
    database.keep("ann_shops", "events", {"a": 2}, state="success")
    database.keep("ann_shops", "others", {"a": 3})
    database.keep("ann_shops", "events", "{no json")
    database.keep("bob_shops", "events", {"a": 4})
    assert [record.value for record in kept("events", MINE, WEEK, limit=9)] == [{"a": 1}]


def test_no_table_is_read_from_end_to_end(database: Database) -> None:
    """SQLite tells how it would look; there may be millions of XComs, and as many under our key."""
    from airflow import settings
    from sqlalchemy import event

    asked: list[tuple[str, Any]] = []

    def note(conn: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    for _ in range(100):  # of few, each way is as short
        database.leave("ann_shops", run_of())
    event.listen(settings.engine, "before_cursor_execute", note)
    try:
        records(["run"], MINE, WEEK, having={"service": ["dbt_cloud"], "state": ["ERROR"]}, limit=999)
        record_of("run", "ann_shops", "r", "load", -1)
        kept("events", MINE, WEEK, limit=9)
    finally:
        event.remove(settings.engine, "before_cursor_execute", note)
    queries = [each for each in asked if each[0].startswith("SELECT") and "dag_run" in each[0]]
    assert len(queries) == 4
    for statement, parameters in queries:
        with settings.get_engine().connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
        wrong = [row for row in plan if str(row[-1]).startswith("SCAN") or "idx_xcom_key" in str(row[-1])]
        assert not wrong, plan
