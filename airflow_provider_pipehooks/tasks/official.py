"""What people's subclasses and arguments expect of the official operators: taken over, or refused.

Imported where it is needed only: most DAGs have neither.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.hooks.retrying import Retries, Tried

#: Tries that are looked through for the one after which tenacity would stop.
_MOST_TRIES = 1000
#: What the official hooks set themselves, whatever they are given.
_SET_BY_HOOKS = frozenset({"retry", "after", "reraise"})

#: What tenacity's objects are asked about.
_NO_ANSWER = ConnectionError("no answer")

_BODY = "change self.json or the named parameters in execute, before super().execute(context)"
_JOB = "set self.job_id in execute, before super().execute(context)"
_WAIT = "override execute or execute_complete, or give state_handlers"
#: Methods of the official operators that ours never call -> what to do instead.
NEVER_CALLED: Mapping[str, str] = {
    "_get_merged_json": _BODY,
    "_get_named_json_parameters": _BODY,
    "_prepare_submit_json": _BODY,
    "_prepare_run_now_json": _BODY,
    "_validate_merged_json": _BODY,
    "_inject_openlineage_properties_into_databricks_job": _BODY,
    "_resolve_job_id": _JOB,
    "_get_or_trigger_run": _JOB,
    "_handle_terminal_status": _WAIT,
    "execute_resumable": _WAIT,
    "submit_job": _WAIT,
    "get_job_status": _WAIT,
    "is_job_active": _WAIT,
    "is_job_succeeded": _WAIT,
    "poll_until_complete": _WAIT,
    "get_job_result": _WAIT,
}
#: Where a subclass may say which hook is used.
_HOOKS = ("hook", "_hook", "_get_hook")


def honour(cls: type) -> None:
    """Have the overrides of somebody's subclass count.

    :raises ConfigurationError: it overrides what is never called; says what to do instead.
    """
    for name, instead in NEVER_CALLED.items():
        if hasattr(cls, name):
            raise ConfigurationError(
                f"{cls.__qualname__} overrides {name}, which only the official operator calls: {instead}."
            )
    for name in _HOOKS:
        own = vars(cls).get(name)
        if isinstance(own, property) and own.fset is None and own.fget is not None:
            own = functools.cached_property(own.fget)  # so that another hook can be put in its place
            own.__set_name__(cls, name)
            setattr(cls, name, own)
        if isinstance(own, functools.cached_property):
            own.func = _checked(own.func, cls, name)
        elif inspect.isfunction(own):
            setattr(cls, name, _checked(own, cls, name))


def _checked(make: Callable[..., Any], cls: type, name: str) -> Callable[..., Any]:
    @functools.wraps(make)
    def checked(*args: Any, **kwargs: Any) -> Any:
        from airflow_provider_pipehooks.hooks.remote import RemoteHook

        hook = make(*args, **kwargs)
        if not isinstance(hook, RemoteHook):
            kind = f"{type(hook).__module__}.{type(hook).__qualname__}"
            raise ConfigurationError(
                f"{cls.__qualname__}.{name} gives a {kind}. Give the hook of this package: "
                "airflow_provider_pipehooks.hooks.dbt_cloud.DbtCloudHook, or hooks.databricks.DatabricksHook."
            )
        return hook

    return checked


def takes(method: Callable[..., Any], names: Iterable[str]) -> set[str]:
    """Those of the names that a method takes as keywords."""
    parameters = inspect.signature(method).parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return set(names)
    return {each.name for each in parameters if each.kind is not each.POSITIONAL_ONLY} & set(names)


def as_official_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """A trigger's event with the keys of the official triggers added, for who reads them in a subclass."""
    run = event.get("run") or event.get("waits") or {}
    status = {"SUCCESS": "success", "CANCELLED": "cancelled"}.get(str(run.get("state")), "error")
    return {
        "run_id": run.get("run_id"),
        "run_page_url": run.get("url"),
        "errors": run.get("failures") or [],
        **event,
        "status": "timeout" if event.get("reason") == "deadline" else status,
        "message": event.get("message") or run.get("message") or str(run.get("status")),
    }


def retry_numbers(retry_args: Any, what: str) -> tuple[dict[str, Any], list[str]]:
    """What tenacity's ``stop`` and ``wait`` come to as our two numbers, and what is left unused.

    :param retry_args: ``{"stop": stop_after_attempt(5), "wait": wait_fixed(2), ...}``.
    :return: ``retry_limit`` and ``retry_delay``, as far as they can be told; names of the rest.
    :raises ConfigurationError: not such a mapping.
    """
    if not isinstance(retry_args, Mapping):
        raise ConfigurationError(
            f"{what} must be an object of tenacity's arguments, not {retry_args!r:.100}."
        )
    given = {str(name): value for name, value in retry_args.items() if value is not None}
    numbers: dict[str, Any] = {}
    for name, number, tell in (("stop", "retry_limit", _last_try), ("wait", "retry_delay", _first_pause_s)):
        if name not in given:
            continue
        if not callable(given[name]):
            raise ConfigurationError(
                f"{name!r} in {what} must be one of tenacity's, such as {name}_"
                f"{'after_attempt(5)' if name == 'stop' else 'fixed(2)'}, not {given[name]!r:.100}."
            )
        told = tell(given[name])
        if told is not None:
            numbers[number] = told
            del given[name]
    return numbers, sorted(given.keys() - _SET_BY_HOOKS)


def _last_try(stop: Callable[[Any], bool]) -> int | None:
    tried = Tried(Retries(limit=1, delay_s=0.0, stop=stop))
    return next((number for number in range(1, _MOST_TRIES + 1) if tried.pause_s(_NO_ANSWER) is None), None)


def _first_pause_s(wait: Callable[[Any], float]) -> float | None:
    pause_s = Tried(Retries(limit=2, delay_s=0.0, wait=wait)).pause_s(_NO_ANSWER)
    return pause_s if pause_s is not None and pause_s >= 0 else None
