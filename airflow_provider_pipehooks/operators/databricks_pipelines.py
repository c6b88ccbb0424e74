"""START an update of a Databricks pipeline, with event hooks on its log."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow.sdk.configuration import conf

from airflow_provider_pipehooks.core.arguments import (
    Reader,
    as_object,
    as_objects,
    as_parameters,
    as_texts,
    one_of,
)
from airflow_provider_pipehooks.core.errors import (
    ConfigurationError,
    PipehooksError,
    RemoteCallError,
)
from airflow_provider_pipehooks.core.events import WaitEnded, read_event
from airflow_provider_pipehooks.core.intent import Intent
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.core.watch import Watch
from airflow_provider_pipehooks.operators.remote_run import OnCancel, RemoteRunOperator
from airflow_provider_pipehooks.services.databricks_pipelines import MARK
from airflow_provider_pipehooks.tasks.arguments import HasBody
from airflow_provider_pipehooks.tasks.pipelines import JoinsPipeline
from airflow_provider_pipehooks.tasks.waiting import wait

if TYPE_CHECKING:
    from airflow.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_pipehooks.tasks.typed import TaskArguments

IfActive = Literal["fail", "wait", "adopt"]
#: A start whose answer was lost is looked up so often before it is sent again, and sent so often.
_LOOKS_FOR_LOST = 4
_STARTS = 2
CONFLICT = 409


def _as_flag(value: Any, what: str) -> bool:
    words = {"true": True, "false": False}
    found = words.get(value.strip().lower()) if isinstance(value, str) else value
    if not isinstance(found, bool):
        raise ConfigurationError(f"{what} must be true or false, not {value!r:.100}.")
    return found


class UpdateActive(PipehooksError):
    """Another update of the pipeline goes on, and Databricks allows one at a time."""


class DatabricksPipelineUpdateOperator(HasBody, JoinsPipeline, RemoteRunOperator):
    """Start an update of a Databricks pipeline once, have event hooks called, and end as the update ends.

    An update that Databricks retries by itself is followed to the retry. A continuous pipeline has no end:
    set ``timeout``, or do not wait.

    :param pipeline_id: of the pipeline; or give ``pipeline_name``.
    :param json: the body of the start as the API spells it; named parameters win over its keys, and keys that
        are not known here are sent, too.
    :param full_refresh: reset and compute all tables anew.
    :param refresh_selection: tables to refresh; all if none is selected.
    :param full_refresh_selection: tables to reset and compute anew.
    :param reset_checkpoint_selection: flows whose checkpoints are reset, by full name.
    :param validate_only: check the code of the pipeline without running it.
    :param parameters: of the update, by name. Our own mark comes to them: it finds a start again whose answer
        was lost.
    :param development: run this update in development mode, which Databricks never retries.
    :param replace_where_overrides: ``[{"flow_name": ..., "predicate_override": ...}]``.
    :param rewind_spec: as the API has it.
    :param if_active: what to do when an update goes on already: ``fail``, ``wait`` until it is over and start
        one then, or ``adopt`` it: it is waited for instead of starting one, and never stopped.
    :param polling_period_seconds: seconds between two looks.
    :param timeout: seconds to wait for the end; None waits for ever. When over, the update is stopped.
    :param event_hooks: functions under ``on_event_hook``, or ``EventHooks`` of them. These and the other
        ``event_...`` parameters: :class:`~airflow_provider_pipehooks.tasks.pipelines.JoinsPipeline`.
    """

    interval_argument: ClassVar[str] = "polling_period_seconds"
    body_fields: ClassVar[Mapping[str, Reader]] = {
        "full_refresh": _as_flag,
        "refresh_selection": as_texts,
        "full_refresh_selection": as_texts,
        "reset_checkpoint_selection": as_texts,
        "validate_only": _as_flag,
        "parameters": as_parameters,
        "development": _as_flag,
        "replace_where_overrides": as_objects,
        "rewind_spec": as_object,
    }
    readers: ClassVar[Mapping[str, Reader]] = {
        **RemoteRunOperator.readers,
        **JoinsPipeline.pipeline_readers,
        "json": as_object,
        **body_fields,
        "if_active": one_of("fail", "wait", "adopt"),
    }
    template_fields: Sequence[str] = (
        "databricks_conn_id",
        "pipeline_id",
        "pipeline_name",
        "json",
        *body_fields,
    )
    template_ext: Sequence[str] = (".json-tpl",)
    ui_color = "#1CB1C2"
    ui_fgcolor = "#fff"

    def __init__(
        self,
        *,
        pipeline_id: str | None = None,
        pipeline_name: str | None = None,
        json: Any = None,
        full_refresh: bool | None = None,
        refresh_selection: list[str] | None = None,
        full_refresh_selection: list[str] | None = None,
        reset_checkpoint_selection: list[str] | None = None,
        validate_only: bool | None = None,
        parameters: dict[str, str] | None = None,
        development: bool | None = None,
        replace_where_overrides: list[dict[str, str]] | None = None,
        rewind_spec: dict[str, Any] | None = None,
        if_active: IfActive = "fail",
        databricks_conn_id: str = "databricks_default",
        polling_period_seconds: float | timedelta = 30,
        wait_for_termination: bool = True,
        timeout: float | timedelta | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        on_cancel: OnCancel = "cancel",
        event_hooks: Any = None,
        event_batch_size: int = 20,
        event_drain: float | timedelta = 30,
        wake_every: float | timedelta = 60,
        most_wakes: int = 60,
        on_hook_disabled: Any = None,
        hook_params: dict[str, Any] | None = None,
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        super().__init__(
            wait_for_termination=wait_for_termination,
            poll_interval=polling_period_seconds,
            wait_timeout=timeout,
            deferrable=deferrable,
            on_cancel=on_cancel,
            hook_params=hook_params,
            **kwargs,
        )
        self.databricks_conn_id = databricks_conn_id
        self.pipeline_id = pipeline_id
        self.pipeline_name = pipeline_name
        self.json = json
        self.full_refresh = full_refresh
        self.refresh_selection = refresh_selection
        self.full_refresh_selection = full_refresh_selection
        self.reset_checkpoint_selection = reset_checkpoint_selection
        self.validate_only = validate_only
        self.parameters = parameters
        self.development = development
        self.replace_where_overrides = replace_where_overrides
        self.rewind_spec = rewind_spec
        self.if_active = if_active
        self.take_hooks(event_hooks, event_batch_size, event_drain, wake_every, most_wakes, on_hook_disabled)
        self._body: dict[str, Any] = {}
        self.check_pipeline()
        self.check_literals()

    @property
    def job(self) -> str:
        return str(self.service_options.get("pipeline_id", ""))

    def check_body(self, body: Mapping[str, Any]) -> None:
        if MARK in (body.get("parameters") or {}):
            raise ConfigurationError(
                f"Task {self.task_id!r}: the parameter {MARK!r} is ours: it tells this task's updates apart."
            )

    def prepare(self, context: Context) -> None:
        self._body = self.body()
        self.check_body(self._body)
        self.find_pipeline()

    def execute_complete(self, context: Context, *args: Any, **kwargs: Any) -> int | str:
        self.find_pipeline(kwargs.get("run"))
        return super().execute_complete(context, *args, **kwargs)

    # Once

    def baseline(self) -> int:
        """When the intent is written down, by the remote's clock, in milliseconds."""
        told: int | None = self.hook.call(self.service.server_time_ms())
        return told if told is not None else int(time.time() * 1000)

    def find_unanswered(self, intent: Intent) -> Run | None:
        marked: Run | None = self.hook.call(self.service.marked_update(intent.tag))
        if marked is not None:
            return marked
        near: Run | None = self.hook.call(self.service.unmarked_update(intent.baseline))
        if near is not None:
            self.log.warning(
                "%s is taken for the one that this task has started: parameters do not come back here, but "
                "an API call started it just after this task was about to.",
                near.label,
            )
        return near

    def to_adopt(self) -> Run | None:
        """The update that goes on, if it is to be adopted; otherwise see that none does."""
        while (active := self._active()) is not None:
            is_stopping = active.status == "STOPPING"  # maybe by us: of a task that was cleared
            if self.if_active == "adopt" and not is_stopping:
                self.log.info("%s goes on already: waiting for it, starting none", active.label)
                return active
            if self.if_active == "fail" and not is_stopping:
                raise self._is_active(active)
            self._await_other(active)
        return None

    def _active(self) -> Run | None:
        active: Run | None = self.hook.call(self.service.active_update())
        return active

    def _is_active(self, active: Run | None, words: str = "") -> UpdateActive:
        which = f"{active.label} ({active.status})" if active else "Another update"
        return UpdateActive(
            f"{which} of pipeline {self.pipeline_name or self.job} goes on, and Databricks allows one at a "
            f"time: nothing was started. Set if_active to 'wait' or 'adopt', or let the task retry.{words}"
        )

    def _await_other(self, active: Run) -> None:
        """Wait for an update of somebody else, which is never stopped; ours is started after it."""
        self.log.info("%s is %s: starting ours when it is over", active.label, active.status)
        deadline_s = self._deadline(time.time())
        if self.deferrable:
            self.defer_until_end(
                active.run_id,
                poll_interval=self.poll_interval,
                deadline=deadline_s,
                on_cancel="keep",
                method_name="execute_after",
            )
        watch = Watch(poll_interval_s=self.poll_interval, since_s=time.time(), deadline_s=deadline_s)
        end = wait(self.watched(active.run_id), watch, self.tell)
        if end.reason != "run_ended":
            raise self._is_active(active, f" ({end.message})")

    def execute_after(self, context: Context, event: dict[str, Any] | None = None) -> int | str:
        """Go on after the triggerer has waited for the update of somebody else."""
        told = read_event(event)
        if isinstance(told, WaitEnded) and told.reason != "run_ended":
            raise self._is_active(told.run, f" ({told.message})")
        started: int | str = self.execute(context)
        return started

    def start(self, intent: Intent) -> Run:
        """Send the start. There is no idempotency key, so a lost answer is looked up by our mark.

        Only after several looks found nothing is it taken as not accepted, and sent again. Should the first
        one arrive after all, the second is refused: a pipeline has one active update.
        """
        body = {**self._body, "parameters": {**self._body.get("parameters", {}), MARK: intent.tag}}
        for attempt in range(1, _STARTS + 1):
            try:
                return self._started_update(self.hook.call(self.service.start_update(body)))
            except RemoteCallError as err:
                conflict = err.status_code == CONFLICT
                if not (conflict or err.outcome_unknown):
                    raise
                self.log.warning("%s. Looking for the update by its mark %s", err, intent.tag)
                if found := self._find_lost(intent, conflict):
                    return self._found(found)
                if conflict:
                    raise self._is_active(self._active(), f" ({err})") from err
                if attempt == _STARTS:
                    raise
        raise AssertionError("unreachable: the last start returns or raises")

    def _find_lost(self, intent: Intent, conflict: bool) -> Run | None:
        if conflict:  # nothing was started by this call, but an earlier one may have come through
            marked: Run | None = self.hook.call(self.service.marked_update(intent.tag))
            return marked
        for look in range(_LOOKS_FOR_LOST):
            time.sleep(self.hook.retry_delay * 2**look)
            if found := self.find_unanswered(intent):
                return found
        return None

    def _found(self, run: Run) -> Run:
        self.log.info("%s was started by this task already: waiting for it", run.label)
        return run

    def _started_update(self, update_id: str) -> Run:
        """The update right after the start; the node that answers may not know it yet."""
        try:
            run: Run = self.hook.call(self.service.get_run(update_id), tries=1)
            return run
        except RemoteCallError as err:
            self.log.info("Update %s is started, but could not be read yet: %s", update_id, err)
            return Run(
                service=self.service_name,
                run_id=update_id,
                state=RunState.QUEUED,
                status="started",
                job_id=self.job,
            )
