"""JOIN a Databricks job run: a run, the newest run of a job, or one task of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.configuration import conf

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.hooks.connection import as_id
from airflow_provider_pipehooks.sensors.remote_run import RemoteRunSensor

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_pipehooks.core.run import Run


class DatabricksJobRunSensor(RemoteRunSensor):
    """Wait for a Databricks job run, and fail when it failed or was cancelled.

    :param databricks_conn_id: type ``pipehooks_databricks``, ``databricks`` or ``http``.
    :param run_id: of the run; or give ``job_id`` or ``job_name`` for the newest run of a job.
    :param task_key: wait for this task of the run only; a failed attempt that will be retried is waited
        through.
    :param success_with_failures: end as a success when the run ended as SUCCESS_WITH_FAILURES.
    :param deferrable: wait in the triggerer.
    """

    service_name: ClassVar[str] = "databricks_jobs"
    official_keys: ClassVar[Mapping[str, str]] = {"run_page_url": "url"}
    template_fields: Sequence[str] = ("databricks_conn_id", "run_id", "job_id", "job_name", "task_key")

    def __init__(
        self,
        *,
        run_id: int | str | None = None,
        job_id: int | str | None = None,
        job_name: str | None = None,
        task_key: str | None = None,
        databricks_conn_id: str = "databricks_default",
        success_with_failures: bool = False,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        hook_params: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(deferrable=deferrable, hook_params=hook_params, **kwargs)
        self.databricks_conn_id = databricks_conn_id
        self.run_id = run_id
        self.job_id = job_id
        self.job_name = job_name
        self.task_key = task_key
        self.success_with_failures = success_with_failures

    @property
    def conn_id(self) -> str:
        return self.databricks_conn_id

    @property
    def service_options(self) -> dict[str, Any]:
        return {"task_key": self.task_key, "with_failures_is_success": self.success_with_failures}

    def find_run_id(self, context: Context) -> int:
        given = [name for name in ("run_id", "job_id", "job_name") if getattr(self, name) not in (None, "")]
        if len(given) != 1:
            raise ConfigurationError(
                f"Task {self.task_id!r}: give one of run_id, job_id and job_name; {given or 'none'} given."
            )
        if given == ["run_id"]:
            return as_id(self.run_id, f"run_id of task {self.task_id!r}")
        job_id = self.job_id or self.hook.call(self.service.job_id_by_name(self.job_name))
        newest: Run = self.hook.call(
            self.service.newest_run(as_id(job_id, f"job_id of task {self.task_id!r}"))
        )
        self.log.info("The newest run of job %s is %s", job_id, newest.run_id)
        return int(newest.run_id)
