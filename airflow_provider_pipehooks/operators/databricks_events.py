"""HOOKS: a task that only listens: event hooks on what a pipeline's log says in a span of time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.configuration import conf

from airflow_provider_pipehooks.compat import memory, tries
from airflow_provider_pipehooks.core.arguments import Reader, as_hook_params, as_time_or_none
from airflow_provider_pipehooks.core.durations import LONGEST_S, as_interval, as_limit
from airflow_provider_pipehooks.core.errors import ConfigurationError, PipehooksError, RemoteCallError
from airflow_provider_pipehooks.core.records import VERSION, VERSION_KEY
from airflow_provider_pipehooks.handlers.state.stateful import StatefulOperator
from airflow_provider_pipehooks.tasks.pipelines import LONGEST_READ_S, JoinsPipeline

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_pipehooks.tasks.listening import Listening

SPAN_KEY = "pipehooks_span"


class EventsNotHandled(PipehooksError):
    """The log could not be read to the end of the span, or not all of it was handled."""


@dataclass(frozen=True)
class Span:
    """From when, and until when, events are handled; every try of a task has the same one."""

    since: datetime
    until: datetime

    def to_json(self) -> dict[str, str]:
        return {"since": self.since.isoformat(), "until": self.until.isoformat()}

    def left_s(self) -> float:
        """Seconds until its end; negative, when it is over."""
        return (self.until - datetime.now(timezone.utc)).total_seconds()


class DatabricksPipelineEventsOperator(StatefulOperator, JoinsPipeline, BaseOperator):
    """Have event hooks called for all that a pipeline's event log says in a span of time.

    Nothing is started, stopped or waited for, and whoever starts the pipeline's updates need not be Airflow:
    it is the way to listen to a continuous pipeline, which has no end. The span is what ends the task. One in
    the past is read at once; of one that reaches into the future, events are handled as they come. The next
    try of a task goes on where the last one was, in the same span.

    With ``since="{{ data_interval_start }}"`` and ``until="{{ data_interval_end }}"`` each DAG run handles
    the events of its interval, and all runs together every event once.

    XCom ``event_hooks``, and the return value: ``{"seen", "handled", "not_handled", "complete", "failures",
    "disabled": [...]}``. A hook that fails does not fail the task.

    :param pipeline_id: of the pipeline; or give ``pipeline_name``.
    :param event_hooks: functions under ``on_event_hook``, or ``EventHooks`` of them. These and the other
        ``event_...`` parameters: :class:`~airflow_provider_pipehooks.tasks.pipelines.JoinsPipeline`.
    :param since: the first moment, with a time zone, as a datetime or in ISO 8601; when the task first runs
        if not given.
    :param until: the moment before which it ends; or give ``listen_for``.
    :param listen_for: seconds from ``since`` on.
    :param stop_when_idle: end earlier, as soon as no update of the pipeline goes on; it needs neither of the
        two then. An update that Databricks starts by itself after one that failed is listened to only if it
        has started by then.
    :param polling_period_seconds: between two looks into the log.
    :param deferrable: wait in the triggerer, without holding a worker; the task is woken at most every
        ``wake_every`` seconds, when there are events.
    :raises EventsNotHandled: not all of them were; the next try goes on.
    """

    readers: ClassVar[Mapping[str, Reader]] = {
        **JoinsPipeline.pipeline_readers,
        "since": as_time_or_none,
        "until": as_time_or_none,
        "listen_for": as_limit,
    }
    template_fields: Sequence[str] = (
        "databricks_conn_id",
        "pipeline_id",
        "pipeline_name",
        "since",
        "until",
        "listen_for",
    )
    ui_color = "#1CB1C2"
    ui_fgcolor = "#fff"

    def __init__(
        self,
        *,
        event_hooks: Any,
        pipeline_id: str | None = None,
        pipeline_name: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        listen_for: float | str | timedelta | None = None,
        stop_when_idle: bool = False,
        databricks_conn_id: str = "databricks_default",
        polling_period_seconds: float | timedelta = 30,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        event_batch_size: int = 20,
        event_drain: float | timedelta = 30,
        wake_every: float | timedelta = 60,
        on_hook_disabled: Any = None,
        hook_params: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.databricks_conn_id = databricks_conn_id
        self.pipeline_id = pipeline_id
        self.pipeline_name = pipeline_name
        self.since = since
        self.until = until
        self.listen_for = listen_for
        self.stop_when_idle = stop_when_idle
        self.polling_period_seconds = as_interval(
            polling_period_seconds, self.name_of("polling_period_seconds")
        )
        self.deferrable = deferrable
        self.hook_params = as_hook_params(hook_params, self.name_of("hook_params"))
        # How often it is woken is bounded by the span.
        self.take_hooks(event_hooks, event_batch_size, event_drain, wake_every, 0, on_hook_disabled)
        if self._hooks is None:
            raise ConfigurationError(f"{self.name_of('event_hooks')}: nothing listens without one.")
        self.check_pipeline()
        self.check_literals()
        if self.is_known("until") and self.is_known("listen_for"):
            self._check_end()
            if self.since and self.is_known("since"):
                self._asked_for()

    def _check_end(self) -> None:
        given = [name for name in ("until", "listen_for") if getattr(self, name) not in (None, "")]
        if len(given) > 1 or not (given or self.stop_when_idle):
            raise ConfigurationError(
                f"Task {self.task_id!r}: give one of until and listen_for, or stop_when_idle=True: that says "
                f"when the task ends, since a pipeline may not. Given: {' and '.join(given) or 'none'}."
            )

    def execute(self, context: Context) -> dict[str, Any]:
        self._check_end()
        self.find_pipeline()
        self.hook.call(self.service.pipeline())  # that there is none is better said than waited for
        return self._listen(context, self._span(context))

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Go on after the triggerer has waited."""
        self.find_pipeline({"job_id": (event or {}).get("pipeline_id")})
        return self._listen(context, self._span(context))

    # The span

    def _span(self, context: Context) -> Span:
        """Of the task: written down by its first try, since "from now on" is another moment in each."""
        wanted = {"of": tries.generation(context), "pipeline_id": self.service.pipeline_id}
        kept = memory.recall(context, SPAN_KEY)
        if isinstance(kept, Mapping) and all(kept.get(key) == value for key, value in wanted.items()):
            since, until = (as_time_or_none(kept.get(key), key) for key in ("since", "until"))
            if since and until:
                return Span(since, until)
        span = self._asked_for(None if self.argument("since") else self._now())
        memory.remember(context, SPAN_KEY, {VERSION_KEY: VERSION, **wanted, **span.to_json()})
        return span

    def _asked_for(self, now: datetime | None = None) -> Span:
        """What the arguments say.

        :param now: stands for ``since`` where that is not given.
        """
        since, until = self.argument("since") or now, self.argument("until")
        assert since is not None
        if until is None:
            until = since + timedelta(seconds=self.argument("listen_for") or LONGEST_S)
        if until <= since:
            raise ConfigurationError(
                f"Task {self.task_id!r}: until ({until.isoformat()}) must be later than since "
                f"({since.isoformat()})."
            )
        return Span(since, until)

    def _now(self) -> datetime:
        """By the remote's clock, which events have their times from."""
        told: int | None = self.hook.call(self.service.server_time_ms())
        return datetime.fromtimestamp(told / 1000 if told is not None else time.time(), timezone.utc)

    # Listening

    def _listen(self, context: Context, span: Span) -> dict[str, Any]:
        of = {"generation": tries.generation(context), **span.to_json()}
        self._listening = listening = self.listen(context, span.since, of, before=span.until)
        while not self._is_over(span):
            looked_s, newest_id = time.monotonic(), self._newest_id() if self.deferrable else ""
            with self._harmless():
                listening.read()
            if self.deferrable and span.left_s() > 0:
                self._defer(span, newest_id)
            pause_s = min(self.polling_period_seconds, span.left_s())
            time.sleep(max(0.0, pause_s - (time.monotonic() - looked_s)))
        return self._end(context, span, listening)

    def _is_over(self, span: Span) -> bool:
        """Asked before the log is read: what was told before the pipeline fell idle is read after that."""
        if span.left_s() <= 0 or not self.stop_when_idle:
            return span.left_s() <= 0
        return self._asked(self.service.active_update(), otherwise=True) is None

    def _newest_id(self) -> str:
        """Asked before the log is read: what comes after it is news to the trigger."""
        found: str = self._asked(self.service.newest_event_id(), otherwise="")
        return found

    def _asked(self, call: Any, *, otherwise: Any) -> Any:
        """The answer; trouble of the remote is no reason to stop listening."""
        try:
            return self.hook.call(call)
        except RemoteCallError as err:
            if not err.retryable:
                raise
            self.log.warning("The pipeline cannot be looked at now, it is looked at again later: %s", err)
            return otherwise

    def _defer(self, span: Span, newest_id: str) -> None:
        from airflow_provider_pipehooks.triggers.pipeline_news import PipelineNewsTrigger

        trigger = PipelineNewsTrigger(
            self.conn_id,
            self.service.pipeline_id,
            deadline=span.until.timestamp(),
            seen_until=newest_id,
            wake_every=self.wake_every,
            stop_when_idle=self.stop_when_idle,
            hook_params=self.hook_params,
        )
        self.defer(trigger=trigger, method_name="execute_complete", timeout=None)

    def _end(self, context: Context, span: Span, listening: Listening) -> dict[str, Any]:
        listening.read()
        drain_s = min(self.event_drain, max(0.0, self.event_drain + span.left_s()))
        report = listening.finish(drain_s, sweep_s=LONGEST_READ_S)
        self.report_events(context, report)
        if report.not_handled or not report.complete:
            raise EventsNotHandled(f"Pipeline {self.service.pipeline_id}: {report}. The next try goes on.")
        return report.to_json()
