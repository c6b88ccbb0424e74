"""START, what a run of a Databricks job and a one-time run share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar

from airflow.sdk.configuration import conf

from airflow_provider_pipehooks.core.arguments import (
    Reader,
    as_name,
    as_object,
    as_parameters,
)
from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.operators.remote_run import OnCancel, RemoteRunOperator
from airflow_provider_pipehooks.tasks.arguments import HasBody
from airflow_provider_pipehooks.tasks.joining import asked_for


class DatabricksRunOperator(HasBody, RemoteRunOperator):
    """What run-now and submit share: the body put together from ``json`` and named parameters.

    :param json: the body of the call; named parameters win over its keys.
    :param idempotency_token: your own; otherwise one is made of the task, its run and its attempt.
    :param polling_period_seconds: seconds between two looks.
    :param databricks_retry_limit: tries of one call that may be repeated.
    :param databricks_retry_delay: seconds before its second try; doubled for each further one.
    :param databricks_retry_args: tenacity's ``stop`` and ``wait``, instead of the two above.
    :param timeout: seconds to wait for the end; None waits for ever. When over, the run is cancelled.
    :param success_with_failures: end as a success when the run ended as SUCCESS_WITH_FAILURES.
    :param durable: accepted and ignored: a run is always found again after a crash.
    :param openlineage_inject_parent_job_info: accepted and ignored, with a word in the log.
    :param openlineage_inject_transport_info: accepted and ignored, with a word in the log.
    """

    service_name: ClassVar[str] = "databricks_jobs"
    interval_argument: ClassVar[str] = "polling_period_seconds"
    official_keys: ClassVar[Mapping[str, str]] = {
        "run_id": "run_id",
        "run_page_url": "url",
        "job_id": "job_id",
    }
    template_ext: Sequence[str] = (".json-tpl",)
    ui_color = "#1CB1C2"
    ui_fgcolor = "#fff"
    readers: ClassVar[Mapping[str, Reader]] = {
        **RemoteRunOperator.readers,
        "databricks_conn_id": as_name,
        "json": as_object,
    }

    polling_period_seconds: float | timedelta

    def __init__(
        self,
        *,
        json: Any = None,
        databricks_conn_id: str = "databricks_default",
        polling_period_seconds: float | timedelta = 30,
        databricks_retry_limit: int = 3,
        databricks_retry_delay: float = 1,
        databricks_retry_args: dict[Any, Any] | None = None,
        wait_for_termination: bool = True,
        timeout: float | timedelta | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        on_cancel: OnCancel = "cancel",
        success_with_failures: bool = False,
        hook_params: dict[str, Any] | None = None,
        durable: bool | None = None,
        openlineage_inject_parent_job_info: bool = asked_for("spark_inject_parent_job_info"),
        openlineage_inject_transport_info: bool = asked_for("spark_inject_transport_info"),
        **kwargs: Any,
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
        self.json = json
        self.databricks_conn_id = databricks_conn_id
        self.databricks_retry_limit = databricks_retry_limit
        self.databricks_retry_delay = databricks_retry_delay
        self.databricks_retry_args = databricks_retry_args
        self.durable = durable is not False
        self.openlineage_inject_parent_job_info = openlineage_inject_parent_job_info
        self.openlineage_inject_transport_info = openlineage_inject_transport_info
        self.success_with_failures = success_with_failures
        self._body: dict[str, Any] = {}

    @property
    def conn_id(self) -> str:
        return self.databricks_conn_id

    @property
    def service_options(self) -> dict[str, Any]:
        return {"with_failures_is_success": self.success_with_failures}

    @property
    def _all_hook_params(self) -> dict[str, Any]:
        return {
            "retry_limit": self.databricks_retry_limit,
            "retry_delay": self.databricks_retry_delay,
            "retry_args": self.databricks_retry_args,
            **self.hook_params,
        }

    @property
    def hook_options(self) -> dict[str, Any]:
        return self._numbers_of_retries(self._all_hook_params)[0]

    def not_acted_on(self) -> list[str]:
        told = self._unused_of_retries(self._all_hook_params)
        if not self.durable:
            told.append("durable=False is not heeded: a retry always joins the run that is there, if one is.")
        asked = {
            "parent_job": self.openlineage_inject_parent_job_info,
            "transport": self.openlineage_inject_transport_info,
        }
        return told + [
            f"openlineage_inject_{name}_info, or [openlineage] spark_inject_{name}_info, is not acted on: "
            "the run gets no link to this task. Put it into the run's parameters: "
            '"{{ macros.OpenLineageProviderPlugin.lineage_parent_id(task_instance) }}".'
            for name, is_asked in asked.items()
            if is_asked
        ]

    def body(self) -> dict[str, Any]:
        merged = super().body()
        if not merged.get("idempotency_token"):
            # A template may leave it empty, which Databricks takes for none.
            merged.pop("idempotency_token", None)
        return merged

    def dag_params(self) -> dict[str, str]:
        """DAG params that have a value."""
        given = {key: value for key, value in dict(self.params).items() if value is not None}
        return as_parameters(given, "params of the DAG")

    def _started_run(self, run_id: int) -> Run:
        """The run as it is right after the start; its page is only told when it is read.

        It may be unknown to the node that answers this read: then the wait will see it.
        """
        try:
            run: Run = self.hook.call(self.service.get_run(run_id), tries=1)
            return run
        except RemoteCallError as err:
            self.log.info("Run %s is started, but could not be read yet: %s", run_id, err)
            return Run(
                service=self.service_name, run_id=run_id, state=RunState.QUEUED, status="started", job_id=None
            )
