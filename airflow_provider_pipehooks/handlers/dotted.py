"""A function by its dotted path, as options and rule files name it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def load(path: str) -> Callable[..., Any]:
    """The function, or other callable, with a dotted path.

    :raises ValueError: not a dotted path.
    :raises TypeError: what it names cannot be called.
    """
    module, _, name = path.rpartition(".")
    if not module or not name:
        raise ValueError(f"{path!r} is not a dotted path such as 'my_company.alerts.tell'")
    found = getattr(import_module(module), name)
    if not callable(found):
        raise TypeError(f"{path!r} is a {type(found).__name__}, which cannot be called")
    return found  # type: ignore[no-any-return]
