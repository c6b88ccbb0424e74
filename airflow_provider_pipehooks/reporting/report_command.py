"""``pipehooks report``: the figures of the history as a file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_pipehooks.core.errors import PipehooksError
from airflow_provider_pipehooks.reporting.asked import FORMATS, as_window, as_zone, format_of
from airflow_provider_pipehooks.reporting.figures import Window
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.kpis import kpis
from airflow_provider_pipehooks.reporting.report import render_report, write_report
from airflow_provider_pipehooks.reporting.sync import SERVICES


def run(argv: list[str]) -> int:
    """``pipehooks report``.

    :return: 0 all well, 1 the history cannot be read or a report not written, 2 it was called wrongly.
    """
    parser = argparse.ArgumentParser(
        prog="pipehooks report",
        description="What the history says of the last days, as a file: failures, run times, reasons.",
    )
    parser.add_argument(
        "--window", type=_read(as_window), default="60d", help="until now: 60d, 36h, 8w (%(default)s)"
    )
    parser.add_argument(
        "--out", action="append", metavar="PATH", help="may be given several times (report.html)"
    )
    parser.add_argument("--format", choices=FORMATS, help="by the ending of --out if not given")
    parser.add_argument("--service", choices=SERVICES, help="only its runs")
    parser.add_argument("--job", metavar="ID", help="only the runs of the job with this id")
    parser.add_argument(
        "--time-zone", type=_read(as_zone), default="UTC", help="whose days are told apart (%(default)s)"
    )
    parser.add_argument("--path", help="of the history; the option [pipehooks] history if not given")
    given = parser.parse_args(argv)
    paths = given.out or [f"report.{given.format or 'html'}"]
    try:
        forms = [given.format or format_of(path, "--out") for path in paths]
    except PipehooksError as err:
        parser.error(str(err))
    try:
        found = kpis(
            History(given.path),
            Window.last(given.window / timedelta(days=1), datetime.now(timezone.utc), given.time_zone),
            service=given.service,
            job_id=given.job,
        )
        for path, form in zip(paths, forms, strict=True):
            data = render_report(found, form)
            write_report(path, data)
            print(f"{path}: {len(data):,} bytes")
    except (PipehooksError, OSError) as err:
        print(f"pipehooks: {err}", file=sys.stderr)
        return 1
    return 0


def _read(reader: Callable[[Any, str], Any]) -> Callable[[str], Any]:
    """A reader as argparse takes one, which names the option itself."""

    def read(value: str) -> Any:
        try:
            return reader(value, "it")
        except PipehooksError as err:
            raise argparse.ArgumentTypeError(str(err)) from err

    return read
