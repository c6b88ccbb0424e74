"""Calls on dbt Cloud: own connection type, the official provider's, or the tutorial's HTTP connection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_pipehooks.core.arguments import as_id
from airflow_provider_pipehooks.core.errors import (
    ConfigurationError,
    DbtCloudJobRunException,
    DbtCloudResourceLookupError,
    DbtCloudTriggerEventException,
)
from airflow_provider_pipehooks.hooks.auth import FixedToken
from airflow_provider_pipehooks.hooks.connection import (
    PLAIN_TYPES,
    Target,
    as_secret,
    base_url,
    extra_of,
    proxies_of,
    verify_of,
)
from airflow_provider_pipehooks.hooks.dbt_cloud_calls import DbtCloudMethods, JobRunInfo
from airflow_provider_pipehooks.options import read
from airflow_provider_pipehooks.services.base import Request
from airflow_provider_pipehooks.services.dbt_cloud_calls import DbtCloudJobRunStatus

if TYPE_CHECKING:
    from airflow.sdk import Connection

#: What the official module has besides its hook, by its names.
__all__ = [
    "DbtCloudHook",
    "DbtCloudJobRunException",
    "DbtCloudJobRunStatus",
    "DbtCloudResourceLookupError",
    "DbtCloudTriggerEventException",
    "JobRunInfo",
]

#: The tutorial's Variables, read only for what the connection leaves out.
ACCOUNT_VARIABLE = "dbt_account_id"
TOKEN_VARIABLE = "SECRET_DBT_TOKEN"
#: What the official type's empty host means.
SHARED_HOST = "cloud.getdbt.com"


class DbtCloudHook(DbtCloudMethods):
    """Calls on one dbt Cloud account.

    Connection fields: ``host`` the access URL, ``login`` the account id, ``password`` the token; extras
    ``proxies`` and ``verify``. A connection of type ``http`` holds the API's base URL as host.

    The official hook's methods are in :mod:`hooks.dbt_cloud_calls`.

    :param dbt_cloud_conn_id: type ``pipehooks_dbt_cloud``, ``dbt_cloud`` or ``http``.
    :param timeout_seconds: of :class:`~airflow_provider_pipehooks.hooks.remote.RemoteHook`, like the next.
    :param account_id: instead of the connection's.
    """

    conn_name_attr = "dbt_cloud_conn_id"
    default_conn_name = "dbt_cloud_default"
    conn_type = "pipehooks_dbt_cloud"
    hook_name = "dbt Cloud (pipehooks)"
    accepted_types: ClassVar[tuple[str, ...]] = (conn_type, "dbt_cloud", *PLAIN_TYPES)
    # Reads the account itself, so a token of another account is found out too.
    connection_test: ClassVar[Request] = Request(method="GET", path="/api/v2/accounts/{account_id}/")

    def __init__(
        self,
        dbt_cloud_conn_id: str = default_conn_name,
        timeout_seconds: float = 30.0,
        retry_limit: int = 3,
        retry_delay: float = 1.0,
        retry_args: Mapping[Any, Any] | None = None,
        *,
        account_id: int | None = None,
    ) -> None:
        super().__init__(
            dbt_cloud_conn_id,
            account_id=account_id,
            timeout_seconds=timeout_seconds,
            retry_limit=retry_limit,
            retry_delay=retry_delay,
            retry_args=retry_args,
        )

    @classmethod
    def rates(cls) -> Mapping[str, float]:
        return {"": float(read("dbt_cloud_requests_per_minute")) / 60}

    def list_runs(self, **filters: Any) -> Iterator[Mapping[str, Any]]:
        """Runs of the account, newest first, as ``GET .../runs/`` tells them.

        dbt Cloud keeps runs for 365 days. Pages are read as they are needed: ``itertools.islice`` stops
        early.

        :param filters: the API's: ``job_definition_id``, ``project_id``, ``environment_id``, ``status``,
            ``status__in``, ``created_at__range``, ``finished_at__range`` (two datetimes or texts),
            ``include_related`` (``trigger,job`` for example), ``order_by``, ...
        :raises ConfigurationError: ``limit`` or ``offset``.
        :raises RemoteCallError: when a page is read: dbt Cloud refused, or gave no usable answer.
        """
        from airflow_provider_pipehooks.services.run_pages import DbtCloudRunPages

        return self.each_run(DbtCloudRunPages(filters))

    def read_connection(self, conn: Connection) -> Target:
        official = conn.conn_type == "dbt_cloud"
        http = conn.conn_type in PLAIN_TYPES
        token = conn.password or _variable(TOKEN_VARIABLE)
        if not token:
            raise ConfigurationError(
                f"Connection {conn.conn_id!r} has no token. Put it into Password, or into the Variable "
                f"{TOKEN_VARIABLE!r}."
            )
        return Target(
            conn_id=conn.conn_id,
            base_url=base_url(
                conn,
                default_host=SHARED_HOST if official else None,
                behind=r"/api(/v\d(/accounts)?)?" if http else "",
            ),
            auth=FixedToken("Token", as_secret(conn, token)),
            account_id=self._account(conn, http=http),
            proxies=proxies_of(conn),
            verify=verify_of(conn),
        )

    def _account(self, conn: Connection, *, http: bool) -> int:
        """The argument wins, then the connection, then the Variable. An HTTP login may be a user's name."""
        login = conn.login if conn.login and (not http or conn.login.isdigit()) else None
        account = self.account_id or login or extra_of(conn).get("account_id") or _variable(ACCOUNT_VARIABLE)
        if not account:
            raise ConfigurationError(
                f"No dbt Cloud account id: pass account_id, put it into Login of connection "
                f"{conn.conn_id!r}, or into the Variable {ACCOUNT_VARIABLE!r}."
            )
        return as_id(account, f"The dbt Cloud account id (connection {conn.conn_id!r})")


def _variable(key: str) -> str | None:
    from airflow.sdk import Variable

    value: str | None = Variable.get(key, default=None)
    return value
