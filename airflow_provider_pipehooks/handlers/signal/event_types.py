"""HOOKS: every type of pipeline event, with the keys of its payload. Data; ``signals`` sends them.

Types and Bamboo's keys are those of ``pipeline_event`` in bamboo-pipeline 4.0.6; ids are Airflow's. Every
payload also carries Airflow's own ids, by what the event is about.

``root_pipeline_id`` and ``pipeline_id`` are the run id: what Bamboo calls a pipeline runs once. Only to pause
and to resume, which Airflow does to a DAG, they are the DAG id. ``node_id`` is the task id; of a retried
subprocess it is the task group's, or the run id when a whole run is cleared. A ``version`` is the try number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from airflow_provider_pipehooks.core.pipeline_event import PipelineEvent

#: Airflow's ids in the payload, by what an event is about.
DAG = ("dag_id",)
RUN = (*DAG, "run_id")
NODE = (*RUN, "task_id", "map_index", "try_number")
#: What else an event has that a person caused.
BY_USER = ("user", "when")

TellsIt = Literal["task", "scheduler", "user", "nobody"]


@dataclass(frozen=True)
class EventType:
    """A type of event.

    :param ids: Airflow's ids that its payload carries.
    :param keys: Bamboo's keys.
    :param told_by: ``task``: the listener, or an operator with node hooks. ``scheduler``: the listener.
        ``user``: the control plane; the payload then has ``user`` and ``when``, too. ``nobody``: Airflow has
        no such thing.
    """

    ids: tuple[str, ...]
    keys: tuple[str, ...]
    told_by: TellsIt


_TASK = EventType(NODE, ("root_pipeline_id", "node_id"), "task")
_TASK_ERROR = EventType(NODE, (*_TASK.keys, "ex_data"), "task")
_PREPARED = EventType(
    RUN, ("pipeline", "root_pipeline_data", "root_pipeline_context", "subprocess_context"), "scheduler"
)
_FORCED_FAIL = EventType(NODE, ("node_id", "ex_data"), "user")


def _both(name: str, kind: EventType) -> dict[str, EventType]:
    return {f"pre_{name}": kind, f"post_{name}": kind}


EVENT_TYPES: Mapping[str, EventType] = {
    # Of a run that a person triggers, the control plane tells; of all others, the scheduler.
    **_both("prepare_run_pipeline", _PREPARED),
    "pipeline_finish": EventType(RUN, ("pipeline_id",), "scheduler"),
    "node_enter": _TASK,
    **_both("execute", _TASK),
    "node_execute_exception": _TASK_ERROR,
    "node_execute_fail": _TASK,
    **_both("schedule", _TASK),
    "node_schedule_exception": _TASK_ERROR,
    "node_schedule_fail": _TASK,
    "node_finish": _TASK,
    **_both("callback", EventType(NODE, ("node_id", "version", "data"), "user")),
    **_both("retry_node", EventType(NODE, ("node_id", "data"), "user")),
    **_both("skip_node", EventType(NODE, ("node_id",), "user")),
    **_both("pause_node", EventType(NODE, ("node_id",), "nobody")),
    **_both("resume_node", EventType(NODE, ("node_id",), "nobody")),
    **_both("pause_pipeline", EventType(DAG, ("pipeline_id",), "user")),
    **_both("resume_pipeline", EventType(DAG, ("pipeline_id",), "user")),
    **_both("revoke_pipeline", EventType(RUN, ("pipeline_id",), "user")),
    "pre_forced_fail_activity": _FORCED_FAIL,
    "post_forced_fail_activity": EventType(NODE, (*_FORCED_FAIL.keys, "old_version", "new_version"), "user"),
    **_both("retry_subprocess", EventType(RUN, ("node_id",), "user")),
    **_both("skip_exclusive_gateway", EventType(NODE, ("node_id", "flow_id"), "user")),
    # Airflow has one kind of branch, and a person who skips it does not choose where to go on.
    **_both(
        "skip_conditional_parallel_gateway",
        EventType(NODE, ("node_id", "flow_ids", "converge_gateway_id"), "nobody"),
    ),
    # Not Bamboo's, which deletes nothing.
    **_both("delete_pipeline", EventType(RUN, ("pipeline_id",), "user")),
    # Nor is this: a person did something by a request that is one of these, but cannot be read.
    **_both("unread_operation", EventType(DAG, ("method", "path"), "user")),
}


def node_data(
    *,
    dag_id: str,
    run_id: str,
    task_id: str,
    map_index: int = -1,
    try_number: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    """The payload of an event about one task instance.

    :param map_index: -1 for a task that is not mapped.
    :param try_number: None when it is not known.
    :param more: the other keys of the type, such as ``ex_data``.
    """
    return {
        "dag_id": dag_id,
        "run_id": run_id,
        "task_id": task_id,
        "map_index": map_index,
        "try_number": try_number,
        "node_id": task_id,
        **more,
    }


def node_event(event_type: str, *, run_id: str, **ids_and_more: Any) -> PipelineEvent:
    """What a task tells of itself, from ``node_enter`` to ``node_finish``; arguments of :func:`node_data`.

    :raises KeyError: no such type.
    """
    assert EVENT_TYPES[event_type].told_by == "task", event_type
    data = node_data(run_id=run_id, root_pipeline_id=run_id, **ids_and_more)
    return PipelineEvent(event_type=event_type, data=data)


def prepare_data(*, dag_id: str, run_id: str, conf: Mapping[str, Any] | None) -> dict[str, Any]:
    """The payload of ``pre_prepare_run_pipeline`` and ``post_prepare_run_pipeline``.

    Bamboo sends the tree of the whole pipeline; Airflow's is its DAG, so the payload names that.
    """
    return {
        "dag_id": dag_id,
        "run_id": run_id,
        "pipeline": {"id": run_id, "dag_id": dag_id},
        "root_pipeline_data": dict(conf or {}),
        "root_pipeline_context": {},
        "subprocess_context": {},
    }
