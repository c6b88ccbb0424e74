"""HOOKS: an Airflow listener that tells what every task of every DAG does, without touching DAG files.

In a task's own process receivers are called at once; in the scheduler they wait their turn, since the
scheduler may not wait for them. What people do by hand is the control plane's to tell: Airflow calls
listeners for some of it, too, and that is passed over here.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from types import SimpleNamespace
from typing import Any

from airflow.listeners import hookimpl

from airflow_provider_pipehooks.compat.database import tags_of
from airflow_provider_pipehooks.compat.tries import was_deferred, was_rescheduled
from airflow_provider_pipehooks.core.pipeline_event import PipelineEvent
from airflow_provider_pipehooks.handlers.dispatch import Dispatcher, Hook
from airflow_provider_pipehooks.handlers.node_hooks import NodeHooks
from airflow_provider_pipehooks.handlers.signal.event_types import node_event, prepare_data
from airflow_provider_pipehooks.handlers.signal.sending import tell
from airflow_provider_pipehooks.handlers.signals import recent_failures, staying
from airflow_provider_pipehooks.options import read
from airflow_provider_pipehooks.plugins.background import background
from airflow_provider_pipehooks.plugins.rules import Rule, read_rules

log = logging.getLogger(__name__)

#: How Airflow 3.3 begins the message for a DAG run that a person has ended.
BY_HAND = "Dag Run's state was manually set"
#: By which the control plane has seen a run begin, and has told of it.
BY_REQUEST = frozenset({"rest_api", "ui"})


@dataclass(frozen=True, kw_only=True)
class Transition:
    """What Airflow tells a listener, in plain values: its objects belong to a session that will be closed.

    :param name: of the new state, as in a rule.
    :param events: for signals.
    :param subject: what rules and their functions are told: the event that says most.
    :param tags: of the DAG, asked for only when a rule wants them.
    :param context: for notifiers.
    """

    name: str
    events: tuple[PipelineEvent, ...]
    subject: PipelineEvent
    tags: Callable[[], Iterable[str]]
    context: Callable[[], Any]


class Listener:
    """Registered by the plugin when ``[pipehooks] enable_listener`` is on."""

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        path = read("listener_rules")
        return read_rules(path) if path else ()

    @hookimpl
    def on_task_instance_running(self, previous_state: Any, task_instance: Any) -> None:
        # Called again each time a task goes on after a deferral.
        name = "resumed" if is_resumed(task_instance) else "running"
        self._task(name, task_instance, previous_state)

    @hookimpl
    def on_task_instance_success(self, previous_state: Any, task_instance: Any) -> None:
        self._task("success", task_instance, previous_state)

    @hookimpl
    def on_task_instance_skipped(self, previous_state: Any, task_instance: Any) -> None:
        self._task("skipped", task_instance, previous_state)

    @hookimpl
    def on_task_instance_failed(self, previous_state: Any, task_instance: Any, error: Any) -> None:
        # Airflow has one call for both; by now the task instance knows which it is.
        state = str(getattr(task_instance.state, "value", task_instance.state))
        name = "up_for_retry" if state == "up_for_retry" else "failed"
        self._task(name, task_instance, previous_state, error)

    @hookimpl
    def on_dag_run_running(self, dag_run: Any, msg: str) -> None:
        self._run("run_running", dag_run, msg)

    @hookimpl
    def on_dag_run_success(self, dag_run: Any, msg: str) -> None:
        self._run("run_success", dag_run, msg)

    @hookimpl
    def on_dag_run_failed(self, dag_run: Any, msg: str) -> None:
        self._run("run_failed", dag_run, msg)

    def _task(self, name: str, ti: Any, previous_state: Any, error: Any = None) -> None:
        # Airflow names no previous state for what a person has set.
        if previous_state is None:
            return
        if is_in_its_own_process(ti):
            self._tell(task_transition(name, ti, error))
        else:
            transition = task_transition(name, ti, error)
            background().put(lambda: self._tell(transition))

    def _run(self, name: str, dag_run: Any, msg: str) -> None:
        if not msg.startswith(BY_HAND):
            transition = run_transition(name, dag_run, msg)
            background().put(lambda: self._tell(transition))

    def _tell(self, transition: Transition) -> None:
        tell(*transition.events)
        hooks = (Hook(staying(partial(_judge, rule)), name=f"rule {rule.action}") for rule in self.rules)
        Dispatcher(hooks, record=recent_failures.append).dispatch(transition)


def _judge(rule: Rule, transition: Transition) -> None:
    """Act, if the rule is for this. Asking for a DAG's tags can fail, too, and may stop no other rule."""
    if rule.matches(transition.name, transition.subject.data["dag_id"], transition.tags):
        rule.act(transition.subject, transition.context)


