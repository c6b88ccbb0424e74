"""HOOKS: where hooks of every kind are called, and where their failures end.

State handlers, event hooks, node hooks and signal receivers are adapters over this one. The policy: one
after the other, in the order they were registered; a hook that raises is logged with its traceback and
recorded, and the next one runs; one that says so is switched off after too many failures in a row.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from airflow_provider_pipehooks.core.events import HookProgress

log = logging.getLogger(__name__)

Record = Callable[[HookProgress], None]


class Hook:
    """A registered function, with what is known of its failures.

    :param max_allowable_consecutive_failures: how many failures in a row are allowed before the hook is
        switched off: with 3 it is off after the fourth. None never switches it off. The name is Databricks'.
    :raises TypeError: not a function, or a limit that is not a whole number.
    :raises ValueError: a negative limit.
    """

    __slots__ = ("enabled", "failures", "function", "limit", "name")

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        max_allowable_consecutive_failures: int | None = None,
    ) -> None:
        limit = max_allowable_consecutive_failures
        if not callable(function):
            raise TypeError(f"A hook must be callable, not {function!r}.")
        if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool)):
            raise TypeError(
                f"Hook {name_of(function)}: max_allowable_consecutive_failures must be a whole number or "
                f"None, not {limit!r}."
            )
        if limit is not None and limit < 0:
            raise ValueError(
                f"Hook {name_of(function)}: max_allowable_consecutive_failures must not be negative: {limit}."
            )
        self.function = function
        self.name = name or name_of(function)
        self.limit = limit
        self.failures = 0
        self.enabled = True


def name_of(function: Callable[..., Any]) -> str:
    """What a person calls it: the function's name, or the class of a callable object."""
    return getattr(function, "__qualname__", None) or type(function).__qualname__


class Dispatcher:
    """Calls hooks in order; no failure of one reaches the caller or the next hook.

    :param record: is told of every failure and of every hook switched off. These are never dispatched to
        hooks themselves, so a failing hook cannot feed itself.
    """

    __slots__ = ("_record", "hooks")

    def __init__(self, hooks: Iterable[Hook] = (), *, record: Record | None = None) -> None:
        self.hooks = list(hooks)
        self._record = record

    def dispatch(self, *args: Any, **kwargs: Any) -> None:
        """Call every hook that is still on, each with the same arguments."""
        for hook in self.hooks:
            if hook.enabled:
                self.call(hook, *args, **kwargs)

    def call(self, hook: Hook, *args: Any, **kwargs: Any) -> Any:
        """Call one hook.

        :return: what it returned; None when it raised.
        """
        try:
            result = hook.function(*args, **kwargs)
        except Exception as err:
            self.failed(hook, err)
            return None
        hook.failures = 0
        return result

    def failed(self, hook: Hook, error: Exception, *, then: str = "what it was told of goes on") -> None:
        """Log and count one failure; switch the hook off when it was one too many.

        :param then: for the log: what comes of it.
        """
        hook.failures += 1
        log.error("Hook %s failed, %s: %r", hook.name, then, error, exc_info=error)
        self._tell(HookProgress(hook_name=hook.name, state="FAILED", error=error))
        if hook.limit is not None and hook.failures > hook.limit:
            hook.enabled = False
            log.error("Hook %s is switched off after %s failures in a row", hook.name, hook.failures)
            self._tell(HookProgress(hook_name=hook.name, state="DISABLED", error=error))

    def _tell(self, progress: HookProgress) -> None:
        if self._record is None:
            return
        try:
            self._record(progress)
        except Exception:
            log.exception("Could not record that hook %s is %s", progress.hook_name, progress.state)
