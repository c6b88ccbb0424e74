"""A function by its dotted path, as options and rule files name it."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any


def load(path: str) -> Callable[..., Any]:
    """The function, or other callable, with a dotted path.

    :raises ValueError: not a dotted path.
    :raises TypeError: what it names cannot be called.
    :raises ImportError: its module cannot be imported, also because it calls ``sys.exit()``.
    """
    module, _, name = path.rpartition(".")
    if not module or not name:
        raise ValueError(f"{path!r} is not a dotted path such as 'my_company.alerts.tell'")
    try:
        found = getattr(import_module(module), name)
    except SystemExit as err:
        # It would end the scheduler, or the task, that wanted to tell somebody something.
        raise ImportError(f"{module!r} calls sys.exit({err.code!r}) when it is imported") from err
    if not callable(found):
        raise TypeError(f"{path!r} is a {type(found).__name__}, which cannot be called")
    return found  # type: ignore[no-any-return]
