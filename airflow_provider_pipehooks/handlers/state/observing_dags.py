"""HOOKS, observing a DAG run: told by the DAG processor once the run is over, with what no task could tell.

A task that never started has no worker to call its handlers. When the run is over these are told, late but
true: what failed upstream of it, or that it was skipped with what is upstream of it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from airflow_provider_pipehooks.compat.metrics import count_failure
from airflow_provider_pipehooks.compat.questions import States, states_of
from airflow_provider_pipehooks.handlers.state.given import hooks_of
from airflow_provider_pipehooks.handlers.state.observing import TaskObserver
from airflow_provider_pipehooks.handlers.state.raised import TRIGGERFAIL
from airflow_provider_pipehooks.handlers.state.states import (
    Failed,
    Pending,
    Running,
    Scheduled,
    Skipped,
    State,
    Success,
    TimedOut,
)
from airflow_provider_pipehooks.handlers.state.task_states import Context
from airflow_provider_pipehooks.handlers.state.transitions import Handlers

log = logging.getLogger(__name__)


class DagObserver:
    """One callback of a DAG.

    :param handlers: told of the DAG run.
    :param of_tasks: told of tasks that never started, after the task's own handlers.
    """

    def __init__(self, handlers: Handlers, of_tasks: Handlers, *, failed: bool) -> None:
        self.handlers = handlers
        self.of_tasks = of_tasks
        self.failed = failed
        self.__name__ = f"state_handlers of on_{'failure' if failed else 'success'}_callback"

    def __call__(self, context: Context) -> None:
        if "reason" not in context:
            log.error(
                "state_handlers(..., of='dag') is for DAG(...), not for a task or default_args: not told"
            )
            return
        dag = context["dag"]
        scheduled, running = Scheduled(context=context), Running("Running flow.", context=context)
        self.handlers.tell(dag, scheduled, running)
        for task, map_index, state in _never_started(dag, _states(context)):
            state.context = _context_of(task, map_index, state, context)
            pending = Pending(context=state.context)
            for handlers in (*_handlers_of(task), self.of_tasks):
                handlers.tell(task, pending, state)
        end = _failure(context.get("reason")) if self.failed else Success("All reference tasks succeeded.")
        end.context = context
        self.handlers.tell(dag, running, end)


def _context_of(task: Any, map_index: int, state: State, context: Context) -> dict[str, Any]:
    """As a callback of that task would have it: the DAG's own is about another task instance, or none."""
    ti = SimpleNamespace(
        task=task,
        task_id=task.task_id,
        map_index=map_index,
        dag_id=context["dag"].dag_id,
        run_id=context["run_id"],
        state="skipped" if state.is_skipped() else "upstream_failed",
        try_number=None,
        max_tries=0,
    )
    of_dag = {key: value for key, value in context.items() if key != "reason"}
    return {**of_dag, "task": task, "map_index": map_index, "ti": ti, "task_instance": ti}


def _failure(reason: Any) -> State:
    if reason == "timed_out":
        return TimedOut("The DAG run timed out.")
    return Failed("Some reference tasks failed." if reason == "task_failure" else f"DAG run failed: {reason}")


def _states(context: Context) -> States:
    """The states of all tasks of the run; nothing, with a line in the log, if they cannot be asked."""
    dag = context["dag"]
    try:
        return states_of(dag, context["run_id"], dag.task_ids)
    except Exception:
        log.warning("Could not ask which tasks never started; handlers are not told of them", exc_info=True)
        return {}


def _never_started(dag: Any, states: States) -> Iterator[tuple[Any, int, State]]:
    order = {task_id: place for place, task_id in enumerate(dag.task_ids)}
    for task_id, map_index in sorted(states, key=lambda one: (order[one[0]], one[1])):
        task = dag.get_task(task_id)
        state = states[task_id, map_index]
        if state == "upstream_failed" and _is_mapped_over_a_failure(task, states):
            yield task, map_index, Failed("No upstream states can be mapped over.")
        elif state == "upstream_failed":
            message = f'Trigger was "{_rule_of(task)}" but some of the upstream tasks failed.'
            yield task, map_index, TRIGGERFAIL(message).state
        elif state == "skipped" and _skipped_with_upstream(task, map_index, states):
            yield task, map_index, Skipped(_SKIPPED)


_SKIPPED = (
    "Upstream task was skipped; if this was not the intended behavior, consider changing `trigger_rule` for "
    "this task."
)


def _is_mapped_over_a_failure(task: Any, states: States) -> bool:
    """Whether what it was to be mapped over never came; Prefect calls that another failure."""
    expand_input = getattr(task, "_get_specified_expand_input", None)
    if expand_input is None:
        return False
    over = {operator.task_id for operator, _ in expand_input().iter_references()}
    return any(
        state in ("failed", "upstream_failed") for (task_id, _), state in states.items() if task_id in over
    )


def _rule_of(task: Any) -> str:
    # In the DAG processor, which reads the DAG's file, it is an enum; in a serialized DAG a text.
    return str(getattr(task.trigger_rule, "value", task.trigger_rule))


def _skipped_with_upstream(task: Any, map_index: int, states: States) -> bool:
    """Under ``all_success`` a task with a skipped one upstream never started, so it did not skip itself.

    Under any other rule the states alone do not tell, and nothing is said.
    """
    if _rule_of(task) != "all_success":
        return False
    # Of mapped ones upstream that with the same index, if they are mapped together; else all.
    return any(
        state == "skipped"
        for (task_id, index), state in states.items()
        if task_id in task.upstream_task_ids and (map_index < 0 or index in (map_index, -1))
    )


def _handlers_of(task: Any) -> Iterator[Handlers]:
    """The own ones of a task: those observing, and the deciding ones of a mapped task, its arguments."""
    for callback in getattr(task, "on_failure_callback", None) or ():
        if isinstance(callback, TaskObserver):
            yield callback.handlers
    arguments = getattr(task, "partial_kwargs", {})
    if isinstance(arguments.get("state_handlers"), str):
        return  # dag.test() gives callbacks a DAG without its functions
    hooks = hooks_of(arguments.get("state_handlers"), arguments.get("on_failure"))
    if hooks:
        yield Handlers(hooks, record=count_failure)
