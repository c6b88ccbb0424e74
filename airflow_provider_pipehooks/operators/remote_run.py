"""START, the same for every service: write down what is wanted, start it once, wait, end as the run ended."""

from __future__ import annotations

import random
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator

from airflow_provider_pipehooks.compat import memory, tries
from airflow_provider_pipehooks.core.errors import (
    ConfigurationError,
    NotFound,
    RemoteCallError,
    WaitTimedOut,
)
from airflow_provider_pipehooks.core.events import WaitEnded
from airflow_provider_pipehooks.core.intent import Decision, Intent, decide
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.core.watch import Watch
from airflow_provider_pipehooks.handlers.state.stateful import StatefulOperator
from airflow_provider_pipehooks.tasks.joining import JoinsRun, RemoteRunLink, cannot_wait
from airflow_provider_pipehooks.tasks.waiting import cancel, wait

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_pipehooks.core.run import Run

INTENT_KEY = "pipehooks_intent"
OnCancel = Literal["cancel", "keep"]


class RemoteRunOperator(StatefulOperator, JoinsRun, BaseOperator):
    """Base of the operators that start a run; subclasses say how one is started, found and continued.

    State handlers decide (``state_handlers``, ``on_failure``; see ``StatefulOperator``).

    :param wait_for_termination: wait for the run's end; otherwise the task succeeds once it is started.
    :param poll_interval: seconds between two looks.
    :param wait_timeout: seconds to wait for the end; None waits for ever.
    :param deferrable: wait in the triggerer, without holding a worker.
    :param on_cancel: when the task is killed, ended by a user, or waits too long: ``cancel`` the remote
        run and see it cancelled, or ``keep`` it.
    :param hook_params: of the hook, such as ``timeout_seconds`` and ``retry_limit``.
    """

    operator_extra_links = (RemoteRunLink(),)
    ui_color = "#e8f0f7"

    def __init__(
        self,
        *,
        wait_for_termination: bool,
        poll_interval: float,
        wait_timeout: float | None,
        deferrable: bool,
        on_cancel: OnCancel,
        hook_params: dict[str, Any] | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if on_cancel not in ("cancel", "keep"):
            raise ConfigurationError(f"on_cancel must be 'cancel' or 'keep', not {on_cancel!r}.")
        self.wait_for_termination = wait_for_termination
        self.poll_interval = poll_interval
        self.wait_timeout = wait_timeout
        self.deferrable = deferrable
        self.on_cancel = on_cancel
        self.hook_params = hook_params or {}
        self.run_id: int | str | None = None
        #: The run of this try was started by something else; set by ``start``.
        self.adopted = False
        self._pending: Intent | None = None

    # What a service has to say

    @abstractmethod
    def prepare(self, context: Context) -> None:
        """Check the arguments and look names up, before anything is written down or started."""

    def baseline(self) -> int:
        """The highest run id there is now, where a lost start has to be looked up above it."""
        return 0

    def find_unanswered(self, intent: Intent) -> Run | None:
        """The run of a start whose answer was never stored. None where starting again is safe."""
        return None

    @abstractmethod
    def start(self, context: Context, intent: Intent) -> Run:
        """Start the run of an intent; called once for each, or again when no run of it exists."""

    @property
    def can_continue(self) -> bool:
        """Whether a run that ended badly is continued instead of started anew."""
        return False

    def continue_run(self, context: Context, run: Run) -> Run | None:
        """Continue a run that ended badly; None when the remote cannot."""
        return None

    # The flow

    def execute(self, context: Context) -> int | str:
        self.prepare(context)
        run = self._started(context)
        self.run_id = run.run_id
        self.push(context, run)
        if run.is_success or not self.wait_for_termination:
            return run.run_id
        return self._wait(context, run)

    def execute_complete(
        self, context: Context, event: dict[str, Any] | None = None, continued: bool = False
    ) -> int | str:
        """Go on after the triggerer has waited.

        :param continued: this try has already repaired its run once.
        """
        end = WaitEnded.from_json(event)
        record = self._recall(context)
        # A run that was never seen has no record in the event, but may be going on all the same.
        self.run_id = end.run.run_id if end.run else record.remote_run_id if record else None
        self.adopted = bool(record and record.adopted)
        return self._ended(context, end, continued=continued)

    def on_kill(self) -> None:
        """Airflow is about to end this process: cancel the run, and see it cancelled."""
        if not self._may_cancel:
            self.log.info("Killed: run %s is left as it is", self.run_id)
            return
        # The main thread was interrupted, maybe in the middle of a call: use connections of our own.
        self.__dict__["_opened"] = (self.hook.detached(), self.service)
        if self.run_id is None and self._pending is not None:
            self.run_id = self._find_pending(self._pending)
        if self.run_id is None:
            self.log.info("Killed: no run of this task is known")
            return
        self._cancel(self.run_id, "the task was killed")

    def _find_pending(self, intent: Intent) -> int | str | None:
        """The run of a start whose answer had not come when the task was killed."""
        try:
            found = self.find_unanswered(intent)
            return found.run_id if found else None
        except RemoteCallError as err:
            self.log.error("Killed while starting, and could not look whether a run was started: %s", err)
            return None

    @property
    def _may_cancel(self) -> bool:
        return self.on_cancel == "cancel" and not self.adopted

    def _started(self, context: Context) -> Run:
        """The run of this task: found from an earlier try, or started now."""
        record = self._recall(context)
        generation = tries.generation(context)
        found = self._find(record) if record else None
        decision = decide(record, generation, found, can_continue=self.can_continue)
        self.log.info("%s", decision.explain(found, record))
        self.adopted = bool(record and record.adopted)
        if found and decision in (Decision.JOIN, Decision.RETURN):
            return found
        if found and decision is Decision.CLEARED_ACTIVE:
            if self._may_cancel:
                self._cancel(found.run_id, "the task was cleared")
            else:
                self.log.info("%s is left as it is", found.label)
        self.adopted = False
        if found and record and decision is Decision.CONTINUE:
            # Written down only afterwards: until then the old run leads to the one that continues it.
            continued = self.continue_run(context, found)
            if continued:
                self._remember(context, record.next_attempt().answered(continued.run_id))
                return continued
        intent = self._next_intent(context, decision, record, generation)
        self._remember(context, intent)
        self._pending = intent
        run = self.start(context, intent)
        self.run_id = run.run_id
        self._remember(context, intent.answered(run.run_id, adopted=self.adopted))
        self.log.info("Started %s%s", run.label, f": {run.url}" if run.url else "")
        return run

    def _find(self, record: Intent) -> Run | None:
        if record.remote_run_id is None:
            return self.find_unanswered(record)
        try:
            found: Run = self.hook.call(self.service.get_run(record.remote_run_id))
            return found
        except NotFound:
            return None

    def _next_intent(
        self, context: Context, decision: Decision, record: Intent | None, generation: int
    ) -> Intent:
        if record and decision is Decision.START_AGAIN:
            return record
        if record and decision in (Decision.START_NEXT, Decision.CONTINUE, Decision.GONE):
            intent = record.next_attempt()
        else:
            ti = context["ti"]
            intent = Intent(
                dag_id=ti.dag_id,
                run_id=ti.run_id,
                task_id=ti.task_id,
                map_index=ti.map_index if ti.map_index is not None else -1,
                generation=generation,
            )
        return intent.at(self.baseline())

    def _recall(self, context: Context) -> Intent | None:
        record = memory.recall(context, INTENT_KEY)
        return Intent.from_json(record) if record else None

    def _remember(self, context: Context, intent: Intent) -> None:
        memory.remember(context, INTENT_KEY, intent.to_json())

    def _wait(self, context: Context, run: Run, *, continued: bool = False) -> int | str:
        if run.is_terminal:
            return self._ended(context, WaitEnded(reason="run_ended", run=run), continued=continued)
        now_s = time.time()
        deadline_s = self._deadline(now_s)
        if self.deferrable:
            self.defer_until_end(
                run.run_id,
                poll_interval=self.poll_interval,
                deadline=deadline_s,
                on_cancel="cancel" if self._may_cancel else "keep",
                kwargs={"continued": continued},
            )
        watch = Watch(
            poll_interval_s=self.poll_interval, since_s=now_s, deadline_s=deadline_s, spread=random.random()
        )
        end = wait(self.watched(run.run_id), watch, self.tell)
        return self._ended(context, end, continued=continued)

    def _deadline(self, now_s: float) -> float | None:
        """When to stop waiting. A worker's ``execution_timeout`` is Airflow's own; the triggerer has none."""
        limits = [self.wait_timeout]
        if self.deferrable and self.execution_timeout is not None:
            limits.append(self.execution_timeout.total_seconds())
        return min((now_s + limit for limit in limits if limit is not None), default=None)

    def _ended(self, context: Context, end: WaitEnded, *, continued: bool) -> int | str:
        if end.reason == "run_ended" and end.run:
            if end.run.state is RunState.ERROR and self.can_continue and not continued:
                again = self._continued(context, end.run)
                if again:
                    return self._wait(context, again, continued=True)
            return self.end_as(context, end.run)
        if end.reason == "deadline":
            if self._may_cancel and self.run_id is not None:
                self._cancel(self.run_id, "it takes longer than the task may wait")
            if end.run:
                raise WaitTimedOut(end.run, f"{end.run.label}: {end.message}")
        raise cannot_wait(end)

    def _continued(self, context: Context, run: Run) -> Run | None:
        """Repair within the same try, where the service's operator does that."""
        return None

    def _cancel(self, run_id: int | str, why: str) -> None:
        """Cancel a run and see it cancelled. Whatever fails here must not hide why we cancel."""
        self.log.warning("Cancelling %s run %s: %s", self.service_name, run_id, why)
        try:
            end = cancel(self.watched(run_id), self.tell)
        except RemoteCallError as err:
            self.log.error("Could not cancel %s run %s: %s", self.service_name, run_id, err)
            return
        if end.run is None or not end.run.is_terminal:
            self.log.error("%s run %s is not seen cancelled yet: %s", self.service_name, run_id, end.message)
