"""Hooks that failed or are switched off, as far as it is stored: of event hooks and node hooks. Pure.

State handlers and receivers of signals that raise are told in logs and metrics only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_pipehooks.compat.recorded import Record
from airflow_provider_pipehooks.handlers.node.calling import PROGRESS_KEY
from airflow_provider_pipehooks.tasks.pipelines import REPORT_KEY

KEYS = (PROGRESS_KEY, REPORT_KEY)
#: Of one task.
_MOST = 20


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A hook, or the hooks of a task, that did not do what they should.

    :param what: in a line.
    :param off: names of hooks that are switched off now, in a task that goes on.
    """

    record: Record
    hook: str
    what: str
    off: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """What switches them on again."""
        record = self.record
        index = f" --map-index {record.map_index}" if record.map_index >= 0 else ""
        named = "".join(f" --hook {quoted(name)}" for name in self.off)
        task = " ".join(map(quoted, (record.dag_id, record.run_id, record.task_id)))
        return f"pipehooks hooks enable {task}{index}{named}"


def quoted(word: str) -> str:
    """For a shell, whatever is in it."""
    plain = word and all(sign.isalnum() or sign in "_-.+:@/" for sign in word) and word.isascii()
    return word if plain else "'" + word.replace("'", "'\"'\"'") + "'"


def troubles(record: Record) -> Iterator[Trouble]:
    """What an XCom under one of :data:`KEYS` tells; nothing where it is somebody else's."""
    value = record.value
    if record.key == PROGRESS_KEY and isinstance(value, Sequence) and not isinstance(value, str):
        for each in value[:_MOST]:
            if isinstance(each, Mapping) and "hook" in each:
                word = "switched off: " if each.get("state") == "DISABLED" else ""
                yield Trouble(record=record, hook=str(each["hook"]), what=f"{word}{each.get('error')}")
    if record.key == REPORT_KEY and isinstance(value, Mapping):
        yield from _of_report(record, value)


def _of_report(record: Record, report: Mapping[str, Any]) -> Iterator[Trouble]:
    off, failures = _names(report.get("disabled")), report.get("failures")
    if not off and not (isinstance(failures, int) and failures):
        return
    told = [f"{_calls(failures)} failed"]
    if off:
        told.append(f"{', '.join(off)} {'was' if len(off) == 1 else 'were'} switched off")
    if report.get("not_handled"):
        told.append(f"{report['not_handled']} events were not handled")
    yield Trouble(record=record, hook=", ".join(off) or "event hooks", what="; ".join(told))


def troubles_now(record: Record) -> Iterator[Trouble]:
    """What the state store of a task that goes on tells of its event hooks."""
    value = record.value
    hooks = value.get("hooks") if isinstance(value, Mapping) else None
    if not isinstance(hooks, Mapping):
        return
    off, failures = _names(hooks.get("off")), value.get("failures")
    if off:
        what = f"switched off for the rest of this update; {_calls(failures)} failed so far"
        yield Trouble(record=record, hook=", ".join(off), what=what, off=off)
    elif isinstance(failures, int) and failures:
        yield Trouble(record=record, hook="event hooks", what=f"{_calls(failures)} failed so far; all are on")


def _calls(count: Any) -> str:
    return "1 call" if count == 1 else f"{count} calls"


def _names(given: Any) -> tuple[str, ...]:
    return tuple(map(str, given[:_MOST])) if isinstance(given, (list, tuple)) else ()
