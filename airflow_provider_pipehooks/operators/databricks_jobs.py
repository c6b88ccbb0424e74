"""START a Databricks job, or a one-time run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_pipehooks.core.arguments import (
    Reader,
    as_id,
    as_object,
    as_objects,
    as_parameters,
    as_text,
    as_texts,
    as_whole,
)
from airflow_provider_pipehooks.core.errors import ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.operators.databricks_run import DatabricksRunOperator
from airflow_provider_pipehooks.services.databricks_pipelines import DatabricksPipelines
from airflow_provider_pipehooks.tasks.joining import deferring

if TYPE_CHECKING:
    from airflow.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_pipehooks.core.intent import Intent
    from airflow_provider_pipehooks.operators.databricks_definitions import DatabricksCreateJobsOperator
    from airflow_provider_pipehooks.operators.databricks_sql import DatabricksSQLStatementsOperator
    from airflow_provider_pipehooks.operators.databricks_task_base import DatabricksTaskBaseOperator
    from airflow_provider_pipehooks.operators.databricks_tasks import (
        DatabricksNotebookOperator,
        DatabricksTaskOperator,
    )
    from airflow_provider_pipehooks.operators.databricks_workflow import (
        DatabricksWorkflowTaskGroup,
        WorkflowRunMetadata,
    )
    from airflow_provider_pipehooks.tasks.typed import DatabricksRunArguments

__all__ = [
    "DEFER_METHOD_NAME",
    "XCOM_JOB_ID_KEY",
    "XCOM_RUN_ID_KEY",
    "XCOM_RUN_PAGE_URL_KEY",
    "XCOM_STATEMENT_ID_KEY",
    "DatabricksCreateJobsOperator",
    "DatabricksNotebookOperator",
    "DatabricksRunNowOperator",
    "DatabricksSQLStatementsOperator",
    "DatabricksSubmitRunOperator",
    "DatabricksTaskBaseOperator",
    "DatabricksTaskOperator",
    "DatabricksWorkflowTaskGroup",
    "WorkflowRunMetadata",
]

#: Names of the official module, for DAGs that read them from there.
XCOM_RUN_ID_KEY = "run_id"
XCOM_JOB_ID_KEY = "job_id"
XCOM_RUN_PAGE_URL_KEY = "run_page_url"
XCOM_STATEMENT_ID_KEY = "statement_id"
DEFER_METHOD_NAME = "execute_complete"
#: Further classes of the official module and where they are: imported with the first DAG that uses one.
ELSEWHERE: Mapping[str, str] = {
    "DatabricksCreateJobsOperator": "databricks_definitions",
    "DatabricksNotebookOperator": "databricks_tasks",
    "DatabricksSQLStatementsOperator": "databricks_sql",
    "DatabricksTaskBaseOperator": "databricks_task_base",
    "DatabricksTaskOperator": "databricks_tasks",
    "DatabricksWorkflowTaskGroup": "databricks_workflow",
    "WorkflowRunMetadata": "databricks_workflow_task",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in ELSEWHERE:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__package__}.{ELSEWHERE[name]}"), name)


#: Run-now slots that Databricks refuses together with ``job_parameters``.
TASK_SLOTS: Mapping[str, Reader] = {
    "notebook_params": as_parameters,
    "python_params": as_texts,
    "jar_params": as_texts,
    "spark_submit_params": as_texts,
    "python_named_params": as_parameters,
    "dbt_commands": as_texts,
}
#: Which part of a submitted task takes DAG params, as the official operator fills them in.
PARAMS_OF_TASK: Mapping[str, str] = {
    "notebook_task": "base_parameters",
    "python_wheel_task": "named_parameters",
    "sql_task": "parameters",
    "run_job_task": "job_parameters",
}


class DatabricksRunNowOperator(DatabricksRunOperator):
    """Start a run of a Databricks job once, and end as it ends.

    Takes every parameter of the official operator of this name. ``json``, the token, the polling and the
    retry parameters are those of ``DatabricksSubmitRunOperator`` too.

    :param job_id: of the job; or give ``job_name``.
    :param job_parameters: by name; not together with the ``..._params`` slots and ``dbt_commands``.
    :param forward_dag_params: send the DAG's params as ``job_parameters`` when no parameters are given.
    :param repair_run: repair a failed run once in the same try, and again on each Airflow retry, instead
        of starting anew. A cancelled run is not repaired: somebody wanted it to end.
    :param databricks_repair_reason_new_settings: ``{text in the run's message: new job settings}``; only a
        run whose message holds one of the texts is repaired, after the job was given those settings.
    :param cancel_previous_runs: cancel all active runs of the job first.
    """

    body_fields: ClassVar[Mapping[str, Reader]] = {
        "job_id": as_id,
        "job_name": as_text,
        "job_parameters": as_parameters,
        **TASK_SLOTS,
        "idempotency_token": as_text,
        "performance_target": as_text,
    }
    readers: ClassVar[Mapping[str, Reader]] = {
        **DatabricksRunOperator.readers,
        **body_fields,
        "databricks_repair_reason_new_settings": as_object,
    }
    template_fields: Sequence[str] = ("json", *body_fields, "databricks_conn_id")

    def __init__(
        self,
        *,
        job_id: int | str | None = None,
        job_name: str | None = None,
        job_parameters: dict[str, str] | None = None,
        dbt_commands: list[str] | None = None,
        notebook_params: dict[str, str] | None = None,
        python_params: list[str] | None = None,
        jar_params: list[str] | None = None,
        spark_submit_params: list[str] | None = None,
        python_named_params: dict[str, str] | None = None,
        idempotency_token: str | None = None,
        performance_target: str | None = None,
        repair_run: bool = False,
        databricks_repair_reason_new_settings: dict[str, Any] | None = None,
        cancel_previous_runs: bool = False,
        forward_dag_params: bool = True,
        **kwargs: Unpack[DatabricksRunArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.job_name = job_name
        self.job_parameters = job_parameters
        self.dbt_commands = dbt_commands
        self.notebook_params = notebook_params
        self.python_params = python_params
        self.jar_params = jar_params
        self.spark_submit_params = spark_submit_params
        self.python_named_params = python_named_params
        self.idempotency_token = idempotency_token
        self.performance_target = performance_target
        self.repair_run = repair_run
        self.databricks_repair_reason_new_settings = databricks_repair_reason_new_settings or {}
        self.cancel_previous_runs = cancel_previous_runs
        self.forward_dag_params = forward_dag_params
        self.check_literals()

    @property
    def job(self) -> str:
        return str(self._body.get("job_id", ""))

    @property
    def can_continue(self) -> bool:
        return self.repair_run

    def check_body(self, body: Mapping[str, Any]) -> None:
        if body.get("job_name") and body.get("job_id"):
            raise ConfigurationError(f"Task {self.task_id!r}: give job_id or job_name, not both.")
        if not body.get("job_name") and body.get("job_id") is None:
            raise ConfigurationError(f"Task {self.task_id!r} names no job: give job_id or job_name.")

    def prepare(self, context: Context) -> None:
        body = self.body()
        self.check_body(body)
        # A slot that is given empty is given: Databricks refuses job_parameters beside it.
        takes_params = not body.get("job_parameters") and not any(slot in body for slot in TASK_SLOTS)
        if self.forward_dag_params and takes_params and (params := self.dag_params()):
            body["job_parameters"] = params
        name = body.pop("job_name", None)
        if name:
            body["job_id"] = self.hook.call(self.service.job_id_by_name(name))
        self._body = body

    def start(self, intent: Intent) -> Run:
        if self.cancel_previous_runs:
            self.hook.call(self.service.cancel_all_runs(self._body["job_id"]))
        return self._started_run(
            self.hook.call(self.service.run_now({"idempotency_token": intent.token, **self._body}))
        )

    def continue_run(self, run: Run) -> Run | None:
        """Run the failed tasks again in the same run, after mending the job if settings were given."""
        reasons = self.argument("databricks_repair_reason_new_settings")
        reason = next((reason for reason in reasons if reason in (run.message or "")), None)
        if reasons and reason is None:
            self.log.info("%s is not repaired: its message has none of %s", run.label, sorted(reasons))
            return None
        try:
            if reason is not None:
                self.hook.call(self.service.update_job(self._body["job_id"], reasons[reason]))
            repair_id = self.hook.call(
                self.service.repair(run.run_id, self._body.get("job_parameters")),
            )
        except RemoteCallError as err:
            if err.outcome_unknown:
                raise
            self.log.warning("%s cannot be repaired: %s", run.label, err)
            return None
        self.log.info("Repairing %s (repair %s)", run.label, repair_id)
        return self._started_run(int(run.run_id))

    def _continued(self, context: Context, run: Run) -> Run | None:
        explained = self.explained(run)
        self.log.warning("%s failed, repairing it: %s", run.label, explained.message or run.status)
        self.prepare(context)
        return self.continue_run(explained)


class DatabricksSubmitRunOperator(DatabricksRunOperator):
    """Submit a one-time run once, and end as it ends.

    Takes every parameter of the official operator of this name: the keys of the body by name.
    """

    body_fields: ClassVar[Mapping[str, Reader]] = {
        "tasks": as_objects,
        "spark_jar_task": as_object,
        "notebook_task": as_object,
        "spark_python_task": as_object,
        "spark_submit_task": as_object,
        "pipeline_task": as_object,
        "dbt_task": as_object,
        "new_cluster": as_object,
        "existing_cluster_id": as_text,
        "libraries": as_objects,
        "environments": as_objects,
        "run_name": as_text,
        "timeout_seconds": as_whole,
        "idempotency_token": as_text,
        "access_control_list": as_objects,
        "git_source": as_object,
        "performance_target": as_text,
    }
    readers: ClassVar[Mapping[str, Reader]] = {**DatabricksRunOperator.readers, **body_fields}
    template_fields: Sequence[str] = ("json", *body_fields, "databricks_conn_id")

    def __init__(
        self,
        *,
        tasks: list[object] | None = None,
        spark_jar_task: dict[str, Any] | None = None,
        notebook_task: dict[str, Any] | None = None,
        spark_python_task: dict[str, Any] | None = None,
        spark_submit_task: dict[str, Any] | None = None,
        pipeline_task: dict[str, Any] | None = None,
        dbt_task: dict[str, Any] | None = None,
        new_cluster: dict[str, Any] | None = None,
        existing_cluster_id: str | None = None,
        libraries: list[dict[str, Any]] | None = None,
        environments: list[dict[str, Any]] | None = None,
        run_name: str | None = None,
        timeout_seconds: int | None = None,
        idempotency_token: str | None = None,
        access_control_list: list[dict[str, str]] | None = None,
        git_source: dict[str, str] | None = None,
        performance_target: str | None = None,
        **kwargs: Unpack[DatabricksRunArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.tasks = tasks
        self.spark_jar_task = spark_jar_task
        self.notebook_task = notebook_task
        self.spark_python_task = spark_python_task
        self.spark_submit_task = spark_submit_task
        self.pipeline_task = pipeline_task
        self.dbt_task = dbt_task
        self.new_cluster = new_cluster
        self.existing_cluster_id = existing_cluster_id
        self.libraries = libraries
        self.environments = environments
        self.run_name = run_name
        self.timeout_seconds = timeout_seconds
        self.idempotency_token = idempotency_token
        self.access_control_list = access_control_list
        self.git_source = git_source
        self.performance_target = performance_target
        self.check_literals()

    def check_body(self, body: Mapping[str, Any]) -> None:
        if "dbt_task" in body and "git_source" not in body:
            raise ConfigurationError(f"Task {self.task_id!r}: a dbt_task needs git_source.")
        pipeline = body.get("pipeline_task") or {}
        if pipeline.get("pipeline_name") and pipeline.get("pipeline_id"):
            raise ConfigurationError(
                f"Task {self.task_id!r}: give pipeline_id or pipeline_name in pipeline_task, not both."
            )

    def prepare(self, context: Context) -> None:
        body = {"run_name": self.task_id, **self.body()}
        self.check_body(body)
        params = self.dag_params()
        from airflow_provider_pipehooks.services.databricks_bodies import write_texts

        for task in body.get("tasks", [body]):
            self._name_pipeline(task)
            write_texts(task)
            if params:
                _fill_in(task, params)
        self._body = body

    def _name_pipeline(self, task: Mapping[str, Any]) -> None:
        """Databricks takes the id of a pipeline only."""
        pipeline = task.get("pipeline_task")
        if isinstance(pipeline, dict) and (name := pipeline.pop("pipeline_name", None)):
            name = as_text(name, f"pipeline_name of task {self.task_id!r}")
            pipeline["pipeline_id"] = self.hook.call(DatabricksPipelines().pipeline_id_by_name(name))

    def start(self, intent: Intent) -> Run:
        return self._started_run(
            self.hook.call(self.service.submit({"idempotency_token": intent.token, **self._body}))
        )


class DatabricksRunNowOperatorAsync(DatabricksRunNowOperator):
    """The name that astronomer-providers gave to ``deferrable=True``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**deferring(self, kwargs))


class DatabricksSubmitRunOperatorAsync(DatabricksSubmitRunOperator):
    """The name that astronomer-providers gave to ``deferrable=True``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**deferring(self, kwargs))


class DatabricksRunNowDeferrableOperator(DatabricksRunNowOperator):
    """The name that the official provider gave to ``deferrable=True`` until its version 7."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**deferring(self, kwargs))


class DatabricksSubmitRunDeferrableOperator(DatabricksSubmitRunOperator):
    """The name that the official provider gave to ``deferrable=True`` until its version 7."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**deferring(self, kwargs))


def _fill_in(task: Mapping[str, Any], params: Mapping[str, str]) -> None:
    """Give a submitted task the DAG's params, where it takes any and was given none."""
    for name, slot in PARAMS_OF_TASK.items():
        part = task.get(name)
        if isinstance(part, dict) and part.get(slot) is None:
            part[slot] = dict(params)
