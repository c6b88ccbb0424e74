"""START, what all single Databricks tasks share: a run of their own, or a part of a workflow group's run."""

from __future__ import annotations

import copy
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.configuration import conf

from airflow_provider_pipehooks.core.arguments import (
    Reader,
    as_object,
    as_text,
    as_whole,
)
from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.operators.databricks_workflow_task import (
    WorkflowJobRunLink,
    WorkflowTaskOperator,
)
from airflow_provider_pipehooks.operators.remote_run import OnCancel
from airflow_provider_pipehooks.tasks.joining import RemoteRunLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context

    from airflow_provider_pipehooks.core.intent import Intent

#: Databricks cuts longer ones off, and the task would not be found again.
LONGEST_TASK_KEY = 100
#: What Databricks calls a trigger rule; the others are its default, ALL_SUCCESS.
RUN_IF: Mapping[str, str] = {
    "all_failed": "ALL_FAILED",
    "all_done": "ALL_DONE",
    "one_success": "AT_LEAST_ONE_SUCCESS",
    "one_failed": "AT_LEAST_ONE_FAILED",
    "none_failed": "NONE_FAILED",
    "none_failed_min_one_success": "NONE_FAILED",
    "always": "ALL_DONE",
}
#: Databricks' own retries.
RETRIES = ("max_retries", "min_retry_interval_millis", "retry_on_timeout")
_FLAGS = {**dict.fromkeys(("true", "1", "yes"), True), **dict.fromkeys(("false", "0", "no"), False)}


def as_retries(value: Any, what: str) -> int:
    """A whole number of at least 0, or -1 for no limit."""
    return -1 if value in (-1, "-1") else as_whole(value, what)


def as_flag(value: Any, what: str) -> bool:
    """A bool, or the word that a template makes of one."""
    found = _FLAGS.get(str(value).strip().lower()) if isinstance(value, (str, bool)) else None
    if found is None:
        raise ConfigurationError(f"{what} must be true or false, not {value!r:.100}.")
    return found


