"""HOOKS: ``pipehooks hooks replay``: runs event hooks over events that were recorded, or are in a log.

What is recorded may be what the REST API answered, or rows of the event-log table, where objects are texts:
JSON lines, a list, or pages with ``events``. So a hook can be tried on last week's failure before it is
trusted. A file written for Databricks runs as it is: ``dlt`` and ``pyspark.pipelines`` are stood in for.
"""

from __future__ import annotations

import argparse
import json
import re
import runpy
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from airflow_provider_pipehooks.core.errors import ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.core.event_cursor import EventCursor
from airflow_provider_pipehooks.core.events import HookProgress
from airflow_provider_pipehooks.handlers.event import enabling
from airflow_provider_pipehooks.handlers.event_hooks import EventHooks, hooks_in, on_event_hook
from airflow_provider_pipehooks.services.pipeline_log import read_page, unread

#: In rows of the event-log table these are texts.
_OBJECTS = ("details", "origin", "error", "sequence", "truncation")


def recorded(path: Path) -> Iterator[dict[str, Any]]:
    """The events of a file, in its order; only a line of it is in memory where it has an event on each.

    :raises ConfigurationError: it cannot be read, or holds something else.
    """
    try:
        with path.open(encoding="utf-8") as file:
            yield from _lines(file, path)
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigurationError(f"The events cannot be read: {err}.") from err


def _lines(file: Iterator[str], path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as err:
            if number > 1:
                raise ConfigurationError(f"Line {number} of {str(path)!r} is no JSON: {err}.") from err
            # Not an event on each line: one document.
            yield from _events_of(_document(line, file, path), path, number)
            return
        yield from _events_of(value, path, number)


def _document(begun: str, file: Iterator[str], path: Path) -> Any:
    try:
        return json.loads(begun + "".join(file))
    except ValueError as err:
        raise ConfigurationError(f"{str(path)!r} is neither JSON nor lines of JSON: {err}.") from err


def _events_of(value: Any, path: Path, number: int) -> Iterator[dict[str, Any]]:
    found = value.get("events", [value]) if isinstance(value, dict) else value
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ConfigurationError(f"Line {number} of {str(path)!r} holds something else than events.")
    for event in found:
        yield {key: _object(key, item) for key, item in event.items()}


def _object(key: str, value: Any) -> Any:
    if key not in _OBJECTS or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def logged(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The events of a pipeline's log, oldest first, page by page.

    :raises ConfigurationError: no such pipeline or connection, or a time that is none.
    """
    from airflow_provider_pipehooks.hooks.registry import open_hook
    from airflow_provider_pipehooks.services.databricks_pipelines import NAME, DatabricksPipelines

    since, hook = since_of(given.since), open_hook(NAME, given.conn_id)
    is_id = re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", given.pipeline)
    by_name = DatabricksPipelines().pipeline_id_by_name
    pipeline_id = given.pipeline if is_id else hook.call(by_name(given.pipeline))
    cursor = EventCursor(since)
    for page in unread(lambda at, token: hook.call(read_page(pipeline_id, since=at, token=token)), cursor):
        for event in page:
            if cursor.is_new(event):
                yield event
                cursor.handled(event)


def since_of(text: str, now: datetime | None = None) -> datetime:
    """A time, or so long before now: ``60d``, ``12h``, ``30m``.

    :raises ConfigurationError: neither.
    """
    now = now or datetime.now(timezone.utc)
    if match := re.fullmatch(r"([0-9]{1,5})([dhm])", text.strip()):
        unit = {"d": "days", "h": "hours", "m": "minutes"}[match[2]]
        return now - timedelta(**{unit: int(match[1])})
    try:
        time = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError as err:
        raise ConfigurationError(f"--since is {text!r}: give 60d, 12h, or an ISO 8601 time.") from err
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def run(argv: list[str]) -> int:
    """``pipehooks hooks replay --events FILE my_hooks.py``, and ``pipehooks hooks enable DAG RUN TASK``.

    :return: 0 when no hook failed, 1 when one did, 2 when it was called wrongly.
    """
    parser = argparse.ArgumentParser(
        prog="pipehooks hooks", description="Event hooks of Databricks pipelines."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    replay = commands.add_parser("replay", help="run the hooks of a file over recorded events")
    replay.add_argument("hooks", type=Path, help="a Python file with functions under @on_event_hook")
    source = replay.add_mutually_exclusive_group(required=True)
    source.add_argument("--events", type=Path, help="a file: JSON lines, a list, or pages of events")
    source.add_argument("--pipeline", help="id or name of a pipeline, whose log is read")
    replay.add_argument("--since", default="60d", help="of its log: 60d, 12h or an ISO 8601 time; 60d is all")
    replay.add_argument("--conn-id", default="databricks_default", help="Airflow's connection")
    for name, what in {"type": "event type", "level": "level", "dataset": "table or flow, as a glob"}.items():
        replay.add_argument(f"--{name}", action="append", help=f"only events of this {what}; may be repeated")
    replay.add_argument("--timeout", metavar="SECONDS", help="end a call that takes longer; without: none")
    enabling.add_parser(commands)
    given = parser.parse_args(argv)
    try:
        return enabling.enable(given) if given.command == "enable" else _replay(given)
    except (ConfigurationError, RemoteCallError) as err:
        print(f"pipehooks: {err}", file=sys.stderr)
        return 2


@contextmanager
def databricks_names() -> Iterator[None]:
    """Have ``from dlt import on_event_hook`` and its newer forms give ours, where there is no other."""
    dlt, pyspark, pipelines = map(ModuleType, ("dlt", "pyspark", "pyspark.pipelines"))
    for module in (dlt, pipelines):
        module.on_event_hook = on_event_hook  # type: ignore[attr-defined]
    pyspark.pipelines = pipelines  # type: ignore[attr-defined]
    pyspark.__path__ = []
    added = {each.__name__: each for each in (dlt, pyspark, pipelines) if find_spec(_root(each)) is None}
    sys.modules.update(added)
    try:
        yield
    finally:
        for name in added:
            del sys.modules[name]


def _root(module: ModuleType) -> str:
    return module.__name__.partition(".")[0]


def _replay(given: argparse.Namespace) -> int:
    if not given.hooks.is_file():
        raise ConfigurationError(f"{str(given.hooks)!r} is no file with hooks.")
    filters = {"event_type": given.type, "level": given.level, "dataset": given.dataset}
    with databricks_names():
        found = list(hooks_in(runpy.run_path(str(given.hooks))))
    if not found:
        raise ConfigurationError(f"{str(given.hooks)!r} has no function under @on_event_hook.")
    where = {key: value for key, value in filters.items() if value}
    hooks = EventHooks(found, where=where, timeout=given.timeout)
    failures: Counter[str] = Counter()

    def count(progress: HookProgress) -> None:
        failures[progress.hook_name] += progress.state == "FAILED"

    began_s = time.monotonic()
    with hooks.dispatcher(record=count) as dispatcher:
        for event in recorded(given.events) if given.events else logged(given):
            dispatcher.handle(event)
    print(
        f"{dispatcher.seen:,} events, {len(hooks)} hooks, {dispatcher.calls:,} calls, "
        f"{failures.total():,} failures ({time.monotonic() - began_s:.1f} s)"
    )
    for name in sorted(name for name, times in failures.items() if times):
        switched_off = ", switched off at the end" if name in dispatcher.disabled else ""
        print(f"  {name}: {failures[name]:,} failures{switched_off}")
    return 1 if failures.total() else 0
