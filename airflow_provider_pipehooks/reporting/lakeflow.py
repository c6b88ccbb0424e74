"""The history as the tables of ``system.lakeflow``, so that queries written for Databricks run on it.

``open_lakeflow`` takes the queries as they are; ``export_lakeflow`` writes the tables as Parquet files for
anything else that reads them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_pipehooks.compat.storage import Folder
from airflow_provider_pipehooks.reporting.databricks_sql import MACROS, to_duckdb
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.lakeflow_tables import TABLES

if TYPE_CHECKING:
    import duckdb

_HERE = Path(__file__).parent
#: The published queries, told in our words; a file each.
QUERIES = _HERE / "lakeflow_queries"


class Lakeflow:
    """The tables, and a way to ask them in Databricks' SQL.

    :param connection: to DuckDB, for its own SQL; there a table is ``lakeflow.jobs``, since DuckDB keeps the
        name ``system`` for itself.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def sql(self, query: str, parameters: Mapping[str, Any] | None = None) -> duckdb.DuckDBPyConnection:
        """Run a query that was written for Databricks: ``FROM system.lakeflow.job_run_timeline``.

        :param parameters: by the names of the query's markers, ``:run_name``.
        :return: what has ``fetchall``, ``df`` and ``description``.
        :raises ConfigurationError: it reads other schemas of ``system`` than ``lakeflow``.
        :raises duckdb.Error: DuckDB cannot run it.
        """
        return self.connection.execute(to_duckdb(query), dict(parameters or {}))


@contextmanager
def open_lakeflow(history: History | None = None) -> Iterator[Lakeflow]:
    """The tables, filled from the history as it is now; nothing is written.

    :param history: the one of the option ``[pipehooks] history`` if not given.
    :raises OSError: the history cannot be read.
    :raises ConfigurationError: DuckDB is not installed.
    """
    with (history or History()).open() as db:
        _fill(db)
        yield Lakeflow(db)


def export_lakeflow(folder: str, history: History | None = None) -> Mapping[str, int]:
    """Write each table as ``<table>.parquet``; a file that is there is replaced.

    :param folder: a path, or an address of an object store.
    :return: the rows of each table.
    :raises OSError: the history cannot be read, or the folder not be written.
    """
    rows = {}
    with open_lakeflow(history) as lakeflow, tempfile.TemporaryDirectory() as made:
        for name in TABLES:
            table = lakeflow.connection.table(f"lakeflow.{name}")
            table.write_parquet(str(file := Path(made) / f"{name}.parquet"), compression="zstd")
            Folder(folder).write(file.name, file.read_bytes())
            rows[name] = len(table)
    return rows


def _fill(db: duckdb.DuckDBPyConnection) -> None:
    # Where NULLs come when rows are sorted differs, too.
    db.execute("SET default_null_order = 'nulls_first_on_asc_last_on_desc'; CREATE SCHEMA lakeflow")
    for name, columns in TABLES.items():
        typed = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
        db.execute(f"CREATE TABLE lakeflow.{name} ({typed})")
    db.execute((_HERE / "lakeflow.sql").read_text(encoding="utf-8"))
    for macro in MACROS:
        db.execute(macro)
