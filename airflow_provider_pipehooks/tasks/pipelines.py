"""What operators and sensors of Databricks pipelines share: whose pipeline, and its event hooks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_pipehooks.compat import ledger, memory, tries
from airflow_provider_pipehooks.core.arguments import Reader, as_id, as_name, as_text
from airflow_provider_pipehooks.core.durations import as_interval, as_limit
from airflow_provider_pipehooks.core.errors import ConfigurationError, PipehooksError
from airflow_provider_pipehooks.core.events import HookProgress
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.services.databricks_pipelines import DatabricksPipelines
from airflow_provider_pipehooks.tasks.joining import JoinsRun

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_pipehooks.handlers.event_hooks import EventHooks
    from airflow_provider_pipehooks.tasks.listening import Listening, Report

#: XCom key of the report.
REPORT_KEY = "event_hooks"
#: An update's first events are some milliseconds older than what its creation time says.
BEFORE_CREATION = timedelta(seconds=5)
PIPELINE_BY = ("pipeline_id", "pipeline_name")
#: Of time that a worker's wait gives to hooks before it looks at the run again.
LONGEST_READ_S = 30.0
MOST_A_BATCH = 100
CLOCKS_MAY_DIFFER = timedelta(minutes=5)
ON_DISABLED = Callable[[Any], Any]


class HookDisabled(PipehooksError):
    """An event hook failed too often in a row and gets no more events of this update."""

    #: Alerts say this instead of "failed": the task goes on.
    happened = "goes on without one of its event hooks"


class JoinsPipeline(JoinsRun):
    """Mixed into operators and sensors of pipelines.

    XComs besides those of every run: ``event_hooks``, where the task has some:
    ``{"seen", "handled", "not_handled", "complete", "failures", "disabled": [...]}``.

    :param pipeline_id: of the pipeline; or give ``pipeline_name``.
    :param event_hooks: functions under ``on_event_hook``, or ``EventHooks`` of them with a filter; called in
        the worker, for each event of the update.
    :param event_batch_size: events between two writes of how far they are handled, 1 to 100: a crash repeats
        so many at most, and each write is one call to Airflow's API.
    :param event_drain: seconds after the update's end in which late events are still handled.
    :param wake_every: seconds after which a deferred task is woken when there are events for its hooks.
    :param most_wakes: how often it is woken; then its hooks are called at the end.
    :param on_hook_disabled: called with the task's context when a hook is switched off: any notifier.
    """

    service_name: ClassVar[str] = "databricks_pipelines"
    pipeline_readers: ClassVar[Mapping[str, Reader]] = {
        "databricks_conn_id": as_name,
        "pipeline_id": as_text,
        "pipeline_name": as_text,
    }

    if TYPE_CHECKING:
        databricks_conn_id: str
        pipeline_id: str | None
        pipeline_name: str | None

    def take_hooks(
        self,
        event_hooks: EventHooks | Sequence[Any] | None,
        event_batch_size: int,
        event_drain: float | timedelta,
        wake_every: float | timedelta,
        most_wakes: int,
        on_hook_disabled: ON_DISABLED | Sequence[ON_DISABLED] | None,
    ) -> None:
        """Check and keep the arguments about event hooks.

        :raises ConfigurationError: a number that cannot be.
        :raises TypeError: something that is no hook.
        """
        self.event_hooks = event_hooks
        self.event_batch_size = as_id(event_batch_size, self.name_of("event_batch_size"))
        if self.event_batch_size > MOST_A_BATCH:
            raise ConfigurationError(
                f"{self.name_of('event_batch_size')} must be 1 to {MOST_A_BATCH}, not {event_batch_size!r}."
            )
        self.event_drain = as_limit(event_drain or None, self.name_of("event_drain")) or 0.0
        self.wake_every = as_interval(wake_every, self.name_of("wake_every"))
        self.most_wakes = as_id(most_wakes, self.name_of("most_wakes")) if most_wakes else 0
        given: Any = on_hook_disabled or ()
        self.on_hook_disabled: tuple[ON_DISABLED, ...] = (
            tuple(given) if isinstance(given, (list, tuple)) else (given,)
        )
        self._hooks: EventHooks | None = None
        self._listening: Listening | None = None
        if event_hooks is not None:
            from airflow_provider_pipehooks.handlers.event_hooks import EventHooks

            self._hooks = event_hooks if isinstance(event_hooks, EventHooks) else EventHooks(event_hooks)

    # Which pipeline

    @property
    def conn_id(self) -> str:
        return self.databricks_conn_id

    @property
    def service_options(self) -> dict[str, Any]:
        return dict(self._of_pipeline)

    _of_pipeline: Mapping[str, Any] = {}

    def check_pipeline(self) -> None:
        """See that one of the two is given, as far as they are known.

        :raises ConfigurationError: none, or both.
        """
        # A template may leave an argument empty, which is then not given.
        if all(map(self.is_known, PIPELINE_BY)) and len(self._given()) != 1:
            raise self._not_one()

    def _given(self) -> list[str]:
        return [name for name in PIPELINE_BY if getattr(self, name) not in (None, "")]

    def _not_one(self) -> ConfigurationError:
        given = " and ".join(self._given()) or "neither"
        return ConfigurationError(
            f"Task {self.task_id!r}: give either pipeline_id or pipeline_name; {given} given."
        )

    def find_pipeline(self, known: Any = None) -> None:
        """Look the pipeline up, where it is given by name; from now on the calls are on it.

        :param known: the record of an update, if one is known: it tells the pipeline, and nobody is asked.
        :raises ConfigurationError: no pipeline has the name, or several have it.
        """
        if isinstance(known, Mapping) and known.get("job_id"):
            self._use_pipeline(str(known["job_id"]), known.get("name"))
            return
        if len(self._given()) != 1:
            raise self._not_one()
        name = self.argument("pipeline_name") or None
        pipeline_id = self.argument("pipeline_id")
        if name:
            pipeline_id = self.hook.call(DatabricksPipelines().pipeline_id_by_name(name))
        self._use_pipeline(pipeline_id, name)

    def _use_pipeline(self, pipeline_id: str, name: str | None) -> None:
        self._of_pipeline = {
            "pipeline_id": pipeline_id,
            "pipeline_name": name,
            "base_url": self.hook.target.base_url,
        }
        self.__dict__.pop("service", None)

    # Its events

    def while_waiting(self, context: Context, run: Run) -> None:
        """Have the hooks called for what the log has by now."""
        if self._hooks is not None:
            with self._harmless():
                self._opened(context, run).read(LONGEST_READ_S)

    def at_end(self, context: Context, run: Run, *, is_over: bool = True) -> None:
        """Have them called for the rest, and tell what became of the events."""
        if self._hooks is not None:
            with self._harmless():
                listening = self._opened(context, run)
                self.report_events(context, listening.finish(self.event_drain if is_over else 0.0))

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        """Nothing about events may end the wait for the update, or change how it ends."""
        try:
            yield
        except Exception:
            self.log.exception("The event hooks could not be served; the wait goes on")

    def report_events(self, context: Context, report: Report) -> None:
        """Log what became of the events, push it to XCom, and end the hooks' process."""
        is_all = report.complete and not report.not_handled
        (self.log.info if is_all else self.log.warning)("Event hooks: %s", report)
        ledger.push(context, {REPORT_KEY: report.to_json()})
        if self._listening is not None:
            self._listening.close()
            self._listening = None

    def wake_options(self, wakes: int) -> dict[str, Any]:
        """What the trigger has to know to wake the task while there are events."""
        if self._hooks is None or wakes >= self.most_wakes:
            return {}
        after = self._listening.cursor.newest_id if self._listening is not None else ""
        return {"wake_every": self.wake_every, "seen_until": after}

    def _opened(self, context: Context, run: Run) -> Listening:
        """Listening to the update, and to those that Databricks starts when it fails."""
        if self._listening is None:
            # One that could not be read yet has just been started, as far as clocks agree.
            made = run.created_at or datetime.now(timezone.utc) - CLOCKS_MAY_DIFFER
            since = made - BEFORE_CREATION
            of = {"run_id": str(run.run_id), "generation": tries.generation(context)}
            self._listening = self.listen(context, since, of, lambda: self._updates_of(run))
        return self._listening

    def _updates_of(self, run: Run) -> Collection[str]:
        found: Collection[str] = self.hook.call(self.service.updates_of(run.run_id))
        return found

    def listen(
        self,
        context: Context,
        since: datetime | None,
        of: Mapping[str, Any],
        updates: Callable[[], Collection[str] | None] = lambda: None,
        before: datetime | None = None,
    ) -> Listening:
        """Open the log, where the last process of this task has left it.

        :param since: from here on, if none has.
        :param of: what it is listened to for.
        :param before: only events between the two times; all events if not given.
        """
        # Here: parsing a DAG needs none of it.
        from airflow_provider_pipehooks.tasks.listening import Listening, PipelineLog

        assert self._hooks is not None
        span = (since, before) if since and before else None
        return Listening(
            self._hooks,
            PipelineLog(self.hook.call, self.service.pipeline_id, updates, span),
            Store(context),
            self.log,
            of=of,
            since=since,
            batch_size=self.event_batch_size,
            on_disabled=lambda progress: self._disabled(context, progress),
        )

    def _disabled(self, context: Context, progress: HookProgress) -> None:
        error = HookDisabled(f"Event {progress}. It gets no more events of this update.")
        for callback in self.on_hook_disabled:
            try:
                callback({**context, "exception": error})
            except Exception:
                self.log.exception("Could not tell that hook %s is switched off", progress.hook_name)


class Store:
    """The task's state store."""

    def __init__(self, context: Mapping[str, Any]) -> None:
        self._context = context

    def recall(self, key: str) -> Any:
        return memory.recall(self._context, key)

    def remember(self, key: str, record: Any) -> None:
        memory.remember(self._context, key, record)

    def forget(self, key: str) -> None:
        memory.forget(self._context, key)
