"""HOOKS, deciding: operators whose state handlers run inside the transition and may change the outcome."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_pipehooks.handlers.state.transitions import Attempt, Handlers, OnHandlerError


class StatefulOperator(BaseOperator):
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
        self._attempt: Attempt | None = None
        if state_handlers or on_failure is not None:
            self._handlers = decisive(state_handlers, on_failure, on_handler_error, handler_error_retries)
            self._observe_the_rest(self._handlers)

    def _observe_the_rest(self, handlers: Handlers) -> None:
        """What happens outside ``execute``: bad templates, a result that cannot be stored, a lost worker."""
        from airflow_provider_pipehooks.handlers.state.observing import TaskObserver

        for kind in ("success", "failure", "retry", "skipped"):
            name = f"on_{kind}_callback"
            setattr(self, name, [*getattr(self, name), TaskObserver(handlers, kind)])

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, wrap in (("execute", _as_attempt), ("on_kill", _as_cancelling)):
            if name in cls.__dict__:
                setattr(cls, name, wrap(cls.__dict__[name]))

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        # Airflow keeps the arguments as well. Handlers are code, and may hold what cannot be copied.
        kept = self._BaseOperator__init_kwargs  # type: ignore[attr-defined]
        for given in (*(kept.get("state_handlers") or ()), kept.get("on_failure")):
            memo[id(given)] = given
        return super().__deepcopy__(memo)

    def execute(self, context: Context) -> Any:
        return self._within_attempt(context, functools.partial(super().execute, context))

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        resume = functools.partial(super().resume_execution, next_method, next_kwargs, context)
        return self._within_attempt(context, resume)

    def on_kill(self) -> None:
        self._while_cancelling(super().on_kill)

    def _within_attempt(self, context: Context, body: Callable[[], Any]) -> Any:
        # Only the outermost call counts: execute may be called by a subclass, or to resume.
        if self._handlers is None or self._attempt is not None:
            return body()
        from airflow_provider_pipehooks.handlers.state.deciding import run
        from airflow_provider_pipehooks.handlers.state.task_states import attempt, note_told

        self._attempt = attempt(self._handlers, context)
        try:
            return run(self, self._attempt, body)
        finally:
            note_told(context, self._handlers, self._attempt.state)
            self._attempt = None

    def _while_cancelling(self, on_kill: Callable[[], None]) -> None:
        """Airflow has decided when it kills a task: handlers are told, and cannot change it."""
        now = self._attempt
        if now is None or now.killed or not now.state.is_running():
            on_kill()
            return
        from airflow_provider_pipehooks.handlers.state.states import Cancelled, Cancelling

        now.killed = True
        now.tell(Cancelling("The task was killed."))
        on_kill()
        now.tell(Cancelled("The task was killed."))


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


def _as_attempt(execute: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(execute)
    def within_attempt(self: StatefulOperator, *args: Any, **kwargs: Any) -> Any:
        context = args[0] if args else kwargs["context"]
        return self._within_attempt(context, functools.partial(execute, self, *args, **kwargs))

    return within_attempt


def _as_cancelling(on_kill: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(on_kill)
    def cancelling(self: StatefulOperator) -> None:
        self._while_cancelling(functools.partial(on_kill, self))

    return cancelling


@functools.cache
def stateful_class(operator: type[BaseOperator]) -> type[BaseOperator]:
    """The operator with state handlers; the UI and serialized DAGs go on to show the operator's own name."""
    if issubclass(operator, StatefulOperator):
        return operator
    names = {name: getattr(operator, name) for name in ("__module__", "__qualname__", "__doc__")}
    metaclass: Any = type(operator)
    made: type[BaseOperator] = metaclass(operator.__name__, (StatefulOperator, operator), names)
    return made


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
    decorated = target.override(**options)
    decorated.operator_class = stateful_class(target.operator_class)
    return decorated
