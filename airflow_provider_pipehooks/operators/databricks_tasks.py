"""START one Databricks task: a notebook, or whatever the API knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.configuration import conf

from airflow_provider_pipehooks.compat import ledger
from airflow_provider_pipehooks.core.arguments import (
    Reader,
    as_name,
    as_object,
    as_objects,
    as_parameters,
    as_text,
)
from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.texts import cut
from airflow_provider_pipehooks.operators.databricks_task_base import RETRIES, DatabricksTaskBaseOperator
from airflow_provider_pipehooks.services.reading import object_or_empty, text_or_none

if TYPE_CHECKING:
    from airflow.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_pipehooks.operators.remote_run import OnCancel
    from airflow_provider_pipehooks.tasks.typed import TaskArguments

#: Of what a notebook returned; XCom is kept in Airflow's database.
LONGEST_OUTPUT = 48_000
NOTEBOOK_OUTPUT_KEY = "notebook_output"


class DatabricksNotebookOperator(DatabricksTaskBaseOperator):
    """Run a notebook once, and end as it ends.

    Takes every parameter of the official operator of this name.

    :param notebook_path: of the notebook.
    :param source: ``WORKSPACE`` or ``GIT``.
    :param notebook_packages: libraries for the cluster, as the API has them.
    :param notebook_params: of the notebook, by name.
    :param push_notebook_output: push what the notebook returned (``dbutils.notebook.exit``) as XCom
        ``notebook_output``, ``{"result": str, "truncated": bool}``: at most 48,000 characters.
    """

    template_fields: Sequence[str] = (
        "notebook_params",
        "workflow_run_metadata",
        *RETRIES,
        "databricks_conn_id",
    )
    CALLER: ClassVar[str] = "DatabricksNotebookOperator"
    readers: ClassVar[Mapping[str, Reader]] = {
        **DatabricksTaskBaseOperator.readers,
        "notebook_path": as_name,
        "source": as_text,
        "notebook_packages": as_objects,
        "notebook_params": as_parameters,
    }

    def __init__(
        self,
        *,
        notebook_path: str,
        source: str,
        databricks_conn_id: str = "databricks_default",
        databricks_task_key: str = "",
        databricks_retry_args: dict[Any, Any] | None = None,
        databricks_retry_delay: float = 1,
        databricks_retry_limit: int = 3,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        existing_cluster_id: str = "",
        job_cluster_key: str = "",
        new_cluster: dict[str, Any] | None = None,
        notebook_packages: list[dict[str, Any]] | None = None,
        notebook_params: dict[str, Any] | None = None,
        polling_period_seconds: float | timedelta = 5,
        wait_for_termination: bool = True,
        workflow_run_metadata: dict[str, Any] | None = None,
        max_retries: int | str | None = None,
        min_retry_interval_millis: int | str | None = None,
        retry_on_timeout: bool | str | None = None,
        push_notebook_output: bool = False,
        timeout: float | timedelta | None = None,
        on_cancel: OnCancel = "cancel",
        success_with_failures: bool = False,
        hook_params: dict[str, Any] | None = None,
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        super().__init__(
            caller=self.CALLER,
            databricks_conn_id=databricks_conn_id,
            databricks_task_key=databricks_task_key,
            databricks_retry_args=databricks_retry_args,
            databricks_retry_delay=databricks_retry_delay,
            databricks_retry_limit=databricks_retry_limit,
            deferrable=deferrable,
            existing_cluster_id=existing_cluster_id,
            job_cluster_key=job_cluster_key,
            new_cluster=new_cluster,
            polling_period_seconds=polling_period_seconds,
            wait_for_termination=wait_for_termination,
            workflow_run_metadata=workflow_run_metadata,
            max_retries=max_retries,
            min_retry_interval_millis=min_retry_interval_millis,
            retry_on_timeout=retry_on_timeout,
            timeout=timeout,
            on_cancel=on_cancel,
            success_with_failures=success_with_failures,
            hook_params=hook_params,
            **kwargs,
        )
        self.notebook_path = notebook_path
        self.source = source
        self.notebook_packages = notebook_packages or []
        self.notebook_params = notebook_params or {}
        self.push_notebook_output = push_notebook_output
        self.check_literals()

    def check_body(self, body: Mapping[str, Any]) -> None:
        super().check_body(body)
        if self.execution_timeout is not None and int(self.execution_timeout.total_seconds()) == 0:
            raise ConfigurationError(
                f"Task {self.task_id!r}: an execution_timeout of 0 would be no limit in Databricks. "
                "Leave it out for that."
            )

    def _get_task_base_json(self) -> dict[str, Any]:
        limit = self.execution_timeout
        return {
            "timeout_seconds": int(limit.total_seconds()) if limit is not None else 0,
            "email_notifications": {},
            "notebook_task": {
                "notebook_path": self.notebook_path,
                "source": self.source,
                "base_parameters": self.argument("notebook_params"),
            },
            "libraries": self.argument("notebook_packages"),
        }

    def _twin_in_workflow(self, context: Context | None) -> Any:
        """With what the group gives all its notebooks."""
        twin = super()._twin_in_workflow(context)
        group = self._databricks_workflow_task_group
        shared = self._rendered(getattr(group, "notebook_params", {}), context)
        packages = list(self.notebook_packages)
        packages += [each for each in getattr(group, "notebook_packages", ()) if each not in packages]
        vars(twin)["notebook_params"] = {**twin.argument("notebook_params"), **shared}
        vars(twin)["notebook_packages"] = packages
        return twin

    def at_end(self, context: Context, run: Run, *, is_over: bool = True) -> None:
        super().at_end(context, run, is_over=is_over)
        if self.push_notebook_output and is_over and run.is_success:
            output = self.hook.call(self.service.output_of(run.run_id))
            ledger.push(context, {NOTEBOOK_OUTPUT_KEY: _bounded(output.get("notebook_output"))})


def _bounded(output: Any) -> dict[str, Any]:
    told = object_or_empty(output)
    result = text_or_none(told.get("result")) or ""
    truncated = told.get("truncated") is True or len(result) > LONGEST_OUTPUT
    return {"result": cut(result, LONGEST_OUTPUT), "truncated": truncated}


class DatabricksTaskOperator(DatabricksTaskBaseOperator):
    """Run any Databricks task once, and end as it ends.

    Takes every parameter of the official operator of this name.

    :param task_config: the task as the API has it, such as ``{"sql_task": {...}}``.
    """

    CALLER: ClassVar[str] = "DatabricksTaskOperator"
    template_fields: Sequence[str] = (
        "databricks_conn_id",
        "task_config",
        "workflow_run_metadata",
        *RETRIES,
    )
    readers: ClassVar[Mapping[str, Reader]] = {
        **DatabricksTaskBaseOperator.readers,
        "task_config": as_object,
    }

    def __init__(
        self,
        *,
        task_config: dict[str, Any],
        databricks_conn_id: str = "databricks_default",
        databricks_task_key: str = "",
        databricks_retry_args: dict[Any, Any] | None = None,
        databricks_retry_delay: float = 1,
        databricks_retry_limit: int = 3,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        existing_cluster_id: str = "",
        job_cluster_key: str = "",
        new_cluster: dict[str, Any] | None = None,
        polling_period_seconds: float | timedelta = 5,
        wait_for_termination: bool = True,
        workflow_run_metadata: dict[str, Any] | None = None,
        max_retries: int | str | None = None,
        min_retry_interval_millis: int | str | None = None,
        retry_on_timeout: bool | str | None = None,
        timeout: float | timedelta | None = None,
        on_cancel: OnCancel = "cancel",
        success_with_failures: bool = False,
        hook_params: dict[str, Any] | None = None,
        **kwargs: Unpack[TaskArguments],
    ) -> None:
        super().__init__(
            caller=self.CALLER,
            databricks_conn_id=databricks_conn_id,
            databricks_task_key=databricks_task_key,
            databricks_retry_args=databricks_retry_args,
            databricks_retry_delay=databricks_retry_delay,
            databricks_retry_limit=databricks_retry_limit,
            deferrable=deferrable,
            existing_cluster_id=existing_cluster_id,
            job_cluster_key=job_cluster_key,
            new_cluster=new_cluster,
            polling_period_seconds=polling_period_seconds,
            wait_for_termination=wait_for_termination,
            workflow_run_metadata=workflow_run_metadata,
            max_retries=max_retries,
            min_retry_interval_millis=min_retry_interval_millis,
            retry_on_timeout=retry_on_timeout,
            timeout=timeout,
            on_cancel=on_cancel,
            success_with_failures=success_with_failures,
            hook_params=hook_params,
            **kwargs,
        )
        self.task_config = task_config
        self.check_literals()

    def _get_task_base_json(self) -> dict[str, Any]:
        config: dict[str, Any] = self.argument("task_config")
        return config