class DatabricksTaskBaseOperator(WorkflowTaskOperator, ABC):
    """One Databricks task; subclasses say what it runs.

    Takes every parameter of the official class of this name; ``json`` apart, those of
    ``DatabricksSubmitRunOperator`` about waiting, too. ``max_retries``, ``min_retry_interval_millis`` and
    ``retry_on_timeout`` are Databricks' own retries, which are waited for.

    :param databricks_task_key: what Databricks calls the task; a hash of DAG and task if not given, or longer
        than it takes.
    :param existing_cluster_id: where the task runs; or ``new_cluster``, or in a workflow group
        ``job_cluster_key``.
    :param workflow_run_metadata: set by the workflow group.
    """

    template_fields: Sequence[str] = ("databricks_conn_id",)
    body_fields: ClassVar[Mapping[str, Reader]] = {}
    readers: ClassVar[Mapping[str, Reader]] = {
        **WorkflowTaskOperator.readers,
        "existing_cluster_id": as_text,
        "job_cluster_key": as_text,
        "new_cluster": as_object,
        "max_retries": as_retries,
        "min_retry_interval_millis": as_whole,
        "retry_on_timeout": as_flag,
    }

    def __init__(
        self,
        *,
        caller: str = "DatabricksTaskBaseOperator",
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
        **kwargs: Any,
    ) -> None:
        super().__init__(
            json=None,
            databricks_conn_id=databricks_conn_id,
            databricks_retry_args=databricks_retry_args,
            databricks_retry_delay=databricks_retry_delay,
            databricks_retry_limit=databricks_retry_limit,
            deferrable=deferrable,
            polling_period_seconds=polling_period_seconds,
            wait_for_termination=wait_for_termination,
            timeout=timeout,
            on_cancel=on_cancel,
            success_with_failures=success_with_failures,
            hook_params=hook_params,
            **kwargs,
        )
        self.caller = caller
        self._databricks_task_key = databricks_task_key
        self.existing_cluster_id = existing_cluster_id
        self.job_cluster_key = job_cluster_key
        self.new_cluster = new_cluster or {}
        self.workflow_run_metadata = workflow_run_metadata
        self.max_retries = max_retries
        self.min_retry_interval_millis = min_retry_interval_millis
        self.retry_on_timeout = retry_on_timeout
        if self.is_in_workflow:
            self.operator_extra_links = (RemoteRunLink(), WorkflowJobRunLink())

    # What runs where

    @abstractmethod
    def _get_task_base_json(self) -> dict[str, Any]:
        """The task as the API takes it, but for its key, its cluster and its retries."""

    @property
    def databricks_task_key(self) -> str:
        given = self._databricks_task_key
        return given if given and len(given) <= LONGEST_TASK_KEY else self._key_of(self.task_id)

    def _key_of(self, task_id: str) -> str:
        return hashlib.md5(f"{self.dag_id}__{task_id}".encode(), usedforsecurity=False).hexdigest()

    def check_body(self, body: Mapping[str, Any]) -> None:
        """Called with the literals: the cluster is none of the templates."""
        given = [name for name in ("new_cluster", "existing_cluster_id") if getattr(self, name)]
        if self.is_in_workflow:
            if self.existing_cluster_id and self.job_cluster_key:
                raise ConfigurationError(
                    f"Task {self.task_id!r}: give existing_cluster_id or job_cluster_key, not both."
                )
        elif len(given) != 1:
            raise ConfigurationError(
                f"Task {self.task_id!r}: give one of new_cluster and existing_cluster_id; "
                f"{', '.join(given) or 'none'} given."
            )

    def _retry_settings(self) -> dict[str, Any]:
        """Databricks' own retries, as far as they were given."""
        return {name: self.argument(name) for name in RETRIES if getattr(self, name) not in (None, "")}

    def _get_run_json(self) -> dict[str, Any]:
        """The body of a one-time run of the task."""
        cluster: dict[str, Any] = (
            {"new_cluster": self.argument("new_cluster")}
            if self.new_cluster
            else {"existing_cluster_id": self.existing_cluster_id}
        )
        base, key = self._get_task_base_json(), self.databricks_task_key
        retries = self._retry_settings()
        if not retries and not any(base.get(name) is not None for name in RETRIES):
            return {"run_name": key, **base, **cluster}
        # Retries belong to a task of a list; the older form, with one task at the root, has none.
        return {"run_name": key, "tasks": [{**base, "task_key": key, **retries, **cluster}]}

    # As a task of a workflow

    def _convert_to_databricks_workflow_task(
        self,
        relevant_upstreams: list[str],
        task_dict: Mapping[str, BaseOperator],
        context: Context | None = None,
    ) -> dict[str, object]:
        """The task as a part of the job that a workflow group defines.

        :param relevant_upstreams: ids of the tasks that are parts of it, too.
        :param task_dict: these tasks, by id.
        :param context: of the task that defines the job; templates are rendered with it.
        """
        twin = self._twin_in_workflow(context)
        upstream = sorted(set(self.upstream_task_ids) & set(relevant_upstreams))
        task: dict[str, Any] = {
            "depends_on": [{"task_key": self._upstream_key(each, task_dict)} for each in upstream],
            **twin._get_task_base_json(),
            "task_key": self.databricks_task_key,
            **twin._retry_settings(),
        }
        # An enum, or its text: in the DAG processor and in a worker they differ.
        rule = str(getattr(self.trigger_rule, "value", self.trigger_rule))
        if rule in RUN_IF:
            task["run_if"] = RUN_IF[rule]
        return {**task, **self._cluster_in_workflow()}

    def _upstream_key(self, task_id: str, task_dict: Mapping[str, Any]) -> str:
        return str(getattr(task_dict.get(task_id), "databricks_task_key", None) or self._key_of(task_id))

    def _cluster_in_workflow(self) -> dict[str, Any]:
        for name in ("existing_cluster_id", "job_cluster_key", "new_cluster"):
            if given := getattr(self, name):
                return {name: given}
        return {}

    def _twin_in_workflow(self, context: Context | None) -> Any:
        """A copy whose templates are rendered as those of the task that defines the job would be."""
        twin = copy.copy(self)
        for name in self.template_fields:
            if name not in ("databricks_conn_id", "workflow_run_metadata"):
                vars(twin)[name] = self._rendered(getattr(self, name), context)
        return twin

    def _rendered(self, value: Any, context: Context | None) -> Any:
        return value if context is None else self.render_template(value, context)

    # Alone

    def prepare(self, context: Context) -> None:
        super().prepare(context)
        if not self.is_in_workflow:
            self.check_body({})
            self._body = self._get_run_json()

    def start(self, intent: Intent) -> Run:
        if self.is_in_workflow:
            return super().start(intent)
        return self._started_run(
            self.hook.call(self.service.submit({"idempotency_token": intent.token, **self._body}))
        )
