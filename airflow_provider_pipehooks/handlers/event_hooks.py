"""HOOKS: event hooks of Databricks pipelines, run from outside; the one module that users import.

The decorator is Databricks' own, so a file of hooks runs here and there::

    from airflow_provider_pipehooks.handlers.event_hooks import on_event_hook

    @on_event_hook(max_allowable_consecutive_failures=3)
    def tell(event):
        if event["event_type"] == "update_progress":
            print(event["details"]["update_progress"]["state"])
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from airflow_provider_pipehooks.core.durations import as_limit
from airflow_provider_pipehooks.handlers.dispatch import Hook, name_of
from airflow_provider_pipehooks.handlers.event.dispatching import EventDispatcher, Record
from airflow_provider_pipehooks.handlers.event.filters import Where, where_of
from airflow_provider_pipehooks.handlers.plain import is_never_run

__all__ = ["EventHook", "EventHooks", "Where", "hooks_in", "on_event_hook"]

#: ``(event) -> None``; what it returns is ignored.
EventFunction = Callable[[dict[str, Any]], Any]


class EventHook:
    """A function that :func:`on_event_hook` was put on; calling it calls the function.

    :raises TypeError: no function of one argument, or a limit that is no whole number.
    :raises ValueError: a negative limit.
    """

    def __init__(self, function: EventFunction, limit: int | None = None) -> None:
        if not callable(function):
            raise TypeError(f"An event hook must be a function (event), not {function!r}.")
        if is_never_run(function):
            raise TypeError(
                f"Event hook {name_of(function)} must be a plain function: coroutines and generators are "
                "never run."
            )
        try:
            inspect.signature(function).bind(None)
        except TypeError as err:
            raise TypeError(
                f"Event hook {name_of(function)} must take one argument, the event: {err}."
            ) from err
        Hook(function, max_allowable_consecutive_failures=limit)  # what is wrong with the limit is said now
        self.function = function
        self.limit = limit
        self.name = getattr(function, "__name__", None) or name_of(function)
        functools.update_wrapper(self, function)

    def __call__(self, event: dict[str, Any]) -> Any:
        return self.function(event)

    def __repr__(self) -> str:
        return f"event hook {self.name}"


def on_event_hook(
    function: EventFunction | None = None, /, *, max_allowable_consecutive_failures: int | None = None
) -> Any:
    """Have a function called with every stable event of a pipeline, as on Databricks.

    With and without arguments: ``@on_event_hook``, ``@on_event_hook(max_allowable_consecutive_failures=3)``.

    :param max_allowable_consecutive_failures: so many failures in a row are allowed; the next one switches
        the hook off until the next update. None never does.
    :raises RuntimeError: a first argument that is no function.
    :raises TypeError: no plain function of one argument, or a limit that is no whole number.
    :raises ValueError: a negative limit.
    """
    limit = max_allowable_consecutive_failures
    if function is None:
        Hook(print, name="on_event_hook", max_allowable_consecutive_failures=limit)
        return functools.partial(EventHook, limit=limit)
    if not callable(function):
        raise RuntimeError(
            f"The first argument of on_event_hook is the function, not {function!r}: use "
            "on_event_hook(max_allowable_consecutive_failures=...)."
        )
    return EventHook(function, limit)


class EventHooks(Sequence[EventHook]):
    """Hooks for one pipeline, in the order they are called in.

    :param hooks: functions, with or without :func:`on_event_hook`.
    :param where: of all of them: ``{"event_type": ..., "level": ..., "dataset": ...}``, each a text or a
        list; datasets are globs.
    :param timeout: seconds that one call may take, or a timedelta. They are called in a process of their own
        then, which is ended with the call. None: in the task's own process, however long it takes.
    :raises TypeError: not a list, or one of them is no function of one argument.
    :raises ConfigurationError: a filter that is none, or a timeout that is no duration above 0.
    """

    def __init__(
        self,
        hooks: Sequence[Any],
        *,
        where: Mapping[str, Any] | Where | None = None,
        timeout: Any = None,
    ) -> None:
        if isinstance(hooks, (str, bytes)) or not isinstance(hooks, Sequence):
            raise TypeError(f"EventHooks takes a list of functions, not {hooks!r}.")
        self._hooks = tuple(hook if isinstance(hook, EventHook) else EventHook(hook) for hook in hooks)
        self.where = where_of(where)
        self.timeout = as_limit(timeout, "timeout of EventHooks")

    def __getitem__(self, index: Any) -> Any:
        return self._hooks[index]

    def __len__(self) -> int:
        return len(self._hooks)

    def dispatcher(self, *, record: Record | None = None) -> EventDispatcher:
        """What calls them: with counters of its own, so that two pipelines do not share any.

        To be closed at the end, or used in a ``with``, where there is a timeout.

        :param record: is told of every hook that is enabled, fails or is disabled.
        """
        hooks = (
            Hook(each.function, name=each.name, max_allowable_consecutive_failures=each.limit)
            for each in self._hooks
        )
        with_filter = ((hook, self.where) for hook in hooks)
        return EventDispatcher(with_filter, record=record, limit_s=self.timeout)


def hooks_in(namespace: Mapping[str, Any]) -> Iterator[EventHook]:
    """The hooks of a module, in the order they are written in; one with two names once."""
    found = {id(value): value for value in namespace.values() if isinstance(value, EventHook)}
    yield from found.values()
