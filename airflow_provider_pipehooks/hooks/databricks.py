"""Calls on a Databricks workspace: own connection type, the official provider's, or a plain HTTP one."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.log import mask_secret

from airflow_provider_pipehooks.core.errors import (
    ConfigurationError,
    DatabricksApiError,
    DatabricksOperatorPayloadError,
)
from airflow_provider_pipehooks.hooks.auth import (
    Auth,
    AzureServicePrincipal,
    BasicLogin,
    ClientCredentials,
    FixedToken,
)
from airflow_provider_pipehooks.hooks.connection import (
    PLAIN_TYPES,
    Target,
    as_secret,
    base_url,
    extra_of,
    is_set,
    proxies_of,
    verify_of,
)
from airflow_provider_pipehooks.hooks.databricks_workspace import WorkspaceMethods
from airflow_provider_pipehooks.options import read
from airflow_provider_pipehooks.services.base import Request
from airflow_provider_pipehooks.services.databricks_values import (
    ClusterState,
    RunLifeCycleState,
    RunState,
    SQLStatementState,
    WarehouseState,
)

if TYPE_CHECKING:
    from airflow.sdk import Connection

log = logging.getLogger(__name__)

#: What the official module has besides its hook, by its names.
__all__ = [
    "ClusterState",
    "DatabricksApiError",
    "DatabricksHook",
    "DatabricksOperatorPayloadError",
    "RunLifeCycleState",
    "RunState",
    "SQLStatementState",
    "WarehouseState",
]

#: Application id of Azure Databricks, the same in every tenant.
AZURE_DATABRICKS = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
AZURE_MANAGEMENT = "https://management.core.windows.net/"
ENTRA = "https://login.microsoftonline.com"
#: Ways in that the official provider has and this one does not.
_NOT_HERE = (
    "use_azure_managed_identity",
    "use_default_azure_credential",
    "federated_k8s",
    "federated_aws",
    "federated_token_provider",
)


class DatabricksHook(WorkspaceMethods):
    """Calls on one workspace; Jobs and Pipelines share it.

    Connection fields: ``host``, and one of: ``password`` a personal access token; ``login`` and ``password``
    of a service principal with extra ``service_principal_oauth`` true; the same with extra
    ``azure_tenant_id`` (and ``azure_resource_id`` if it is no user of the workspace). Extras ``proxies``
    and ``verify``.

    The official hook's methods are in :mod:`hooks.databricks_calls` and :mod:`hooks.databricks_workspace`.

    :param databricks_conn_id: type ``pipehooks_databricks``, ``databricks`` or ``http``.
    :param timeout_seconds: of :class:`~airflow_provider_pipehooks.hooks.remote.RemoteHook`, like the next.
    :param caller: kept as an attribute; the official hook tells it Databricks.
    """

    conn_name_attr = "databricks_conn_id"
    default_conn_name = "databricks_default"
    conn_type = "pipehooks_databricks"
    hook_name = "Databricks (pipehooks)"
    accepted_types: ClassVar[tuple[str, ...]] = (conn_type, "databricks", *PLAIN_TYPES)
    connection_test: ClassVar[Request] = Request(
        method="GET", path="/api/2.2/jobs/list", params={"limit": "1"}
    )

    def __init__(
        self,
        databricks_conn_id: str = default_conn_name,
        timeout_seconds: float = 30.0,
        retry_limit: int = 3,
        retry_delay: float = 1.0,
        retry_args: Mapping[Any, Any] | None = None,
        caller: str = "DatabricksHook",
        *,
        account_id: int | None = None,
    ) -> None:
        super().__init__(
            databricks_conn_id,
            account_id=account_id,
            timeout_seconds=timeout_seconds,
            retry_limit=retry_limit,
            retry_delay=retry_delay,
            retry_args=retry_args,
        )
        self.caller = caller

    @classmethod
    def rates(cls) -> Mapping[str, float]:
        # Databricks counts reads of a run apart from everything else, and allows more of them.
        return {
            "/runs/get": float(read("databricks_run_reads_per_second")),
            "": float(read("databricks_requests_per_second")),
        }

    def list_runs(self, **filters: Any) -> Iterator[Mapping[str, Any]]:
        """Runs of the workspace, newest start first, as ``GET /api/2.2/jobs/runs/list`` tells them.

        Databricks keeps runs for 60 days. Pages are read as they are needed: ``itertools.islice`` stops
        early.

        :param filters: the API's: ``job_id``, ``active_only`` or ``completed_only``, ``start_time_from`` and
            ``start_time_to`` (datetimes, or milliseconds since the epoch), ``run_type``, and
            ``expand_tasks``, which gives each run its ``tasks``, of large runs in requests of their own.
        :raises ConfigurationError: two filters that exclude each other.
        :raises RemoteCallError: when a page is read: Databricks refused, or gave no usable answer.
        """
        from airflow_provider_pipehooks.services.run_pages import DatabricksRunPages

        return self.each_run(DatabricksRunPages(filters))

    def read_connection(self, conn: Connection) -> Target:
        extra = extra_of(conn)
        if not conn.host and extra.get("host"):
            conn.host = str(extra["host"])
        # The page after the login, as /login.html or /browse?o=123, names no account: the host does.
        url = base_url(conn, behind=".*")
        return Target(
            conn_id=conn.conn_id,
            base_url=url,
            auth=_auth(conn, url),
            proxies=proxies_of(conn),
            verify=verify_of(conn),
        )


def _auth(conn: Connection, url: str) -> Auth:
    """In the official provider's order of precedence."""
    extra = extra_of(conn)
    if token := extra.get("token"):
        return FixedToken("Bearer", as_secret(conn, token))
    if conn.password and conn.login in (None, "", "token"):
        return FixedToken("Bearer", as_secret(conn, conn.password))
    if tenant := extra.get("azure_tenant_id"):
        return _azure(conn, f"{str(extra.get('azure_ad_endpoint') or ENTRA).rstrip('/')}/{tenant}")
    if is_set(conn, "service_principal_oauth"):
        return _grant(conn, f"{url}/oidc/v1/token")
    if unsupported := [key for key in _NOT_HERE if is_set(conn, key)]:
        raise ConfigurationError(
            f"Connection {conn.conn_id!r}: extra {unsupported[0]!r} is not supported. Use a token, "
            "'service_principal_oauth', or 'azure_tenant_id' with a service principal."
        )
    # Users of Databricks are named by their mail addresses; anything else is a service principal whose extra
    # is missing, or says false.
    if "@" in (conn.login or "") and conn.password:
        log.warning(
            "Connection %r logs in with a user's password, which Databricks has retired. Use a token; for a "
            "service principal set the extra 'service_principal_oauth' to true.",
            conn.conn_id,
        )
        login = BasicLogin(str(conn.login), conn.password)
        mask_secret(login.pair)
        return login
    raise ConfigurationError(
        f"Connection {conn.conn_id!r} has no usable credentials. Put a personal access token into Password "
        "and leave Login empty, or a service principal's id and secret into both and set extra "
        "'service_principal_oauth' to true. Databricks no longer takes users' passwords."
    )


def _azure(conn: Connection, endpoint: str) -> AzureServicePrincipal:
    def grant(resource: str) -> ClientCredentials:
        return _grant(conn, f"{endpoint}/oauth2/v2.0/token", scope=f"{resource}/.default", in_form=True)

    resource_id = extra_of(conn).get("azure_resource_id")
    return AzureServicePrincipal(
        workspace=grant(AZURE_DATABRICKS),
        management=grant(AZURE_MANAGEMENT) if resource_id else None,
        resource_id=str(resource_id) if resource_id else None,
    )


def _grant(
    conn: Connection, url: str, *, scope: str = "all-apis", in_form: bool = False
) -> ClientCredentials:
    if not conn.login or not conn.password:
        raise ConfigurationError(
            f"Connection {conn.conn_id!r}: a service principal needs its client id in Login and its secret "
            "in Password."
        )
    return ClientCredentials(
        url=url,
        client_id=as_secret(conn, conn.login),
        client_secret=as_secret(conn, conn.password),
        scope=scope,
        in_form=in_form,
    )
