"""HOOKS: state handlers in the manner of Prefect; the one module that users import.

Two ways to use them. *Observe*: ``state_handlers(...)`` gives callbacks to any operator, ``@task`` or DAG,
and nothing they do can change the task. *Decide*: ``stateful(...)`` runs them inside the transition, where
a returned state replaces the outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

from airflow_provider_pipehooks.handlers.state import raised as signals
from airflow_provider_pipehooks.handlers.state.given import (
    Callback,
    StateHandler,
    callback_factory,
    hooks_of,
    on_failure,
)
from airflow_provider_pipehooks.handlers.state.states import (
    Cached,
    Cancelled,
    Cancelling,
    ClientFailed,
    Deferred,
    Failed,
    Finished,
    Looped,
    Mapped,
    Paused,
    Pending,
    Queued,
    Resume,
    Retrying,
    Running,
    Scheduled,
    Skipped,
    State,
    Submitted,
    Success,
    TimedOut,
    TriggerFailed,
    ValidationFailed,
)

__all__ = [
    "Cached",
    "Callback",
    "Cancelled",
    "Cancelling",
    "ClientFailed",
    "Deferred",
    "Failed",
    "Finished",
    "Looped",
    "Mapped",
    "Paused",
    "Pending",
    "Queued",
    "Resume",
    "Retrying",
    "Running",
    "Scheduled",
    "Skipped",
    "State",
    "StateHandler",
    "Submitted",
    "Success",
    "TimedOut",
    "TriggerFailed",
    "ValidationFailed",
    "callback_factory",
    "on_failure",
    "signals",
    "state_handlers",
    "stateful",
]


def state_handlers(
    *handlers: Any, on_failure: Callback | Any = None, of: Literal["task", "dag"] = "task"
) -> dict[str, Any]:
    """Tell handlers of every transition that Airflow can tell; they cannot change the task.

    :param handlers: called in this order as ``handler(operator, old_state, new_state)``; an Airflow notifier
        is called with the context.
    :param on_failure: called last, as ``on_failure(operator, new_state)``, for every failed attempt.
    :param of: ``task`` gives keyword arguments for an operator, ``@task`` or ``default_args``; ``dag`` for
        ``DAG(...)``, which knows fewer callbacks.
    :return: the callbacks, as keyword arguments: ``EmptyOperator(task_id="t", **state_handlers(h))``.
    :raises TypeError: something that cannot be called as a state handler.
    :raises ValueError: another word for ``of``.
    """
    if of not in ("task", "dag"):
        raise ValueError(f"of must be 'task' or 'dag', not {of!r}.")
    from airflow_provider_pipehooks.handlers.state.callbacks import callbacks_of_dag, callbacks_of_task

    if of == "dag":
        return callbacks_of_dag(hooks_of(handlers), hooks_of((), on_failure))
    return callbacks_of_task(hooks_of(handlers, on_failure))


def stateful(target: Any = None, /, **options: Any) -> Any:
    """Let state handlers decide: they run inside the transition, and a state they return replaces it.

    ``stateful(SomeOperator)`` is a subclass that takes ``state_handlers``, ``on_failure``,
    ``on_handler_error`` and ``handler_error_retries`` besides the operator's own arguments.
    ``@stateful(state_handlers=[...])`` stands *above* ``@task`` and takes the same.

    :param target: an operator class, or what ``@task`` has made.
    :param options: for a ``@task`` function only.
    :raises TypeError: neither, or options where an operator takes them itself.
    """
    if target is None:
        return partial(stateful, **options)
    from airflow_provider_pipehooks.handlers.state.stateful import make_stateful

    make: Callable[..., Any] = make_stateful
    return make(target, **options)
