"""Which try of a task this is, and whether Airflow will make another.

What the server told the task runner is in a private field of the task instance (read in Airflow 3.3.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Context = Mapping[str, Any]


def generation(context: Context) -> int:
    """The same over retries and crashes, larger after a clear (seen on Airflow 3.3.2).

    Airflow keeps the state store over a clear, so what is stored alone does not tell that it is old.
    """
    ti = context["ti"]
    return int(ti.max_tries) - int(ti.task.retries or 0)


def born(context: Context) -> str:
    """When the DAG run began; empty where Airflow does not say.

    A DAG run that is deleted and triggered anew may have the same id, and so may one of another Airflow.
    """
    began = getattr(context.get("dag_run"), "start_date", None)
    return began.isoformat() if began else ""


def numbers(context: Context) -> tuple[int, int]:
    """Which attempt this is, from 1, and how many there may be.

    A clear does not set Airflow's try number back, but raises ``max_tries``: what it exceeds ``retries`` by
    is the number of tries before the clear.
    """
    ti, retries = context["ti"], int(getattr(context["task"], "retries", 0) or 0)
    before_clear = max(0, int(getattr(ti, "max_tries", retries)) - retries)
    return max(1, ti.try_number - before_clear), retries + 1


def is_retried(context: Context) -> bool:
    """Whether Airflow makes another try should this one fail; it is asked before a retry policy is."""
    return bool(getattr(_from_server(context["ti"]), "should_retry", False))


def retry_anyway(context: Context) -> None:
    """Have Airflow retry this try whatever ``retries`` says: a handler has decided so.

    The task runner asks this flag of the server's answer only, and the server takes the worker's word
    (seen on 3.3.2).
    """
    from_server = _from_server(context["ti"])
    if from_server is not None:
        from_server.should_retry = True


def was_deferred(ti: Any) -> bool:
    """Whether the task comes back from the triggerer in this process."""
    return bool(getattr(_from_server(ti), "next_method", None))


def was_rescheduled(ti: Any) -> bool:
    """Whether a sensor in reschedule mode has poked before in this try."""
    return bool(getattr(_from_server(ti), "task_reschedule_count", 0))


def _from_server(ti: Any) -> Any:
    return getattr(ti, "_ti_context_from_server", None)
