"""When a call that failed is tried again: by our two numbers, or as ``tenacity`` would do it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_pipehooks.core.errors import ConfigurationError

log = logging.getLogger(__name__)

#: What the official hooks set themselves, whatever they are given.
_NOT_YOURS = frozenset({"retry", "after", "reraise"})


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often and how soon.

    :param limit: tries of a call.
    :param delay_s: before the second try; doubled for each further one.
    :param stop: tenacity's, instead of ``limit``.
    :param wait: tenacity's, instead of ``delay_s``.
    """

    limit: int
    delay_s: float
    stop: Callable[[Any], bool] | None = None
    wait: Callable[[Any], float] | None = None

    @classmethod
    def of(cls, limit: int, delay_s: float, retry_args: Mapping[Any, Any] | None) -> Retries:
        """With ``retry_args`` as the official hooks take them: ``stop`` and ``wait`` count.

        :raises ConfigurationError: no mapping, or one of the two is not what tenacity calls.
        """
        given = _checked(retry_args)
        return cls(limit=limit, delay_s=delay_s, stop=given.get("stop"), wait=given.get("wait"))

    def begin(self, tries: int | None = None) -> Tried:
        """Count the tries of one call.

        :param tries: what its caller allows, whatever else is said.
        """
        stop = self.stop if tries is None else None
        return Tried(replace(self, limit=tries or self.limit, stop=stop))


@dataclass
class Tried:
    """The tries of one call so far, and when the first one began."""

    retries: Retries
    times: int = 0
    started_s: float = field(default_factory=time.monotonic)

    def pause_s(self, err: Exception) -> float | None:
        """After a try that failed: seconds until the next one; None when there is none."""
        self.times += 1
        plan = self.retries
        state = self._state(err) if plan.stop or plan.wait else None
        pause_s = float(plan.wait(state)) if plan.wait else plan.delay_s * 2 ** (self.times - 1)
        if plan.stop is None or state is None:
            return pause_s if self.times < plan.limit else None
        state.upcoming_sleep = pause_s
        return None if plan.stop(state) else pause_s

    def _state(self, err: Exception) -> Any:
        # Who gives its objects has it installed; nothing else here needs it.
        from tenacity import RetryCallState

        state = RetryCallState(None, None, (), {})  # type: ignore[arg-type]
        state.attempt_number, state.start_time = self.times, self.started_s
        state.set_exception((type(err), err, err.__traceback__))
        return state


def _checked(retry_args: Mapping[Any, Any] | None) -> Mapping[Any, Any]:
    if not isinstance(retry_args, Mapping | None):
        raise ConfigurationError(
            f"retry_args must be an object such as {{'stop': stop_after_attempt(5)}}, not a "
            f"{type(retry_args).__name__}. Or use retry_limit and retry_delay."
        )
    given = {name: value for name, value in (retry_args or {}).items() if value is not None}
    for name in ("stop", "wait"):
        if not callable(given.get(name, print)):
            raise ConfigurationError(
                f"{name!r} of retry_args must be one of tenacity's, such as {name}_"
                f"{'after_attempt(5)' if name == 'stop' else 'fixed(2)'}, not a {type(given[name]).__name__}."
            )
    if unused := sorted(map(str, given.keys() - _NOT_YOURS - {"stop", "wait"})):
        log.warning("retry_args: %s not used here, only 'stop' and 'wait' are.", ", ".join(unused))
    return given
