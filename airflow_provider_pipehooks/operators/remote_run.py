"""START, the same for every service: start a run once, wait, end as the run ended."""

from __future__ import annotations

import hashlib
import random
import sys
import time
from abc import abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowTaskTimeout

from airflow_provider_pipehooks.compat.memory import INTENT_KEY, IntentNotes, first_intent
from airflow_provider_pipehooks.compat.questions import ENDED_FOR_GOOD, state_at_kill
from airflow_provider_pipehooks.core.arguments import Reader, as_hook_params, one_of
from airflow_provider_pipehooks.core.durations import as_interval, as_limit
from airflow_provider_pipehooks.core.errors import (
    ConfigurationError,
    NotFound,
    RemoteCallError,
    WaitTimedOut,
)
from airflow_provider_pipehooks.core.events import SomethingWaits, WaitEnded, read_event
from airflow_provider_pipehooks.core.intent import Intent
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.core.watch import GONE_AFTER_LOOKS, Watch
from airflow_provider_pipehooks.handlers.state.stateful import StatefulOperator
from airflow_provider_pipehooks.tasks.joining import JoinsRun, RemoteRunLink, cannot_wait
from airflow_provider_pipehooks.tasks.once import Once
from airflow_provider_pipehooks.tasks.turns import next_turn
from airflow_provider_pipehooks.tasks.waiting import cancel, wait

if TYPE_CHECKING:
    from airflow.sdk import Context

