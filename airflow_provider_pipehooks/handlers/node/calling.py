"""HOOKS: at one moment of a task, sends its signal and calls its node hook, in this order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from airflow_provider_pipehooks import options
from airflow_provider_pipehooks.core.events import HookProgress
from airflow_provider_pipehooks.core.pipeline_event import PipelineEvent
from airflow_provider_pipehooks.handlers.dispatch import Dispatcher, Hook
from airflow_provider_pipehooks.handlers.endings import ending_of
from airflow_provider_pipehooks.handlers.node.data import (
    CallbackData,
    NodeData,
    Values,
    inputs_of,
    new_keys,
    parent_inputs_of,
)
from airflow_provider_pipehooks.handlers.node.moments import MOMENTS
from airflow_provider_pipehooks.handlers.node.outputs import NodeOutputs
from airflow_provider_pipehooks.handlers.node.record import NodeRecord
from airflow_provider_pipehooks.handlers.signal.event_types import EVENT_TYPES, node_data

log = logging.getLogger(__name__)

#: XCom: hooks that failed, ``[{"hook": str, "state": str, "error": str}]``.
PROGRESS_KEY = "hook_progress"


class NodeTeller:
    """Tells of one process of a task.

    :param hooks: the hooks to call, each with whether it wants ``callback_data``.
    """

    def __init__(self, task: Any, context: Mapping[str, Any], *, hooks: Mapping[str, bool]) -> None:
        self.task = task
        self.ti = context["ti"]
        self.hooks = hooks
        self.signals = bool(options.read("enable_pipeline_event_signals"))
        self.callback: CallbackData | None = None
        self.failures: list[HookProgress] = []
        self.outputs: NodeOutputs | None = None
        if hooks:
            self.data = NodeData(inputs_of(task, context))
            self.parent_data = NodeData(parent_inputs_of(task, context))
            self.outputs = NodeOutputs(self.ti, self.data)
        self._dispatcher = Dispatcher(record=self.failures.append)
        self._push = self.ti.xcom_push

    @property
    def is_listening(self) -> bool:
        """Whether anyone is told anything."""
        return bool(self.hooks) or self.signals

    @property
    def map_index(self) -> int:
        return -1 if self.ti.map_index is None else int(self.ti.map_index)

    def tell(self, moment: str, *, by_user: bool = False, **keys: Any) -> None:
        """Send the signal of a moment, then call its hook.

        :param by_user: a user's doing: the control plane sends the signal, where it happens.
        :param keys: of the signal's payload.
        """
        if self.signals and not by_user:
            try:
                self._send(moment, keys)
            except Exception:
                log.exception("Could not send the signal %s; the task goes on", moment)
        if moment in self.hooks:
            self._call(moment)

    def _send(self, moment: str, keys: Mapping[str, Any]) -> None:
        from airflow_provider_pipehooks.handlers.signal.sending import tell

        ti = self.ti
        data = node_data(
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            task_id=ti.task_id,
            map_index=self.map_index,
            try_number=ti.try_number,
            **keys,
        )
        if "root_pipeline_id" in EVENT_TYPES[moment].keys:
            data["root_pipeline_id"] = ti.run_id
        tell(PipelineEvent(event_type=moment, data=data))

    def _call(self, moment: str) -> None:
        hook = Hook(_held(getattr(self.task, moment)), name=f"{type(self.task).__name__}.{moment}")
        if MOMENTS[moment].read_only:
            self._call_read_only(moment, hook)
            return
        before = Values(self.data.outputs)
        failures = len(self.failures)
        result = self._dispatcher.call(hook, **self._arguments(moment, self.data))
        if moment == "node_finish" and (result is False or len(self.failures) > failures):
            self.data.reset_outputs(before)
        elif self.outputs:
            for err in self.outputs.store_new():
                self._dispatcher.failed(hook, err)

    def _call_read_only(self, moment: str, hook: Hook) -> None:
        data = self.data.detached()
        self._dispatcher.call(hook, **self._arguments(moment, data))
        if new_keys(data.outputs, self.data.outputs):
            log.warning("%s is read-only: the outputs it has set are discarded", hook.name)

    def _arguments(self, moment: str, data: NodeData) -> dict[str, Any]:
        arguments: dict[str, Any] = {"data": data, "parent_data": self.parent_data}
        if self.callback is not None and self.hooks[moment]:
            arguments["callback_data"] = self.callback
        return arguments

    def note(self, key: str, value: Any) -> None:
        """An output that only hooks see."""
        if self.outputs:
            self.outputs.note(key, value)

    def seeing_xcoms(self) -> AbstractContextManager[None]:
        return self.outputs.seeing_xcoms() if self.outputs else nullcontext()

    def record(self, waits: str | None) -> NodeRecord:
        """What to leave for the task's next process."""
        kept = self.outputs.kept() if self.outputs else {}
        return NodeRecord(try_number=self.ti.try_number, waits=waits, **kept)

    def end(self) -> None:
        """Leave the failures where people see them."""
        if not self.failures:
            return
        rows = [
            {"hook": row.hook_name, "state": row.state, "error": f"{type(row.error).__name__}: {row.error}"}
            for row in self.failures
        ]
        try:
            self._push(PROGRESS_KEY, rows)
        except Exception:
            log.exception("Could not store which hooks failed: %s", rows)


def _held(hook: Callable[..., Any]) -> Callable[..., Any]:
    """The hook, unable to end the task: neither ``sys.exit()`` nor a deferral is an error to Python."""

    def held(**arguments: Any) -> Any:
        try:
            return hook(**arguments)
        except BaseException as err:
            if isinstance(err, SystemExit) or not ending_of(err).is_error:
                raise RuntimeError(f"A hook cannot end or defer the task: it raised {err!r}.") from err
            raise

    return held
