"""What the demo shows while it runs: a live table in a terminal, one line per change anywhere else."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from airflow_provider_pipehooks.demo.follow import Seen
from airflow_provider_pipehooks.demo.rest import Task
from airflow_provider_pipehooks.demo.services import RemoteRun

#: Airflow's words for the states of tasks, and how people call what they see.
SHOWN_STATES = {
    None: "-",
    "scheduled": "queued",
    "deferred": "waiting",
    "upstream_failed": "not run",
    "skipped": "skipped",
}
STYLES = {
    "success": "green",
    "failed": "bold red",
    "error": "bold red",
    "cancelled": "yellow",
    "running": "cyan",
    "waiting": "blue",
}
ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})
#: Left out of the table, which should fit a small terminal.
NOT_BEGUN = frozenset({None, "scheduled", "queued", "skipped", "upstream_failed"})
#: More runs than these are counted, not listed.
LISTED_RUNS = 4


class View(Protocol):
    """Shows looks and notes; a context manager, since a live view must be ended."""

    def __enter__(self) -> View: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, seen: Sequence[Seen]) -> None: ...

    def note(self, text: str) -> None: ...


def view_for(console: Console) -> View:
    """A live table in a terminal, lines in a file or a pipe."""
    return LiveView(console) if console.is_terminal else Lines(console)


class LiveView:
    """A table that is drawn anew at every look."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)
        self._since = time.monotonic()

    def __enter__(self) -> LiveView:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.__exit__(kind, error, trace)

    def show(self, seen: Sequence[Seen]) -> None:
        """Draw it."""
        self._live.update(table(seen, time.monotonic() - self._since), refresh=True)

    def note(self, text: str) -> None:
        """Write a line above the table."""
        self._console.print(Text(f"  {text}", style="yellow"))


class Lines:
    """One line for each thing that has changed since the last look."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._since = time.monotonic()
        self._said: set[str] = set()

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, seen: Sequence[Seen]) -> None:
        """Print what is new."""
        for line in facts(seen):
            if line not in self._said:
                self._said.add(line)
                self.note(line)

    def note(self, text: str) -> None:
        """Print a line with the seconds since the beginning."""
        stamp = f"  [{time.monotonic() - self._since:3.0f} s] "
        self._console.print(Text(stamp + text), soft_wrap=True)


def facts(seen: Sequence[Seen]) -> Iterator[str]:
    """What can be said of a look, one line each; the same thing always in the same words."""
    for each in seen:
        key = each.scenario.key
        yield from (f"{key}: {line}" for line in task_facts(each.tasks))
        if len(each.scenario.job_ids) <= LISTED_RUNS:
            for run in each.remote_runs:
                yield f"{key}: {run.service} {run.noun} {run.run_id} {run.name!r} {run.status}  {run.url}"
        elif each.has_ended:
            yield f"{key}: {', '.join(line.plain for line in run_lines(each.remote_runs))}"
        if each.has_ended:
            yield f"{key}: DAG run {each.state}"


def task_facts(tasks: Iterable[Task]) -> Iterator[str]:
    """A line for each task that has ended; instances of a mapped task are told when all have ended."""
    for task_id, states in by_task(tasks).items():
        if not all(state in ENDED for state in states):
            continue
        counted = ", ".join(f"{count} {shown(state)}" for state, count in Counter(states).most_common())
        yield f"task {task_id} {counted if len(states) > 1 else shown(states[0])}"


def table(seen: Sequence[Seen], seconds: float) -> Table:
    """Everything at one glance."""
    drawn = Table(title=f"DAG runs after {seconds:.0f} s", title_justify="left", expand=True)
    drawn.add_column("DAG run", no_wrap=True)
    drawn.add_column("state", no_wrap=True)
    drawn.add_column("tasks", ratio=2)
    drawn.add_column("remote runs", ratio=3)
    for each in seen:
        drawn.add_row(
            Text.assemble(each.scenario.key, "\n", (each.scenario.dag_id, "dim")),
            styled(each.state),
            Text("\n").join(task_lines(each.tasks)),
            Text("\n").join(run_lines(each.remote_runs)),
        )
    return drawn


def task_lines(tasks: Iterable[Task]) -> list[Text]:
    """A line for each task that was begun; instances of a mapped task are counted."""
    lines = []
    for task_id, states in by_task(tasks).items():
        if set(states) <= NOT_BEGUN:
            continue
        if len(states) == 1:
            lines.append(Text.assemble(f"{task_id} ", styled(shown(states[0]))))
            continue
        parts = [
            part
            for state, count in Counter(states).most_common()
            for part in (f" {count} ", styled(shown(state)))
        ]
        lines.append(Text.assemble(task_id, *parts))
    return lines


def run_lines(runs: Sequence[RemoteRun]) -> list[Text]:
    """A line for each remote run, or their number by status when they are many."""
    if len(runs) > LISTED_RUNS:
        counted = Counter((run.service, run.status) for run in runs).most_common()
        return [
            Text.assemble(f"{count} {service} runs ", styled(status)) for (service, status), count in counted
        ]
    return [Text.assemble(f"{run.service} {run.run_id} {run.name} ", styled(run.status)) for run in runs]


def by_task(tasks: Iterable[Task]) -> dict[str, list[str | None]]:
    """Task id -> states of its instances, in the order in which they came."""
    grouped: dict[str, list[str | None]] = {}
    for task in tasks:
        grouped.setdefault(task.task_id, []).append(task.state)
    return grouped


def shown(state: str | None) -> str:
    """A task's state in a word for people."""
    return SHOWN_STATES.get(state, str(state))


def styled(word: str) -> Text:
    """A word in its colour; the word itself is always there for those who see none."""
    return Text(word, style=STYLES.get(word.lower(), ""))
