"""JOIN a dbt Cloud run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.configuration import conf

from airflow_provider_pipehooks.core.arguments import Reader, as_id, as_id_or_none, as_name
from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.sensors.remote_run import RemoteRunSensor
from airflow_provider_pipehooks.tasks.joining import deferring

if TYPE_CHECKING:
    from airflow.sdk import Context
    from typing_extensions import Unpack

    from airflow_provider_pipehooks.tasks.typed import PokeArguments


class DbtCloudJobRunSensor(RemoteRunSensor):
    """Wait for a dbt Cloud run, and fail when it failed or was cancelled.

    Takes every parameter of the official sensor of this name, and those of every Airflow sensor.

    :param dbt_cloud_conn_id: type ``pipehooks_dbt_cloud``, ``dbt_cloud`` or ``http``.
    :param run_id: of the run, usually another task's output.
    :param account_id: instead of the connection's.
    :param deferrable: wait in the triggerer.
    :param poke_interval: 60 s, deferred 5 s, unless given here or in ``default_args``.
    :param timeout: ``[sensors] default_timeout``, 7 days, unless given here or in ``default_args``.
    """

    service_name: ClassVar[str] = "dbt_cloud"
    official_keys: ClassVar[Mapping[str, str]] = {"job_run_id": "run_id", "job_run_url": "url"}
    readers: ClassVar[Mapping[str, Reader]] = {
        "dbt_cloud_conn_id": as_name,
        "run_id": as_id,
        "account_id": as_id_or_none,
    }
    template_fields: Sequence[str] = ("dbt_cloud_conn_id", "run_id", "account_id")

    def __init__(
        self,
        *,
        run_id: int | str,
        dbt_cloud_conn_id: str = "dbt_cloud_default",
        account_id: int | str | None = None,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        hook_params: dict[str, Any] | None = None,
        poke_interval: float | timedelta | None = None,
        timeout: float | timedelta | None = None,
        **kwargs: Unpack[PokeArguments],
    ) -> None:
        if deferrable and poke_interval is None:
            poke_interval = 5
        # Only what is named in a signature is filled from default_args.
        times: dict[str, Any] = {"poke_interval": poke_interval, "timeout": timeout}
        given = {name: value for name, value in times.items() if value is not None}
        super().__init__(deferrable=deferrable, hook_params=hook_params, **given, **kwargs)
        self.dbt_cloud_conn_id = dbt_cloud_conn_id
        self.run_id = run_id
        self.account_id = account_id
        self.check_literals()

    @property
    def conn_id(self) -> str:
        return self.dbt_cloud_conn_id

    @property
    def account(self) -> int | None:
        account_id: int | None = self.argument("account_id")
        return account_id

    def find_run_id(self, context: Context) -> int:
        if self.run_id is None:
            raise ConfigurationError(
                f"{self.name_of('run_id')} is None: the task that starts the run gave none."
            )
        run_id: int = self.argument("run_id")
        return run_id


class DbtCloudJobRunSensorAsync(DbtCloudJobRunSensor):
    """The name that astronomer-providers gave to ``deferrable=True``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**deferring(self, kwargs))


class DbtCloudJobRunAsyncSensor(DbtCloudJobRunSensor):
    """The name that the official provider gave to ``deferrable=True`` until its version 4."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**deferring(self, kwargs))
