"""``pipehooks runs``: what runs on the remote now, and what ran."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from airflow_provider_pipehooks.compat.logs import logs_beside_output
from airflow_provider_pipehooks.compat.stored import with_stored
from airflow_provider_pipehooks.core.errors import PipehooksError, RemoteCallError
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.hooks.registry import SERVICES, calls_of, open_hook, row_of
from airflow_provider_pipehooks.reporting.listed import Wanted, as_json, cells, newest, since_of

if TYPE_CHECKING:
    from rich.table import Table

    from airflow_provider_pipehooks.hooks.remote import RemoteHook

_STATES = {state.name.lower(): state for state in RunState}
_HEAD = ("state", "run", "job", "made (UTC)", "time", "why")
_STYLES = {"success": "green", "error": "bold red", "cancelled": "yellow", "running": "cyan"}
_MOST = 1_000
_LEAST_INTERVAL_S = 1.0


def run(argv: list[str], *, sleep: Callable[[float], None] = time.sleep) -> int:
    """``pipehooks runs SERVICE``.

    :param sleep: between two looks with ``--follow``.
    :return: 0 all well, 1 the remote cannot be read, 2 it was called wrongly.
    """
    given = _parser().parse_args(argv)
    try:
        with logs_beside_output(), with_stored():
            hook = open_hook(given.service, given.conn_id or row_of(given.service).conn_id, given.account_id)
            wanted = _wanted(given, hook)
            if given.follow:
                _follow(given, hook, wanted, sleep)
            else:
                _show(newest(given.service, hook, wanted), as_lines=given.json)
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 0  # how --follow ends
    except BrokenPipeError:
        # Whoever read has seen enough. What is still in the buffer must not be tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except PipehooksError as err:
        print(f"pipehooks: {err}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pipehooks runs", description="The newest runs of a service.")
    parser.add_argument("service", choices=SERVICES)
    parser.add_argument(
        "--state", action="append", choices=_STATES, default=[], help="only these; repeatable"
    )
    parser.add_argument("--job", help="only those of this job or pipeline: its id or its name")
    parser.add_argument(
        "--since", help="only those made since then: 2d, 3h, 30m, or a time such as 2026-11-28"
    )
    parser.add_argument(
        "--limit", type=_limit, default=50, help=f"at most so many, up to {_MOST} (%(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="a JSON object for each run, one a line")
    parser.add_argument("--follow", action="store_true", help="look again and again, until Ctrl-C")
    parser.add_argument("--interval", type=float, default=5, help="seconds between two looks (%(default)g)")
    parser.add_argument("--conn-id", help="the connection; the service's default one if not given")
    parser.add_argument("--account-id", type=int, help="instead of the connection's; dbt Cloud only")
    return parser


def _limit(text: str) -> int:
    if not 1 <= (limit := int(text)) <= _MOST:
        raise argparse.ArgumentTypeError(f"{text} is not from 1 to {_MOST}")
    return limit


def _wanted(given: argparse.Namespace, hook: RemoteHook) -> Wanted:
    now = datetime.now(timezone.utc)
    return Wanted(
        states=frozenset(_STATES[name] for name in given.state),
        job=_job_of(given.service, given.job, hook) if given.job else None,
        since=since_of(given.since, now) if given.since else None,
        limit=given.limit,
    )


def _job_of(service: str, named: str, hook: RemoteHook) -> str:
    """The id of a job, from its id or its name; of dbt Cloud the name, which its runs tell.

    :raises ConfigurationError: none or several have the name; lists the near ones.
    """
    from airflow_provider_pipehooks.services.databricks_jobs import DatabricksJobs
    from airflow_provider_pipehooks.services.databricks_pipelines import DatabricksPipelines

    calls = calls_of(service)
    if isinstance(calls, DatabricksPipelines):
        is_id = len(named) == 36 and named.count("-") == 4
        return named if is_id else hook.call(calls.pipeline_id_by_name(named))
    if named.isdigit():
        return named
    if isinstance(calls, DatabricksJobs):
        return str(hook.call(calls.job_id_by_name(named)))
    return named


def _show(runs: Sequence[Run], *, as_lines: bool) -> None:
    if as_lines:
        for each in runs:
            print(json.dumps(as_json(each)))
    elif sys.stdout.isatty():
        from rich.console import Console

        Console().print(_table(runs))
    else:
        _print_lines(runs)


def _print_lines(runs: Sequence[Run]) -> None:
    """Columns, as far apart as they need to be; nothing is cut."""
    now = datetime.now(timezone.utc)
    lines = [cells(each, now) for each in runs]
    widths = [max((len(line[at]) for line in lines), default=0) for at in range(len(_HEAD))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _table(runs: Sequence[Run]) -> Table:
    from rich.table import Table
    from rich.text import Text

    now = datetime.now(timezone.utc)
    lines = [cells(each, now) for each in runs]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for at, name in enumerate(_HEAD):
        # Names and reasons are cut where a terminal is narrow, but not what one copies.
        width = None if name in ("job", "why") else max((len(line[at]) for line in lines), default=0)
        table.add_column(name, no_wrap=True, overflow="ellipsis", min_width=width)
    for state, *rest in lines:
        # As texts: square brackets in a name are no markup.
        table.add_row(Text(state, style=_STYLES.get(state, "")), *map(Text, rest))
    return table


def _follow(
    given: argparse.Namespace, hook: RemoteHook, wanted: Wanted, sleep: Callable[[float], None]
) -> None:
    """A table that is drawn anew at each look in a terminal; anywhere else a line for each change."""
    interval_s = max(given.interval, _LEAST_INTERVAL_S)
    if given.json or not sys.stdout.isatty():
        seen: dict[str, str] = {}
        while True:
            runs = _look(given.service, hook, wanted)
            changed = [each for each in reversed(runs) if seen.get(str(each.run_id)) != each.status]
            # Those that are not among the newest any more come back only with a new one.
            seen = {**seen, **{str(each.run_id): each.status for each in runs}} if runs else seen
            _show(changed, as_lines=given.json)
            sys.stdout.flush()
            sleep(interval_s)
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(), auto_refresh=False) as live:
        while True:
            if runs := _look(given.service, hook, wanted):
                live.update(_table(runs), refresh=True)
            sleep(interval_s)


def _look(service: str, hook: RemoteHook, wanted: Wanted) -> list[Run]:
    """The newest runs; none where the remote is in trouble that may pass."""
    try:
        return newest(service, hook, wanted)
    except RemoteCallError as err:
        if not err.retryable:
            raise
        print(f"pipehooks: {err}", file=sys.stderr)
        return []
