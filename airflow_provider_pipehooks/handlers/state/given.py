"""HOOKS: what may be given as a state handler, checked when it is given, and the callbacks made from less.

A state handler is ``handler(subject, old_state, new_state) -> State | None``: the subject is the operator or
the DAG, None keeps the new state. An Airflow notifier may stand where a handler or a callback may.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from airflow_provider_pipehooks.handlers.dispatch import Hook, name_of
from airflow_provider_pipehooks.handlers.plain import is_never_run
from airflow_provider_pipehooks.handlers.state.states import State

#: ``handler(subject, old_state, new_state)``.
StateHandler = Callable[[Any, State, State], Any]
#: ``callback(subject, new_state)``; what it returns is ignored.
Callback = Callable[[Any, State], Any]
Check = Callable[[State], Any]


class Notify:
    """Lets an Airflow notifier stand for a callback: it is called with the context, and sends by itself.

    A notifier renders its templates in place, so every call gets a fresh copy.
    """

    def __init__(self, notifier: Any) -> None:
        self.notifier = notifier
        self.__qualname__ = type(notifier).__qualname__

    def __call__(self, subject: Any, state: State) -> None:
        context = dict(state.context or {})
        if state.is_failed() and context.get("exception") is None:
            context["exception"] = state.result
        copy.copy(self.notifier)(context)


class CallbackHandler:
    """A handler that calls ``fn(subject, new_state)`` when ``check(new_state)`` is True, and changes nothing.

    A class, not a closure, so that it can be pickled when its parts can.
    """

    def __init__(self, fn: Callback, check: Check) -> None:
        self.fn = fn
        self.check = check
        self.__qualname__ = name_of(fn)

    def __call__(self, subject: Any, old: State, new: State) -> State:
        # Prefect: a check that answers something merely truthy does not fire.
        if self.check(new) is True:
            self.fn(subject, new)
        return new


def callback_factory(fn: Callback, check: Check) -> CallbackHandler:
    """Make a state handler of a callback.

    :param fn: called as ``fn(subject, new_state)``, or an Airflow notifier.
    :param check: called as ``check(new_state)``; the callback runs when it answers ``True``.
    """
    _must_take(check, 1, "(new_state)", "check")
    return CallbackHandler(_callback(fn), check)


def on_failure(fn: Callback) -> CallbackHandler:
    """A state handler that calls ``fn(subject, new_state)`` for every failed attempt."""
    return callback_factory(fn, _is_failed)


def _is_failed(state: State) -> bool:
    return state.is_failed()


def _always(state: State) -> bool:
    return True


def _callback(fn: Any) -> Callback:
    if _is_notifier(fn):
        return Notify(fn)
    _must_take(fn, 2, "(task, new_state)", "callback")
    return fn  # type: ignore[no-any-return]


def _is_notifier(action: Any) -> bool:
    """By its shape: core knows no Airflow."""
    return callable(getattr(action, "notify", None)) and hasattr(action, "render_template_fields")


class Handed(Sequence[Any]):
    """Handlers on their way to the instances of a mapped task.

    Airflow stores the arguments of a mapped task with the DAG: of a list of functions their source code, of
    this its text alone.
    """

    def __init__(self, handlers: Sequence[Any]) -> None:
        self._handlers = tuple(handlers)

    def __getitem__(self, index: Any) -> Any:
        return self._handlers[index]

    def __len__(self) -> int:
        return len(self._handlers)

    def __repr__(self) -> str:
        return f"state handlers {', '.join(map(name_of, self._handlers))}"


def hooks_of(state_handlers: Sequence[Any] | None, on_failure_callback: Any = None) -> tuple[Hook, ...]:
    """The handlers to call, in order; ``on_failure`` comes last. The list given is copied, never kept.

    :raises TypeError: not a sequence, or one of them cannot be called as a state handler.
    """
    given: Iterable[Any] = state_handlers or ()
    if not isinstance(given, Sequence) or isinstance(given, (str, bytes)):
        raise TypeError(f"state_handlers should be iterable: a list of functions, not {state_handlers!r}.")
    handlers = [_handler(one) for one in given]
    if on_failure_callback is not None:
        handlers.append(on_failure(on_failure_callback))
    return tuple(Hook(handler) for handler in handlers)


def _handler(given: Any) -> StateHandler:
    if _is_notifier(given):
        return callback_factory(given, _always)
    _must_take(given, 3, "(task, old_state, new_state)", "state handler")
    return given  # type: ignore[no-any-return]


def _must_take(function: Any, count: int, arguments: str, kind: str) -> None:
    if not callable(function):
        raise TypeError(f"A {kind} must be a function {arguments} or an Airflow notifier, not {function!r}.")
    if is_never_run(function):
        raise TypeError(
            f"{kind} {name_of(function)} must be a plain function: coroutines and generators are never run."
        )
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError as err:
        raise TypeError(f"{kind} {name_of(function)} must take {arguments}: {err}.") from err
    except ValueError:
        return  # some functions written in C do not show what they take
