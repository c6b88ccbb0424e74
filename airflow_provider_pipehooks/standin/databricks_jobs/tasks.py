"""Task definitions: read them from tests and from bodies, and choose which to run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any

from airflow_provider_pipehooks.standin.databricks_jobs.errors import invalid
from airflow_provider_pipehooks.standin.databricks_jobs.model import Behaviour, Json, Plans, Run
from airflow_provider_pipehooks.standin.plan import Plan

# Create, reset, update and submit take at most this many tasks.
MAX_TASKS = 1000
_BEHAVIOUR_KEYS = frozenset({"plan", "plans", "outcome", "error", "error_trace", "output"})


def read_tasks(tasks: Sequence[str | Mapping[str, Any]]) -> tuple[list[Json], dict[str, Behaviour]]:
    """Split a test's tasks into what the API shows and how they behave."""
    specs: list[Json] = []
    behaviours = {}
    for task in tasks:
        entry = {"task_key": task} if isinstance(task, str) else dict(task)
        behaviours[entry["task_key"]] = _behaviour(entry)
        spec = {key: value for key, value in entry.items() if key not in _BEHAVIOUR_KEYS}
        upstream = [
            {"task_key": each} if isinstance(each, str) else each for each in spec.get("depends_on", ())
        ]
        specs.append(
            {"notebook_task": {"notebook_path": f"/{entry['task_key']}"}, **spec, "depends_on": upstream}
        )
    return specs, behaviours


def _behaviour(entry: Mapping[str, Any]) -> Behaviour:
    given = entry.get("plans") or [entry[key] for key in ("plan",) if entry.get(key) is not None]
    if not given and "outcome" in entry:
        given = [Plan(outcome=entry["outcome"])]
    # Over the control routes plans come as JSON.
    plans = tuple(each if isinstance(each, Plan) else Plan.from_json(each) for each in given)
    return Behaviour(
        plans=Plans(plans) if plans else None,
        error=entry.get("error"),
        error_trace=entry.get("error_trace"),
        output=entry.get("output") or {},
    )


def checked_specs(tasks: Any) -> list[Json]:
    """Check the ``tasks`` of a body.

    :raises ApiError: not a list of tasks, too many, a key twice, or a dependency that is not there.
    """
    if not isinstance(tasks, list) or not all(
        isinstance(each, dict) and each.get("task_key") for each in tasks
    ):
        raise invalid("tasks must be a list of objects, each with a task_key.")
    if len(tasks) > MAX_TASKS:
        raise invalid(f"The number of tasks {len(tasks)} exceeds the limit of {MAX_TASKS}.")
    keys = [each["task_key"] for each in tasks]
    if len(set(keys)) != len(keys):
        raise invalid("Duplicate task_key found in tasks.")
    for each in tasks:
        for dependency in each.get("depends_on") or ():
            if dependency["task_key"] not in keys:
                raise invalid(f"Task {each['task_key']} depends on unknown task {dependency['task_key']}.")
    arrows = {each["task_key"]: [up["task_key"] for up in each.get("depends_on") or ()] for each in tasks}
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError:
        raise invalid("The dependencies of the tasks form a cycle.") from None
    return tasks


def submitted_specs(body: Json) -> list[Json]:
    """The tasks of a submit body; the older form has one task at the root, whose key is the name of the run.

    :raises ApiError: neither form.
    """
    if body.get("tasks"):
        return checked_specs(body["tasks"])
    kinds = [key for key in body if key.endswith("_task")]
    if len(kinds) != 1:
        raise invalid("Exactly one task must be specified, or a list of tasks.")
    shared = ("existing_cluster_id", "new_cluster", "libraries", "timeout_seconds")
    # The official notebook operator finds its task under the name that it gave the run.
    name = re.sub(r"[^\w-]", "_", str(body.get("run_name") or "Untitled"))[:100]
    return [{"task_key": name, **{key: body[key] for key in (*kinds, *shared) if key in body}}]


def expand_only(only: Any, specs: Sequence[Json]) -> list[str]:
    """The keys that ``only`` of run-now selects; ``+key`` adds what is upstream, ``key+`` what is downstream.

    :raises ApiError: a key the job does not have.
    """
    upstream = {
        spec["task_key"]: [each["task_key"] for each in spec.get("depends_on") or ()] for spec in specs
    }
    if not only:
        return list(upstream)
    chosen: set[str] = set()
    for pattern in only:
        key = pattern.strip("+")
        if key not in upstream:
            raise invalid(f"Task {key} in only does not exist.")
        chosen.add(key)
        if pattern.startswith("+"):
            chosen |= closure({key}, upstream)
        if pattern.endswith("+"):
            chosen |= closure({key}, downstream_of(upstream))
    return [key for key in upstream if key in chosen]


def downstream_of(upstream: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    """Turn the arrows around."""
    return {key: [other for other, needs in upstream.items() if key in needs] for key in upstream}


def closure(keys: Iterable[str], arrows: Mapping[str, Iterable[str]]) -> set[str]:
    """The keys and all that can be reached from them."""
    seen: set[str] = set()
    todo = list(keys)
    while todo:
        key = todo.pop()
        if key not in seen:
            seen.add(key)
            todo += arrows.get(key, ())
    return seen


def to_rerun(run: Run, body: Json) -> list[str]:
    """The keys a repair runs again.

    :raises ApiError: both or neither way of choosing, a key the run does not have, or nothing to run.
    """
    wanted, all_failed = (
        body.get("rerun_tasks"),
        str(body.get("rerun_all_failed_tasks", "")).lower() == "true",
    )
    latest = run.latest_tasks
    if bool(wanted) == all_failed:
        raise invalid("Exactly one of rerun_tasks and rerun_all_failed_tasks must be specified.")
    if all_failed:
        keys = [key for key, task in latest.items() if task.outcome is None or task.outcome.kind != "ok"]
    else:
        keys = list(wanted or ())
    for key in keys:
        if key not in latest:
            raise invalid(f"Task {key} does not exist in run {run.run_id}.")
    if str(body.get("rerun_dependent_tasks", "")).lower() == "true":
        arrows = downstream_of({key: task.upstream for key, task in latest.items()})
        keys = list(closure(keys, arrows))
    if not keys:
        raise invalid(f"Run {run.run_id} has no failed tasks to repair.")
    return keys
