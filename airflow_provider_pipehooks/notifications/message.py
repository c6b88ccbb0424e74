"""What an alert says, as text that SNS and an e-mail program accept. Pure: no Airflow, no I/O.

An :class:`Alert` goes in; ``subject(alert)`` and ``body(alert)`` come out. ``safe_subject`` and
``safe_body`` also guard texts that users wrote themselves.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate, takewhile

from airflow_provider_pipehooks.core.run import Failure, Run
from airflow_provider_pipehooks.core.texts import ANSI, short_hash

#: SNS refuses a subject of 100 characters or more (service model of botocore 1.44; API ``Publish``).
SUBJECT_CHARS = 99
#: SNS counts bytes of body and attributes together; the default ``MaximumMessageSize`` of a topic.
MESSAGE_BYTES = 262_144
CUT_MARK = "\n[... cut here: the message was too long for SNS]"
#: Beyond these an e-mail is no longer read: so many failed tasks in full, so many as one line each.
FULL_TASKS = 10
LISTED_TASKS = 50
SHOWN_FAILURES = 10
#: So many failed instances of a mapped task are named in a subject; of more it says how many.
NAMED_INSTANCES = 3
LINE_CHARS = 1_000


@dataclass(frozen=True, kw_only=True)
class FailedTask:
    """One task instance that did not end well.

    :param state: Airflow's word: ``failed``, ``upstream_failed`` or ``up_for_retry``.
    :param try_number: None when Airflow did not tell; never guessed.
    :param max_tries: how many tries it has in all; None when not known.
    :param exception: the error's type and text, when the task told.
    :param run: the remote run it was about, when it left a record.
    :param known: what the history of runs knows of such failures, in a line.
    """

    task_id: str
    state: str = "failed"
    map_index: int = -1
    try_number: int | None = None
    max_tries: int | None = None
    log_url: str | None = None
    exception: str | None = None
    run: Run | None = None
    known: str | None = None

    @property
    def label(self) -> str:
        """``load`` or, for one instance of a mapped task, ``load[3]``."""
        return f"{self.task_id}[{self.map_index}]" if self.map_index >= 0 else self.task_id

    @property
    def tries(self) -> str:
        """``try 2 of 3``; empty when not known."""
        if not self.try_number:
            return ""
        # After a clear Airflow counts on, and the DAG's own number of tries no longer bounds it.
        known = self.max_tries is not None and self.max_tries >= self.try_number
        return f"try {self.try_number} of {self.max_tries}" if known else f"try {self.try_number}"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """The message we decided to send about one DAG run.

    :param when: when it was decided, timezone-aware.
    :param tasks: the failed tasks, the most telling first.
    :param happened: what happened to the DAG run or task, as the headline's verb.
    :param logical_date: None for runs without one; the run id names those.
    :param reason: Airflow's word for why the DAG run ended.
    :param instances: how many instances each mapped task has, by its id.
    :param unfinished: how many other tasks had not finished when this was decided.
    :param url: the DAG run's page in Airflow's UI.
    """

    dag_id: str
    dag_run_id: str
    when: datetime
    tasks: tuple[FailedTask, ...] = ()
    happened: str = "failed"
    logical_date: datetime | None = None
    reason: str | None = None
    instances: Mapping[str, int] = field(default_factory=dict)
    unfinished: int = 0
    url: str | None = None

    @property
    def alert_id(self) -> str:
        """The same for the same failure: sending twice, or by two ways, does not change it."""
        tasks = sorted(
            (task.task_id, task.map_index, task.state, task.try_number or 0) for task in self.tasks
        )
        told = json.dumps([self.dag_id, self.dag_run_id, self.happened, tasks])
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    @property
    def tells(self) -> list[str]:
        """The keys of the task instances that it tells of, see :func:`key_of_instance`."""
        return [
            key_of_instance(self.dag_id, self.dag_run_id, task.task_id, task.map_index) for task in self.tasks
        ]


def key_of_instance(dag_id: str, run_id: str, task_id: str, map_index: int) -> str:
    """One word for a task instance."""
    return short_hash(dag_id, run_id, task_id, str(map_index))


def subject(alert: Alert) -> str:
    """One line: which DAG, what happened, which tasks first; SNS accepts it as it is."""
    labels = _labels(alert)
    names = ", ".join(labels[:3])
    more = f" (+{len(labels) - 3} more)" if len(labels) > 3 else ""
    text = f"Airflow: {alert.dag_id} {alert.happened}{f': {names}' if names else ''}{more}"
    return safe_subject(text) or "Airflow alert"


def _labels(alert: Alert) -> list[str]:
    """The failed tasks; of a mapped one whose indexes say less than their number that: ``12 of 284 load``."""
    failed = Counter(task.task_id for task in alert.tasks)
    return list(
        dict.fromkeys(
            f"{failed[task.task_id]} of {alert.instances[task.task_id]} {task.task_id}"
            if failed[task.task_id] > NAMED_INSTANCES and task.task_id in alert.instances
            else task.label
            for task in alert.tasks
        )
    )


def body(alert: Alert) -> str:
    """The whole message as plain text for an e-mail; any length, see :func:`safe_body`."""
    parts = ["\n".join(_headline(alert))]
    failed = Counter(task.task_id for task in alert.tasks)
    counted = [
        f"Task {task_id}: {failed[task_id]} of {total} instances failed"
        for task_id, total in alert.instances.items()
        if failed[task_id] > NAMED_INSTANCES
    ]
    if counted:
        parts.append("\n".join(counted))
    parts += ["\n".join(_in_full(task)) for task in alert.tasks[:FULL_TASKS]]
    if rest := list(_rest(alert.tasks)):
        parts.append("\n".join(rest))
    if alert.unfinished:
        others = "1 other task" if alert.unfinished == 1 else f"{alert.unfinished} other tasks"
        parts.append(f"{others} had not finished when this was sent.")
    return "\n\n".join(parts) + "\n"


def _headline(alert: Alert) -> Iterator[str]:
    count = len(alert.tasks)
    tasks = {0: "", 1: ": 1 task"}.get(count, f": {count} tasks")
    yield f"DAG {alert.dag_id} {alert.happened}{tasks}."
    yield ""
    yield f"DAG run:  {alert.dag_run_id}"
    if alert.logical_date:
        yield f"Date:     {alert.logical_date.isoformat()}"
    if alert.reason:
        yield f"Reason:   {alert.reason}"
    if alert.url:
        yield f"Page:     {alert.url}"
    yield f"Sent:     {alert.when.isoformat(timespec='seconds')}"
    yield f"Alert id: {alert.alert_id}"


def _one_line(task: FailedTask) -> str:
    tries = f" ({task.tries})" if task.tries else ""
    about = f": {task.run.label} {task.run.outcome}" if task.run else ""
    if task.run and task.run.cancelled_by:
        about += f" by {task.run.cancelled_by}"
    return f"Task {task.label}: {task.state}{tries}{about}"


def _in_full(task: FailedTask) -> Iterator[str]:
    run = task.run
    yield _one_line(task)
    if run and run.name:
        yield f"  Name:    {_line(run.name)}"
    if run and run.message:
        yield f"  Message: {_line(run.message)}"
    if task.exception:
        yield f"  Error:   {_line(task.exception)}"
    if run:
        for failure in run.failures[:SHOWN_FAILURES]:
            yield from _failure(failure, run)
        if hidden := run.hidden(min(SHOWN_FAILURES, len(run.failures))):
            yield f"  - and {hidden} more"
    if run and not run.is_terminal:
        yield "  Ended:   by Airflow or a person; the run had not ended when it was last seen"
    if task.known:
        yield f"  History: {_line(task.known)}"
    if run and run.url:
        yield f"  Run:     {run.url}"
    if task.log_url:
        yield f"  Log:     {task.log_url}"


def _failure(failure: Failure, run: Run) -> Iterator[str]:
    yield f"  - {failure.name}: {_line(failure.message)}"
    # A trace often begins, or ends, with what the message says.
    lines = (failure.detail or "").splitlines()
    yield from (f"      | {line}" for line in lines if line.strip() != failure.message)
    if failure.url and failure.url != run.url:
        yield f"    {failure.url}"


def _rest(tasks: Sequence[FailedTask]) -> Iterator[str]:
    yield from (_one_line(task) for task in tasks[FULL_TASKS:LISTED_TASKS])
    if (hidden := len(tasks) - LISTED_TASKS) > 0:
        yield f"and {hidden} more"


def _line(text: str) -> str:
    """A remote's text, indented under its task, and not so long that it hides the next one."""
    text = text.strip()
    text = text if len(text) <= LINE_CHARS else text[:LINE_CHARS] + " [...]"
    return text.replace("\n", "\n    ")


