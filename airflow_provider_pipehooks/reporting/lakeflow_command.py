"""``pipehooks history export`` and ``pipehooks history query``: the history as ``system.lakeflow`` tables."""

from __future__ import annotations

import argparse
import csv
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.reporting.history import History, connect
from airflow_provider_pipehooks.reporting.lakeflow import QUERIES, export_lakeflow, open_lakeflow


def add_to(commands: Any) -> None:
    """Put both among the commands of a parser; each sets ``do``, a function of what was given."""
    export = commands.add_parser("export", help="write it as the tables of Databricks' system.lakeflow")
    export.add_argument("--out", required=True, help="a folder for one Parquet file a table")
    export.set_defaults(do=_export)
    query = commands.add_parser("query", help="run a query on system.lakeflow and print CSV")
    query.add_argument(
        "query", help=f"a file in Databricks' SQL, - for standard input, or one of: {_names()}"
    )
    query.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="for the marker :NAME in the query"
    )
    query.set_defaults(do=_query)
    for each in (export, query):
        each.add_argument("--path", help="of the history; the option [pipehooks] history if not given")


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