def is_in_its_own_process(ti: Any) -> bool:
    """Whether this is the process that runs the task; elsewhere Airflow passes a database row."""
    # By its name: the scheduler need not import the task runner for this.
    return type(ti).__name__ == "RuntimeTaskInstance"


def is_resumed(ti: Any) -> bool:
    """Whether the task has run before in this try: it was deferred, or rescheduled, and now goes on."""
    return was_deferred(ti) or was_rescheduled(ti)


#: What a task's new state means in Bamboo's words: when it runs for the first time, and when it goes on.
_TOLD: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "running": (("node_enter", "pre_execute"), ()),
    "resumed": ((), ("pre_schedule",)),
    "success": (("post_execute", "node_finish"), ("post_schedule", "node_finish")),
    "skipped": (("node_finish",), ("node_finish",)),
    "up_for_retry": (
        ("node_execute_exception", "node_execute_fail"),
        ("node_schedule_exception", "node_schedule_fail"),
    ),
    "failed": (
        ("node_execute_exception", "node_execute_fail"),
        ("node_schedule_exception", "node_schedule_fail"),
    ),
}


def task_transition(name: str, ti: Any, error: Any) -> Transition:
    """Of a task instance in its own process, or of its row in the scheduler.

    :param error: the exception, or the scheduler's text when the task could not say why it ended.
    """
    events = tuple(_node_events(name, ti, error))
    task = getattr(ti, "task", None)
    # These tell of themselves, at the very moments; not of a template or a pre_execute that fails before.
    is_told = isinstance(task, NodeHooks) and (name in ("running", "resumed") or task.tells_of_itself)
    here = is_in_its_own_process(ti)
    dag_id: str = ti.dag_id
    return Transition(
        name=name,
        events=() if is_told else events,
        subject=events[-1],
        tags=(lambda: task.dag.tags) if here and task else (lambda: tags_of(dag_id)),
        context=(lambda: {**ti.get_template_context(), "exception": error})
        if here
        else _context(ti, exception=error),
    )


def _node_events(name: str, ti: Any, error: Any) -> Iterator[PipelineEvent]:
    more: dict[str, Any] = {"state": name}
    if isinstance(error, str):
        more["reason"] = error
    for event_type in _TOLD[name][is_resumed(ti)]:
        if event_type.endswith("_exception"):
            # The scheduler's text is not an exception of the task's.
            if not isinstance(error, BaseException):
                continue
            yield _node(event_type, ti, ex_data="".join(traceback.format_exception(error)), **more)
        else:
            yield _node(event_type, ti, **more)


def _node(event_type: str, ti: Any, **more: Any) -> PipelineEvent:
    map_index = -1 if ti.map_index is None else ti.map_index
    return node_event(
        event_type,
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=ti.task_id,
        map_index=map_index,
        try_number=ti.try_number,
        **more,
    )


def run_transition(name: str, dag_run: Any, reason: str) -> Transition:
    """Of a DAG run, which the scheduler passes as a database row."""
    ids = {"dag_id": dag_run.dag_id, "run_id": dag_run.run_id}
    if name == "run_running":
        data = prepare_data(**ids, conf=dag_run.conf)
        events = tuple(
            PipelineEvent(event_type=f"{when}_prepare_run_pipeline", data=data) for when in ("pre", "post")
        )
    else:
        state = name.removeprefix("run_")
        data = {**ids, "pipeline_id": dag_run.run_id, "state": state, "reason": reason}
        events = (PipelineEvent(event_type="pipeline_finish", data=data),)
    is_told = name == "run_running" and _began_before(dag_run)
    return Transition(
        name=name,
        events=() if is_told else events,
        subject=events[-1],
        tags=lambda: tags_of(ids["dag_id"]),
        context=_context(None, reason=reason, dag_run=ids),
    )


def _began_before(dag_run: Any) -> bool:
    """Whether this run's beginning was told before: by the control plane, or before it was cleared."""
    by = str(getattr(dag_run.triggered_by, "value", dag_run.triggered_by))
    return bool(dag_run.clear_number) or (by in BY_REQUEST and read("enable_control_plane"))


def _context(ti: Any, **known: Any) -> Callable[[], dict[str, Any]]:
    """As much of a context as the scheduler knows, for notifiers; the names are Airflow's."""
    context: dict[str, Any] = dict(known)
    if ti is not None:
        names = ("dag_id", "run_id", "task_id", "map_index", "try_number", "max_tries", "state")
        copied = SimpleNamespace(**{name: getattr(ti, name, None) for name in names}, task=None)
        context |= {"ti": copied, "task_instance": copied}
        context["dag_run"] = {"dag_id": copied.dag_id, "run_id": copied.run_id}
    context["run_id"] = context["dag_run"]["run_id"]
    return lambda: dict(context)
