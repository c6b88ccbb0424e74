"""HOOKS: exceptions that carry a state. A task's body or a state handler raises one to end in that state.

Imported as ``signals`` from ``handlers.state_handlers``, the way handlers written for Prefect use them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from airflow_provider_pipehooks.handlers.state.states import (
    Failed,
    Paused,
    Retrying,
    Skipped,
    State,
    Success,
    TriggerFailed,
    ValidationFailed,
)

_OF_THE_STATE = ("result", "start_time", "run_count")


class StateSignal(Exception):
    """Ends a task in a state; the signal is the state's result, unless another ``result`` is given.

    :param details: ``result``, ``start_time`` and ``run_count`` go to the state; anything else becomes an
        attribute of the signal, for handlers to read.
    """

    state_class: ClassVar[type[State]] = State

    def __init__(self, message: str | None = None, **details: Any) -> None:
        super().__init__(message)
        of_state = {name: details.pop(name) for name in _OF_THE_STATE if name in details}
        self.state = self.state_class(message, **{"result": self, **of_state})
        for name, value in details.items():
            setattr(self, name, value)


class FAIL(StateSignal):
    state_class = Failed


class TRIGGERFAIL(FAIL):
    state_class = TriggerFailed


class VALIDATIONFAIL(FAIL):
    state_class = ValidationFailed


class SUCCESS(StateSignal):
    state_class = Success


class SKIP(StateSignal):
    state_class = Skipped


class RETRY(StateSignal):
    state_class = Retrying


class PAUSE(StateSignal):
    """Fails the task: in Airflow a human-in-the-loop operator is what waits for a person."""

    state_class = Paused


class ENDRUN(StateSignal):
    """Ends a task in the state given."""

    def __init__(self, state: State) -> None:
        Exception.__init__(self, state)
        self.state = state
