"""What people do through the REST API, and the events each is told by: one table for the API server in a test
and for the lane on a whole Airflow (``tests.fault.control_plane``).

Paths are below ``/api/v2/``; ``{run}`` is a DAG run that each operation has for itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]
#: Method, path, body.
Request = tuple[str, str, Any]


@dataclass(frozen=True)
class Operation:
    """One request and what it is told by.

    :param actions: names without ``pre_`` and ``post_``, each with a part of its payload, in any order.
    :param first: what has to be done before, without being looked at.
    """

    name: str
    request: Request
    actions: tuple[tuple[str, Json], ...]
    first: tuple[Request, ...] = ()
    dag_id: str = "operated"


def instance(task_id: str, dag_id: str = "operated", map_index: int = -1, **more: Any) -> dict[str, Any]:
    """The ids of a task instance in a payload."""
    ids = {
        "dag_id": dag_id,
        "run_id": "{run}",
        "task_id": task_id,
        "map_index": map_index,
        "node_id": task_id,
    }
    return {**ids, **more}


RUN = {"dag_id": "operated", "run_id": "{run}"}
RUNS = "dags/operated/dagRuns"
TASKS = RUNS + "/{run}/taskInstances"
GROUP = RUNS + "/{run}/taskGroupInstances/transform"
THIS = {"dag_run_id": "{run}"}
CLEAR_RUNS = "dags/operated/clearDagRuns"
CLEAR = "dags/operated/clearTaskInstances"
SUCCESS = {"new_state": "success"}
FAIL_LOAD: Request = ("PATCH", TASKS + "/load", {"new_state": "failed"})
PAUSED = ("pause_pipeline", {"dag_id": "operated", "pipeline_id": "operated"})


def bulk(action: str, *entities: Any, **more: Any) -> Json:
    return {"actions": [{"action": action, "entities": list(entities), **more}]}


def clear(**fields: Any) -> Json:
    return {"dry_run": False, "only_failed": False, "dag_run_id": "{run}", **fields}


OPERATIONS = (
    Operation(
        "clear a run by a path that ends in a new line",
        ("POST", RUNS + "/{run}/clear%0A", {"dry_run": False}),
        (("retry_subprocess", {**RUN, "node_id": "{run}"}),),
    ),
    Operation(
        "clear a run with another word for no",
        ("POST", RUNS + "/{run}/clear", {"dry_run": -0.0}),
        (("retry_subprocess", {**RUN, "node_id": "{run}"}),),
    ),
    *(
        Operation(
            f"fail a task by the index {index!r}",
            ("PATCH", TASKS + f"/load/{index}", {"new_state": "failed"}),
            (("forced_fail_activity", instance("load")),),
        )
        for index in ("%20-1", "-1.0", "-0_1")
    ),
    Operation("pause a DAG", ("PATCH", "dags/operated", {"is_paused": True}), (PAUSED,)),
    Operation("pause a DAG in other words", ("PATCH", "dags/operated", {"is_paused": "yes"}), (PAUSED,)),
    Operation(
        "resume a DAG",
        ("PATCH", "dags/operated?update_mask=is_paused", {"is_paused": False}),
        (("resume_pipeline", {"dag_id": "operated", "pipeline_id": "operated"}),),
    ),
    Operation(
        "pause many DAGs",
        ("PATCH", "dags?dag_id_pattern=operated", {"is_paused": True}),
        (PAUSED, ("pause_pipeline", {"dag_id": "operated_too", "pipeline_id": "operated_too"})),
    ),
    Operation(
        "trigger a run",
        (
            "POST",
            RUNS,
            {"dag_run_id": "{run}_new", "logical_date": None, "conf": {"api_key": "hide me", "n": 1}},
        ),
        (
            (
                "prepare_run_pipeline",
                {
                    "dag_id": "operated",
                    "run_id": "{run}_new",
                    "pipeline": {"id": "{run}_new", "dag_id": "operated"},
                    "root_pipeline_data": {"api_key": "***", "n": 1},
                },
            ),
        ),
    ),
    Operation(
        "mark a run failed",
        ("PATCH", RUNS + "/{run}", {"state": "failed"}),
        (("revoke_pipeline", {**RUN, "pipeline_id": "{run}", "state": "failed"}),),
    ),
    Operation(
        "mark a run success",
        ("PATCH", RUNS + "/{run}", {"state": "success", "note": "done by hand"}),
        (("revoke_pipeline", {**RUN, "state": "success"}),),
    ),
    Operation(
        "mark many runs failed, of which one does not exist",
        (
            "PATCH",
            "dags/~/dagRuns",
            bulk(
                "update",
                {"dag_id": "operated", "dag_run_id": "{run}", "state": "failed"},
                {"dag_id": "operated", "dag_run_id": "nowhere", "state": "failed"},
                action_on_non_existence="skip",
            ),
        ),
        (("revoke_pipeline", {**RUN, "state": "failed"}),),
    ),
    Operation(
        "delete a run",
        ("DELETE", RUNS + "/{run}", None),
        (("delete_pipeline", {**RUN, "pipeline_id": "{run}"}),),
    ),
    Operation("delete many runs", ("PATCH", RUNS, bulk("delete", "{run}")), (("delete_pipeline", RUN),)),
    Operation(
        "mark many runs failed, of which one is named twice",
        (
            "PATCH",
            RUNS,
            bulk(
                "update",
                {"dag_run_id": "{run}", "state": "failed"},
                {"dag_run_id": "{run}", "state": "failed"},
            ),
        ),
        (("revoke_pipeline", {**RUN, "state": "failed"}),),
    ),
    Operation(
        "clear a run",
        ("POST", RUNS + "/{run}/clear", {"dry_run": False}),
        (("retry_subprocess", {**RUN, "node_id": "{run}"}),),
    ),
    Operation(
        "clear many runs",
        ("POST", CLEAR_RUNS, {"dry_run": False, "dag_runs": [THIS]}),
        (("retry_subprocess", {**RUN, "node_id": "{run}"}),),
    ),
    Operation(
        "clear a task",
        ("POST", CLEAR, clear(task_ids=["load"])),
        (("retry_node", instance("load", data=None)),),
        first=(FAIL_LOAD,),
    ),
    Operation(
        "clear a task in other words",
        ("POST", CLEAR, clear(task_ids=["load"], dry_run="no")),
        (("retry_node", instance("load")),),
    ),
    Operation(
        "clear all failed tasks",
        ("POST", CLEAR, {"dry_run": False, "dag_run_id": "{run}"}),
        (("retry_node", instance("load")),),
        first=(FAIL_LOAD,),
    ),
    Operation(
        "clear two tasks that are no group",
        ("POST", CLEAR, clear(task_ids=["load", "transform.join"])),
        (("retry_node", instance("load")), ("retry_node", instance("transform.join"))),
    ),
    Operation(
        "clear a task group",
        ("POST", CLEAR, clear(task_ids=["transform.join", "transform.clean"])),
        (("retry_subprocess", {**RUN, "node_id": "transform"}),),
    ),
    Operation(
        "clear a task group and what is before it",
        ("POST", CLEAR, clear(task_ids=["transform.join", "transform.clean"], include_upstream=True)),
        (("retry_subprocess", {**RUN, "node_id": "transform"}), ("retry_node", instance("load"))),
    ),
    Operation(
        "clear one instance of a mapped task",
        ("POST", "dags/branched/clearTaskInstances", clear(task_ids=[["part", 1]])),
        (("retry_node", instance("part", "branched", 1)),),
        dag_id="branched",
    ),
    Operation(
        "mark a task success",
        ("PATCH", TASKS + "/load", {"new_state": "success"}),
        (("skip_node", instance("load", state="success")),),
        first=(FAIL_LOAD,),
    ),
    Operation(
        "mark a task skipped",
        ("PATCH", TASKS + "/load", {"new_state": "skipped"}),
        (("skip_node", instance("load", state="skipped")),),
    ),
    Operation(
        "mark a branch skipped",
        ("PATCH", "dags/branched/dagRuns/{run}/taskInstances/choose", {"new_state": "skipped"}),
        (("skip_exclusive_gateway", instance("choose", "branched", flow_id=None)),),
        dag_id="branched",
    ),
    Operation(
        "mark a task failed, with a note",
        ("PATCH", TASKS + "/load", {"new_state": "failed", "note": "wrong data"}),
        (("forced_fail_activity", instance("load", ex_data="wrong data")),),
    ),
    Operation(
        "mark all instances of a mapped task failed",
        ("PATCH", "dags/branched/dagRuns/{run}/taskInstances/part", {"new_state": "failed"}),
        tuple(("forced_fail_activity", instance("part", "branched", index)) for index in (0, 1)),
        dag_id="branched",
    ),
    Operation(
        "mark one instance of a mapped task failed",
        ("PATCH", "dags/branched/dagRuns/{run}/taskInstances/part/1", {"new_state": "failed"}),
        (("forced_fail_activity", instance("part", "branched", 1)),),
        dag_id="branched",
    ),
    Operation(
        "mark a task group failed",
        ("PATCH", GROUP, {"new_state": "failed"}),
        tuple(("forced_fail_activity", instance(f"transform.{name}")) for name in ("clean", "join")),
    ),
    Operation(
        "mark many tasks, of which one is failed already",
        (
            "PATCH",
            TASKS,
            {
                "actions": [
                    {"action": "update", "entities": [{"task_id": "transform.clean", "new_state": "failed"}]},
                    {
                        "action": "update",
                        "entities": [{"task_id": "load", "map_index": -1, "new_state": "failed"}],
                    },
                    {
                        "action": "update",
                        "entities": [{"task_id": "transform.join", "map_index": -1, "new_state": "skipped"}],
                    },
                ]
            },
        ),
        (
            ("forced_fail_activity", instance("transform.clean")),
            ("skip_node", instance("transform.join", state="skipped")),
        ),
        first=(FAIL_LOAD,),
    ),
)

ANSWER = Operation(
    "answer a question",
    (
        "PATCH",
        "dags/asking/dagRuns/{run}/taskInstances/ask/-1/hitlDetails",
        {"chosen_options": ["yes"], "params_input": {}},
    ),
    (
        (
            "callback",
            instance("ask", "asking", data={"chosen_options": ["yes"], "params_input": {}}),
        ),
    ),
    dag_id="asking",
)

#: A request of somebody, the status it is answered with, and what it must not be told by: anything.
REFUSED: tuple[tuple[str, str, Request, int], ...] = (
    ("a DAG that is not there", "admin", ("PATCH", "dags/nowhere", {"is_paused": True}), 404),
    ("a run that is not there", "admin", ("PATCH", RUNS + "/nowhere", {"state": "failed"}), 404),
    ("a task that is not there", "admin", ("PATCH", TASKS + "/nowhere", {"new_state": "failed"}), 404),
    ("a run that is there", "admin", ("POST", RUNS, {"dag_run_id": "{run}", "logical_date": None}), 409),
    ("a state that it has", "admin", FAIL_LOAD, 409),
    ("a state that is none", "admin", ("PATCH", TASKS + "/load", {"new_state": "fine"}), 422),
    ("a body that is none", "admin", ("PATCH", "dags/operated", {"paused": True}), 422),
    ("nobody", "nobody", ("PATCH", "dags/operated", {"is_paused": True}), 401),
    ("a forged token", "forger", ("PATCH", "dags/operated", {"is_paused": True}), 403),
    ("a user who may only look", "viewer", ("PATCH", "dags/operated", {"is_paused": True}), 403),
    ("a clear that is dry by default", "admin", ("POST", CLEAR, {"dag_run_id": "{run}"}), 200),
    ("a clear that is dry", "admin", ("POST", CLEAR, clear(dry_run=True)), 200),
    ("a run's clear that is dry by default", "admin", ("POST", RUNS + "/{run}/clear", {}), 200),
    ("runs' clear that is dry", "admin", ("POST", CLEAR_RUNS, {"dag_runs": [THIS]}), 200),
    ("a dry run", "admin", ("PATCH", TASKS + "/load/dry_run", SUCCESS), 200),
    ("a dry run of one instance", "admin", ("PATCH", TASKS + "/load/-1/dry_run", SUCCESS), 200),
    ("a dry run of a group", "admin", ("PATCH", GROUP + "/dry_run", SUCCESS), 200),
    ("a note only", "admin", ("PATCH", TASKS + "/load?update_mask=note", {"note": "n", **SUCCESS}), 200),
    ("an empty mask", "admin", ("PATCH", TASKS + "/load?update_mask=", {"new_state": "success"}), 200),
    ("a note on a run", "admin", ("PATCH", RUNS + "/{run}", {"note": "n"}), 200),
    ("many runs, none of them there", "admin", ("PATCH", RUNS, bulk("delete", "nowhere")), 200),
    ("a question", "admin", ("GET", "dags/operated", None), 200),
)  # fmt: skip


def filled(value: Any, run: str) -> Any:
    """A part of the table with the name of a run in it."""
    if isinstance(value, str):
        return value.replace("{run}", run)
    if isinstance(value, Mapping):
        return {key: filled(each, run) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(filled(each, run) for each in value)
    return value


def wrong(operation: Operation, events: Sequence[Json], run: str, user: str) -> list[str]:
    """What is not as the table says about the events of an operation; nothing when all is well.

    :param events: as ``{"event_type": ..., "data": {...}}``, in order.
    """
    actions = filled(operation.actions, run)
    told = [event["event_type"] for event in events]
    half = len(events) // 2
    # First pre_ of all that was changed, then post_ of all.
    for when, part in (("pre_", told[:half]), ("post_", told[half:])):
        if sorted(part) != sorted(when + name for name, _ in actions):
            return [f"told {told}"]
    return [
        f"no {when}{name} by {user} with {data}: {events}"
        for when in ("pre_", "post_")
        for name, data in actions
        if not any(_is(event, when + name, {**data, "user": user}) for event in events)
    ]


def _is(event: Json, event_type: str, data: Json) -> bool:
    found = event["data"]
    return event["event_type"] == event_type and all(
        key in found and found[key] == value for key, value in data.items()
    )
