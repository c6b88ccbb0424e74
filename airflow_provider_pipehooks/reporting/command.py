"""``pipehooks history``: bring the history of runs up to date, and make one file of many."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from airflow_provider_pipehooks.compat.logs import logs_beside_output
from airflow_provider_pipehooks.compat.stored import with_stored
from airflow_provider_pipehooks.core.errors import PipehooksError
from airflow_provider_pipehooks.reporting import lakeflow_command
from airflow_provider_pipehooks.reporting.compaction import compact
from airflow_provider_pipehooks.reporting.history import History, Part
from airflow_provider_pipehooks.reporting.sync import SERVICES, sync_history
from airflow_provider_pipehooks.reporting.telling import Telling


def run(argv: list[str]) -> int:
    """``pipehooks history sync SERVICE`` and ``pipehooks history compact``.

    :return: 0 all well, 1 the remote or the history cannot be read or written, 2 it was called wrongly.
    """
    given = _parser().parse_args(argv)
    if given.command in lakeflow_command.COMMANDS:
        return lakeflow_command.run(given)
    try:
        return _compact(given) if given.command == "compact" else _sync(given)
    except (PipehooksError, OSError) as err:
        print(f"pipehooks: {_words(err)}", file=sys.stderr)
    except KeyboardInterrupt:
        print("pipehooks: ended. What was read is kept; the next sync goes on there.", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pipehooks history", description="The runs of a service as files.")
    commands = parser.add_subparsers(dest="command", required=True)
    sync = commands.add_parser("sync", help="read what is new, what had not ended, and the last days again")
    sync.add_argument("service", choices=SERVICES)
    sync.add_argument("--conn-id", help="the connection; the service's default one if not given")
    sync.add_argument("--account-id", type=int, help="instead of the connection's; dbt Cloud only")
    sync.add_argument("--days", type=_days, default=60, help="how far the history goes back (%(default)g)")
    sync.add_argument("--events", action="store_true", help="the events of pipelines, too")
    sync.add_argument("--again", action="store_true", help="read the last days again now, for repaired runs")
    small = commands.add_parser(
        "compact", help="make one file of those of a day, and delete days that are over"
    )
    for command in (sync, small):
        command.add_argument("--path", help="of the history; the option [pipehooks] history if not given")
        command.add_argument(
            "--retention-days",
            type=_days,
            help="delete older days; the option [pipehooks] history_retention_days if not given, 0 keeps all",
        )
    lakeflow_command.add_to(commands)
    return parser


def _sync(given: argparse.Namespace) -> int:
    with logs_beside_output(), with_stored(), _shown() as telling:
        done = sync_history(
            given.service,
            given.conn_id,
            account_id=given.account_id,
            history=History(given.path),
            days=given.days,
            again_hours=0 if given.again else 24,
            events=given.events,
            retention_days=given.retention_days,
            on_day=telling.on_day,
            on_parts=telling.on_parts,
        )
    events = f"{done.events:,} events, " if given.events else ""
    print(f"{done.runs:,} runs, {done.rows:,} rows written, {events}since {done.since:%Y-%m-%d %H:%M} UTC.")
    return 0


def _compact(given: argparse.Namespace) -> int:
    done = compact(History(given.path), retention_days=given.retention_days, on_day=_tell_part)
    print(f"{done.before:,} files, now {done.after:,}; {done.deleted:,} of days that are over were deleted.")
    return 0


@contextmanager
def _shown() -> Iterator[Telling]:
    """A bar in a terminal, a line for each part anywhere else."""
    if not sys.stderr.isatty():
        yield Telling(on_day=_tell_day)
        return
    # Comes with Airflow's own command line.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None, said="")
        rows = 0

        def on_day(begin: datetime, count: int) -> None:
            nonlocal rows
            rows += count
            progress.update(task, advance=1, said=f"{begin:%Y-%m-%d}, {rows:,} rows")

        yield Telling(on_day=on_day, on_parts=lambda number: progress.update(task, total=number))


def _tell_day(begin: datetime, count: int) -> None:
    if count:
        print(f"{begin:%Y-%m-%d}: {count:,} rows", flush=True)


def _tell_part(part: Part, files: int) -> None:
    print(f"{part.table.name} of {part.service}, {part.day}: {files:,} files are one", flush=True)


def _words(err: Exception) -> str:
    """Ours say all by themselves; the number of an error says nothing to a person."""
    return str(err.strerror or err) if isinstance(err, OSError) and not err.filename else str(err)


def _days(text: str) -> float:
    days = float(text)
    if not 0 <= days < 100_000:
        raise argparse.ArgumentTypeError(f"{text} is no number of days")
    return days
