"""dbt Cloud calls as the official provider's hook makes them: answers as the API gives them.

Endpoints are those of ``apache-airflow-providers-dbt-cloud`` 4.11: Administrative API v2, and v3 for projects
and environments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Literal, TypeVar

from airflow_provider_pipehooks.core.arguments import as_id
from airflow_provider_pipehooks.core.errors import ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.services.base import Answer, Procedure, Request
from airflow_provider_pipehooks.services.dbt_cloud import PAGE
from airflow_provider_pipehooks.services.reading import data_of, id_or_none, object_or_empty, objects
from airflow_provider_pipehooks.services.run_pages import dbt_cloud_text

T = TypeVar("T")
Method = Literal["GET", "POST", "PATCH", "DELETE"]
_METHODS: tuple[Method, ...] = ("GET", "POST", "PATCH", "DELETE")
#: A list that goes on and on is no list.
_MOST_PAGES = 10_000


class DbtCloudJobRunStatus(Enum):
    """``status`` of a run; the last two are tuples of the others' values."""

    QUEUED = 1
    STARTING = 2
    RUNNING = 3
    SUCCESS = 10
    ERROR = 20
    CANCELLED = 30
    NON_TERMINAL_STATUSES = (QUEUED, STARTING, RUNNING)
    TERMINAL_STATUSES = (SUCCESS, ERROR, CANCELLED)

    @classmethod
    def check_is_valid(cls, statuses: Any) -> None:
        """:raises ValueError: one of them is no status."""
        for status in [statuses] if isinstance(statuses, int) else statuses:
            cls(status)

    @classmethod
    def is_terminal(cls, status: int) -> bool:
        """Whether a run with this status is over; with one that is not known it goes on."""
        return status in cls.TERMINAL_STATUSES.value


@dataclass(frozen=True)
class DbtCloudCalls:
    """The calls on an account; which one is filled in by the hook that sends them.

    :param account_id: another one than the hook's.
    """

    account_id: int | None = None

    def path(self, rest: str) -> str:
        """Below ``accounts/``, as :meth:`ask` takes it."""
        account_id = "{account_id}" if self.account_id is None else as_id(self.account_id, "account_id")
        return f"{account_id}/{rest}"

    def ask(
        self,
        method: str,
        endpoint: str | None,
        payload: Any = None,
        *,
        version: str = "v2",
    ) -> Procedure[Answer]:
        """Any call.

        :param endpoint: below ``accounts/``; None for the accounts themselves.
        :param payload: of a GET the query, without what is None; else the JSON body.
        :raises ConfigurationError: another method.
        """
        known = next((each for each in _METHODS if each == method), None)
        if known is None:
            raise ConfigurationError(f"Unexpected HTTP method {method!r}. There are: {', '.join(_METHODS)}.")
        request = Request(
            method=known,
            path=f"/api/{version}/accounts/{endpoint or ''}",
            params=_query(payload) if known == "GET" else {},
            json=None if known == "GET" else payload,
            # Files are what dbt wrote, of any kind.
            expects="text" if "/artifacts/" in (endpoint or "").rstrip("/") else "json",
        )
        return (yield request)

    def pages(
        self, endpoint: str, payload: Mapping[str, Any] | None = None, *, version: str = "v2"
    ) -> Procedure[list[Answer]]:
        """Every page of a list, to its total, a short page, or one without anything new."""
        answers: list[Answer] = []
        told: set[str] = set()
        offset = int((payload or {}).get("offset") or 0)
        while len(answers) < _MOST_PAGES:
            at = {"offset": offset} if answers else {}
            answer = yield from self.ask("GET", endpoint, {**(payload or {}), **at}, version=version)
            answers.append(answer)
            request = Request(method="GET", path=f"/api/{version}/accounts/{endpoint}")
            page = data_of(answer, request, "data", list)
            new = {str(each.get("id")) for each in objects(page)} - told
            offset, told = offset + len(page), told | new
            if not new or len(page) < _limit(answer) or offset >= _total(answer, offset):
                break
        return answers

    def start(self, job_id: int, body: Mapping[str, Any]) -> Procedure[Answer]:
        """Start a run. There is no idempotency key: this is sent once."""
        return (yield from self.ask("POST", self.path(f"jobs/{as_id(job_id, 'job_id')}/run/"), body))

    def rerun(self, job_id: int) -> Procedure[Answer]:
        """Continue the job's newest run where it failed, or start a new one; sent once."""
        return (yield from self.ask("POST", self.path(f"jobs/{as_id(job_id, 'job_id')}/rerun/")))

    def newest_failed(self, job_id: int) -> Procedure[bool]:
        """Whether the newest run of a job ended in error."""
        query = {"job_definition_id": as_id(job_id, "job_id"), "order_by": "-created_at", "limit": 1}
        answer = yield from self.ask("GET", self.path("runs/"), query)
        newest = objects(answer.body.get("data"))
        return bool(newest) and newest[0].get("status") == RunState.ERROR

    def status(self, run_id: int) -> Procedure[int]:
        """``status`` of a run, which may be none that is known.

        :raises RemoteCallError: the answer has none.
        """
        path = self.path(f"runs/{as_id(run_id, 'run_id')}/")
        answer = yield from self.ask("GET", path)
        status = id_or_none(object_or_empty(answer.body.get("data")).get("status"))
        if status is None:
            raise RemoteCallError(f"GET /api/v2/accounts/{path} answered without a status.", retryable=True)
        return status

    def here(self, procedure: Procedure[T]) -> Procedure[T]:
        """A procedure on :attr:`account_id` instead of the hook's account."""
        try:
            request = next(procedure)
            while True:
                path = request.path.replace("{account_id}/", self.path(""))
                try:
                    answer = yield replace(request, path=path)
                except RemoteCallError as err:
                    request = procedure.throw(err)
                else:
                    request = procedure.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result


def _query(payload: Mapping[str, Any] | None) -> dict[str, str]:
    given = {name: value for name, value in (payload or {}).items() if value is not None}
    # One value with commas: of a repeated parameter dbt Cloud reads the last.
    return {
        name: ",".join(value)
        if name == "include_related" and not isinstance(value, str)
        else dbt_cloud_text(value)
        for name, value in given.items()
    }


def _limit(answer: Answer) -> int:
    """How many items the remote gives a page, as it says itself."""
    filters = object_or_empty(object_or_empty(answer.body.get("extra")).get("filters"))
    return id_or_none(filters.get("limit")) or PAGE


def _total(answer: Answer, otherwise: int) -> int:
    """Items of all pages; what it is where the remote does not say."""
    pagination = object_or_empty(object_or_empty(answer.body.get("extra")).get("pagination"))
    total = pagination.get("total_count")
    return total if isinstance(total, int) and not isinstance(total, bool) else otherwise + 1
