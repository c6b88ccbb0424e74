"""START many tasks as one run: a task group that is one Databricks job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, TaskGroup

from airflow_provider_pipehooks.core.arguments import (
    Reader,
    as_id,
    as_list,
    as_object,
    as_objects,
    as_parameters,
    as_texts,
)
from airflow_provider_pipehooks.core.errors import ConfigurationError, error_for
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.operators.databricks_definitions import define_job
from airflow_provider_pipehooks.operators.databricks_run import DatabricksRunOperator
from airflow_provider_pipehooks.operators.databricks_workflow_task import (
    JOB_RUN_LINK_KEY,
    WorkflowJobRunLink,
    WorkflowRunMetadata,
)
from airflow_provider_pipehooks.tasks.joining import RemoteRunLink

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_pipehooks.core.intent import Intent

__all__ = ["DatabricksWorkflowTaskGroup", "WorkflowRunMetadata"]

LAUNCH = "launch"


class _CreateDatabricksWorkflowOperator(DatabricksRunOperator):
    """The ``launch`` task of a group: defines the job, and starts its one run once.

    Ends when the run is started, with ``{"conn_id", "job_id", "run_id"}``. The tasks of the group wait for
    theirs. Takes what :class:`DatabricksWorkflowTaskGroup` does.
    """

    official_keys: ClassVar[Mapping[str, str]] = {
        **DatabricksRunOperator.official_keys,
        JOB_RUN_LINK_KEY: "url",
    }
    operator_extra_links = (RemoteRunLink(), WorkflowJobRunLink())
    #: What the run is started with, for all its tasks.
    body_fields: ClassVar[Mapping[str, Reader]] = {
        "jar_params": as_texts,
        "notebook_params": as_parameters,
        "python_params": as_texts,
        "spark_submit_params": as_texts,
    }
    readers: ClassVar[Mapping[str, Reader]] = {
        **DatabricksRunOperator.readers,
        **body_fields,
        "access_control_list": as_objects,
        "existing_clusters": as_list,
        "extra_job_params": as_object,
        "job_clusters": as_objects,
        "max_concurrent_runs": as_id,
    }
    template_fields: Sequence[str] = (
        "databricks_conn_id",
        "access_control_list",
        "existing_clusters",
        "extra_job_params",
        "jar_params",
        "job_clusters",
        "max_concurrent_runs",
        "notebook_params",
        "python_params",
        "spark_submit_params",
    )

    def __init__(
        self,
        *,
        databricks_conn_id: str,
        access_control_list: list[dict[str, Any]] | None = None,
        existing_clusters: list[str] | None = None,
        extra_job_params: dict[str, Any] | None = None,
        jar_params: list[str] | None = None,
        job_clusters: list[dict[str, Any]] | None = None,
        max_concurrent_runs: int = 1,
        notebook_params: dict[str, Any] | None = None,
        python_params: list[Any] | None = None,
        spark_submit_params: list[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            **{**kwargs, "json": None, "wait_for_termination": False},
            databricks_conn_id=databricks_conn_id,
        )
        self.access_control_list = access_control_list
        self.existing_clusters = existing_clusters or []
        self.extra_job_params = extra_job_params or {}
        self.jar_params = jar_params or []
        self.job_clusters = job_clusters or []
        self.max_concurrent_runs = max_concurrent_runs
        self.notebook_params = notebook_params or {}
        self.python_params = python_params or []
        self.spark_submit_params = spark_submit_params or []
        self._job_id: int | None = None
        self._launched: Run | None = None
        self.check_literals()

    @property
    def job_name(self) -> str:
        return f"{self.dag_id}.{self.task_group.group_id if self.task_group else ''}"

    @property
    def job(self) -> str:
        return str(self._job_id or "")

    def check_body(self, body: Mapping[str, Any]) -> None:
        if body.get("jar_params") and body.get("notebook_params"):
            raise ConfigurationError(
                f"Task {self.task_id!r}: Databricks takes jar_params or notebook_params, not both."
            )

    def members(self) -> dict[str, Any]:
        """The other tasks of the group, by id."""
        group: Any = self.task_group
        return {task.task_id: task for task in group.iter_tasks() if task.task_id != self.task_id}

    def create_workflow_json(self, context: Context | None = None) -> dict[str, Any]:
        """The settings of the job."""
        members = self.members()
        tasks = [
            task._convert_to_databricks_workflow_task(list(members), members, context=context)
            for task in members.values()
        ]
        settings: dict[str, Any] = {
            "name": self.job_name,
            "email_notifications": {"no_alert_for_skipped_runs": False},
            "timeout_seconds": 0,
            "tasks": tasks,
            "format": "MULTI_TASK",
            "job_clusters": self.argument("job_clusters"),
            "max_concurrent_runs": self.argument("max_concurrent_runs"),
        }
        if self.access_control_list is not None:
            settings["access_control_list"] = self.argument("access_control_list")
        return _merged(settings, self.argument("extra_job_params"))

    def prepare(self, context: Context) -> None:
        self._body = {name: given for name, given in self.body().items() if given}
        self.check_body(self._body)
        settings = self.create_workflow_json(context)
        self._warn_of_others(self.members())
        # Several of the name: the official operator takes the one that is listed first, too.
        self._job_id = define_job(self.hook, settings, self.log, one_only=False)
        for task_id, task in self.members().items():
            self.log.info("%s is its task %r", task_id, getattr(task, "databricks_task_key", task_id))

    def _warn_of_others(self, members: Mapping[str, Any]) -> None:
        """Databricks knows the tasks of its own job only, and starts with them."""
        before = set(self.get_flat_relative_ids(upstream=True))
        for task_id, task in members.items():
            if others := sorted(task.upstream_task_ids - members.keys() - before - {self.task_id}):
                self.log.warning("%s waits for %s in Airflow only, not in Databricks", task_id, others)

    def start(self, intent: Intent) -> Run:
        body = {"idempotency_token": intent.token, "job_id": self._job_id, **self._body}
        return self._started_run(self.hook.call(self.service.run_now(body)))

    def push(self, context: Context, run: Run) -> None:
        super().push(context, run)
        self._launched = run

    def execute(self, context: Context) -> Any:
        run_id = super().execute(context)
        run = self._launched
        if run is not None and run.kind == "skipped":
            raise error_for(run)
        return {"conn_id": self.databricks_conn_id, "job_id": self._job_id, "run_id": run_id}


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Objects are merged at any depth; of anything else the one above wins."""
    merged = dict(below)
    for name, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = _merged(merged[name], value) if both else value
    return merged


