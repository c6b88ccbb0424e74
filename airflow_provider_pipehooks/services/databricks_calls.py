"""Databricks calls as the official provider's hook names them: bodies and answers as the API has them.

Endpoints and versions are those of ``apache-airflow-providers-databricks`` 7.23; Jobs API 2.2, as read in
August 2026.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from urllib.parse import quote, urlencode

from airflow_provider_pipehooks.core.arguments import as_id
from airflow_provider_pipehooks.core.errors import ConfigurationError, NotFound, RemoteCallError
from airflow_provider_pipehooks.services.base import Answer, Procedure, Request
from airflow_provider_pipehooks.services.databricks_values import (
    ClusterState,
    RunState,
    SQLStatementState,
    WarehouseState,
)
from airflow_provider_pipehooks.services.reading import (
    data_of,
    id_or_none,
    object_or_empty,
    objects,
    parse_json,
    text_or_none,
)

Json = dict[str, Any]
T = TypeVar("T")

_METHODS = ("GET", "POST", "PATCH", "DELETE")
#: Done twice they come to the same: the answer of the first may be lost.
_REPEATABLE = frozenset(
    {
        ("POST", "2.2/jobs/reset"),
        ("POST", "2.2/jobs/update"),
        ("POST", "2.2/jobs/runs/cancel"),
        ("POST", "2.2/jobs/runs/cancel-all"),
    }
)
#: A page of a run has at most 100 entries of each, in no order that holds.
_RUN_ARRAYS = ("tasks", "job_clusters")
#: For an item of a list that cannot be read.
_LIST = Request(method="GET", path="/api/ (an item)")


@dataclass(frozen=True)
class DatabricksCalls:
    """The calls on one workspace."""

    def ask(self, method: str, endpoint: str, body: Mapping[str, Any] | None = None) -> Procedure[Json]:
        """Any call.

        :param endpoint: below ``/api/``, as ``2.2/jobs/list``.
        :param body: of a GET the query; of the others the JSON body.
        :return: the answer; ``{}`` where it has no body.
        :raises ConfigurationError: another method.
        """
        if method not in _METHODS:
            raise ConfigurationError(f"Unexpected HTTP Method: {method!r}. There are: {', '.join(_METHODS)}.")
        below = endpoint.lstrip("/").removeprefix("api/")
        path, given = f"/api/{below}", dict(body or {})
        if method == "GET":
            answer = yield Request(method="GET", path=f"{path}{_lists(given)}", params=dict(_query(given)))
            return cast("Json", answer.body)
        # Databricks promises one run, cluster or statement per token.
        repeatable = (method, below) in _REPEATABLE or bool(given.get("idempotency_token"))
        request = Request(
            method=cast("Any", method),
            path=path,
            json=body if method != "DELETE" else None,
            idempotent=repeatable,
            expects="text",
        )
        return _object((yield request), request)

    def _value(self, kind: type[T], key: str, method: str, endpoint: str, body: Json | None) -> Procedure[T]:
        """One value of an answer, which has to be there."""
        told = yield from self.ask(method, endpoint, body)
        return _told(told, key, kind, Request(method=cast("Any", method), path=f"/api/{endpoint}"))

    # Jobs

    def create_job(self, body: Json) -> Procedure[int]:
        return (yield from self._value(int, "job_id", "POST", "2.2/jobs/create", body))

    def reset_job(self, job_id: Any, settings: Json) -> Procedure[None]:
        """Replace a job's settings; its permissions first, which are no part of them."""
        if rights := settings.get("access_control_list"):
            yield from self.permit(job_id, {"access_control_list": rights})
        yield from self.ask("POST", "2.2/jobs/reset", {"job_id": job_id, "new_settings": settings})

    def update_job(self, job_id: Any, settings: Json) -> Procedure[None]:
        yield from self.ask("POST", "2.2/jobs/update", {"job_id": job_id, "new_settings": settings})

    def permit(self, job_id: Any, body: Json) -> Procedure[Json]:
        """Change who may do what with a job; gives all its permissions."""
        return (yield from self.ask("PATCH", f"2.0/permissions/jobs/{as_id(job_id, 'job_id')}", body))

    def jobs(
        self, name: str | None = None, page_token: str | None = None, **query: Any
    ) -> Procedure[list[Json]]:
        """All jobs, or those of exactly this name; the remote's own filter does not heed upper case."""
        query |= {"name": name} if name else {}
        pages = yield from self._pages("2.2/jobs/list", query, page_token)
        found = [dict(job) for page in pages for job in objects(page.get("jobs"))]
        return [job for job in found if name in (None, "", object_or_empty(job.get("settings")).get("name"))]

    def job_id_by_name(self, name: str) -> Procedure[int | None]:
        """None where there is none.

        :raises ConfigurationError: several have the name.
        """
        found = yield from self.jobs(name, limit=25, expand_tasks=False)
        ids = [_told(job, "job_id", int) for job in found]
        if len(ids) > 1:
            raise ConfigurationError(
                f"There are more than one job with name {name!r}: {', '.join(map(str, ids))}. Use job_id."
            )
        return ids[0] if ids else None

    # Runs

    def run_now(self, body: Json) -> Procedure[int]:
        return (yield from self._value(int, "run_id", "POST", "2.2/jobs/run-now", body))

    def submit(self, body: Json) -> Procedure[int]:
        return (yield from self._value(int, "run_id", "POST", "2.2/jobs/runs/submit", body))

    def get_run(self, run_id: Any) -> Procedure[Json]:
        """A run with all its tasks and job clusters, of which a page has a hundred."""
        query = {"run_id": as_id(run_id, "run_id")}
        first, *rest = yield from self._pages("2.2/jobs/runs/get", query)
        run = {key: value for key, value in first.items() if key != "next_page_token"}
        for page in rest:
            for name in _RUN_ARRAYS:
                if more := objects(page.get(name)):
                    run[name] = [*objects(run.get(name)), *more]
        return run

    def run_value(self, run_id: Any, key: str, kind: type[T]) -> Procedure[T]:
        """One value of a run."""
        query = {"run_id": as_id(run_id, "run_id")}
        return (yield from self._value(kind, key, "GET", "2.2/jobs/runs/get", query))

    def run_state(self, run_id: Any) -> Procedure[RunState]:
        return RunState.of((yield from self.run_value(run_id, "state", dict)))

    def run_output(self, run_id: Any) -> Procedure[Json]:
        """Of a task run, or of a run with one task at the root of its body."""
        return (yield from self.ask("GET", "2.2/jobs/runs/get-output", {"run_id": as_id(run_id, "run_id")}))

    def cancel_run(self, run_id: Any) -> Procedure[None]:
        yield from self.ask("POST", "2.2/jobs/runs/cancel", {"run_id": run_id})

    def cancel_all_runs(self, job_id: Any) -> Procedure[None]:
        yield from self.ask("POST", "2.2/jobs/runs/cancel-all", {"job_id": job_id})

    def delete_run(self, run_id: Any) -> Procedure[None]:
        yield from self.ask("POST", "2.2/jobs/runs/delete", {"run_id": run_id})

    def repair(self, body: Json) -> Procedure[int]:
        return (yield from self._value(int, "repair_id", "POST", "2.2/jobs/runs/repair", body))

    def latest_repair_id(self, run_id: Any) -> Procedure[int | None]:
        """None for a run that was not repaired."""
        query = {"run_id": as_id(run_id, "run_id"), "include_history": True}
        pages = yield from self._pages("2.2/jobs/runs/get", query)
        rounds = [each for page in pages for each in objects(page.get("repair_history"))]
        return next(filter(None, (id_or_none(each.get("id")) for each in reversed(rounds))), None)

    # Pipelines

    def pipelines(self, batch_size: int, name: str | None, notebook: str | None) -> Procedure[list[Json]]:
        """:raises ConfigurationError: both filters: the API takes one."""
        if name and notebook:
            raise ConfigurationError("Cannot combine pipeline_name and notebook_path in one request.")
        query: Json = {"max_results": batch_size}
        if name or notebook:
            text = str(name or notebook).replace("'", "''")
            query["filter"] = f"name LIKE '{text}'" if name else f"notebook='{text}'"
        pages = yield from self._pages("2.0/pipelines", query)
        return [dict(each) for page in pages for each in objects(page.get("statuses"))]

    def pipeline_id_by_name(self, name: str) -> Procedure[str | None]:
        """None where there is none.

        :raises ConfigurationError: several have the name.
        """
        found = yield from self.pipelines(25, name, None)
        if len(found) > 1:
            raise ConfigurationError(
                f"There are more than one pipelines with name {name!r}. Use pipeline_id."
            )
        return _told(found[0], "pipeline_id", str) if name and found else None

    # Clusters, SQL and the workspace

    def cluster_state(self, cluster_id: str) -> Procedure[ClusterState]:
        told = yield from self.ask("GET", "2.1/clusters/get", {"cluster_id": cluster_id})
        return ClusterState.of(told)

    def warehouse_state(self, warehouse_id: str) -> Procedure[WarehouseState]:
        path = f"2.0/sql/warehouses/{in_path(warehouse_id)}"
        return WarehouseState((yield from self._value(str, "state", "GET", path, None)))

    def post_statement(self, body: Json) -> Procedure[str]:
        return (yield from self._value(str, "statement_id", "POST", "2.0/sql/statements", body))

    def statement_state(self, statement_id: str) -> Procedure[SQLStatementState]:
        path = f"2.0/sql/statements/{in_path(statement_id)}"
        return SQLStatementState.of((yield from self._value(dict, "status", "GET", path, None)))

    def repo_id_by_path(self, path: str) -> Procedure[str | None]:
        """None where nothing is there, or something that is no repository."""
        try:
            told = yield from self.ask("GET", "2.0/workspace/get-status", {"path": path})
        except NotFound:
            return None
        return str(_told(told, "object_id", int)) if told.get("object_type") == "REPO" else None

    def _pages(self, endpoint: str, query: Json, token: str | None = None) -> Procedure[list[Json]]:
        """Every page of an answer."""
        pages: list[Json] = []
        seen: set[str] = set()
        while True:
            page = yield from self.ask("GET", endpoint, {**query, **({"page_token": token} if token else {})})
            pages.append(page)
            token = text_or_none(page.get("next_page_token"))
            if token is None:
                return pages
            if token in seen:
                raise RemoteCallError(
                    f"GET /api/{endpoint} gave the same page again: {token!r}.", retryable=True
                )
            seen.add(token)


