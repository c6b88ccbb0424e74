"""HOOKS, deciding: one try of a task with its handlers around it, and its end in Airflow's terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, cast

from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
    DagRunTriggerException,
    DownstreamTasksSkipped,
)

from airflow_provider_pipehooks.compat.tries import retry_anyway
from airflow_provider_pipehooks.handlers.endings import ending_of, is_never_retried
from airflow_provider_pipehooks.handlers.lifecycle import Follower
from airflow_provider_pipehooks.handlers.state.states import Cancelled, Cancelling, Retrying, State, Success
from airflow_provider_pipehooks.handlers.state.task_states import (
    Context,
    attempt,
    note_told,
    retrying,
    state_after,
)
from airflow_provider_pipehooks.handlers.state.transitions import Attempt, Handlers

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator


@dataclass
class Body:
    """What the operator's own code came to.

    :param state: what handlers are told of it; None if it never ran.
    :param again: the retry that Airflow, left alone, has next.
    """

    state: State | None = None
    result: Any = None
    error: BaseException | None = None
    again: Retrying | None = None


class Decider(Follower):
    """The state handlers of a task, around one of its processes."""

    def __init__(self, task: BaseOperator, handlers: Handlers, context: Context) -> None:
        self.task, self.handlers, self.context = task, handlers, context
        self.attempt = attempt(handlers, context)

    def around(self, work: Callable[[], Any]) -> Any:
        """Let handlers decide how the task ends."""
        try:
            return run(self.task, self.attempt, work)
        finally:
            note_told(self.context, self.handlers, self.attempt.state)

    def killed(self, on_kill: Callable[[], None]) -> None:
        """Airflow has decided when it kills a task: handlers are told, and cannot change it."""
        now = self.attempt
        if now.killed or not now.state.is_running():
            on_kill()
            return
        now.killed = True
        now.tell(Cancelling("The task was killed."))
        on_kill()
        now.tell(Cancelled("The task was killed."))


def run(task: BaseOperator, now: Attempt, execute: Callable[[], Any]) -> Any:
    """Handlers, the body, handlers; then end the task as the last state says."""
    body = Body(again=retrying(now.context, None) if now.retries_left else None)
    ended = now.begin(body.again)
    if ended is not None:
        return _end(task, now, ended, body)
    try:
        body.result = execute()
        body.state = Success("Task run succeeded.", body.result)
    except DagRunTriggerException:
        raise  # the task runner goes on from here; the end is told by Airflow's callbacks
    except BaseException as err:
        body.error, body.state = err, state_after(err)
    if now.killed:
        return _as_it_came(body)
    if now.retries_left:
        never = body.error is not None and is_never_retried(body.error)
        body.again = None if never else retrying(now.context, body.error)
    ended = now.end(body.state, can_retry=body.again is not None, retrying=body.again)
    return _end(task, now, ended, body)


def _as_it_came(body: Body) -> Any:
    if body.error is not None:
        raise body.error
    return body.result


def _end(task: BaseOperator, now: Attempt, ended: State, body: Body) -> Any:
    """Return or raise what has Airflow end the task in the state its handlers left it in."""
    raising = _retry(task, now, ended, body) if isinstance(ended, Retrying) else _final(ended, body)
    if isinstance(body.error, AirflowTaskTimeout) and raising is not body.error:
        task.on_kill()  # Airflow does this only when it sees the timeout
    if raising is None:
        # A signal is a fine result for handlers, and nothing to store.
        return None if isinstance(ended.result, BaseException) else ended.result
    if raising is body.error:
        raise raising
    raise raising from (body.error or (ended.result if isinstance(ended.result, BaseException) else None))


def _final(ended: State, body: Body) -> BaseException | None:
    """What to raise; None to return the state's result."""
    untouched = ended is body.state
    if ended.is_skipped():
        kept = untouched and isinstance(body.error, AirflowSkipException)
        return body.error if kept else AirflowSkipException(_text(ended))
    if ended.is_successful():
        return body.error if isinstance(body.error, DownstreamTasksSkipped) else None
    if ended.is_pending() and body.error is not None and ending_of(body.error).is_wait:
        return body.error
    if untouched and body.again is None:
        return body.error
    if ended.is_failed() or isinstance(ended, Cancelled):
        return AirflowFailException(_text(ended))
    return AirflowFailException(
        f"State handlers or a signal left the task {ended!r}, which is no end of a task in Airflow. "
        "Use a Success, Skipped, Failed or Retrying."
    )


def _retry(task: BaseOperator, now: Attempt, ended: Retrying, body: Body) -> BaseException:
    if ended is not body.again:
        # Decided by handlers: neither the number of retries nor the task's own policy is asked.
        retry_anyway(now.context)
        task.retry_policy = cast("Any", _Decided(ended.start_time))
    elif now.failed is body.state and body.error is not None:
        return body.error
    return AirflowException(_text(now.failed or ended))


class _Decided:
    """A retry policy for one failure.

    :param start_time: when to run again; None leaves it to the task's ``retry_delay``.
    """

    def __init__(self, start_time: datetime | None) -> None:
        self.start_time = start_time

    def evaluate(self, *_: Any, **__: Any) -> Any:
        from airflow.sdk.definitions.retry_policy import RetryDecision

        if self.start_time is None:
            return RetryDecision.retry()
        delay = self.start_time - datetime.now(timezone.utc)
        return RetryDecision.retry(delay=max(delay, timedelta(0)))


def _text(state: State) -> str:
    return state.message or repr(state)
