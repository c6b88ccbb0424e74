"""HOOKS, observing: the callbacks that tell state handlers of a task; nothing they do changes it.

Airflow calls them after it has decided: ``on_execute`` before the body runs, the others at the very end,
all in the worker. If the worker is lost, the DAG processor calls those of a failure or a retry.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_pipehooks.handlers.state.states import (
    Cancelled,
    Failed,
    Later,
    Running,
    Skipped,
    State,
    Success,
)
from airflow_provider_pipehooks.handlers.state.task_states import (
    Context,
    attempt,
    failed_for,
    note_told,
    retrying,
    state_after,
    state_before,
    told,
)
from airflow_provider_pipehooks.handlers.state.transitions import Handlers, retrying_after


class TaskObserver:
    """One callback of a task.

    :param kind: whose callback: the key of ``KINDS``.
    """

    def __init__(self, handlers: Handlers, kind: str) -> None:
        self.handlers = handlers
        self.kind = kind
        self.__name__ = f"state_handlers of on_{kind}_callback"

    def __call__(self, context: Context) -> None:
        # The task runner sets the key before these callbacks, the DAG processor never does.
        in_worker = self.kind == "execute" or "exception" in context
        known = told(context, self.handlers) if in_worker else State(_UNKNOWN, context=context)
        if known is not None and _has_been_told(self.kind, known):
            return
        old = known or state_before(context)
        for new in KINDS[self.kind](context):
            new.context = context
            self.handlers.tell(context["task"], old, new)
            old = new
        if self.kind == "execute":
            note_told(context, self.handlers, old)


_UNKNOWN = "Not known: Airflow's DAG processor tells this, after the worker was lost or never started."


def _has_been_told(kind: str, state: State) -> bool:
    """Handlers that decide have seen most transitions from inside the task, before Airflow's callbacks."""
    return {
        "execute": state.is_running(),
        "success": state.is_successful() and not state.is_skipped(),
        "skipped": state.is_skipped(),
        "retry": state.is_retrying(),
        "failure": state.is_finished() and not state.is_successful(),
    }[kind]


def _executing(context: Context) -> list[State]:
    return [Running("Starting task run.")]


def _succeeded(context: Context) -> list[State]:
    return [Success("Task run succeeded.", Later(lambda: _return_value(context)))]


def _skipped(context: Context) -> list[State]:
    return [Skipped("Task was skipped.")]


def _failed(context: Context) -> list[State]:
    error = context.get("exception")
    if error is None:
        return [Failed(_LOST)]
    state = state_after(error)
    # A signal that means something else is only another error in a task whose handlers do not decide.
    return [state if isinstance(state, (Failed, Cancelled)) else failed_for(error)]


def _retried(context: Context) -> list[State]:
    known = attempt(_NOBODY, context)
    error = context.get("exception")
    return [*_failed(context), retrying(context, error) or retrying_after(known.number, known.tries)]


_LOST = "The task ended without an error to show: its worker died, lost contact, or never started."
_NOBODY = Handlers(())

#: The new states that each of Airflow's callbacks means, in order.
KINDS = {
    "execute": _executing,
    "success": _succeeded,
    "failure": _failed,
    "retry": _retried,
    "skipped": _skipped,
}


def _return_value(context: Context) -> Any:
    ti = context["ti"]
    return ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index)
