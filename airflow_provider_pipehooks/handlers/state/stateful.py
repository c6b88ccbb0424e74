"""HOOKS, deciding: operators whose state handlers run inside the transition and may change the outcome."""

from __future__ import annotations

import ast
import functools
import inspect
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_pipehooks.handlers.lifecycle import Followed

if TYPE_CHECKING:
    from airflow_provider_pipehooks.handlers.lifecycle import Call, Follower
    from airflow_provider_pipehooks.handlers.state.transitions import Handlers, OnHandlerError


class StatefulOperator(Followed, BaseOperator):
    """Mixed in before an operator; its subclasses may override ``execute`` and ``on_kill`` as ever.

    :param state_handlers: called in order as ``handler(operator, old_state, new_state)``; a state that one
        returns replaces the new state.
    :param on_failure: called last, as ``on_failure(operator, new_state)``, for every failed attempt.
    :param on_handler_error: when a handler raises, ``fail`` the task or ``log`` it.
    :param handler_error_retries: a task that failed because of a handler keeps its retries.
    """

    def __init__(
        self,
        *,
        state_handlers: Sequence[Any] | None = None,
        on_failure: Any = None,
        on_handler_error: OnHandlerError = "fail",
        handler_error_retries: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._handlers: Handlers | None = None
        if state_handlers or on_failure is not None:
            self._handlers = decisive(state_handlers, on_failure, on_handler_error, handler_error_retries)
            self._observe_the_rest(self._handlers)

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """As Airflow's, with the handlers checked now: the instances are made when the task runs."""
        return super().partial(**checked(kwargs))

    def _observe_the_rest(self, handlers: Handlers) -> None:
        """What happens outside ``execute``: bad templates, a result that cannot be stored, a lost worker."""
        from airflow_provider_pipehooks.handlers.state.observing import TaskObserver

        for kind in ("success", "failure", "retry", "skipped"):
            name = f"on_{kind}_callback"
            setattr(self, name, [*getattr(self, name), TaskObserver(handlers, kind)])

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        # Airflow keeps the arguments as well. Handlers are code, and may hold what cannot be copied.
        kept = self._BaseOperator__init_kwargs  # type: ignore[attr-defined]
        for given in (*(kept.get("state_handlers") or ()), kept.get("on_failure")):
            memo[id(given)] = given
        return super().__deepcopy__(memo)

    def _decider(self, call: Call) -> Follower | None:
        if self._handlers is None:
            return None
        from airflow_provider_pipehooks.handlers.state.deciding import Decider

        return Decider(self, self._handlers, call.context)


def decisive(
    state_handlers: Sequence[Any] | None,
    on_failure: Any,
    on_handler_error: OnHandlerError,
    handler_error_retries: bool,
) -> Handlers:
    """The handlers of an operator, checked. Imports here: most have none, and parsing DAGs must be cheap."""
    from airflow_provider_pipehooks.compat.metrics import count_failure
    from airflow_provider_pipehooks.handlers.state.given import hooks_of
    from airflow_provider_pipehooks.handlers.state.transitions import Handlers

    return Handlers(
        hooks_of(state_handlers, on_failure),
        on_handler_error=on_handler_error,
        handler_error_retries=handler_error_retries,
        record=count_failure,
    )


#: Arguments that say what handlers do.
_ARGUMENTS = ("state_handlers", "on_failure", "on_handler_error", "handler_error_retries")


def checked(arguments: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a task that is mapped, or decorated, as they may be kept until it is made.

    :raises TypeError: what cannot be called as a state handler.
    :raises ValueError: another word for ``on_handler_error``.
    """
    if not any(arguments.get(name) is not None for name in _ARGUMENTS):
        return arguments
    from airflow_provider_pipehooks.handlers.state.given import Handed

    given = {"on_handler_error": "fail", "handler_error_retries": True, **arguments}
    decisive(*(given.get(name) for name in _ARGUMENTS))  # type: ignore[arg-type]
    handed = {"state_handlers": Handed(given["state_handlers"])} if given.get("state_handlers") else {}
    return {**arguments, **handed}


@functools.cache
def stateful_class(operator: type[BaseOperator]) -> type[BaseOperator]:
    """The operator with state handlers; the UI and serialized DAGs go on to show the operator's own name."""
    if issubclass(operator, StatefulOperator):
        return operator
    names = {name: getattr(operator, name) for name in ("__module__", "__qualname__", "__doc__")}
    if hasattr(operator, "get_python_source"):
        names["get_python_source"] = source_without_decorators
    metaclass: Any = type(operator)
    made: type[BaseOperator] = metaclass(operator.__name__, (StatefulOperator, operator), names)
    return made


def source_without_decorators(self: Any) -> str:
    """What ``@task.virtualenv`` and its kind run elsewhere; Airflow takes off its own decorator only."""
    source = textwrap.dedent(inspect.getsource(self.python_callable))
    (function,) = ast.parse(source).body
    return "\n".join(source.splitlines()[function.lineno - 1 :]) + "\n"


def make_stateful(target: Any, **options: Any) -> Any:
    """Behind ``stateful``: of an operator class its subclass, of a ``@task`` function another one."""
    if isinstance(target, type) and issubclass(target, BaseOperator):
        if options:
            raise TypeError(f"Give {', '.join(options)} to the operator: stateful({target.__name__})(...).")
        return stateful_class(target)
    if not getattr(target, "_airflow_is_task_decorator", False):
        raise TypeError(
            f"stateful takes an operator class or a @task function, not {target!r}. "
            "Put @stateful(...) above @task."
        )
    if target.kwargs.get("state_handlers") or target.kwargs.get("on_failure") is not None:
        raise TypeError("This @task has state handlers already: give all of them to one @stateful(...).")
    decorated = target.override(**checked(options))
    decorated.operator_class = stateful_class(target.operator_class)
    return decorated
