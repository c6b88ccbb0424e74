"""HOOKS: try a state handler without Airflow. The rules are those of a task made with ``stateful``.

from airflow_provider_pipehooks.handlers.testing import run_task

def test_i_am_told_of_the_retry():
    run = run_task(lambda: 1 / 0, state_handlers=[my_handler], retries=1)
    assert run.told[2] == "Failed -> Retrying"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from airflow_provider_pipehooks.handlers.dispatch import Hook
from airflow_provider_pipehooks.handlers.state.given import hooks_of
from airflow_provider_pipehooks.handlers.state.raised import StateSignal
from airflow_provider_pipehooks.handlers.state.states import Failed, Pending, State, Success
from airflow_provider_pipehooks.handlers.state.transitions import Attempt, Handlers, OnHandlerError


@dataclass
class TaskRun:
    """What became of a task.

    :param state: the last one.
    :param transitions: (old, new) of each, as the first handler was told.
    :param bodies: how often the task's body ran.
    """

    state: State = field(default_factory=Pending)
    transitions: list[tuple[State, State]] = field(default_factory=list)
    bodies: int = 0

    @property
    def told(self) -> list[str]:
        """``["Pending -> Running", "Running -> Success"]``."""
        return [f"{type(old).__name__} -> {type(new).__name__}" for old, new in self.transitions]

    def _note(self, subject: Any, old: State, new: State) -> None:
        self.transitions.append((old, new))


def run_task(
    body: Callable[[], Any],
    *,
    state_handlers: Sequence[Any] = (),
    on_failure: Any = None,
    retries: int = 0,
    task_id: str = "task",
    context: Mapping[str, Any] | None = None,
    on_handler_error: OnHandlerError = "fail",
    handler_error_retries: bool = True,
) -> TaskRun:
    """Run ``body`` as the task, with its retries, without waiting between them.

    :param context: what handlers find in ``state.context``.
    """
    run = TaskRun()
    handlers = Handlers(
        [Hook(run._note), *hooks_of(state_handlers, on_failure)],
        on_handler_error=on_handler_error,
        handler_error_retries=handler_error_retries,
    )
    subject = SimpleNamespace(task_id=task_id)
    number = 0
    while not number or run.state.is_retrying():
        number += 1
        attempt = Attempt(handlers, subject, number, retries + 1, number <= retries, run.state, context or {})
        ended = attempt.begin()
        if ended is None:
            run.bodies += 1
            ended = attempt.end(_outcome(body))
        run.state = ended
    return run


def _outcome(body: Callable[[], Any]) -> State:
    try:
        return Success("Task run succeeded.", body())
    except Exception as err:
        return outcome_of(err)


def outcome_of(error: BaseException) -> State:
    """The state of a task whose body raised."""
    if isinstance(error, StateSignal):
        return error.state
    return Failed(f"Error during execution of task: {error!r}", result=error)
