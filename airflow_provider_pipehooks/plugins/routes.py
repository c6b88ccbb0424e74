"""HOOKS: which requests to Airflow's REST API are which pipeline events. A table, and small readers.

Routes, bodies and answers are those of ``/api/v2`` in Airflow 3.3.2; its UI uses the same ones. A reader sees
a request that was carried out, with its answer, and gives one :class:`Action` for each DAG, run or task
instance that the answer says was changed.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from airflow_provider_pipehooks.handlers.signal.event_types import node_data, prepare_data

log = logging.getLogger(__name__)


class World(Protocol):
    """What Airflow knows beyond a request and its answer."""

    def is_branch(self, dag_id: str, task_id: str) -> bool:
        """Whether the task decides which of those after it run."""

    def group_of(self, dag_id: str, task_ids: frozenset[str]) -> str | None:
        """The task group that has exactly these tasks."""

    def try_number(self, dag_id: str, run_id: str, task_id: str, map_index: int) -> int | None:
        """Of a task instance, now."""


@dataclass(frozen=True)
class Call:
    """A request that was carried out.

    :param ids: from its path, and ``body``: both as Airflow's route has read them.
    :param answer: empty when Airflow gave none, as for what is deleted.
    :param fields: the only fields of the body that count (``update_mask``); None for all.
    """

    ids: Mapping[str, Any]
    body: Mapping[str, Any]
    answer: Mapping[str, Any]
    world: World
    fields: frozenset[str] | None = None

    def given(self, name: str) -> Any:
        """A field of the body; None when ``update_mask`` leaves it out."""
        return None if self.fields is not None and name not in self.fields else self.body.get(name)


@dataclass(frozen=True)
class Action:
    """What a person did to one thing: becomes ``pre_<name>`` and ``post_<name>``.

    :param after: keys that only the second one has.
    """

    name: str
    data: Mapping[str, Any]
    after: Mapping[str, Any] = field(default_factory=dict)


Reader = Callable[[Call], Iterable[Action]]


# DAGs


def pause_or_resume(call: Call) -> Iterator[Action]:
    # The route for one DAG answers with it, the one for many with a page of them.
    dags = call.answer.get("dags", [call.answer])
    for dag in dags:
        name = "pause_pipeline" if dag["is_paused"] else "resume_pipeline"
        yield Action(name, {"dag_id": dag["dag_id"], "pipeline_id": dag["dag_id"]})
    if (untold := call.answer.get("total_entries", 0) - len(dags)) > 0:
        log.warning(
            "%s more DAGs were paused or resumed, but Airflow's answer does not name them: no event tells "
            "of them",
            untold,
        )


# DAG runs


def trigger(call: Call) -> Iterator[Action]:
    run = call.answer
    data = prepare_data(dag_id=run["dag_id"], run_id=run["dag_run_id"], conf=run.get("conf"))
    yield Action("prepare_run_pipeline", data)


def end_run(call: Call) -> Iterator[Action]:
    yield from _ended(call.ids["dag_id"], call.ids["dag_run_id"], call.given("state"))


def _ended(dag_id: str, run_id: str, state: Any) -> Iterator[Action]:
    # To set it to queued does not end it.
    if state in ("failed", "success"):
        yield Action("revoke_pipeline", {**_run(dag_id, run_id), "pipeline_id": run_id, "state": state})


def delete_run(call: Call) -> Iterator[Action]:
    yield _deleted(call.ids["dag_id"], call.ids["dag_run_id"])


def _deleted(dag_id: str, run_id: str) -> Action:
    return Action("delete_pipeline", {**_run(dag_id, run_id), "pipeline_id": run_id})


def clear_run(call: Call) -> Iterator[Action]:
    if _is_dry(call):
        return
    # One run is answered with itself, many with a list.
    for run in call.answer.get("dag_runs", [call.answer]):
        yield _again(run["dag_id"], run["dag_run_id"], group=run["dag_run_id"])


def _is_dry(call: Call) -> bool:
    return bool(call.body["dry_run"])


def many_runs(call: Call) -> Iterator[Action]:
    for action, entity, done in _bulk(call):
        dag_id = entity.get("dag_id") or call.ids["dag_id"]
        run_id = entity.get("dag_run_id", "")
        if not _take(done, f"{dag_id}.{run_id}"):
            continue
        if action == "delete":
            yield _deleted(dag_id, run_id)
        elif action == "update":
            yield from _ended(dag_id, run_id, entity.get("state"))


def _run(dag_id: str, run_id: str) -> dict[str, str]:
    return {"dag_id": dag_id, "run_id": run_id}


# Task instances


def clear_tasks(call: Call) -> Iterator[Action]:
    if _is_dry(call):
        return
    dag_id, rows = call.ids["dag_id"], call.answer["task_instances"]
    asked = frozenset(each if isinstance(each, str) else each[0] for each in call.body.get("task_ids") or ())
    group = call.world.group_of(dag_id, asked)
    if group is not None:
        in_group = [row for row in rows if row["task_id"] in asked]
        for run_id in {row["dag_run_id"]: None for row in in_group}:
            yield _again(dag_id, run_id, group=group)
        # Those upstream or downstream of it, when they were asked for as well.
        rows = [row for row in rows if row["task_id"] not in asked]
    for row in rows:
        yield Action("retry_node", _node(row, data=None))


def _again(dag_id: str, run_id: str, *, group: str) -> Action:
    return Action("retry_subprocess", {**_run(dag_id, run_id), "node_id": group})


def mark_tasks(call: Call) -> Iterator[Action]:
    for row in call.answer["task_instances"]:
        yield from _marked(call, _node(row), call.given("new_state"), call.given("note"))


def many_tasks(call: Call) -> Iterator[Action]:
    for action, entity, done in _bulk(call):
        if action != "update":
            continue
        dag_id = entity.get("dag_id") or call.ids["dag_id"]
        run_id = entity.get("dag_run_id") or call.ids["dag_run_id"]
        name = f"{dag_id}.{run_id}.{entity.get('task_id')}"
        for map_index in _take_indexes(done, name, entity.get("map_index")):
            data = _instance(call.world, dag_id, run_id, entity["task_id"], map_index)
            yield from _marked(call, data, entity.get("new_state"), entity.get("note"))


def _take(done: Counter[str], key: str) -> bool:
    """Whether something was done, and has not been told yet: a request may name it twice."""
    done[key] -= 1
    return done[key] >= 0


def _take_indexes(done: Counter[str], name: str, map_index: int | None) -> list[int]:
    """Which instances of a task were changed; all of them are meant when no index is given."""
    if map_index is not None:
        return [map_index] if _take(done, f"{name}[{map_index}]") else []
    of_task = re.compile(re.escape(name) + r"\[(-?\d+)\]")
    indexes = sorted(int(found[1]) for found in map(of_task.fullmatch, done) if found)
    return [index for index in indexes if _take(done, f"{name}[{index}]")]


def _marked(call: Call, data: dict[str, Any], state: Any, note: Any) -> Iterator[Action]:
    state = str(state).lower()
    if state == "failed":
        # Airflow opens no new try for it, so old and new version are the same.
        version = data["try_number"]
        yield Action(
            "forced_fail_activity",
            {**data, "ex_data": note or "The task's state was set to failed by hand."},
            after={"old_version": version, "new_version": version},
        )
    elif state in ("success", "skipped"):
        if call.world.is_branch(data["dag_id"], data["task_id"]):
            yield Action("skip_exclusive_gateway", {**data, "flow_id": None, "state": state})
        else:
            yield Action("skip_node", {**data, "state": state})


def answer_human_input(call: Call) -> Iterator[Action]:
    given = {name: call.body.get(name) for name in ("chosen_options", "params_input")}
    ids = call.ids
    data = _instance(call.world, ids["dag_id"], ids["dag_run_id"], ids["task_id"], ids["map_index"])
    yield Action("callback", {**data, "version": data["try_number"], "data": given})


def _node(row: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The payload for a task instance as answers hold it."""
    names = ("dag_id", "task_id", "map_index", "try_number")
    return node_data(run_id=row["dag_run_id"], **{name: row[name] for name in names}, **more)


