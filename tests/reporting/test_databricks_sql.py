"""Databricks' SQL in DuckDB: what has another name, another meaning or another spelling there."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.reporting.databricks_sql import MACROS, to_duckdb
from airflow_provider_pipehooks.reporting.parquet import connect


@pytest.fixture(scope="module")
def db() -> Iterator[Any]:
    with connect() as opened:
        for macro in MACROS:
            opened.execute(macro)
        yield opened


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ('"it\'s"', "it's"),
        (r"'it\'s'", "it's"),
        ("'a -- b'", "a -- b"),
        ('"say ""hi"""', 'say "hi"'),
        (r"'100\%'", r"100\%"),
        ("'x' /* \"no text\" */", "x"),
        ("':no_marker'", ":no_marker"),
        ("1::int", 1),
        ("SUM(b - a)", timedelta(hours=3, seconds=1.5)),
        ("CAST(SUM(b - a) AS LONG)", 10_801),
        ("CAST(MAX(b - a) AS BIGINT)", 10_801),
        ("CAST(SUM(n) AS BIGINT)", 7),
        ("SUM(CAST(n AS BIGINT))", 7),
        ("SUM(CASE WHEN n > 1 THEN b - a END)", timedelta(hours=3, seconds=1.5)),
        ("SUM(try_divide(n, 2))", 3.5),
        ("SUM(DISTINCT n)", 7),
        ("CAST(TRUE AS INT)", 1),
        ("SUM(n) FILTER (WHERE n > 7)", None),
        ("CAST('1234567890123456789' AS LONG)", 1_234_567_890_123_456_789),
        ("CAST(-3.7 AS INT)", -3),
        ("CAST(3.7e0 AS LONG)", 3),
        ("CAST('7' AS STRING)", "7"),
        ("TIMESTAMPDIFF(HOUR, ANY_VALUE(a), ANY_VALUE(b))", 3),
        ("DATEDIFF(MINUTE, TIMESTAMP '2026-01-01 10:59:59', TIMESTAMP '2026-01-01 11:00:01')", 0),
        ("DATEDIFF(DATE '2026-01-05', DATE '2026-01-01')", 4),
        ("DATEADD(DAY, -30, DATE '2026-01-31')", datetime(2026, 1, 1)),
        ("date_add(DATE '2026-01-01', 2)", date(2026, 1, 3)),
        ("date_sub(TIMESTAMP '2026-01-03 05:00:00', 2)", date(2026, 1, 1)),
        ("to_date(ANY_VALUE(a))", date(2026, 1, 1)),
        ("unix_timestamp(TIMESTAMP '1970-01-01 00:01:00')", 60),
        ("PERCENTILE(n, 0.5)", 7.0),
        ("FIRST(n, TRUE)", 7),
        ("FIRST(n)", 7),
        ("size(collect_set(n))", 1),
        ("collect_list(n)", [7]),
        ("array_join(collect_list(n), ',')", "7"),
        ("try_divide(1, 0)", None),
        ("COUNT_IF(n > 1)", 1),
        ("MAX_BY(n, b)", 7),
        ("CURRENT_TIMESTAMP() - INTERVAL 7 DAYS < now()", True),
        ("CURRENT_DATE() > DATE '2026-01-01'", True),
    ],
)
def test_an_expression_means_what_it_means_there(db: Any, expression: str, value: Any) -> None:
    table = "(SELECT TIMESTAMP '2026-01-01' AS a, TIMESTAMP '2026-01-01 03:00:01.5' AS b, 7 AS n)"
    ((found,),) = db.execute(to_duckdb(f"SELECT {expression} FROM {table}")).fetchall()
    assert found == value


def test_a_sum_over_a_window_stays_one(db: Any) -> None:
    query = "SELECT SUM(x) OVER (ORDER BY x) FROM range(3) AS t(x)"
    assert db.execute(to_duckdb(query)).fetchall() == [(0,), (1,), (3,)]
    times = "SELECT SUM(b - a) OVER () FROM (SELECT TIMESTAMP '2026-01-02' AS b, TIMESTAMP '2026-01-01' AS a)"
    assert db.execute(to_duckdb(times)).fetchall() == [(timedelta(days=1),)]


def test_names_in_backticks_and_markers(db: Any) -> None:
    query = "SELECT `a b`, `m`['k'] FROM (SELECT :value AS `a b`, MAP {'k': 2} AS m) LIMIT :most"
    assert db.execute(to_duckdb(query), {"value": "v", "most": 5}).fetchall() == [("v", 2)]


@pytest.mark.parametrize("name", ["system.lakeflow.jobs", "SYSTEM.Lakeflow.jobs", "`system`.`lakeflow`.jobs"])
def test_the_name_of_a_table(name: str) -> None:
    assert to_duckdb(f"SELECT * FROM {name}").lower().replace('"', "") == "select * from lakeflow.jobs"


def test_a_text_that_holds_the_name_stays() -> None:
    assert to_duckdb("SELECT 'system.lakeflow.jobs' -- system.billing.usage") == (
        "SELECT 'system.lakeflow.jobs' -- system.billing.usage"
    )


@pytest.mark.parametrize("schema", ["billing", "compute", "access"])
def test_what_the_history_has_nothing_of_is_refused(schema: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"system\.{schema}"):
        to_duckdb(f"SELECT * FROM system.{schema}.something")


@pytest.mark.parametrize(
    "query", ["", "SELECT SUM(", "CAST(", "sum", "'", '"', "`", "system.", "SUM((((", ":"]
)
def test_half_a_query_is_duckdbs_to_refuse(db: Any, query: str) -> None:
    import duckdb

    try:
        text = to_duckdb(query)
    except ConfigurationError:
        assert query == "system."
        return
    if text.strip():
        with pytest.raises(duckdb.Error):
            db.execute(text)