def in_path(name: str) -> str:
    """A name or id as one part of a path."""
    return quote(str(name), safe="")


def _told(body: Mapping[str, Any], key: str, kind: type[T], request: Request = _LIST) -> T:
    """A value that has to be there: without it nothing can be said."""
    return data_of(Answer(status=200, body=body), request, key, kind)


def _object(answer: Answer, request: Request) -> Json:
    """The object of an answer that may have none; what changes something is done by then, or not: unknown."""
    try:
        value = parse_json(answer.body) if answer.body.strip() else {}
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise RemoteCallError(
            f"{request} answered {answer.status} with a body that is not a JSON object: "
            f"{request.quote(answer.body)}",
            status_code=answer.status,
            retryable=True,
        )
    return value


def _query(given: Json) -> Iterator[tuple[str, str]]:
    """Values as texts; the API's booleans are lower case."""
    for name, value in given.items():
        if isinstance(value, bool):
            yield name, str(value).lower()
        elif value is not None and not _is_many(value):
            yield name, json.dumps(value) if isinstance(value, dict) else str(value)


def _lists(given: Json) -> str:
    """Lists as a query: a name is repeated for each of their values."""
    many = [(name, str(each)) for name, value in given.items() if _is_many(value) for each in value]
    return f"?{urlencode(many)}" if many else ""


def _is_many(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
