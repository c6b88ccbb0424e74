"""Whether a call runs a function: that of a coroutine or a generator only makes one, which nobody runs."""

from __future__ import annotations

import functools
import inspect
from typing import Any

_NEVER_RUN = (
    inspect.iscoroutinefunction,
    inspect.isgeneratorfunction,
    inspect.isasyncgenfunction,
)


def is_never_run(function: Any) -> bool:
    """Whether calling it runs nothing; looks behind ``functools.partial``, ``functools.wraps`` and methods.

    A wrapper that runs a coroutine itself must not claim to be the function that it wraps.
    """
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function) and not isinstance(function, type):
        function = inspect.getattr_static(type(function), "__call__", function)
    wrapped = inspect.unwrap(function)
    return any(is_one(each) for is_one in _NEVER_RUN for each in (function, wrapped))


def refuse_result(result: Any) -> None:
    """End what a call has made instead of running.

    :raises RuntimeError: it is a coroutine or a generator.
    """
    if inspect.iscoroutine(result) or inspect.isgenerator(result):
        result.close()
        raise RuntimeError(
            "It returned a coroutine or a generator, which nobody runs: make it a plain function."
        )
