"""HOOKS: the states a state handler is told of. Names, tree, predicates and ``repr`` are Prefect 1.4's.

Not to be mixed up with ``core.run_state``, which says how a *remote run* is doing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any


class Later:
    """A result that is only fetched when somebody looks at it.

    :param fetch: called once; what it raises reaches the handler that looks.
    """

    def __init__(self, fetch: Callable[[], Any]) -> None:
        self.fetch = fetch


class State:
    """What a task or a DAG run is in. As the base class alone: not known.

    :param message: for people.
    :param result: of the task; for a failure its exception or signal, for a handler's Success the value
        that the task returns.
    :param context: Airflow's; put in before a handler sees the state.
    """

    color = "#696969"

    def __init__(
        self, message: str | None = None, result: Any = None, context: Mapping[str, Any] | None = None
    ) -> None:
        self.message = message
        self._result = result
        self.context = context

    @property
    def result(self) -> Any:
        if isinstance(self._result, Later):
            self._result = self._result.fetch()
        return self._result

    @result.setter
    def result(self, value: Any) -> None:
        self._result = value

    def __repr__(self) -> str:
        message = f': "{self.message}"' if self.message else ""
        return f"<{type(self).__name__}{message}>"

    def is_pending(self) -> bool:
        return isinstance(self, Pending)

    def is_queued(self) -> bool:
        return isinstance(self, Queued)

    def is_retrying(self) -> bool:
        return isinstance(self, Retrying)

    def is_running(self) -> bool:
        return isinstance(self, Running)

    def is_finished(self) -> bool:
        return isinstance(self, Finished)

    def is_looped(self) -> bool:
        return isinstance(self, Looped)

    def is_skipped(self) -> bool:
        return isinstance(self, Skipped)

    def is_scheduled(self) -> bool:
        return isinstance(self, (Queued, Scheduled))

    def is_submitted(self) -> bool:
        return isinstance(self, Submitted)

    def is_cached(self) -> bool:
        return isinstance(self, Cached)

    def is_mapped(self) -> bool:
        return isinstance(self, Mapped)

    def is_meta_state(self) -> bool:
        return isinstance(self, _MetaState)

    def is_successful(self) -> bool:
        return isinstance(self, Success)

    def is_failed(self) -> bool:
        return isinstance(self, Failed)


# Not started, or waiting


class Pending(State):
    color = "#7ebdff"


class Scheduled(Pending):
    """It runs later.

    :param start_time: when; None where it is not known, or left to Airflow.
    """

    color = "#ffab00"

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        context: Mapping[str, Any] | None = None,
        *,
        start_time: datetime | None = None,
    ) -> None:
        super().__init__(message, result, context)
        self.start_time = start_time


class Paused(Scheduled):
    """It waits for a person."""

    color = "#99a8e8"


class Resume(Scheduled):
    color = "#f58c0c"


class Retrying(Scheduled):
    """It failed, or asked for it, and runs again.

    :param run_count: how many attempts have ended; filled in for a handler that does not say.
    """

    color = "#f66a0a"

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        context: Mapping[str, Any] | None = None,
        *,
        start_time: datetime | None = None,
        run_count: int | None = None,
    ) -> None:
        super().__init__(message, result, context, start_time=start_time)
        self.run_count = run_count


class Deferred(Pending):
    """It waits in the triggerer. Airflow's; Prefect has none."""

    color = "#9370db"


class _MetaState(State):
    """A word about a state, not a state of its own.

    :param state: the one it is about.
    """

    def __init__(
        self,
        message: str | None = None,
        result: Any = None,
        context: Mapping[str, Any] | None = None,
        *,
        state: State | None = None,
    ) -> None:
        super().__init__(message, result, context)
        self.state = state


class Queued(_MetaState):
    color = "#ffea7f"


class Submitted(_MetaState):
    color = "#ffdf5d"


class ClientFailed(_MetaState):
    color = "#eb0000"


# At work


class Running(State):
    color = "#3d67ff"


class Cancelling(Running):
    color = "#E8E8E8"


# At the end


class Finished(State):
    color = "#003ccb"


class Looped(Finished):
    pass


class Cancelled(Finished):
    color = "#bdbdbd"


class Success(Finished):
    color = "#28a745"


class Skipped(Success):
    color = "#62757f"


class Cached(Success):
    color = "#34d058"


class Mapped(Success):
    color = "#003ccb"


class Failed(Finished):
    color = "#eb0000"


class TimedOut(Failed):
    color = "#ff4e33"


class TriggerFailed(Failed):
    """It never ran, because of what failed upstream."""

    color = "#ff5131"


class ValidationFailed(Failed):
    color = "#ff5131"
