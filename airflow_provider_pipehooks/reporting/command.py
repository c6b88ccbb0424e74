"""``pipehooks history``: bring the history of runs up to date."""

from __future__ import annotations

import argparse
import sys
from datetime import datetime

from airflow_provider_pipehooks.compat.stored import with_stored
from airflow_provider_pipehooks.core.errors import PipehooksError
from airflow_provider_pipehooks.reporting import lakeflow_command
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.sync import SERVICES, sync_history


def run(argv: list[str]) -> int:
    """``pipehooks history sync SERVICE``.

    :return: 0 all well, 1 the remote or the history cannot be read or written, 2 it was called wrongly.
    """
    parser = argparse.ArgumentParser(prog="pipehooks history", description="The runs of a service as files.")
    commands = parser.add_subparsers(dest="command", required=True)
    sync = commands.add_parser("sync", help="read what is new, what had not ended, and the last days again")
    sync.add_argument("service", choices=SERVICES)
    sync.add_argument("--conn-id", help="the connection; the service's default one if not given")
    sync.add_argument("--account-id", type=int, help="instead of the connection's; dbt Cloud only")
    sync.add_argument("--days", type=float, default=60, help="how far the first sync goes back (%(default)g)")
    sync.add_argument("--path", help="of the history; the option [pipehooks] history if not given")
    lakeflow_command.add_to(commands)
    given = parser.parse_args(argv)
    if given.command in lakeflow_command.COMMANDS:
        return lakeflow_command.run(given)
    try:
        with with_stored():
            done = sync_history(
                given.service,
                given.conn_id,
                account_id=given.account_id,
                history=History(given.path),
                days=given.days,
                on_day=_tell,
            )
    except (PipehooksError, OSError) as err:
        print(f"pipehooks: {err}", file=sys.stderr)
        return 1
    print(f"{done.runs:,} runs, {done.rows:,} rows written, since {done.since:%Y-%m-%d %H:%M} UTC.")
    return 0


def _tell(begin: datetime, count: int) -> None:
    if count:
        print(f"{begin:%Y-%m-%d}: {count:,} rows", flush=True)
