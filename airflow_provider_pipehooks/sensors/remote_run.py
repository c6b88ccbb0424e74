"""JOIN, the same for every service: wait for a run that something else started, and end as it ends."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException

from airflow_provider_pipehooks.compat import memory
from airflow_provider_pipehooks.core.arguments import as_hook_params
from airflow_provider_pipehooks.core.errors import PipehooksError, RemoteCallError
from airflow_provider_pipehooks.core.events import WaitEnded, read_event
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.watch import Watch, look, recalled, remembered
from airflow_provider_pipehooks.handlers.state.stateful import StatefulOperator
from airflow_provider_pipehooks.tasks.joining import JoinsRun, RemoteRunLink, cannot_wait

if TYPE_CHECKING:
    from airflow.sdk import Context

MEMORY_KEY = "pipehooks_wait"


class RemoteRunSensor(StatefulOperator, JoinsRun, BaseSensorOperator):
    """Base of the sensors; subclasses say which run.

    A sensor never cancels a run: something else started it. State handlers decide (``state_handlers``,
    ``on_failure``; see ``StatefulOperator``).

    :param deferrable: wait in the triggerer, without holding a worker.
    :param hook_params: of the hook, such as ``timeout_seconds``.
    """

    operator_extra_links = (RemoteRunLink(),)
    ui_color = "#e8f0f7"

    def __init__(self, *, deferrable: bool, hook_params: dict[str, Any] | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.deferrable = deferrable
        self.hook_params = as_hook_params(hook_params, self.name_of("hook_params"))
        self._watch: Watch | None = None
        self._pause_s = 0.0

    @abstractmethod
    def find_run_id(self, context: Context) -> int | str:
        """Which run to wait for; asked once in a task try."""

    def execute(self, context: Context) -> Any:
        self.tell_not_acted_on()
        if not self.deferrable:
            try:
                return super().execute(context)
            except (AirflowSensorTimeout, AirflowSkipException):
                self._gave_up(context, self._watch.run if self._watch else None)
                raise
        # A look first: a run that is over needs no triggerer, and a wrong connection fails here, not there.
        with self._never_failing():
            seen = self.poke(context)
        if seen:  # a subclass's own poke may say True
            return seen.xcom_value if isinstance(seen, PokeReturnValue) else None
        return self._defer(self._run_id_of_try(context), time.time() + self._longest_wait())

    def _defer(self, run_id: int | str, deadline: float, wakes: int = 0) -> Any:
        self.defer_until_end(
            run_id,
            poll_interval=self.poke_interval,
            deadline=deadline,
            on_cancel="keep",
            kwargs={"deadline": deadline, **({"wakes": wakes} if wakes else {})},
            wakes=wakes,
        )

    def execute_complete(
        self,
        context: Context,
        event: dict[str, Any] | None = None,
        **stored: Any,
    ) -> Any:
        """Go on after the triggerer has waited.

        :param stored: what the task left when it deferred.
        """
        kept, self._kept = self._kept, {}
        return self._go_on(context, event, **{**kept, **stored})

    def _go_on(
        self,
        context: Context,
        event: dict[str, Any] | None,
        deadline: float | None = None,
        wakes: int = 0,
    ) -> Any:
        """Read the event, and end or wait on.

        :param deadline: of the whole wait, in seconds since the epoch.
        :param wakes: how often the task was woken before its run ended.
        """
        with self._never_failing():
            told = read_event(event)
            if isinstance(told, WaitEnded):
                return self._ended(context, told)
            self.push(context, told.run)
            self.while_waiting(context, told.run)
        return self._defer(told.run.run_id, deadline or time.time() + self._longest_wait(), wakes + 1)

    @contextmanager
    def _never_failing(self) -> Iterator[None]:
        """What Airflow's own loop around ``poke`` does for ``never_fail``, for where that loop is not."""
        try:
            yield
        except PipehooksError as err:
            if self.never_fail:
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from err
            raise

    def poke(self, context: Context) -> PokeReturnValue | bool:
        """One look, through the same step as every other wait; trouble of the remote is not the run's."""
        run_id = self._run_id_of_try(context)
        watch = self._watch or Watch(poll_interval_s=self.poke_interval, since_s=time.time())
        try:
            seen: Run | RemoteCallError = self.hook.call(self.service.get_run(run_id), tries=1)
        except RemoteCallError as err:
            seen = err
        step = look(watch, seen, time.time())
        for event in step.events:
            self.tell(event)
        if step.end:
            return PokeReturnValue(is_done=True, xcom_value=self._ended(context, step.end))
        if step.watch.run is not None and (watch.run is None or self.reschedule):
            # Now, not at the end: should Airflow end this task, an alert has to say which run it was about.
            # (A rescheduled sensor loses its XComs with each poke.)
            self.push(context, step.watch.run)
        if step.reread_connection:
            self.hook.reread()
        self._watch, self._pause_s = step.watch, step.pause_s
        self._save(context, run_id)
        if step.watch.run is not None:
            self.while_waiting(context, step.watch.run)
        return False

    def _get_next_poke_interval(self, *args: Any, **kwargs: Any) -> float:
        """Not before the remote's ``Retry-After``, and later while it is in trouble."""
        return max(super()._get_next_poke_interval(*args, **kwargs), self._pause_s)

    def _longest_wait(self) -> float:
        limits = [self.timeout]
        if self.execution_timeout is not None:
            limits.append(self.execution_timeout.total_seconds())
        return min(limits)

    def _run_id_of_try(self, context: Context) -> int | str:
        """In reschedule mode every poke is a new process, so what the last one knew is read back."""
        if self._watch is None and self.reschedule:
            self._recall(context)
        if self._run_id is None:
            self._run_id = self.find_run_id(context)
        return self._run_id

    _run_id: int | str | None = None

    def _recall(self, context: Context) -> None:
        known = memory.recall(context, MEMORY_KEY)
        if not isinstance(known, Mapping) or known.get("try_number") != context["ti"].try_number:
            return
        try:
            self._watch = recalled(known, self.poke_interval)
            self._run_id = known["run_id"]
        except (KeyError, ValueError) as err:
            self.log.warning("What the last poke knew cannot be read; the wait begins anew: %s", err)

    def _save(self, context: Context, run_id: int | str) -> None:
        if not self.reschedule or self._watch is None:
            return
        of_try = {"try_number": context["ti"].try_number, "run_id": run_id}
        memory.remember(context, MEMORY_KEY, {**remembered(self._watch), **of_try})

    def _ended(self, context: Context, end: WaitEnded) -> int | str:
        self._watch = None  # a failure that Airflow makes a skip of has been told of by then
        self.changes.take(end.changes)
        if end.reason == "run_ended" and end.run:
            return self.end_as(context, end.run)
        if end.reason == "deadline":
            self._gave_up(context, end.run)
            message = f"{end.run.label if end.run else 'The run'}: {end.message}"
            if self.soft_fail or self.never_fail:
                raise AirflowSkipException(message)
            raise AirflowSensorTimeout(message)
        raise cannot_wait(end)

    def _gave_up(self, context: Context, run: Run | None) -> None:
        if run is not None and not run.is_terminal:
            self.at_end(context, run, is_over=False)
