"""HOOKS: follows a task through one of its processes, and has every moment told, in Bamboo's order."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import Any

from airflow_provider_pipehooks.compat.questions import state_at_kill
from airflow_provider_pipehooks.handlers.endings import Ending, NodeFailed, ending_of
from airflow_provider_pipehooks.handlers.lifecycle import Call, Follower
from airflow_provider_pipehooks.handlers.node.calling import NodeTeller
from airflow_provider_pipehooks.handlers.node.data import CallbackData
from airflow_provider_pipehooks.handlers.node.record import NodeRecord, read, write

log = logging.getLogger(__name__)

_RETRY = ("pre_retry_node", "post_retry_node")
_CALLBACK = ("pre_callback", "post_callback")
_SKIP = ("pre_skip_node", "post_skip_node")


class NodeRun(Follower):
    """One process of a task: a try, or the part of one before, between or after waits.

    :param false_fails: whether False is a failure, as in Bamboo, or a value, as in Airflow.
    """

    def __init__(self, teller: NodeTeller, call: Call, *, false_fails: bool) -> None:
        self.teller = teller
        self.task = teller.task
        self.ti = teller.ti
        self.call = call
        self.context = call.context
        self.false_fails = false_fails
        self.phase = "execute"
        #: Whether ``poke`` is called by the sensor's own loop, and not by the method a wait resumes with.
        self.pokes = True
        self._step_is_open = False
        self._told: BaseException | None = None
        #: A failure of the work that counts as none.
        self._ignored: Exception | None = None
        self._is_over = False

    # What the lifecycle calls

    def judge(self, work: Callable[[], Any]) -> Any:
        """What the work came to, as a node: before anyone decides."""
        try:
            result = work()
            if result is False and self.false_fails:
                raise NodeFailed(
                    f"{type(self.task).__name__} {self.task.task_id!r} returned False, which is a failure "
                    "where NodeHooks is mixed in. Set false_is_failure = False to return it as a value."
                )
            return result
        except Exception as err:
            if not self.task.error_ignorable or not ending_of(err).is_failure:
                raise
            log.warning("The failure is ignored, as error_ignorable says", exc_info=err)
            self._ignored = err
            return None

    def around(self, work: Callable[[], Any]) -> Any:
        """Tell what becomes of the task."""
        try:
            return self._ended(work)
        except BaseException as err:
            if (ending := ending_of(err)).is_failure:
                self._failed(err, ending, then=f"node_{self.phase}_fail")
            raise
        finally:
            self.teller.end()

    def poke(self, work: Callable[[], Any]) -> Any:
        """Tell of one ``poke``; the first one ends the execute phase."""
        if not self.pokes:
            return work()
        self._close()
        self._open("schedule")
        self.pokes = False
        try:
            result = work()
        except BaseException as err:
            self._step_is_open = False
            if ending_of(err).is_error:
                self._tell_exception(err)
            raise
        finally:
            self.pokes = True
        self._close()
        return result

    def killed(self, on_kill: Callable[[], None]) -> None:
        """Tell when a user has set the task's state, which only the server knows."""
        try:
            # First: it may have to cancel something, and time is short.
            on_kill()
        finally:
            self._tell_of_kill()

    # How a process begins

    def _start(self) -> None:
        """``execute`` is about to be called: a new try, or a sensor in reschedule mode comes back."""
        if self.context.get("task_reschedule_count"):
            record = self._record_of_this_try()
            if record.waits == Ending.POKES_AGAIN.name:
                self._poked_again(record)
                return
        if self.ti.try_number > 1:
            self._retried()
        self._tell("node_enter")
        self._open("execute")

    def _poked_again(self, record: NodeRecord) -> None:
        self.phase = "schedule"
        self._recall(record)
        if self.teller.outputs:
            self.teller.outputs.restore(record)

    def _retried(self) -> None:
        if self._keeps_outputs and self.teller.outputs:
            self.teller.outputs.data.update_outputs(read(self.context).outputs)
        self._tell_all(_RETRY, by_user=self._was_cleared, data=None)
        if self.teller.outputs:
            self.teller.outputs.clear()

    @property
    def _was_cleared(self) -> bool:
        """Whether a user started this try: a clear sets ``max_tries`` to the tries so far and ``retries``."""
        tries_before_the_clear = int(self.ti.max_tries) - int(self.task.retries or 0)
        return bool(self.ti.try_number == tries_before_the_clear + 1)

    def _resume(self) -> None:
        """The task comes back from a wait."""
        next_kwargs = self.call.next_kwargs
        self.phase = "schedule"
        self.pokes = False
        record = self._record_of_this_try()
        self._recall(record)
        if next_kwargs and "event" in next_kwargs:
            event = next_kwargs["event"]
            self.teller.callback = CallbackData(event)
            # A human's answer is told of by the control plane, when it is given.
            answered = record.waits == Ending.ASKS.name
            self._tell_all(_CALLBACK, by_user=answered, version=str(self.ti.try_number), data=event)
        self._open("schedule")

    # The body, and how it ends

    def _ended(self, work: Callable[[], Any]) -> Any:
        """Call the work, and tell of every end but a failure: what is told may itself run into a timeout."""
        try:
            if self.call.resumes:
                self._resume()
            else:
                self._start()
            with self.teller.seeing_xcoms():
                result = work()
        except BaseException as err:
            self._left(ending_of(err))
            raise
        if self._ignored is None:
            self._finished(result)
        else:
            self._failed(self._ignored, ending_of(self._ignored), then="node_finish")
        return result

    def _left(self, ending: Ending) -> None:
        if ending.is_wait:
            self._close()
            self._leave(ending.name)
        elif ending is Ending.SKIPPED:
            self._tell_all(_SKIP)
        elif ending is Ending.FINISHED:
            self._finished(None)

    def _failed(self, error: BaseException, ending: Ending, *, then: str) -> None:
        """Tell of a failure.

        :param then: the moment it comes to; a failure that is ignored finishes the node.
        """
        if ending.is_error and error is not self._told:
            self._tell_exception(error)
        elif not ending.is_error and self.teller.outputs:
            self.teller.data.outputs.setdefault("ex_data", str(error))
        self.teller.note("_result", False)
        self._tell(then)
        self._keep_outputs()

    def _tell_exception(self, error: BaseException) -> None:
        self._told = error
        text = "".join(traceback.format_exception(error))
        self.teller.note("ex_data", text)
        self._tell(f"node_{self.phase}_exception", ex_data=text)

    def _finished(self, result: Any) -> None:
        if result is not None and self.task.do_xcom_push:
            self.teller.note("return_value", result)
        self._close()
        self._tell("node_finish")
        self._keep_outputs()

    def _tell_of_kill(self) -> None:
        if not self.teller.is_listening or self._is_over:
            return
        state = state_at_kill(self.ti, self.teller.map_index)
        if state == "failed":
            reason = "The task was marked failed while it ran."
            self._tell("pre_forced_fail_activity", by_user=True)
            self.teller.note("ex_data", reason)
            self.teller.note("_forced_failed", True)
            self._tell("post_forced_fail_activity", by_user=True)
        elif state in ("success", "skipped"):
            self._tell_all(_SKIP, by_user=True)
        # Of such a node Bamboo tells nothing more, and this process is about to be killed.
        self._is_over = state in ("failed", "success", "skipped")

    # Telling

    def _tell(self, moment: str, *, by_user: bool = False, **keys: Any) -> None:
        if not self._is_over:
            self.teller.tell(moment, by_user=by_user, **keys)

    def _tell_all(self, moments: tuple[str, ...], *, by_user: bool = False, **keys: Any) -> None:
        for moment in moments:
            self._tell(moment, by_user=by_user, **keys)

    def _open(self, phase: str) -> None:
        self.phase = phase
        self._step_is_open = True
        self._tell(f"pre_{phase}")

    def _close(self) -> None:
        """End the step that was opened, if one was; nothing was raised in it."""
        if not self._step_is_open:
            return
        self._step_is_open = False
        self._tell(f"post_{self.phase}")
        if self.phase == "execute":
            self.teller.note("_result", True)

    # From one process to the next

    @property
    def _keeps_outputs(self) -> bool:
        return any(moment in self.teller.hooks for moment in _RETRY)

    def _keep_outputs(self) -> None:
        if self._keeps_outputs:
            self._leave(None)

    def _leave(self, waits: str | None) -> None:
        if self.teller.is_listening:
            write(self.context, self.teller.record(waits))

    def _record_of_this_try(self) -> NodeRecord:
        nothing = NodeRecord()
        record = read(self.context) if self.teller.is_listening else nothing
        return record if record.try_number == self.ti.try_number else nothing

    def _recall(self, record: NodeRecord) -> None:
        if self.teller.outputs:
            self.teller.outputs.recall(record, self.teller.map_index)
