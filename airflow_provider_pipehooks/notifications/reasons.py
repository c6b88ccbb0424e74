"""Why something failed, as a class and a fingerprint: who has to act, and what is the same trouble. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from airflow_provider_pipehooks.core.errors import RunEnded
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.texts import short_hash
from airflow_provider_pipehooks.notifications.message import Alert, FailedTask

#: Who has to act: whoever wrote the code or owns the data, whoever set it up, the platform's people, whoever
#: pays for the account; or a limit of time, a person, the platform itself, or Airflow ended it.
ReasonClass = Literal[
    "user",
    "configuration",
    "platform",
    "quota",
    "timeout",
    "cancelled_by_person",
    "cancelled_by_platform",
    "cancelled",
    "skipped",
    "ended_by_airflow",
    "unknown",
]

#: What of a message tells one occurrence from another of the same trouble, most telling first. Hex counts as
#: a number: some of it has no letters.
_VARIES = tuple(
    (re.compile(pattern, re.IGNORECASE), shown)
    for pattern, shown in (
        (r"\bhttps?://\S+", "<url>"),
        (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<id>"),
        (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?", "<time>"),
        (r"\b\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?\b", "<time>"),
        (r"'[^'\n]{0,200}'|\"[^\"\n]{0,200}\"|`[^`\n]{0,200}`", "<value>"),
        (r"(?<![\w<])(?:[a-z]:)?(?:[\\/][\w.@%+~-]+){2,}", "<path>"),
        (r"\b(?:0x[0-9a-f]+|(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{7,})\b", "<n>"),
        (r"\b[\w.+-]+@[\w-]+\.[\w.]+\b", "<mail>"),
        (r"(?:<value>\.?)+", "<value>"),
        (r"[0-9]+(?:[.,][0-9]+)*", "<n>"),
    )
)
#: An error class as Databricks and Spark write it: [TABLE_OR_VIEW_NOT_FOUND.WITH_HINT].
_CODE = re.compile(r"\[([A-Z][A-Z0-9]*(?:[_.][A-Z0-9]+)+)\]")
#: A number that says what the trouble is.
_STATUS = re.compile(r"\b(?:answered|status|http|errno|sqlstate|code)[ :=]+([0-9A-Z]{2,5})\b", re.IGNORECASE)
#: Of a text, so much says what the trouble is.
_TELLING = 300
#: Of a fingerprint.
_DIGITS = 12
#: Of a task without a run that has ended: the name that its error begins with.
_OF_ERRORS: Mapping[str, ReasonClass] = {
    **dict.fromkeys(("AirflowTaskTimeout", "AirflowTaskTerminated", "WaitTimedOut"), "ended_by_airflow"),
    **dict.fromkeys(("AccessDenied", "ConfigurationError", "NotFound"), "configuration"),
    "RemoteCallError": "platform",
}


def class_of(task: FailedTask) -> ReasonClass:
    """What kind of trouble a failed task is in."""
    if task.run is not None and task.run.is_terminal:
        return _class_of_run(task.run)
    if task.run is not None:
        return "ended_by_airflow"
    error = (task.exception or "").partition(":")[0]
    return _OF_ERRORS.get(error, "user" if error else "unknown")


def class_of_error(error: BaseException) -> ReasonClass:
    """The same of an error: the class of its run, if it is about one."""
    run = error.run if isinstance(error, RunEnded) else None
    named = next((name.__name__ for name in type(error).__mro__ if name.__name__ in _OF_ERRORS), None)
    return class_of(FailedTask(task_id="", exception=named or type(error).__name__, run=run))


def _class_of_run(run: Run) -> ReasonClass:
    if run.kind != "cancelled":
        return run.kind or "unknown"
    if run.cancelled_by or "USER" in run.status:
        return "cancelled_by_person"
    # Databricks: USER_CANCELED is a person's, CANCELED alone is not.
    by_platform = run.service == "databricks_jobs" and run.status.endswith(" CANCELED")
    return "cancelled_by_platform" if by_platform else "cancelled"


def cause_of(task: FailedTask) -> str:
    """The one text that says most about why a task failed, in a line."""
    run = task.run
    if run is None:
        return _first_line(task.exception or task.state)
    if run.failures:
        failure = min(run.failures, key=lambda each: each.name)
        return _first_line(f"{failure.name}: {failure.message}")
    return _first_line(run.message or task.exception or run.status)


def fingerprint(alert: Alert) -> str:
    """The same for the same trouble, wherever it strikes: of its class and its code, or its normalised text.

    Numbers, ids, times, hex, paths, addresses and quoted values do not count. Of several failed tasks the
    most telling one is taken, which is the first.

    :return: 12 hex digits.
    """
    if not alert.tasks:
        return short_hash(alert.happened, alert.reason or "", digits=_DIGITS)
    task = alert.tasks[0]
    cause = cause_of(task)
    codes, statuses = _CODE.findall(cause), _STATUS.findall(cause)
    said = codes[:1] or [normalised(cause)]
    return short_hash(class_of(task), *statuses[:1], *said, digits=_DIGITS)


def normalised(text: str) -> str:
    """A message without what differs from one occurrence to the next."""
    for pattern, shown in _VARIES:
        text = pattern.sub(shown, text)
    return " ".join(text.lower().split())[:_TELLING]


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")[: 4 * _TELLING]
