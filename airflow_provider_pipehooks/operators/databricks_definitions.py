"""START, before it: define a Databricks job by its name."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_provider_pipehooks.core.arguments import (
    Reader,
    as_name,
    as_object,
    as_objects,
    as_parameters,
    as_text,
    as_whole,
)
from airflow_provider_pipehooks.core.errors import ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.hooks.registry import open_hook
from airflow_provider_pipehooks.services.databricks_calls import DatabricksCalls
from airflow_provider_pipehooks.services.reading import id_or_none
from airflow_provider_pipehooks.tasks.arguments import HasBody

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_pipehooks.hooks.remote import RemoteHook

_CALLS = DatabricksCalls()
#: A create whose answer was lost is looked up so often before it is sent again.
_LOOKS_FOR_LOST = 3


def jobs_named(hook: RemoteHook, name: str) -> list[int]:
    """The ids of the jobs with exactly this name, in the order that Databricks lists them."""
    listed = hook.call(_CALLS.jobs(name, limit=100))
    return [job_id for job in listed if (job_id := id_or_none(job.get("job_id"))) is not None]


def define_job(hook: RemoteHook, settings: Mapping[str, Any], log: Any, *, one_only: bool = True) -> int:
    """Create the job with the name in ``settings``, or reset it where it exists.

    :param one_only: refuse several jobs of the name; otherwise the one that is listed first is reset.
    :return: its id.
    """
    name = settings["name"]
    found = jobs_named(hook, name)
    if len(found) > 1 and one_only:
        raise ConfigurationError(
            f"{len(found)} Databricks jobs are named {name!r} (ids {', '.join(map(str, found))}). Delete all "
            "but one, or give the job a name of its own."
        )
    job_id = found[0] if found else _created(hook, settings, log)
    if job_id is None:  # not even after the looks: nothing was made, so it may be sent again
        job_id = hook.call(_CALLS.create_job(dict(settings)))
    if found:
        hook.call(_CALLS.reset_job(job_id, dict(settings)))
    log.info("%s Databricks job %s, %r", "Reset" if found else "Created", job_id, name)
    return int(job_id)


def _created(hook: RemoteHook, settings: Mapping[str, Any], log: Any) -> int | None:
    try:
        return int(hook.call(_CALLS.create_job(dict(settings))))
    except RemoteCallError as err:
        if not err.outcome_unknown:
            raise
        log.warning("%s. Looking for the job by its name", err)
    for look in range(_LOOKS_FOR_LOST):
        time.sleep(hook.retry_delay * 2**look)
        if found := jobs_named(hook, settings["name"]):
            return int(found[0])
    return None


class DatabricksCreateJobsOperator(HasBody, BaseOperator):
    """Create a Databricks job, or reset the one that has its name. Returns its id.

    Takes every parameter of the official operator of this name: the keys of the body by name. The DAG's
    params become the job's ``parameters`` where ``json`` has none.

    :param json: the body of the call; named parameters win over its keys.
    :param databricks_retry_limit: tries of one call that may be repeated.
    :param databricks_retry_delay: seconds before its second try; doubled for each further one.
    :param databricks_retry_args: tenacity's ``stop`` and ``wait``, instead of the two above.
    :param polling_period_seconds: accepted and ignored: nothing is waited for.
    """

    body_fields: ClassVar[Mapping[str, Reader]] = {
        "name": as_name,
        "description": as_text,
        "tags": as_parameters,
        "tasks": as_objects,
        "job_clusters": as_objects,
        "environments": as_objects,
        "email_notifications": as_object,
        "webhook_notifications": as_object,
        "notification_settings": as_object,
        "timeout_seconds": as_whole,
        "schedule": as_object,
        "trigger": as_object,
        "max_concurrent_runs": as_whole,
        "git_source": as_object,
        "access_control_list": as_objects,
        "performance_target": as_text,
    }
    readers: ClassVar[Mapping[str, Reader]] = {
        **body_fields,
        "json": as_object,
        "databricks_conn_id": as_name,
    }
    template_fields: Sequence[str] = ("json", *body_fields, "databricks_conn_id")
    ui_color = "#1CB1C2"
    ui_fgcolor = "#fff"

    def __init__(
        self,
        *,
        json: Any = None,
        name: str | None = None,
        description: str | None = None,
        tags: dict[str, str] | None = None,
        tasks: list[dict[str, Any]] | None = None,
        job_clusters: list[dict[str, Any]] | None = None,
        environments: list[dict[str, Any]] | None = None,
        email_notifications: dict[str, Any] | None = None,
        webhook_notifications: dict[str, Any] | None = None,
        notification_settings: dict[str, Any] | None = None,
        timeout_seconds: int | None = None,
        schedule: dict[str, Any] | None = None,
        trigger: dict[str, Any] | None = None,
        max_concurrent_runs: int | None = None,
        git_source: dict[str, Any] | None = None,
        access_control_list: list[dict[str, Any]] | None = None,
        performance_target: str | None = None,
        databricks_conn_id: str = "databricks_default",
        polling_period_seconds: float = 30,
        databricks_retry_limit: int = 3,
        databricks_retry_delay: float = 1,
        databricks_retry_args: dict[Any, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.json = json
        self.name = name
        self.description = description
        self.tags = tags
        self.tasks = tasks
        self.job_clusters = job_clusters
        self.environments = environments
        self.email_notifications = email_notifications
        self.webhook_notifications = webhook_notifications
        self.notification_settings = notification_settings
        self.timeout_seconds = timeout_seconds
        self.schedule = schedule
        self.trigger = trigger
        self.max_concurrent_runs = max_concurrent_runs
        self.git_source = git_source
        self.access_control_list = access_control_list
        self.performance_target = performance_target
        self.databricks_conn_id = databricks_conn_id
        self.polling_period_seconds = polling_period_seconds
        self.databricks_retry_limit = databricks_retry_limit
        self.databricks_retry_delay = databricks_retry_delay
        self.databricks_retry_args = databricks_retry_args
        self.check_literals()

    @cached_property
    def hook(self) -> RemoteHook:
        retries = {
            "retry_limit": self.databricks_retry_limit,
            "retry_delay": self.databricks_retry_delay,
            "retry_args": self.databricks_retry_args,
        }
        return open_hook("databricks_jobs", self.databricks_conn_id, hook_params=retries)

    def check_body(self, body: Mapping[str, Any]) -> None:
        if not body.get("name"):
            raise ConfigurationError(f"Task {self.task_id!r}: the job needs a name, which it is found by.")

    def execute(self, context: Context) -> int:
        body = self.body()
        self.check_body(body)
        given = {name: value for name, value in dict(self.params).items() if value is not None}
        if not body.get("parameters") and given:
            texts = as_parameters(given, "params of the DAG")
            body["parameters"] = [{"name": name, "default": value} for name, value in texts.items()]
        return define_job(self.hook, body, self.log)
