"""JOIN a Databricks job run: a run, the newest run of a job, or one task of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.configuration import conf

from airflow_provider_pipehooks.core.arguments import Reader, as_id, as_name, as_text
from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.sensors.remote_run import RemoteRunSensor

if TYPE_CHECKING:
    from airflow.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_pipehooks.core.run import Run
    from airflow_provider_pipehooks.sensors.databricks_sql import DatabricksSQLStatementsSensor
    from airflow_provider_pipehooks.tasks.typed import SensorArguments
else:

    def __getattr__(name: str) -> Any:
        """What the official module has beside: imported with the first DAG that uses it."""
        if name != "DatabricksSQLStatementsSensor":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return import_module(f"{__package__}.databricks_sql").DatabricksSQLStatementsSensor


__all__ = ["DatabricksJobRunSensor", "DatabricksSQLStatementsSensor"]

_RUN_BY = ("run_id", "job_id", "job_name")


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
    readers: ClassVar[Mapping[str, Reader]] = {
        "databricks_conn_id": as_name,
        "run_id": as_id,
        "job_id": as_id,
        "job_name": as_text,
        "task_key": as_text,
    }
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
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(deferrable=deferrable, hook_params=hook_params, **kwargs)
        self.databricks_conn_id = databricks_conn_id
        self.run_id = run_id
        self.job_id = job_id
        self.job_name = job_name
        self.task_key = task_key
        self.success_with_failures = success_with_failures
        self.check_literals()

    @property
    def conn_id(self) -> str:
        return self.databricks_conn_id

    @property
    def service_options(self) -> dict[str, Any]:
        task_key = self.argument("task_key") or None
        return {"task_key": task_key, "with_failures_is_success": self.success_with_failures}

    def check_literals(self) -> None:
        # A template may leave an argument empty, which is then not given.
        if len(self._given()) != 1 and all(map(self.is_known, _RUN_BY)):
            raise self._not_one()
        for name in self.readers:
            if self.is_known(name) and getattr(self, name) != "":
                self.argument(name)
        self.check_hook_options()

    def _given(self) -> list[str]:
        return [name for name in _RUN_BY if getattr(self, name) not in (None, "")]

    def _not_one(self) -> ConfigurationError:
        given = ", ".join(self._given()) or "none"
        return ConfigurationError(
            f"Task {self.task_id!r}: give one of run_id, job_id and job_name; {given} given."
        )

    def find_run_id(self, context: Context) -> int:
        if len(self._given()) != 1:
            raise self._not_one()
        (name,) = self._given()
        given = self.argument(name)
        if name == "run_id":
            return int(given)
        job_id = given if name == "job_id" else self.hook.call(self.service.job_id_by_name(given))
        newest: Run = self.hook.call(self.service.newest_run(job_id))
        self.log.info("The newest run of job %s is %s", job_id, newest.run_id)
        return int(newest.run_id)
