"""What failed, and why: asked from inside a running task or a callback, through Airflow's task SDK.

Neither the states nor the tries of other tasks are in a task's context. Both are asked from the execution
API with messages that a worker and the DAG processor may send (read in Airflow 3.3.2).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, TypeVar
from urllib.parse import quote

from airflow_provider_pipehooks.compat import questions
from airflow_provider_pipehooks.compat.ledger import recorded_run
from airflow_provider_pipehooks.core.errors import RunEnded, explain
from airflow_provider_pipehooks.notifications.message import (
    FULL_TASKS,
    LISTED_TASKS,
    Alert,
    FailedTask,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

_FAILED = ("failed", "upstream_failed")
_HAPPENED = {
    "failed": "failed",
    "upstream_failed": "failed",
    "up_for_retry": "will retry",
    "success": "succeeded",
    "skipped": "was skipped",
}
_FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


@dataclass(frozen=True, kw_only=True)
class DagRunRef:
    """Which DAG run is asked about, as far as a context tells."""

    dag_id: str
    run_id: str
    logical_date: datetime | None = None

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> DagRunRef:
        """Read a context; those of the triggerer hold the DAG run as a dict, minimal ones only its id."""
        dag, dag_run = context.get("dag"), context.get("dag_run")
        known = dag_run if isinstance(dag_run, Mapping) else getattr(dag_run, "__dict__", {})
        date = context.get("logical_date") or known.get("logical_date")
        return cls(
            dag_id=str(getattr(dag, "dag_id", None) or known.get("dag_id") or "unknown DAG"),
            run_id=str(context.get("run_id") or known.get("run_id") or known.get("dag_run_id") or "unknown"),
            logical_date=datetime.fromisoformat(date) if isinstance(date, str) else date,
        )

    def alert(self, tasks: Collection[FailedTask], **more: Any) -> Alert:
        return Alert(
            dag_id=self.dag_id,
            dag_run_id=self.run_id,
            logical_date=self.logical_date,
            url=self.url(),
            tasks=_with_history(tasks),
            **{"when": datetime.now(timezone.utc), **more},
        )

    def url(self) -> str:
        """The page of the DAG run in Airflow's UI."""
        from airflow.sdk.configuration import conf

        base: str = conf.get("api", "base_url", fallback=None) or "http://localhost:8080/"
        return f"{base.rstrip('/')}/dags/{self.dag_id}/runs/{quote(self.run_id)}"

    def with_log(self, task: FailedTask) -> FailedTask:
        """The task with the page of its log."""
        return replace(task, log_url=self.log_url(task))

    def log_url(self, task: FailedTask) -> str:
        """The page of a task's log, built as ``RuntimeTaskInstance.log_url`` does it."""
        mapped = f"/mapped/{task.map_index}" if task.map_index >= 0 else ""
        tried = f"?try_number={task.try_number}" if task.try_number else ""
        return f"{self.url()}/tasks/{task.task_id}{mapped}{tried}"


def _with_history(tasks: Collection[FailedTask]) -> tuple[FailedTask, ...]:
    """The first task whose run failed with what the history knows: one look for each alert."""
    told = list(tasks)
    for place, task in enumerate(told):
        if task.run is not None and task.run.is_failed:
            # Here: it brings DuckDB, where there is a history.
            from airflow_provider_pipehooks.reporting.seen import what_is_known

            told[place] = replace(task, known=what_is_known(task.run))
            break
    return tuple(told)


def states_of(dag: Any, ref: DagRunRef, task_ids: Collection[str]) -> dict[tuple[str, int], str | None]:
    """State of each instance of the given tasks: ``{(task_id, map_index): state}``.

    Alert tasks are left out: they end failed on purpose.
    """
    others = [task for task in task_ids if not getattr(dag.get_task(task), "sends_alerts", False)]
    return questions.states_of(dag, ref.run_id, others)


def failed_tasks(
    dag: Any, ref: DagRunRef, states: Mapping[tuple[str, int], str | None]
) -> tuple[FailedTask, ...]:
    """The failed ones among some states; what failed itself before what only could not start.

    Only as many are asked for their tries and runs as the message shows.
    """
    order = {task_id: place for place, task_id in enumerate(dag.task_ids)}
    bad = [(task_id, index, state) for (task_id, index), state in states.items() if state in _FAILED]
    bad.sort(key=lambda one: (one[2] != "failed", order[one[0]], one[1]))
    tasks = [FailedTask(task_id=task_id, map_index=index, state=str(state)) for task_id, index, state in bad]
    asked = [_with_tries(dag, ref, task) for task in tasks[:LISTED_TASKS]] + tasks[LISTED_TASKS:]
    shown = [_with_run(ref, task) for task in asked[:FULL_TASKS]] + asked[FULL_TASKS:]
    return tuple(map(ref.with_log, shown))


