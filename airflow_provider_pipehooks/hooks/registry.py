"""From a service's name, as triggers store it, to its hook and its calls."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.hooks.remote import RemoteHook
from airflow_provider_pipehooks.services.base import Service

_PACKAGE = "airflow_provider_pipehooks"
#: name -> (module and class of the hook, of the service); imported when asked for.
SERVICES: Mapping[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "dbt_cloud": (("hooks.dbt_cloud", "DbtCloudHook"), ("services.dbt_cloud", "DbtCloud")),
    "databricks_jobs": (
        ("hooks.databricks", "DatabricksHook"),
        ("services.databricks_jobs", "DatabricksJobs"),
    ),
}


def open_service(
    name: str,
    conn_id: str,
    account_id: int | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    hook_params: Mapping[str, Any] | None = None,
) -> tuple[RemoteHook, Service]:
    """The hook and the calls of a service.

    :raises ConfigurationError: no such service; lists them.
    """
    return open_hook(name, conn_id, account_id, hook_params=hook_params), calls_of(name, options)


def open_hook(
    name: str,
    conn_id: str,
    account_id: int | None = None,
    *,
    hook_params: Mapping[str, Any] | None = None,
) -> RemoteHook:
    """The hook of a service; as :func:`open_service`."""
    hook = _class(name, 0)(conn_id, account_id=account_id, **(hook_params or {}))
    return cast("RemoteHook", hook)


def calls_of(name: str, options: Mapping[str, Any] | None = None) -> Service:
    """The calls of a service; as :func:`open_service`."""
    return cast("Service", _class(name, 1)(**(options or {})))


def _class(name: str, which: int) -> Any:
    if name not in SERVICES:
        raise ConfigurationError(f"{name!r} is not a service. There are: {', '.join(SERVICES)}.")
    module, cls = SERVICES[name][which]
    return getattr(import_module(f"{_PACKAGE}.{module}"), cls)
