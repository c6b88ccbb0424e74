"""Operators that read from dbt Cloud and start nothing: a run's files, lists of jobs and of runs.

Imported through ``operators.dbt_cloud``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow.sdk import BaseOperator

from airflow_provider_pipehooks.compat.storage import Folder
from airflow_provider_pipehooks.core.arguments import (
    Reader,
    as_hook_params,
    as_id,
    as_id_or_none,
    as_list,
    as_name,
    as_text,
    as_texts,
)
from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.hooks.registry import open_hook
from airflow_provider_pipehooks.services.dbt_cloud import DbtCloud
from airflow_provider_pipehooks.tasks.arguments import ReadsArguments

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath
    from typing_extensions import Unpack

    from airflow_provider_pipehooks.hooks.dbt_cloud import DbtCloudHook
    from airflow_provider_pipehooks.tasks.typed import DbtCloudArguments


class _ReadsDbtCloud(ReadsArguments, BaseOperator):
    """What the three share.

    :param dbt_cloud_conn_id: type ``pipehooks_dbt_cloud``, ``dbt_cloud`` or ``http``.
    :param account_id: instead of the connection's.
    :param hook_params: of the hook, such as ``timeout_seconds`` and ``retry_limit``.
    """

    common_readers: ClassVar[Mapping[str, Reader]] = {
        "dbt_cloud_conn_id": as_name,
        "account_id": as_id_or_none,
        "hook_params": as_hook_params,
    }

    def __init__(
        self,
        *,
        dbt_cloud_conn_id: str = "dbt_cloud_default",
        account_id: int | str | None = None,
        hook_params: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dbt_cloud_conn_id = dbt_cloud_conn_id
        self.account_id = account_id
        self.hook_params = hook_params or {}

    def open_hook(self) -> DbtCloudHook:
        options = self.argument("hook_params")
        if retry_args := options.pop("retry_args", None):
            from airflow_provider_pipehooks.tasks.official import retry_numbers

            numbers, unused = retry_numbers(retry_args, self.name_of("retry_args"))
            options |= numbers
            if unused:
                self.log.warning("Not used of retry_args: %s", ", ".join(unused))
        hook = open_hook(
            "dbt_cloud", self.dbt_cloud_conn_id, self.argument("account_id"), hook_params=options
        )
        return cast("DbtCloudHook", hook)


def _as_artifact(value: Any, what: str) -> str:
    path = as_name(value, what)
    if ".." in path.split("/") or path.startswith("/"):
        raise ConfigurationError(
            f"{what} must be a path below target/, such as 'manifest.json', not {path!r}."
        )
    return path


class DbtCloudGetJobRunArtifactOperator(_ReadsDbtCloud):
    """Download a file that dbt wrote in a run; returns where it was put.

    Takes every parameter of the official operator of this name. The file is there whole, or not at all.

    :param run_id: of the run.
    :param path: below ``target/``, such as ``manifest.json``, ``catalog.json`` or ``run_results.json``.
    :param step: of the run, from 1; the last one if not given.
    :param output_file_name: a path on this worker, an ``ObjectStoragePath``, or the address of one,
        such as ``s3://aws_default@bucket/manifest.json``; ``<run_id>_<path>`` in the working folder if
        not given.
    """

    readers: ClassVar[Mapping[str, Reader]] = {
        **_ReadsDbtCloud.common_readers,
        "run_id": as_id,
        "path": _as_artifact,
        "step": as_id,
    }
    template_fields: Sequence[str] = (
        "dbt_cloud_conn_id",
        "run_id",
        "path",
        "account_id",
        "output_file_name",
    )

    def __init__(
        self,
        *,
        run_id: int | str,
        path: str,
        step: int | None = None,
        output_file_name: str | ObjectStoragePath | None = None,
        **kwargs: Unpack[DbtCloudArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.run_id = run_id
        self.path = path
        self.step = step
        self.output_file_name = output_file_name
        self.check_literals()

    def execute(self, context: Context) -> str:
        run_id, path = self.argument("run_id"), self.argument("path")
        if run_id is None:
            raise ConfigurationError(
                f"{self.name_of('run_id')} is None: the task that starts the run gave none."
            )
        name = str(self.output_file_name or f"{run_id}_{path}".replace("/", "-"))
        folder, _, file = name.rpartition("/")
        text = self.open_hook().call(DbtCloud().artifact(run_id, path, self.argument("step")))
        Folder(folder or ("/" if name.startswith("/") else ".")).write(file, text.encode())
        self.log.info("Wrote %s of dbt Cloud run %s to %s, %s characters", path, run_id, name, len(text))
        self.output_file_name = name
        return name


class DbtCloudListJobsOperator(_ReadsDbtCloud):
    """The ids of all jobs of an account, or of a project.

    Takes every parameter of the official operator of this name.

    :param project_id: of the project; of all if not given.
    :param order_by: a field, such as ``name``; ``-name`` for the reverse.
    """

    readers: ClassVar[Mapping[str, Reader]] = {
        **_ReadsDbtCloud.common_readers,
        "project_id": as_id_or_none,
        "order_by": as_text,
    }
    template_fields: Sequence[str] = ("account_id", "project_id", "dbt_cloud_conn_id")

    def __init__(
        self,
        *,
        project_id: int | str | None = None,
        order_by: str | None = None,
        **kwargs: Unpack[DbtCloudArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.project_id = project_id
        self.order_by = order_by
        self.check_literals()

    def execute(self, context: Context) -> list[int]:
        calls = DbtCloud().jobs(self.argument("project_id"), self.argument("order_by"))
        ids = self.open_hook().call(calls)
        self.log.info("dbt Cloud has %s jobs: %s", len(ids), ", ".join(map(str, ids)))
        return ids


def _as_statuses(value: Any, what: str) -> list[int]:
    return [as_id(each, what) for each in ([value] if isinstance(value, int) else as_list(value, what))]


class DbtCloudListJobRunsOperator(_ReadsDbtCloud):
    """Runs as ``GET .../runs/`` tells them, newest first unless ``order_by`` says otherwise.

    Takes every parameter of the official operator of this name.

    :param job_id: runs of this job only.
    :param order_by: a field, such as ``-finished_at``.
    :param include_related: such as ``["job", "environment"]``.
    :param latest_only: the first run only, or None where there is none; without reading the others.
    :param status_filter: a status (10 success, 20 error, 30 cancelled), or several.
    """

    readers: ClassVar[Mapping[str, Reader]] = {
        **_ReadsDbtCloud.common_readers,
        "job_id": as_id_or_none,
        "order_by": as_text,
        "include_related": as_texts,
        "status_filter": _as_statuses,
    }
    template_fields: Sequence[str] = (
        "account_id",
        "job_id",
        "order_by",
        "include_related",
        "dbt_cloud_conn_id",
    )

    def __init__(
        self,
        *,
        job_id: int | str | None = None,
        order_by: str | None = None,
        include_related: list[str] | None = None,
        latest_only: bool = False,
        status_filter: int | Sequence[int] | None = None,
        **kwargs: Unpack[DbtCloudArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
        self.order_by = order_by
        self.include_related = include_related
        self.latest_only = latest_only
        self.status_filter = status_filter
        self.check_literals()

    def execute(self, context: Context) -> list[dict[str, Any]] | dict[str, Any] | None:
        related = self.argument("include_related")
        filters = {
            "job_definition_id": self.argument("job_id"),
            "order_by": self.argument("order_by"),
            # One value: a parameter that is repeated counts once.
            "include_related": ",".join(related) if related else None,
            "status__in": self.argument("status_filter"),
        }
        given = {name: value for name, value in filters.items() if value not in (None, "")}
        each = self.open_hook().list_runs(**{"include_related": None, **given})
        runs = [dict(run) for run in islice(each, 1 if self.latest_only else None)]
        self.log.info("Found %s runs", len(runs))
        if self.latest_only:
            return runs[0] if runs else None
        return runs
