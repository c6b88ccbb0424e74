"""``pipehooks history export`` and ``pipehooks history query``: the history as ``system.lakeflow`` tables."""

from __future__ import annotations

import argparse
import csv
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_provider_pipehooks.compat.stored import with_stored
from airflow_provider_pipehooks.core.errors import ConfigurationError, PipehooksError
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.lakeflow import QUERIES, export_lakeflow, open_lakeflow
from airflow_provider_pipehooks.reporting.parquet import connect

COMMANDS = ("export", "query")


def add_to(commands: Any) -> None:
    """Put both among the commands of a parser."""
    export = commands.add_parser("export", help="write it as the tables of Databricks' system.lakeflow")
    export.add_argument("--out", required=True, help="a folder for one Parquet file a table")
    query = commands.add_parser("query", help="run a query on system.lakeflow and print CSV")
    query.add_argument(
        "query", help=f"a file in Databricks' SQL, - for standard input, or one of: {_names()}"
    )
    query.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="for the marker :NAME in the query"
    )
    for each in (export, query):
        each.add_argument("--path", help="of the history; the option [pipehooks] history if not given")


def run(given: argparse.Namespace) -> int:
    """One of them, as its arguments say.

    :return: 0 all well, 1 the history cannot be read, the files not be written, or the query not be run.
    """
    try:
        with with_stored():
            {"export": _export, "query": _query}[given.command](given)
    except (PipehooksError, OSError) as err:
        print(f"pipehooks: {err}", file=sys.stderr)
        return 1
    return 0


def _export(given: argparse.Namespace) -> None:
    for name, rows in export_lakeflow(given.out, History(given.path)).items():
        print(f"{name}: {rows:,} rows")


def _query(given: argparse.Namespace) -> None:
    text, values = _text_of(given.query), dict(_pair(each) for each in given.set)
    with connect():
        import duckdb
    with open_lakeflow(History(given.path)) as lakeflow:
        try:
            found = lakeflow.sql(text, values)
        except duckdb.Error as err:
            raise ConfigurationError(f"The query cannot be run: {err}") from err
        out = csv.writer(sys.stdout, lineterminator="\n")
        out.writerow(column[0] for column in found.description or ())
        while rows := found.fetchmany(1000):
            out.writerows([_cell(value) for value in row] for row in rows)


def _names() -> str:
    return ", ".join(sorted(each.stem for each in QUERIES.glob("*.sql")))


def _text_of(query: str) -> str:
    shipped = QUERIES / f"{query}.sql"
    try:
        text = (
            sys.stdin.read() if query == "-" else (shipped if shipped.is_file() else Path(query)).read_text()
        )
    except FileNotFoundError:
        raise ConfigurationError(f"{query!r} is no file, and not one of: {_names()}.") from None
    except UnicodeDecodeError as err:
        raise ConfigurationError(f"{query!r} is no text: {err}.") from err
    if not text.strip():
        raise ConfigurationError(f"{query!r} holds no query.")
    return text


def _pair(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found:
        raise ConfigurationError(f"--set takes NAME=VALUE, not {text!r}.")
    return name, value


def _cell(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
