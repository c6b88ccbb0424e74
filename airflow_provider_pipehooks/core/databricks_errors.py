"""Our errors under the names of the official provider's ``exceptions`` module, for DAGs that catch those."""

from __future__ import annotations

from airflow_provider_pipehooks.core.errors import (
    ConfigurationError,
    RemoteCallError,
    RunEnded,
    WaitTimedOut,
)

DatabricksOperatorPayloadError = ConfigurationError
#: Has ``http_status_code``, as there.
DatabricksApiError = RemoteCallError
DatabricksSqlExecutionError = RunEnded
#: A kind of the one above, as there.
DatabricksSqlExecutionTimeout = WaitTimedOut

__all__ = [
    "DatabricksApiError",
    "DatabricksOperatorPayloadError",
    "DatabricksSqlExecutionError",
    "DatabricksSqlExecutionTimeout",
]