#: Airflow kills the process five seconds after it has told it to end.
LONGEST_PAUSE_AT_KILL_S = 1.0
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

    #: What users call ``poll_interval``.
    interval_argument: ClassVar[str]
    readers: ClassVar[Mapping[str, Reader]] = {"on_cancel": one_of("cancel", "keep")}
    operator_extra_links: tuple[RemoteRunLink, ...] = (RemoteRunLink(),)
    ui_color = "#e8f0f7"

    def __init__(
        self,
        *,
        wait_for_termination: bool,
        poll_interval: float | timedelta,
        wait_timeout: float | timedelta | None,
        deferrable: bool,
        on_cancel: OnCancel,
        hook_params: dict[str, Any] | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if on_cancel not in ("cancel", "keep"):
            raise ConfigurationError(f"on_cancel must be 'cancel' or 'keep', not {on_cancel!r}.")
        self.wait_for_termination = wait_for_termination
        # Under the users' names: a subclass may read and set them until the task waits.
        setattr(self, self.interval_argument, poll_interval)
        self.timeout = wait_timeout
        self.deferrable = deferrable
        self.on_cancel = on_cancel
        self.hook_params = as_hook_params(hook_params, self.name_of("hook_params"))
        self.run_id: int | str | None = None
        self._once: Once | None = None
        self._ti: Any = None
        self._turn = 1
        _ = self.poll_interval, self.wait_timeout  # refused at parse where they cannot be waited by

    @property
    def poll_interval(self) -> float:
        return as_interval(getattr(self, self.interval_argument), self.name_of(self.interval_argument))

    @property
    def wait_timeout(self) -> float | None:
        return as_limit(self.timeout, self.name_of("timeout"))

    # What a service has to say, besides ``start``: see tasks.once.Starts

    @abstractmethod
    def prepare(self, context: Context) -> None:
        """Check the arguments and look names up, before anything is written down or started."""

    @abstractmethod
    def start(self, intent: Intent) -> Run:
        """Start the run of an intent; called once for each, or again when no run of it exists."""

    @property
    def job(self) -> str:
        """What is to be run, once prepared; a run of anything else is not the one of this task."""
        return ""

    @property
    def can_continue(self) -> bool:
        """Whether a run that ended badly is continued instead of started anew."""
        return False

    def baseline(self) -> int:
        """The highest run id there is now, where a lost start has to be looked up above it."""
        return 0

    def find(self, run_id: int | str) -> Run | None:
        """The run with this id; None when the remote does not have it."""
        # Taken for gone, a run that one node does not know is started a second time.
        for look in range(GONE_AFTER_LOOKS + 1):
            try:
                found: Run = self.hook.call(self.service.get_run(run_id))
                return found
            except NotFound as err:
                self.log.info("Look %s for the run of an earlier try: %s", look + 1, err)
                if look < GONE_AFTER_LOOKS:
                    time.sleep(self.hook.retry_delay * 2**look)
        return None

    def find_unanswered(self, intent: Intent) -> Run | None:
        """The run of a start whose answer was never stored. None where starting again is safe."""
        return None

    def to_adopt(self) -> Run | None:
        """A run that goes on already and is taken instead of starting one; it is never cancelled."""
        return None

    def continue_run(self, run: Run) -> Run | None:
        """Continue a run that ended badly; None when the remote cannot."""
        return None

    def cancel(self, run_id: int | str, why: str) -> None:
        """Cancel a run and see it cancelled, unless runs are to be kept.

        Whatever fails here must not hide why we cancel.
        """
        if self.on_cancel != "cancel":
            self.log.info("%s run %s is left as it is: %s", self.service_name, run_id, why)
            return
        self.log.warning("Cancelling %s run %s: %s", self.service_name, run_id, why)
        try:
            end = cancel(self.watched(run_id), self.tell)
        except RemoteCallError as err:
            self.log.error("Could not cancel %s run %s: %s", self.service_name, run_id, err)
            return
        self.changes.take(end.changes)
        if end.run is None or not end.run.is_terminal:
            self.log.error("%s run %s is not seen cancelled yet: %s", self.service_name, run_id, end.message)

    # The flow

    def execute(self, context: Context) -> int | str:
        self.tell_not_acted_on()
        self.prepare(context)
        if context["ti"].try_number > 1:
            self.changes.recall(context)
        self._once = self._opened_once(context, self._intent_key(context))
        run = self._once.run()
        self.run_id = run.run_id
        self.push(context, run)
        if not self.wait_for_termination:
            return run.run_id
        if run.is_success:
            self.at_end(context, run)
            return run.run_id
        return self._wait(context, run)

    def execute_complete(
        self,
        context: Context,
        event: dict[str, Any] | None = None,
        **stored: Any,
    ) -> int | str:
        """Go on after the triggerer has waited.

        :param stored: what the task left when it deferred.
        """
        kept, self._kept = self._kept, {}
        return self._go_on(context, event, **{**kept, **stored})

    def _go_on(
        self,
        context: Context,
        event: dict[str, Any] | None,
        continued: bool = False,
        run: dict[str, Any] | None = None,
        intent_key: str = INTENT_KEY,
        deadline: float | None = None,
        wakes: int = 0,
    ) -> int | str:
        """Read the event, and end or wait on.

        :param continued: this try has already repaired its run once.
        :param run: the run's record as it was when the task deferred.
        :param intent_key: under which the intent is stored.
        :param deadline: of the whole wait, in seconds since the epoch, if the task is woken before its end.
        :param wakes: how often it was.
        """
        told = read_event(event)
        self.changes.read((run or {}).get("changes"))
        self._once = once = self._opened_once(context, intent_key)
        once.resume()
        # A run that was never seen has no record in the event, but may be going on all the same.
        known = told.run or (Run.from_json(run) if run else self._never_seen(once))
        self.run_id = known.run_id if known else None
        if isinstance(told, SomethingWaits):
            self.changes.take(told.changes)
            self.push(context, told.run)
            return self._wait(context, told.run, continued=continued, deadline_s=deadline, wakes=wakes + 1)
        return self._ended(context, told, known, continued=continued)

    def on_kill(self) -> None:
        """Airflow is about to end this process: cancel the run, if the task is over, and see it cancelled.

        Also a worker that is shut down, was cut off, or lost the API server is told to end its task. Then
        another try joins the run, or has joined it already.
        """
        if not self._may_cancel:
            self.log.info("Killed: run %s is left as it is", self.run_id)
            return
        if not self._is_over():
            return
        # The main thread was interrupted, maybe in the middle of a call: use connections of our own.
        hook = self.hook.detached()
        hook.longest_pause_s = LONGEST_PAUSE_AT_KILL_S
        self.reopen(hook)
        if self.run_id is None and self._once is not None:
            self.run_id = self._once.find_pending()
        if self.run_id is None:
            self.log.info("Killed: no run of this task is known")
            return
        self.cancel(self.run_id, "the task was killed")

    def _is_over(self) -> bool:
        # The task runner calls on_kill while it handles its own time limit; nobody else ends the task then.
        if self._ti is None or isinstance(sys.exc_info()[1], AirflowTaskTimeout):
            return True
        state = state_at_kill(self._ti, self._ti.map_index)
        if state in ENDED_FOR_GOOD:
            return True
        self.log.warning(
            "Killed, but not by a person or a time limit: run %s is left to the next try (the task is %s)",
            self.run_id,
            state or "in an unknown state",
        )
        return False

    @property
    def _may_cancel(self) -> bool:
        return self.on_cancel == "cancel" and not (self._once is not None and self._once.adopted)

    def _intent_key(self, context: Context) -> str:
        """Where this task's intent is stored; those of other operators that it executes have other places."""
        ti = context["ti"]
        is_task = self.task_id == ti.task_id
        who = (self.task_id, self.service_name, *(() if is_task else (self.job,)))
        self._turn = next_turn(ti, who)
        if is_task and self._turn == 1:
            return INTENT_KEY
        return f"{INTENT_KEY}_{hashlib.sha256(repr((who, self._turn)).encode()).hexdigest()[:16]}"

    def _opened_once(self, context: Context, key: str) -> Once:
        self._ti = context["ti"]
        first = first_intent(context, self.task_id, self.service_name, self.job, self._turn)
        return Once(self, IntentNotes(context, key, self.log), first, self.log)

    def _never_seen(self, once: Once) -> Run | None:
        """As much as is known of a run of which nothing but its id was stored."""
        run_id = once.intent.remote_run_id if once.intent else None
        if run_id is None:
            return None
        return Run(service=self.service_name, run_id=run_id, state=None, status="never seen")

    def _wait(
        self,
        context: Context,
        run: Run,
        *,
        continued: bool = False,
        deadline_s: float | None = None,
        wakes: int = 0,
    ) -> int | str:
        if run.is_terminal:
            return self._ended(context, WaitEnded(reason="run_ended", run=run), run, continued=continued)
        now_s = time.time()
        deadline_s = deadline_s or self._deadline(now_s)
        if self.deferrable:
            self.while_waiting(context, run)
            woken = {"deadline": deadline_s, "wakes": wakes} if self.wake_options(wakes) else {}
            self.defer_until_end(
                run.run_id,
                poll_interval=self.poll_interval,
                deadline=deadline_s,
                on_cancel="cancel" if self._may_cancel else "keep",
                kwargs={"continued": continued, "run": self.record_of(run), **self._elsewhere(), **woken},
                wakes=wakes,
            )
        watch = Watch(
            poll_interval_s=self.poll_interval, since_s=now_s, deadline_s=deadline_s, spread=random.random()
        )
        meanwhile = partial(self.while_waiting, context)
        end = wait(self.watched(run.run_id), watch, self.tell, meanwhile=meanwhile)
        return self._ended(context, end, end.run or run, continued=continued)

    def _elsewhere(self) -> dict[str, str]:
        """Where the intent is stored, if it is not where every version looks."""
        key = self._once.notes.key if self._once else INTENT_KEY
        return {} if key == INTENT_KEY else {"intent_key": key}

    def _deadline(self, now_s: float) -> float | None:
        """When to stop waiting. A worker's ``execution_timeout`` is Airflow's own; the triggerer has none."""
        limits = [self.wait_timeout]
        if self.deferrable and self.execution_timeout is not None:
            limits.append(self.execution_timeout.total_seconds())
        return min((now_s + limit for limit in limits if limit is not None), default=None)

    def _ended(self, context: Context, end: WaitEnded, known: Run | None, *, continued: bool) -> int | str:
        """End the task as a wait ended.

        :param known: the run as last seen, be it before the wait.
        """
        self.changes.take(end.changes)
        if end.reason == "run_ended" and end.run:
            if end.run.state is RunState.ERROR and self.can_continue and not continued:
                again = self._continued(context, end.run)
                if again:
                    return self._wait(context, again, continued=True)
            if end.run.is_failed:
                self.changes.remember(context)
            return self.end_as(context, end.run)
        if end.reason == "deadline" and known is not None:
            if self._may_cancel:
                self.cancel(known.run_id, "it takes longer than the task may wait")
            self.at_end(context, known, is_over=False)
            raise WaitTimedOut(known, f"{known.label}: {end.message}")
        raise cannot_wait(end)

    def _continued(self, context: Context, run: Run) -> Run | None:
        """Repair within the same try, where the service's operator does that."""
        return None
