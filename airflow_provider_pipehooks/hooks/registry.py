"""One row per service: from its name, as triggers store it, to all that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from airflow_provider_pipehooks.hooks.remote import RemoteHook
    from airflow_provider_pipehooks.services.base import Service
    from airflow_provider_pipehooks.services.run_lists import Lists

_PACKAGE = "airflow_provider_pipehooks"


@dataclass(frozen=True, kw_only=True)
class ServiceRow:
    """What there is of a service. Classes by path below the package, imported when asked for.

    :param title: as people know it, and Airflow's list of integrations.
    :param docs: where its vendor documents it.
    :param conn_id: the connection used when none is named.
    :param calls: what its requests and answers mean.
    :param lists: its lists of runs; empty where finished runs are not listed.
    :param operator: starts a run.
    :param sensor: waits for one.
    :param has_accounts: one connection may lead to several accounts, with projects in them.
    """

    title: str
    docs: str
    conn_id: str
    hook: str
    calls: str
    operator: str
    sensor: str
    lists: str = ""
    has_accounts: bool = False


SERVICES: Mapping[str, ServiceRow] = {
    "dbt_cloud": ServiceRow(
        title="dbt Cloud",
        docs="https://docs.getdbt.com",
        conn_id="dbt_cloud_default",
        hook="hooks.dbt_cloud.DbtCloudHook",
        calls="services.dbt_cloud.DbtCloud",
        lists="services.run_lists.DbtCloudLists",
        operator="operators.dbt_cloud.DbtCloudRunJobOperator",
        sensor="sensors.dbt_cloud.DbtCloudJobRunSensor",
        has_accounts=True,
    ),
    "databricks_jobs": ServiceRow(
        title="Databricks Jobs",
        docs="https://docs.databricks.com/api/workspace/jobs",
        conn_id="databricks_default",
        hook="hooks.databricks.DatabricksHook",
        calls="services.databricks_jobs.DatabricksJobs",
        lists="services.run_lists.DatabricksLists",
        operator="operators.databricks_jobs.DatabricksRunNowOperator",
        sensor="sensors.databricks_jobs.DatabricksJobRunSensor",
    ),
    "databricks_pipelines": ServiceRow(
        title="Databricks Pipelines",
        docs="https://docs.databricks.com/api/workspace/pipelines",
        conn_id="databricks_default",
        hook="hooks.databricks.DatabricksHook",
        calls="services.databricks_pipelines.DatabricksPipelines",
        operator="operators.databricks_pipelines.DatabricksPipelineUpdateOperator",
        sensor="sensors.databricks_pipelines.DatabricksPipelineUpdateSensor",
    ),
    "databricks_sql": ServiceRow(
        title="Databricks SQL",
        docs="https://docs.databricks.com/api/workspace/statementexecution",
        conn_id="databricks_default",
        hook="hooks.databricks.DatabricksHook",
        calls="services.databricks_sql.DatabricksSql",
        operator="operators.databricks_sql.DatabricksSQLStatementsOperator",
        sensor="sensors.databricks_sql.DatabricksSQLStatementsSensor",
    ),
}


def row_of(name: str) -> ServiceRow:
    """The row of a service.

    :raises ConfigurationError: no such service; lists them.
    """
    if name not in SERVICES:
        # Airflow reads this table before it has imported its own exceptions, which ours are kinds of.
        from airflow_provider_pipehooks.core.errors import ConfigurationError

        raise ConfigurationError(f"{name!r} is not a service. There are: {', '.join(SERVICES)}.")
    return SERVICES[name]


def open_service(
    name: str,
    conn_id: str,
    account_id: int | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    hook_params: Mapping[str, Any] | None = None,
) -> tuple[RemoteHook, Service]:
    """The hook and the calls of a service; raises as :func:`row_of`."""
    return open_hook(name, conn_id, account_id, hook_params=hook_params), calls_of(name, options)


def open_hook(
    name: str,
    conn_id: str,
    account_id: int | None = None,
    *,
    hook_params: Mapping[str, Any] | None = None,
) -> RemoteHook:
    """The hook of a service; raises as :func:`row_of`."""
    hook = class_at(row_of(name).hook)(conn_id, account_id=account_id, **(hook_params or {}))
    return cast("RemoteHook", hook)


def calls_of(name: str, options: Mapping[str, Any] | None = None) -> Service:
    """The calls of a service; raises as :func:`row_of`."""
    return cast("Service", class_at(row_of(name).calls)(**(options or {})))


def lists_of(name: str) -> Lists:
    """The lists of a service's runs; raises as :func:`row_of`.

    :raises ConfigurationError: finished runs of this service are not listed.
    """
    if not row_of(name).lists:
        from airflow_provider_pipehooks.core.errors import ConfigurationError

        raise ConfigurationError(
            f"Finished runs of {row_of(name).title} are told by their events: use PipelineEventTrigger."
        )
    return cast("Lists", class_at(row_of(name).lists)())


def class_at(path: str) -> Any:
    """The class of a row's path."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(f"{_PACKAGE}.{module}"), name)