class DatabricksWorkflowTaskGroup(TaskGroup):
    """A task group that is one Databricks job, and runs as one run with many tasks.

    Its first task, ``launch``, creates the job ``<dag_id>.<group_id>`` or resets it, and starts the run once;
    each other task watches its Databricks task. Takes every parameter of the official class of this name.
    One that is retried, or cleared without ``launch``, runs again in the same run (a repair).

    :param databricks_conn_id: of all its tasks.
    :param access_control_list: permissions of the job, as the API has them.
    :param existing_clusters: accepted, as the official class does; a task names its cluster.
    :param extra_job_params: settings of the job that win over ours.
    :param jar_params: for all tasks of their kind, like the other ``..._params``.
    :param job_clusters: clusters of the job, which tasks name by ``job_cluster_key``.
    :param max_concurrent_runs: of the job.
    :param notebook_packages: libraries for all notebooks of the group, beside their own.
    """

    is_databricks = True

    def __init__(
        self,
        databricks_conn_id: str,
        access_control_list: list[dict[str, Any]] | None = None,
        existing_clusters: list[str] | None = None,
        extra_job_params: dict[str, Any] | None = None,
        jar_params: list[str] | None = None,
        job_clusters: list[dict[str, Any]] | None = None,
        max_concurrent_runs: int = 1,
        notebook_packages: list[dict[str, Any]] | None = None,
        notebook_params: dict[str, Any] | None = None,
        python_params: list[Any] | None = None,
        spark_submit_params: list[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self.databricks_conn_id = databricks_conn_id
        self.access_control_list = access_control_list
        self.existing_clusters = existing_clusters or []
        self.extra_job_params = extra_job_params or {}
        self.jar_params = jar_params or []
        self.job_clusters = job_clusters or []
        self.max_concurrent_runs = max_concurrent_runs
        self.notebook_packages = notebook_packages or []
        self.notebook_params = notebook_params or {}
        self.python_params = python_params or []
        self.spark_submit_params = spark_submit_params or []
        super().__init__(**kwargs)

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _tb: TracebackType | None,
    ) -> None:
        try:
            if _type is None:
                self._add_launch()
        finally:
            super().__exit__(_type, _value, _tb)  # type: ignore[no-untyped-call]

    def _add_launch(self) -> None:
        roots, tasks = list(self.get_roots()), list(_members(self))
        launch = _CreateDatabricksWorkflowOperator(
            task_id=LAUNCH,
            dag=self.dag,
            task_group=self,
            databricks_conn_id=self.databricks_conn_id,
            access_control_list=self.access_control_list,
            existing_clusters=self.existing_clusters,
            extra_job_params=self.extra_job_params,
            jar_params=self.jar_params,
            job_clusters=self.job_clusters,
            max_concurrent_runs=self.max_concurrent_runs,
            notebook_params=self.notebook_params,
            python_params=self.python_params,
            spark_submit_params=self.spark_submit_params,
        )
        for task in tasks:
            task.workflow_run_metadata = launch.output
        for root in roots:
            root.set_upstream(launch)
        # Written before the group was filled: for its first and last tasks, which there were none of yet.
        for task_id in self.upstream_task_ids:
            launch.set_upstream(self.dag.get_task(task_id))
        for task_id in self.downstream_task_ids:
            for leaf in list(self.get_leaves()):
                leaf.set_downstream(self.dag.get_task(task_id))


def _members(group: TaskGroup) -> Iterator[Any]:
    """The tasks of a group, at any depth.

    :raises ConfigurationError: one that cannot be a part of a Databricks job.
    """
    for child in group.children.values():
        if isinstance(child, TaskGroup):
            yield from _members(child)
        elif isinstance(child, BaseOperator) and callable(
            getattr(child, "_convert_to_databricks_workflow_task", None)
        ):
            yield child
        else:
            is_mapped = getattr(child, "is_mapped", False)
            mapped = " Databricks is told of its tasks before a mapped one has any." if is_mapped else ""
            raise ConfigurationError(
                f"Task {child.node_id!r} cannot be a part of workflow group {group.group_id!r}: a "
                f"DatabricksNotebookOperator or DatabricksTaskOperator can.{mapped}"
            )
