"""Lists of runs as the services give them: raw objects, page by page, with the filters of each API.

Both come newest first. New runs push older ones to the next page, so a run may come twice while it is read,
and is told once; none is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from airflow_provider_pipehooks.core.errors import ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.services.base import Procedure, Request
from airflow_provider_pipehooks.services.databricks_jobs import DatabricksJobs
from airflow_provider_pipehooks.services.databricks_pages import PAGE as DATABRICKS_PAGE
from airflow_provider_pipehooks.services.dbt_cloud import PAGE, DbtCloud
from airflow_provider_pipehooks.services.reading import data_of, id_or_none, objects, text_or_none

Raw = Mapping[str, Any]


@dataclass(frozen=True)
class RunPage:
    """One page.

    :param rest: the parameters of the next one; None after the last.
    """

    runs: list[Raw]
    rest: Mapping[str, str] | None


class RunPages(Protocol):
    """A list of runs that is read page by page."""

    #: The field that names a run.
    key: str

    def page(self, at: Mapping[str, str]) -> Procedure[RunPage]:
        """Read a page.

        :param at: nothing for the first one, then what the one before says.
        """


@dataclass
class DatabricksRunPages:
    """``GET /api/2.2/jobs/runs/list``.

    :param filters: as the API names them; times may be datetimes.
    :raises ConfigurationError: ``active_only`` and ``completed_only`` both.
    """

    filters: Mapping[str, Any]
    key: str = "run_id"
    _tokens: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.filters.get("active_only") and self.filters.get("completed_only"):
            raise ConfigurationError("active_only and completed_only exclude each other: give one of them.")
        self._query = {name: _databricks_text(value) for name, value in self.filters.items()}

    def page(self, at: Mapping[str, str]) -> Procedure[RunPage]:
        params = {"limit": str(DATABRICKS_PAGE), **self._query, **at}
        request = Request(method="GET", path="/api/2.2/jobs/runs/list", params=params)
        answer = yield request
        # A page that was announced and holds nothing is garbage: what it lost would never be seen.
        told = data_of(answer, request, "runs", list) if self._tokens or "runs" in answer.body else []
        if len(runs := objects(told)) < len(told):
            raise RemoteCallError(f"{request} answered a list of more than objects.", retryable=True)
        token = text_or_none(answer.body.get("next_page_token"))
        if token in self._tokens:
            raise RemoteCallError(f"{request} gave the same page again: {token!r}.", retryable=True)
        if token:
            self._tokens.add(token)
        whole = []
        for run in runs:
            # Of a run with more than a hundred tasks the list has the first hundred.
            more = self._query.get("expand_tasks") == "true" and run.get("has_more") is True
            whole.append((yield from DatabricksJobs().whole_run(run["run_id"])) if more else run)
        return RunPage(whole, {"page_token": token} if token else None)


@dataclass
class DbtCloudRunPages:
    """``GET /api/v2/accounts/{account_id}/runs/``.

    :param filters: as the API names them; lists and datetimes may be given as such.
    """

    filters: Mapping[str, Any]
    key: str = "id"

    def __post_init__(self) -> None:
        if unknown := sorted({"limit", "offset", "pk"} & set(self.filters)):
            raise ConfigurationError(f"{unknown[0]} is not a filter here: all pages are read.")
        given = self.filters.items()
        self._query = {name: None if value is None else dbt_cloud_text(value) for name, value in given}

    def page(self, at: Mapping[str, str]) -> Procedure[RunPage]:
        offset = int(at.get("offset", "0"))
        runs = yield from DbtCloud().runs(**self._query, offset=offset)
        return RunPage(list(runs), {"offset": str(offset + PAGE)} if len(runs) >= PAGE else None)


def id_of(run: Raw, key: str) -> int | None:
    """What names a run of a list."""
    return id_or_none(run.get(key))


def _databricks_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return str(int(value.timestamp() * 1000))
    return str(value)


def dbt_cloud_text(value: Any) -> str:
    """A value of a query: lists as JSON, as dbt Cloud's own clients send them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return json.dumps([_dbt_time(each) for each in value])
    return str(_dbt_time(value))


def _dbt_time(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