def _instance(world: World, dag_id: str, run_id: str, task_id: str, map_index: int) -> dict[str, Any]:
    """The payload for a task instance that the answer does not hold."""
    try_number = world.try_number(dag_id, run_id, task_id, map_index)
    return node_data(
        dag_id=dag_id, run_id=run_id, task_id=task_id, map_index=map_index, try_number=try_number
    )


def _bulk(call: Call) -> Iterator[tuple[str, Mapping[str, Any], Counter[str]]]:
    """Each entity of a bulk request, what to do with it, and the keys of those it was done to.

    ``{"actions": [{"action": str, "entities": [{...} or id]}]}``, answered by
    ``{"update": {"success": [key], "errors": [...]}, "delete": ...}``; one may fail while others succeed.
    """
    done: dict[str, Counter[str]] = {}
    for action in call.body.get("actions") or []:
        name, mask = action["action"], action.get("update_mask")
        success = (call.answer.get(name) or {}).get("success") or ()
        keys = done.setdefault(name, Counter(success))
        for entity in action.get("entities") or []:
            row = {"dag_run_id": entity} if isinstance(entity, str) else entity
            # Only the bulk route for tasks minds a mask.
            if not mask or "new_state" not in row or "new_state" in mask:
                yield name, row, keys


_RUN = "dags/{dag_id}/dagRuns/{dag_run_id}"
_TASK = _RUN + "/taskInstances/{task_id}"

#: Method, path below ``/api/v2/``, and who reads it. A ``/dry_run`` route is another path, so it is not here.
ROUTES: tuple[tuple[str, str, Reader], ...] = (
    ("PATCH", "dags", pause_or_resume),
    ("PATCH", "dags/{dag_id}", pause_or_resume),
    ("POST", "dags/{dag_id}/dagRuns", trigger),
    ("POST", "assets/{asset_id}/materialize", trigger),
    ("PATCH", _RUN, end_run),
    ("PATCH", "dags/{dag_id}/dagRuns", many_runs),
    ("DELETE", _RUN, delete_run),
    ("POST", _RUN + "/clear", clear_run),
    ("POST", "dags/{dag_id}/clearDagRuns", clear_run),
    ("POST", "dags/{dag_id}/clearTaskInstances", clear_tasks),
    ("PATCH", _TASK, mark_tasks),
    ("PATCH", _TASK + "/{map_index}", mark_tasks),
    ("PATCH", _RUN + "/taskGroupInstances/{group_id}", mark_tasks),
    ("PATCH", _RUN + "/taskInstances", many_tasks),
    ("PATCH", _TASK + "/{map_index}/hitlDetails", answer_human_input),
)


_READERS: Mapping[tuple[str, str], Reader] = {(method, path): reader for method, path, reader in ROUTES}


def reader_of(method: str, path: str) -> Reader | None:
    """Who reads a request; None when it is no matter of ours.

    :param path: of its route, below ``/api/v2/``, with names in braces.
    """
    return _READERS.get((method, path))