def instances_of(states: Mapping[tuple[str, int], str | None]) -> dict[str, int]:
    """How many instances each mapped task has."""
    return dict(Counter(task_id for task_id, index in states if index >= 0))


def without_few(
    states: Mapping[tuple[str, int], str | None], more_than: float
) -> dict[tuple[str, int], str | None]:
    """The states without those of mapped tasks of which too few instances failed to be told.

    :param more_than: so many, or, below 1, that share of all.
    """
    totals = instances_of(states)
    failed = Counter(task_id for (task_id, index), state in states.items() if index >= 0 and state in _FAILED)
    few = {
        task_id
        for task_id, total in totals.items()
        if failed[task_id] <= (more_than * total if more_than < 1 else more_than)
    }
    if told_not := sum(failed[task_id] for task_id in few):
        log.warning("%d failed instances of mapped tasks are too few to be told", told_not)
    return {key: state for key, state in states.items() if key[0] not in few}


def count_unfinished(states: Mapping[tuple[str, int], str | None]) -> int:
    return sum(state not in _FINISHED for state in states.values())


def alert_of(context: Mapping[str, Any]) -> Alert:
    """What a callback has to tell: of a task about this task, of a DAG about all that failed in its run."""
    ref = DagRunRef.of(context)
    if "deadline" in context:
        return ref.alert((), happened="missed its deadline")
    if "ti" in context and "reason" not in context:
        task = task_of(context)
        # Not every error that is told has failed the task: one of its hooks may have been switched off.
        goes_on: str | None = getattr(context.get("exception"), "happened", None)
        if goes_on is not None:
            return ref.alert([replace(task, state="running")], happened=goes_on)
        return ref.alert([task], happened=_HAPPENED[task.state])
    reason = context.get("reason")
    if reason == "success":
        return ref.alert((), happened="succeeded")
    try:
        states = states_of(context["dag"], ref, context["dag"].task_ids)
        failed = failed_tasks(context["dag"], ref, states)
        return ref.alert(failed, reason=reason, instances=instances_of(states))
    except Exception:
        log.warning("Could not ask which tasks failed; the alert names what the context has", exc_info=True)
    # Airflow gives the task that failed last, when a failed task is the reason.
    last = context.get("ti") if reason == "task_failure" else None
    known = [] if last is None or getattr(last.task, "sends_alerts", False) else [task_of(context)]
    return ref.alert(known, reason=reason)


def task_of(context: Mapping[str, Any]) -> FailedTask:
    """The task whose callback this is, with its error if the context has it."""
    ti, ref, error = context["ti"], DagRunRef.of(context), context.get("exception")
    state = getattr(ti, "state", None)
    task = FailedTask(
        task_id=ti.task_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
        # Not told in the DAG processor, which runs callbacks of failures only.
        state=str(getattr(state, "value", state)) if state in _HAPPENED else "failed",
        try_number=getattr(ti, "try_number", None),
        max_tries=(getattr(ti, "max_tries", 0) or 0) + 1,
        exception=_text_of(error),
        run=error.run if isinstance(error, RunEnded) else None,
    )
    # A callback in the DAG processor has no error: the worker is gone, but it may have left the record.
    task = task if task.run else _with_run(ref, task)
    return ref.with_log(task)


def _text_of(error: Any) -> str | None:
    if error is None or (isinstance(error, RunEnded) and str(error) == explain(error.run)):
        # The remote run itself is shown; its error would say the same again.
        return None
    if isinstance(error, BaseException):
        return f"{type(error).__name__}: {error}".rstrip(": ")
    return str(error)


def _with_tries(dag: Any, ref: DagRunRef, task: FailedTask) -> FailedTask:
    """Ask which try it was; an instance that could not start had none."""
    if task.state != "failed":
        return task
    number = _told(
        lambda: questions.try_of(ref.dag_id, ref.run_id, task.task_id, task.map_index, ref.logical_date),
        "the try of",
        task,
    )
    tries = int(getattr(dag.get_task(task.task_id), "retries", 0) or 0) + 1
    return task if number is None else replace(task, try_number=number, max_tries=tries)


def _with_run(ref: DagRunRef, task: FailedTask) -> FailedTask:
    """The task with the remote run it left in XCom, if it did."""
    if task.state == "upstream_failed":
        return task
    left = _told(
        lambda: recorded_run(ref.dag_id, ref.run_id, task.task_id, task.map_index), "the remote run of", task
    )
    run, number = left or (None, None)
    return replace(task, run=run, try_number=task.try_number or number)


def _told(ask: Callable[[], T], what: str, task: FailedTask) -> T | None:
    """The answer; None with a line in the log if there is none: an alert with less in it still helps."""
    try:
        return ask()
    except Exception:
        log.warning("Could not learn %s %s; the alert goes without it", what, task.label, exc_info=True)
        return None