# Letters that Unicode does not decompose, and signs with a plain twin; what is not here and not ASCII goes.
_PLAIN = str.maketrans(
    {
        "ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L",
        "đ": "d", "Đ": "D", "ı": "i", "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "−": "-",
        "‘": "'", "’": "'", "“": '"', "”": '"', "«": '"', "»": '"', "→": "->", "×": "x", "•": "*",
    }
)  # fmt: skip


def safe_subject(text: str | None) -> str | None:
    """A text as SNS takes it for a subject: one line of printable ASCII, at most 99 characters.

    :return: None when nothing printable is left; SNS refuses an empty subject, so send none.
    """
    plain = unicodedata.normalize("NFKD", ANSI.sub("", text or "").translate(_PLAIN))
    spaced = "".join(" " if _is_gap(char) else char for char in plain)
    printable = "".join(char for char in spaced if " " <= char <= "~")
    line = " ".join(printable.split())
    if len(line) > SUBJECT_CHARS:
        line = line[: SUBJECT_CHARS - 3].rstrip() + "..."
    return line or None


def _is_gap(char: str) -> bool:
    return char.isspace() or unicodedata.category(char) == "Cc"


def safe_body(text: str, limit_bytes: int = MESSAGE_BYTES) -> str:
    """A text whose bytes on the wire stay within a limit, cut with a visible mark when it has to be.

    Counted is what the amazon provider's hook sends, ``json.dumps({"default": text})``: there a newline
    takes two bytes, an umlaut six, an emoji twelve.

    :param limit_bytes: for the wrapped text; the caller takes off what the attributes need.
    :raises ValueError: the limit leaves no room for the mark.
    """
    plain = ANSI.sub("", text)
    clean = "".join(char for char in plain if char in "\n\t" or not _is_unprintable(char))
    if wire_bytes(clean) <= limit_bytes:
        return clean
    room = limit_bytes - wire_bytes(CUT_MARK)
    if room < 0:
        raise ValueError(f"{limit_bytes} bytes leave no room for a message; shorten the message attributes.")
    ends = accumulate(len(json.dumps(char)) - 2 for char in clean)
    kept = sum(1 for _ in takewhile(lambda end: end <= room, ends))
    return clean[:kept] + CUT_MARK


def wire_bytes(text: str) -> int:
    """How many bytes SNS counts for a text that the amazon provider's hook wraps."""
    return len(json.dumps({"default": text}))


def _is_unprintable(char: str) -> bool:
    # Control characters and lone surrogates: the first break e-mail programs, the second are not UTF-8.
    return unicodedata.category(char) in ("Cc", "Cs")
