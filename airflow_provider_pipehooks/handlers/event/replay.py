"""HOOKS: ``pipehooks hooks replay``: runs event hooks over events that were recorded.

What is recorded may be what the REST API answered, or rows of the event-log table, where objects are texts:
JSON lines, a list, or pages with ``events``. So a hook can be tried on last week's failure before it is
trusted. A file written for Databricks runs as it is: ``dlt`` and ``pyspark.pipelines`` are stood in for.
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.core.events import HookProgress
from airflow_provider_pipehooks.handlers.event_hooks import EventHooks, hooks_in, on_event_hook

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


def run(argv: list[str]) -> int:
    """``pipehooks hooks replay --events FILE my_hooks.py``.

    :return: 0 when no hook failed, 1 when one did, 2 when it was called wrongly.
    """
    parser = argparse.ArgumentParser(
        prog="pipehooks hooks", description="Event hooks of Databricks pipelines."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    replay = commands.add_parser("replay", help="run the hooks of a file over recorded events")
    replay.add_argument("hooks", type=Path, help="a Python file with functions under @on_event_hook")
    replay.add_argument("--events", type=Path, required=True, help="JSON lines, a list, or pages of events")
    for name, what in {"type": "event type", "level": "level", "dataset": "table or flow, as a glob"}.items():
        replay.add_argument(f"--{name}", action="append", help=f"only events of this {what}; may be repeated")
    replay.add_argument("--timeout", metavar="SECONDS", help="end a call that takes longer; without: none")
    given = parser.parse_args(argv)
    try:
        return _replay(given)
    except ConfigurationError as err:
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
        for event in recorded(given.events):
            dispatcher.handle(event)
    print(
        f"{dispatcher.seen:,} events, {len(hooks)} hooks, {dispatcher.calls:,} calls, "
        f"{failures.total():,} failures ({time.monotonic() - began_s:.1f} s)"
    )
    for name in sorted(name for name, times in failures.items() if times):
        switched_off = ", switched off at the end" if name in dispatcher.disabled else ""
        print(f"  {name}: {failures[name]:,} failures{switched_off}")
    return 1 if failures.total() else 0
