"""The real paths of Statement Execution and Query History, on top of a world."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from airflow_provider_pipehooks.standin.databricks_jobs.errors import ApiError, invalid
from airflow_provider_pipehooks.standin.databricks_sql.world import ERROR, IN_HISTORY, Json, Statement, World

Authorize = Callable[[str | None], None]
Endpoint = Callable[[Request], Awaitable[Response]]

STATEMENTS = "/api/2.0/sql/statements"
HISTORY = "/api/2.0/sql/history/queries"
MOST_TAGS = 20
LARGEST_STATEMENT = 16 * 1024 * 1024
_TEXTS = ("statement", "warehouse_id", "catalog", "schema")
_KNOWN = frozenset(
    {*_TEXTS, "parameters", "query_tags", "wait_timeout", "on_wait_timeout", "disposition", "format"}
    | {"row_limit", "byte_limit"}
)


def routes(world: World, authorize: Authorize) -> APIRouter:
    """All routes of the SQL part, to be included in an app at its root.

    :param authorize: checks the ``Authorization`` header.
    """
    router = APIRouter()
    for method, path, handler in (
        ("POST", STATEMENTS, _execute),
        ("GET", STATEMENTS + "/{statement_id}", _get),
        ("POST", STATEMENTS + "/{statement_id}/cancel", _cancel),
        ("GET", HISTORY, _history),
    ):
        endpoint = _api(world, authorize, handler)
        router.add_route(path, endpoint, methods=[method], include_in_schema=False)
    return router


def _api(world: World, authorize: Authorize, handler: Callable[[World, Request, Json], Json]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        body = await request.body()
        try:
            authorize(request.headers.get("authorization"))
            with world.lock:
                return JSONResponse(handler(world, request, _body(body)))
        except ApiError as error:
            return JSONResponse(error.body(), status_code=error.status)

    return endpoint


def _body(body: bytes) -> Json:
    try:
        sent: Any = json.loads(body) if body else {}
    except ValueError:
        sent = None
    if not isinstance(sent, dict):
        raise ApiError(400, "MALFORMED_REQUEST", "Invalid JSON given in the body of the request")
    return sent


def _execute(world: World, request: Request, sent: Json) -> Json:
    body = {name: value for name, value in sent.items() if value is not None}
    _check(body)
    statement = world.execute({**body, "query_tags": _kept_tags(body.get("query_tags") or [])})
    asynchronous = body.get("wait_timeout") == "0s"
    return _told(world, statement, "PENDING" if asynchronous else world.look(statement))


def _check(body: Mapping[str, Any]) -> None:
    """Check a start.

    :raises ApiError: something missing, unknown, or of the wrong shape.
    """
    if unknown := sorted(body.keys() - _KNOWN):
        raise invalid(f"Could not parse request object: unknown field {unknown[0]}.")
    for name in _TEXTS:
        if name in body and not isinstance(body[name], str):
            raise invalid(f"Could not parse request object: {name} must be a string.")
    for name in ("statement", "warehouse_id"):
        if not body.get(name):
            raise invalid(f"{name} is required.")
    if len(body["statement"].encode()) > LARGEST_STATEMENT:
        raise invalid("The statement is larger than 16 MiB.")
    wait = body.get("wait_timeout", "10s")
    seconds = re.fullmatch(r"(\d{1,3})s", wait) if isinstance(wait, str) else None
    if seconds is None or not (int(seconds[1]) == 0 or 5 <= int(seconds[1]) <= 50):
        raise invalid(f"wait_timeout must be 0s, or between 5s and 50s, not {wait!r}.")
    if body.get("on_wait_timeout", "CONTINUE") not in ("CONTINUE", "CANCEL"):
        raise invalid("on_wait_timeout must be CONTINUE or CANCEL.")
    if body.get("format", "JSON_ARRAY") != "JSON_ARRAY" and body.get("disposition") != "EXTERNAL_LINKS":
        raise invalid(f"format {body['format']} needs disposition EXTERNAL_LINKS.")
    _check_objects(body, "parameters", "name")
    _check_objects(body, "query_tags", "key")


def _check_objects(body: Mapping[str, Any], name: str, key: str) -> None:
    given = body.get(name, [])
    if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
        raise invalid(f"Could not parse request object: {name} must be a list of objects.")
    for each in given:
        value = each.get("value")
        if not isinstance(each.get(key), str) or not each[key]:
            raise invalid(f"{name} must each have a {key}.")
        if value is not None and not isinstance(value, str):
            raise invalid(f"The value of {name} {each[key]!r} must be a string.")


def _kept_tags(tags: list[Json]) -> list[Json]:
    """One value per key, and no more than twenty."""
    by_key = {each["key"]: each for each in tags}
    return list(by_key.values())[:MOST_TAGS]


def _get(world: World, request: Request, sent: Json) -> Json:
    statement = world.find(request.path_params["statement_id"])
    return _told(world, statement, world.look(statement, read=True))


def _cancel(world: World, request: Request, sent: Json) -> Json:
    world.cancel(request.path_params["statement_id"])
    return {}


def _told(world: World, statement: Statement, state: str) -> Json:
    status: Json = {"state": state}
    if state == "FAILED":
        code = statement.plan.details.get("error_code", "BAD_REQUEST")
        status["error"] = {"error_code": code, "message": statement.plan.message or ERROR}
        status["sql_state"] = "42P01"
    answer: Json = {"statement_id": statement.statement_id, "status": status}
    if state == "SUCCEEDED":
        answer["manifest"] = {"format": "JSON_ARRAY", "total_row_count": 1, "truncated": False}
        answer["result"] = {"chunk_index": 0, "row_offset": 0, "row_count": 1, "data_array": [["1"]]}
    return answer


def _history(world: World, request: Request, sent: Json) -> Json:
    """``GET sql/history/queries``: newest first; filters in dot notation."""
    query = request.query_params
    try:
        limit = int(query.get("max_results") or 100)
        since_ms = int(query.get("filter_by.query_start_time_range.start_time_ms") or 0)
        until_ms = int(query.get("filter_by.query_start_time_range.end_time_ms") or 2**62)
        begin = int(query.get("page_token") or 0)
    except ValueError as err:
        raise invalid(f"Invalid parameter: {err}.") from err
    if not 1 <= limit < 1000:
        raise invalid(f"max_results must be between 1 and 999, not {limit}.")
    rows = [_in_history(world, each) for each in reversed(list(world.statements.values()))]
    for name, key in (
        ("warehouse_ids", "warehouse_id"),
        ("statement_ids", "query_id"),
        ("statuses", "status"),
    ):
        if wanted := query.getlist(f"filter_by.{name}"):
            rows = [row for row in rows if row[key] in wanted]
    rows = [row for row in rows if since_ms <= row["query_start_time_ms"] <= until_ms]
    more = begin + limit < len(rows)
    answer: Json = {"res": rows[begin : begin + limit], "has_next_page": more}
    return {**answer, "next_page_token": str(begin + limit)} if more else answer


def _in_history(world: World, statement: Statement) -> Json:
    state = world.look(statement)
    row: Json = {
        "query_id": statement.statement_id,
        "status": IN_HISTORY[state],
        "query_text": statement.body["statement"],
        "query_start_time_ms": int(statement.started_s * 1000),
        "warehouse_id": statement.body["warehouse_id"],
        "query_tags": statement.body["query_tags"],
        "is_final": statement.is_over,
    }
    if statement.ended_s is not None:
        row["query_end_time_ms"] = int(statement.ended_s * 1000)
    if state == "FAILED":
        row["error_message"] = statement.plan.message or ERROR
    return row
