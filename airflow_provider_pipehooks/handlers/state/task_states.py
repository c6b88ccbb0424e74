"""HOOKS: what a task instance of Airflow is in, in the words of state handlers. Nothing here is guessed.

Read in Airflow 3.3.2's task runner.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

from airflow_provider_pipehooks.compat import tries
from airflow_provider_pipehooks.handlers.endings import Ending, ending_of
from airflow_provider_pipehooks.handlers.state.raised import StateSignal
from airflow_provider_pipehooks.handlers.state.states import (
    Cancelled,
    Deferred,
    Failed,
    Paused,
    Pending,
    Resume,
    Retrying,
    Scheduled,
    Skipped,
    State,
    Success,
    TimedOut,
)
from airflow_provider_pipehooks.handlers.state.transitions import Attempt, Handlers, retrying_after

Context = Mapping[str, Any]
_STATES = "_pipehooks_states"


def attempt(handlers: Handlers, context: Context) -> Attempt:
    """The try that a context is about."""
    number, allowed = tries.numbers(context)
    return Attempt(
        handlers=handlers,
        subject=context["task"],
        number=number,
        tries=allowed,
        retries_left=tries.is_retried(context),
        state=state_before(context),
        context=context,
    )


def state_before(context: Context) -> State:
    """The state that a task instance was in before its worker began with it."""
    if tries.was_deferred(context["ti"]):
        return (Resume if _waits_for_people(context["task"]) else Deferred)(context=context)
    if context.get("task_reschedule_count"):
        return Scheduled(context=context)
    number, allowed = tries.numbers(context)
    if number > 1:
        return retrying_after(number - 1, allowed, context=context)
    return Pending(context=context)


def _waits_for_people(task: Any) -> bool:
    module = sys.modules.get("airflow.providers.standard.operators.hitl")
    return module is not None and isinstance(task, module.HITLOperator)


def state_after(error: BaseException) -> State:
    """The state of a task whose body raised, its waits included."""
    if isinstance(error, StateSignal):
        return error.state
    return _STATE_OF.get(ending_of(error), failed_for)(error)


def failed_for(error: BaseException) -> Failed:
    return Failed(f"Error during execution of task: {error!r}", result=error)


_STATE_OF: Mapping[Ending, Callable[[Any], State]] = {
    Ending.WAITS: lambda err: Deferred("Waiting in the triggerer."),
    Ending.ASKS: lambda err: Paused("Waiting for a person's answer."),
    Ending.POKES_AGAIN: lambda err: Scheduled("Rescheduled.", start_time=err.reschedule_date),
    Ending.SKIPPED: lambda err: Skipped(str(err) or None, result=err),
    Ending.FINISHED: lambda err: Success("Task run succeeded."),
    Ending.WAITED_TOO_LONG: lambda err: TimedOut("Task timed out during execution.", result=err),
    Ending.TIMED_OUT: lambda err: TimedOut("Task timed out during execution.", result=err),
    Ending.TERMINATED: lambda err: Cancelled("The task was terminated.", result=err),
}


def retrying(context: Context, error: BaseException | None) -> Retrying | None:
    """The state after a failure that Airflow retries; None when the task's retry policy says no.

    Its ``start_time`` is None under exponential backoff: the scheduler works that out.
    """
    task, (number, allowed) = context["task"], tries.numbers(context)
    delay: timedelta | None = None if task.retry_exponential_backoff else task.retry_delay
    policy = getattr(task, "retry_policy", None)
    if policy is not None and error is not None:
        decision = policy.evaluate(error, context["ti"].try_number, context["ti"].max_tries, context)
        if decision.action.value == "fail":
            return None
        if decision.action.value == "retry":
            delay = decision.retry_delay or delay
    start = None if delay is None else datetime.now(timezone.utc) + delay
    return retrying_after(number, allowed, start_time=start)


# What handlers have been told of this try, in this process. On the runner's own copy of the task.


def told(context: Context, handlers: Handlers) -> State | None:
    known: dict[int, State] = context["task"].__dict__.get(_STATES, {})
    return known.get(id(handlers))


def note_told(context: Context, handlers: Handlers, state: State) -> None:
    context["task"].__dict__.setdefault(_STATES, {})[id(handlers)] = state
