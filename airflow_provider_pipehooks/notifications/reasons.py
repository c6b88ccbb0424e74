"""Why a task failed, as a class and a fingerprint: who has to act, and what is the same trouble. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_pipehooks.core.errors import RunEnded
from airflow_provider_pipehooks.core.reasons import (
    DIGITS,
    ReasonClass,
    class_of_run,
    fingerprint_of,
    first_line,
    told_by_run,
)
from airflow_provider_pipehooks.core.texts import short_hash
from airflow_provider_pipehooks.notifications.message import Alert, FailedTask

#: Of a task without a run that has ended: the name that its error begins with.
_OF_ERRORS: Mapping[str, ReasonClass] = {
    **dict.fromkeys(
        ("AirflowTaskTimeout", "AirflowTaskTerminated", "TaskDeferralTimeout", "WaitTimedOut"),
        "ended_by_airflow",
    ),
    **dict.fromkeys(("AccessDenied", "ConfigurationError", "NotFound"), "configuration"),
    "RemoteCallError": "platform",
}


def class_of(task: FailedTask) -> ReasonClass:
    """What kind of trouble a failed task is in."""
    run, error = task.run, (task.exception or "").partition(":")[0]
    if run is not None and run.is_failed:
        return class_of_run(run)
    if run is not None and not run.is_terminal and not error:
        return "ended_by_airflow"
    return _OF_ERRORS.get(error, "user" if error else "unknown")


def class_of_error(error: BaseException) -> ReasonClass:
    """The same of an error: the class of its run, if it is about one."""
    run = error.run if isinstance(error, RunEnded) else None
    named = next((name.__name__ for name in type(error).__mro__ if name.__name__ in _OF_ERRORS), None)
    return class_of(FailedTask(task_id="", exception=named or type(error).__name__, run=run))


def cause_of(task: FailedTask) -> str:
    """The one text that says most about why a task failed, in a line."""
    return ": ".join(filter(None, _told(task)))


def _told(task: FailedTask) -> tuple[str, str]:
    """What failed inside the run, if anything is named, and what was said about it."""
    run = task.run
    if run is None or (task.exception and not run.is_failed):
        # What a run that goes on says about itself is not why its task has ended.
        return "", first_line(task.exception or task.state)
    name, said = told_by_run(run)
    return name, said if run.failures or run.message else first_line(task.exception or said)


def fingerprint(alert: Alert) -> str:
    """The same for the same trouble, see :func:`~airflow_provider_pipehooks.core.reasons.fingerprint_of`.

    Of several failed tasks the most telling one is taken, which is the first.

    :return: 12 hex digits.
    """
    if not alert.tasks:
        return short_hash(alert.happened, alert.reason or "", digits=DIGITS)
    task = alert.tasks[0]
    return fingerprint_of(class_of(task), *_told(task), task.run.service if task.run else None)
