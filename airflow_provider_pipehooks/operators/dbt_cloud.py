"""START a dbt Cloud job."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.configuration import conf

from airflow_provider_pipehooks.core.arguments import (
    Reader,
    as_id,
    as_id_or_none,
    as_name,
    as_object,
    as_text,
    as_texts,
)
from airflow_provider_pipehooks.core.errors import ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.operators.remote_run import OnCancel, RemoteRunOperator
from airflow_provider_pipehooks.services.dbt_cloud import CAUSE_LIMIT
from airflow_provider_pipehooks.tasks.joining import asked_for, deferring

if TYPE_CHECKING:
    from airflow.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_pipehooks.core.intent import Intent
    from airflow_provider_pipehooks.core.run import Run
    from airflow_provider_pipehooks.operators.dbt_cloud_reads import (
        DbtCloudGetJobRunArtifactOperator,
        DbtCloudListJobRunsOperator,
        DbtCloudListJobsOperator,
    )
    from airflow_provider_pipehooks.tasks.typed import TaskArguments

#: The last three on first use: what reads and starts nothing has a module of its own, which few DAGs need.
__all__ = [
    "DbtCloudGetJobRunArtifactOperator",
    "DbtCloudListJobRunsOperator",
    "DbtCloudListJobsOperator",
    "DbtCloudRunJobOperator",
    "DbtCloudRunJobOperatorAsync",
]

WEEK_S = 7 * 24 * 60 * 60
#: A start whose answer was lost shows in the list of runs within moments, if it was accepted.
_LOOKS_FOR_LOST = 3
_STARTS = 3
_JOB_BY_NAME = ("project_name", "environment_name", "job_name")


class DbtCloudRunJobOperator(RemoteRunOperator):
    """Start a dbt Cloud job once, and end as its run ends.

    Takes every parameter of the official operator of this name; what differs is said below.

    :param dbt_cloud_conn_id: type ``pipehooks_dbt_cloud``, ``dbt_cloud`` or ``http``.
    :param job_id: of the job; or give ``project_name``, ``environment_name`` and ``job_name``.
    :param account_id: instead of the connection's.
    :param trigger_reason: shown in dbt Cloud; a short mark is put behind it, by which a start whose
        answer was lost is found again.
    :param steps_override: dbt commands instead of the job's own.
    :param schema_override: target schema instead of the job's own.
    :param additional_run_config: further fields of the trigger's body, such as ``git_branch`` and
        ``threads_override``.
    :param wait_for_termination: wait for the end; otherwise join later with ``DbtCloudJobRunSensor``.
    :param timeout: seconds to wait for the end. Unlike the official operator's, it also cancels the run,
        unless ``on_cancel="keep"``.
    :param check_interval: seconds between two looks.
    :param reuse_existing_run: wait for the job's newest unfinished run instead of starting one, if there
        is one. Such a run is not ours and is never cancelled.
    :param retry_from_failure: when Airflow retries the task after a failed run, continue that run where
        it failed instead of starting over.
    :param on_cancel: ``cancel`` the remote run when the task is killed, or ``keep`` it.
    :param hook_params: of the hook; ``retry_args`` with tenacity's ``stop`` and ``wait``, too.
    :param openlineage_inject_parent_job_info: accepted and ignored, with a word in the log.
    """

    service_name: ClassVar[str] = "dbt_cloud"
    interval_argument: ClassVar[str] = "check_interval"
    official_keys: ClassVar[Mapping[str, str]] = {"job_run_id": "run_id", "job_run_url": "url"}
    readers: ClassVar[Mapping[str, Reader]] = {
        **RemoteRunOperator.readers,
        "dbt_cloud_conn_id": as_name,
        "job_id": as_id,
        **dict.fromkeys(_JOB_BY_NAME, as_text),
        "account_id": as_id_or_none,
        "trigger_reason": as_text,
        "steps_override": as_texts,
        "schema_override": as_text,
        "additional_run_config": as_object,
    }
    template_fields: Sequence[str] = (
        "dbt_cloud_conn_id",
        "job_id",
        *_JOB_BY_NAME,
        "account_id",
        "trigger_reason",
        "steps_override",
        "schema_override",
        "additional_run_config",
    )

    check_interval: float | timedelta

    def __init__(
        self,
        *,
        dbt_cloud_conn_id: str = "dbt_cloud_default",
        job_id: int | str | None = None,
        project_name: str | None = None,
        environment_name: str | None = None,
        job_name: str | None = None,
        account_id: int | str | None = None,
        trigger_reason: str | None = None,
        steps_override: list[str] | None = None,
        schema_override: str | None = None,
        wait_for_termination: bool = True,
        timeout: float | timedelta | None = WEEK_S,
        check_interval: float | timedelta = 60,
        additional_run_config: dict[str, Any] | None = None,
        reuse_existing_run: bool = False,
        retry_from_failure: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        hook_params: dict[str, Any] | None = None,
        openlineage_inject_parent_job_info: bool = asked_for("spark_inject_parent_job_info"),
        on_cancel: OnCancel = "cancel",
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        super().__init__(
            wait_for_termination=wait_for_termination,
            poll_interval=check_interval,
            wait_timeout=timeout,
            deferrable=deferrable,
            on_cancel=on_cancel,
            hook_params=hook_params,
            **kwargs,
        )
        self.dbt_cloud_conn_id = dbt_cloud_conn_id
        self.job_id = job_id
        self.project_name = project_name
        self.environment_name = environment_name
        self.job_name = job_name
        self.account_id = account_id
        self.trigger_reason = trigger_reason
        self.steps_override = steps_override
        self.schema_override = schema_override
        self.additional_run_config = additional_run_config or {}
        self.reuse_existing_run = reuse_existing_run
        self.retry_from_failure = retry_from_failure
        self.openlineage_inject_parent_job_info = openlineage_inject_parent_job_info
        self._job_id = 0
        self.check_literals()
        if job_id is None and not all((project_name, environment_name, job_name)):
            raise self._no_job()

    @property
    def conn_id(self) -> str:
        return self.dbt_cloud_conn_id

    @property
    def account(self) -> int | None:
        account_id: int | None = self.argument("account_id")
        return account_id

    @property
    def job(self) -> str:
        return str(self._job_id or "")

    @property
    def can_continue(self) -> bool:
        return self.retry_from_failure

    def not_acted_on(self) -> list[str]:
        told = super().not_acted_on()
        if self.openlineage_inject_parent_job_info:
            told.append(
                "openlineage_inject_parent_job_info, or [openlineage] spark_inject_parent_job_info, is not "
                "acted on: the run gets no link to this task. Put it into trigger_reason: "
                '"{{ macros.OpenLineageProviderPlugin.lineage_parent_id(task_instance) }}".'
            )
        return told

    def prepare(self, context: Context) -> None:
        config: dict[str, Any] = self.argument("additional_run_config") or {}
        self._reason = as_text(config.get("cause") or "", "cause") or self.argument("trigger_reason")
        self._overrides = {
            "steps_override": self.argument("steps_override"),
            "schema_override": self.argument("schema_override"),
            **config,
            # Ours: its mark is how a start whose answer was lost is found again.
            "cause": None,
        }
        self.job_id = self._job_id = self.argument("job_id") or self._job_by_name()

    def _job_by_name(self) -> int:
        names = [self.argument(name) for name in _JOB_BY_NAME]
        if not all(names):
            raise self._no_job()
        found: int = self.hook.call(self.service.job_id_by_name(*names))
        return found

    def _no_job(self) -> ConfigurationError:
        return ConfigurationError(
            f"Task {self.task_id!r} names no job: give job_id, or project_name, environment_name and "
            "job_name."
        )

    def baseline(self) -> int:
        newest: int = self.hook.call(self.service.newest_run_id(self._job_id))
        return newest

    def find_unanswered(self, intent: Intent) -> Run | None:
        found: Run | None = self.hook.call(
            self.service.run_with_tag(self._job_id, intent.tag, above=intent.baseline)
        )
        return found

    def to_adopt(self) -> Run | None:
        if not self.reuse_existing_run:
            return None
        active: Run | None = self.hook.call(self.service.active_run(self._job_id))
        if active:
            self.log.info("%s of this job goes on already: waiting for it, starting none", active.label)
        return active

    def start(self, intent: Intent) -> Run:
        """Send the start. dbt Cloud has no idempotency key, so a lost answer is looked up by our mark.

        Only after several looks found nothing is it taken as not accepted, and sent again.
        """
        if twins := self.hook.call(self.service.newest_with_tag(self._job_id, intent.tag)):
            return self._twin(twins[0])
        for attempt in range(1, _STARTS + 1):
            try:
                run: Run = self.hook.call(
                    self.service.start_run(self._job_id, cause=self._cause(intent), overrides=self._overrides)
                )
                return self._first_of_twins(run, intent)
            except RemoteCallError as err:
                if not err.outcome_unknown:
                    raise
                self.log.warning("%s. Looking for the run by its mark %s", err, intent.tag)
                found = self._find_lost(intent)
                if found:
                    self.log.info("%s was started all the same", found.label)
                    return found
                if attempt == _STARTS:
                    raise
        raise AssertionError("unreachable: the last start returns or raises")

    def _first_of_twins(self, run: Run, intent: Intent) -> Run:
        """The run that counts when another process of this same try has started one as well: the oldest.

        A worker that was cut off, and the one in its place, may both have looked before either had started.
        Whoever started a later run sees the earlier ones by now, and cancels its own.
        """
        try:
            twins = self.hook.call(self.service.newest_with_tag(self._job_id, intent.tag))
            if not twins or int(twins[0].run_id) >= int(run.run_id):
                return run
            self.log.warning("Cancelling %s: this task has started another one", run.label)
            self.hook.call(self.service.cancel_run(run.run_id))
        except RemoteCallError as err:
            self.log.warning("Could not look whether this task has started another run: %s", err)
            return run
        return self._twin(twins[0])

    def _twin(self, run: Run) -> Run:
        self.log.warning("%s was started by another process of this task: waiting for it", run.label)
        return run

    def _find_lost(self, intent: Intent) -> Run | None:
        for look in range(_LOOKS_FOR_LOST):
            time.sleep(self.hook.retry_delay * 2**look)
            found = self.find_unanswered(intent)
            if found:
                return found
        return None

    def _cause(self, intent: Intent) -> str:
        """The reason, cut so that our mark always fits behind it."""
        reason = self._reason or (
            f"Triggered via Apache Airflow by task {self.task_id!r} in the {intent.dag_id} DAG."
        )
        return f"{reason[: CAUSE_LIMIT - len(intent.tag) - 3]} [{intent.tag}]"

    def continue_run(self, run: Run) -> Run | None:
        """Retry a failed run from where it failed: a new run in dbt Cloud, unless one retries it already."""
        try:
            retrying: Run | None = self.hook.call(self.service.run_retrying(self._job_id, run.run_id))
            if retrying:
                return retrying
            retried: Run = self.hook.call(self.service.retry_run(run.run_id))
            return retried
        except RemoteCallError as err:
            if err.outcome_unknown:
                raise
            self.log.warning("%s cannot be continued, starting a new run: %s", run.label, err)
            return None


class DbtCloudRunJobOperatorAsync(DbtCloudRunJobOperator):
    """The name that astronomer-providers gave to ``deferrable=True``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**deferring(self, kwargs))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from airflow_provider_pipehooks.operators import dbt_cloud_reads

    return getattr(dbt_cloud_reads, name)
