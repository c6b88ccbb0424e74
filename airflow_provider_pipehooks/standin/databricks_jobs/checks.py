"""Parameters as they come in: numbers and flags as text or JSON, limits of the slots of run-now."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_pipehooks.standin.databricks_jobs.errors import invalid

MAX_TOKEN_LENGTH = 64
MAX_PARAMS_BYTES = 10_000
MAX_CONCURRENT_RUNS = 1000
TASK_KEY = re.compile(r"[\w-]{1,100}", re.ASCII)

_TASK_SLOTS = (
    "notebook_params",
    "jar_params",
    "python_params",
    "python_named_params",
    "spark_submit_params",
    "dbt_commands",
    "sql_params",
)
SLOTS = (*_TASK_SLOTS, "job_parameters", "pipeline_params")
_MAP_SLOTS = ("job_parameters", "notebook_params", "python_named_params", "sql_params", "pipeline_params")
_LIST_SLOTS = ("jar_params", "python_params", "spark_submit_params", "dbt_commands")
_BYTE_LIMITED = ("notebook_params", "jar_params", "python_params", "spark_submit_params")
_OBJECTS = (
    "notebook_task",
    "spark_jar_task",
    "spark_python_task",
    "spark_submit_task",
    "pipeline_task",
    "dbt_task",
    "new_cluster",
    "git_source",
)
_LISTS = ("tasks", "libraries", "environments", "access_control_list")
_ASCII_ONLY = ("python_params", "spark_submit_params")


def integer(params: Mapping[str, Any], name: str) -> int | None:
    """An int64 that came as a number or as text; Databricks takes both.

    :raises ApiError: something else.
    """
    value = params.get(name)
    if value is None or value == "":
        return None
    try:
        if isinstance(value, bool | float | list | dict):
            raise ValueError
        return int(value)
    except ValueError:
        raise invalid(f"Invalid value {value!r} for parameter {name}: an integer is expected.") from None


def required(params: Mapping[str, Any], name: str) -> int:
    """An int64 that must be there.

    :raises ApiError: missing, or something else.
    """
    if (value := integer(params, name)) is None:
        raise invalid(f"Missing required field: {name}")
    return value


def flag(params: Mapping[str, Any], name: str) -> bool:
    """A boolean that came as JSON or as text; the official provider sends ``True`` with a capital."""
    return str(params.get(name, "")).lower() == "true"


def page_size(params: Mapping[str, Any], *, largest: int, zero_is_largest: bool = False) -> int:
    """``limit``, 20 by default.

    :raises ApiError: outside 1 to ``largest``.
    """
    limit = integer(params, "limit")
    if limit is None:
        return min(20, largest)
    if limit == 0 and zero_is_largest:
        return largest
    if not 1 <= limit <= largest:
        raise invalid(f"Invalid limit {limit}: it must be between 1 and {largest}.")
    return limit


def check_token(params: Mapping[str, Any]) -> None:
    """Check the idempotency token.

    :raises ApiError: no text, or longer than 64 characters.
    """
    token = params.get("idempotency_token")
    if token is not None and not isinstance(token, str):
        raise invalid(f"Could not parse request object: idempotency_token must be a string, not {token!r}.")
    if token is not None and len(token) > MAX_TOKEN_LENGTH:
        raise invalid(f"The idempotency token has {len(token)} characters, more than {MAX_TOKEN_LENGTH}.")


def check_shapes(body: Mapping[str, Any]) -> None:
    """Check what is submitted, and each of its tasks.

    :raises ApiError: a text where an object or a list is expected, as a template makes it.
    """
    tasks = body.get("tasks")
    for name, kind in {**dict.fromkeys(_OBJECTS, dict), **dict.fromkeys(_LISTS, list)}.items():
        if body.get(name) is not None and not isinstance(body[name], kind):
            raise invalid(f"Could not parse request object: {name} must be a {kind.__name__}.")
    for task in tasks or ():
        if not isinstance(task, dict):
            raise invalid("Could not parse request object: tasks must be a list of objects.")
        check_shapes({name: value for name, value in task.items() if name != "tasks"})


def check_job(settings: Mapping[str, Any]) -> None:
    """Check the settings of a job, but for how its tasks depend on each other.

    :raises ApiError: a wrong shape, or a task that says not one thing to run, or not where.
    """
    check_shapes(settings)
    for name in ("job_clusters", "parameters"):
        if settings.get(name) is not None and not isinstance(settings[name], list):
            raise invalid(f"Could not parse request object: {name} must be a list.")
    clusters = {each.get("job_cluster_key") for each in settings.get("job_clusters") or ()}
    most = integer(settings, "max_concurrent_runs")
    if most is not None and not 0 <= most <= MAX_CONCURRENT_RUNS:
        raise invalid(f"max_concurrent_runs must be between 0 and {MAX_CONCURRENT_RUNS}, not {most}.")
    for task in settings.get("tasks") or ():
        _check_job_task(task, clusters)


def _check_job_task(task: Mapping[str, Any], clusters: set[Any]) -> None:
    key = task.get("task_key")
    if not isinstance(key, str) or not TASK_KEY.fullmatch(key):
        raise invalid(f"Invalid task_key {key!r}: 1 to 100 letters, digits, - and _.")
    kinds = [name for name in task if name.endswith("_task")]
    if len(kinds) != 1:
        raise invalid(f"Task {key} must specify exactly one task type, not {kinds or 'none'}.")
    where = [name for name in ("existing_cluster_id", "new_cluster", "job_cluster_key") if task.get(name)]
    if len(where) > 1:
        raise invalid(f"Task {key} must specify at most one of {', '.join(where)}.")
    if task.get("job_cluster_key") and task["job_cluster_key"] not in clusters:
        raise invalid(f"Job cluster '{task['job_cluster_key']}' of task {key} is not defined.")


def check_slots(body: Mapping[str, Any]) -> None:
    """Check the parameters of run-now and repair.

    :raises ApiError: a slot of the wrong shape, too long, not ASCII, or two that exclude each other.
    """
    sent = {name: body[name] for name in SLOTS if body.get(name) is not None}
    mixed = [name for name in _TASK_SLOTS if name in sent]
    if sent.get("job_parameters") and mixed:
        raise invalid(f"job_parameters cannot be used together with {mixed[0]}.")
    # The official workflow group sends all of them, empty where there are none.
    if sent.get("notebook_params") and sent.get("jar_params"):
        raise invalid("notebook_params and jar_params cannot be specified together.")
    for name, value in sent.items():
        for holds, problem in _SLOT_RULES:
            if not holds(name, value):
                raise invalid(f"Invalid {name}: {problem}.")


def _has_shape(name: str, value: Any) -> bool:
    if name in _LIST_SLOTS:
        return isinstance(value, list)
    return isinstance(value, dict) if name in _MAP_SLOTS else True


def _fits(name: str, value: Any) -> bool:
    # The limit is documented for the JSON form, in bytes.
    coded = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return name not in _BYTE_LIMITED or len(coded) <= MAX_PARAMS_BYTES


def _is_ascii(name: str, value: Any) -> bool:
    return name not in _ASCII_ONLY or all(str(each).isascii() for each in value)


_SLOT_RULES: tuple[tuple[Callable[[str, Any], bool], str], ...] = (
    (_has_shape, "it has the wrong type"),
    (_fits, f"its JSON form is longer than {MAX_PARAMS_BYTES} bytes"),
    (_is_ascii, "only ASCII characters are allowed"),
)
