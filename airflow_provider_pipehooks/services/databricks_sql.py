"""Databricks SQL: Statement Execution API 2.0 and Query History API 2.0, as the SDK 0.156 has them.

A start has no idempotency key, but takes query tags, which come back in the history of queries: a start whose
answer was lost is found there by our mark. What a statement returned is of no interest here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal
from urllib.parse import quote

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.core.run import FailureKind, Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.core.texts import shorten
from airflow_provider_pipehooks.services.base import Procedure, Request
from airflow_provider_pipehooks.services.batch import Batch, Found, Key
from airflow_provider_pipehooks.services.reading import (
    LONGEST_MESSAGE,
    object_or_empty,
    objects,
    text_or_none,
    time_from_ms,
    words_or_none,
)

NAME = "databricks_sql"
Outcome = tuple[RunState, FailureKind | None]

#: ``status.state`` of a statement. CLOSED is a success whose result cannot be fetched any more (the API's own
#: words); the official operator takes it for a failure.
STATES: Mapping[str, Outcome] = {
    "PENDING": (RunState.STARTING, None),
    "RUNNING": (RunState.RUNNING, None),
    "SUCCEEDED": (RunState.SUCCESS, None),
    "CLOSED": (RunState.SUCCESS, None),
    "FAILED": (RunState.ERROR, "user"),
    "CANCELED": (RunState.CANCELLED, "cancelled"),
}
#: ``status`` of a query in the history.
IN_HISTORY: Mapping[str, Outcome] = {
    "QUEUED": (RunState.QUEUED, None),
    **dict.fromkeys(("STARTED", "COMPILING", "COMPILED"), (RunState.STARTING, None)),
    "RUNNING": (RunState.RUNNING, None),
    "FINISHED": (RunState.SUCCESS, None),
    "FAILED": (RunState.ERROR, "user"),
    "CANCELED": (RunState.CANCELLED, "cancelled"),
}
#: ``status.error.error_code``, where it is not the statement itself that failed.
KINDS: Mapping[str, FailureKind] = {
    **dict.fromkeys(
        (
            "ABORTED",
            "INTERNAL_ERROR",
            "IO_ERROR",
            "SERVICE_UNDER_MAINTENANCE",
            "TEMPORARILY_UNAVAILABLE",
            "WORKSPACE_TEMPORARILY_UNAVAILABLE",
        ),
        "platform",
    ),
    "RESOURCE_EXHAUSTED": "quota",
    "DEADLINE_EXCEEDED": "timeout",
    "UNAUTHENTICATED": "configuration",
}
#: The query tag that has our mark.
MARK = "pipehooks_intent"
_HISTORY_PAGES = 20


def parse_statement(data: Mapping[str, Any]) -> Run:
    """Read a statement: ``{"statement_id": str, "status": {"state": str, "error": {...}}}``.

    :raises ValueError: no ``statement_id``: that is not a statement.
    """
    status = object_or_empty(data.get("status"))
    error = object_or_empty(status.get("error"))
    code = words_or_none(error.get("error_code"))
    words = words_or_none(error.get("message"), LONGEST_MESSAGE)
    run = _run(data, "statement_id", status.get("state"), STATES)
    kind = KINDS.get(code or "", run.kind) if run.state is RunState.ERROR else run.kind
    message = ": ".join(part for part in (code, words) if part) or None
    return replace(run, kind=kind, message=message)


def parse_query(data: Mapping[str, Any]) -> Run:
    """Read an item of the history: ``{"query_id": str, "status": str, "error_message": str}``.

    :raises ValueError: no ``query_id``.
    """
    run = _run(data, "query_id", data.get("status"), IN_HISTORY)
    return replace(
        run,
        message=words_or_none(data.get("error_message"), LONGEST_MESSAGE),
        started_at=time_from_ms(data.get("query_start_time_ms")),
        finished_at=time_from_ms(data.get("query_end_time_ms")),
    )


def _run(data: Mapping[str, Any], key: str, word: Any, states: Mapping[str, Outcome]) -> Run:
    statement_id = words_or_none(data.get(key))
    if statement_id is None:
        raise ValueError(f"Not an SQL statement: {shorten(json.dumps(data, default=str))}")
    status = words_or_none(word) or "without a state"
    state, kind = states.get(status, (None, None))
    return Run(service=NAME, run_id=statement_id, state=state, status=status, kind=kind)


@dataclass(frozen=True)
class DatabricksSql:
    """The calls on the statements of one workspace."""

    name: ClassVar[str] = NAME
    runs_a_page: ClassVar[int] = 1

    def key_of(self, run_id: int | str) -> None:
        """There is no list of statements: each is read alone."""

    def batches_of(self, wanted: Mapping[Key, Run | None], *, ended_only: bool) -> list[Batch]:
        return []

    def read_batch(self, found: Found) -> Procedure[bool]:
        yield from ()
        return False

    def parse(self, data: Mapping[str, Any]) -> Run:
        return self._parse(data, _request("GET"))

    def _parse(
        self,
        data: Mapping[str, Any],
        request: Request,
        read: Callable[[Mapping[str, Any]], Run] = parse_statement,
    ) -> Run:
        try:
            return read(data)
        except ValueError as err:
            raise RemoteCallError(
                f"{request} did not answer with a statement: {err}", retryable=True
            ) from err

    def get_run(self, run_id: int | str) -> Procedure[Run]:
        request = _request("GET", run_id)
        return self._parse((yield request).body, request)

    def start_statement(self, body: Mapping[str, Any]) -> Procedure[Run]:
        """Have a statement executed. Sent again, it is executed again."""
        request = _request("POST", json=body)
        return self._parse((yield request).body, request)

    def cancel_run(self, run_id: int | str) -> Procedure[None]:
        # The answer has no body.
        yield _request("POST", run_id, "/cancel", json={}, idempotent=True, expects="text")

    def explain_run(self, run: Run) -> Procedure[Run]:
        """A statement says by itself why it failed."""
        yield from ()
        return run

    def marked_statement(self, warehouse_id: str, tag: str, since_ms: int) -> Procedure[Run | None]:
        """The statement with our mark, among those that began on a warehouse since a moment."""
        window = {
            "filter_by.warehouse_ids": warehouse_id,
            "filter_by.query_start_time_range.start_time_ms": str(since_ms),
        }
        token = ""
        for _ in range(_HISTORY_PAGES):
            request = _history(**window, **({"page_token": token} if token else {}))
            body = (yield request).body
            for query in objects(body.get("res")):
                if any((each.get("key"), each.get("value")) == (MARK, tag) for each in _tags(query)):
                    return self._parse(query, request, parse_query)
            token = text_or_none(body.get("next_page_token")) or ""
            if not token:
                break
        return None

    def past_statement(self, run_id: int | str) -> Procedure[Run | None]:
        """A statement that is not told of by its id any more, which is so some hours after its end."""
        request = _history(**{"filter_by.statement_ids": str(run_id)})
        body = (yield request).body
        same = [query for query in objects(body.get("res")) if query.get("query_id") == run_id]
        return self._parse(same[0], request, parse_query) if same else None


def _tags(query: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return objects(query.get("query_tags"))


def _request(
    method: Literal["GET", "POST"], run_id: int | str | None = None, rest: str = "", **fields: Any
) -> Request:
    one = f"/{quote(str(run_id), safe='')}" if run_id is not None else ""
    return Request(method=method, path=f"/api/2.0/sql/statements{one}{rest}", **fields)


def _history(**params: str) -> Request:
    return Request(method="GET", path="/api/2.0/sql/history/queries", params={"max_results": "100", **params})
