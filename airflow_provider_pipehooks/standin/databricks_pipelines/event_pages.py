"""The list of events: one page of a log, with the tokens of the pages before and after it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from airflow_provider_pipehooks.standin.databricks_jobs.errors import invalid
from airflow_provider_pipehooks.standin.databricks_pipelines import tokens
from airflow_provider_pipehooks.standin.databricks_pipelines.event_log import Key, Row
from airflow_provider_pipehooks.standin.databricks_pipelines.model import Pipeline
from airflow_provider_pipehooks.standin.databricks_pipelines.params import (
    Params,
    event_filter,
    order,
    page_size,
)
from airflow_provider_pipehooks.standin.databricks_pipelines.world import World

# The default is not documented; clients ask for 100, and get up to 1,000.
DEFAULT_SIZE = 100
LARGEST_SIZE = 1000

_EITHER = "You can provide a page token or specify {}, but not both."


@dataclass(frozen=True)
class Query:
    """What a page is cut out of.

    :param falling: newest first.
    :param beside: the page begins after this key, in the order of the list, or ends before it.
    :param back: it ends before it.
    """

    filter: str
    falling: bool = True
    beside: Key | None = None
    back: bool = False


def page(world: World, pipeline: Pipeline, params: Params) -> bytes:
    """Answer ``GET events``, as JSON.

    :raises ApiError: a parameter that cannot be read, a token beside a filter or an order, or a bad token.
    """
    pipeline.log.requests += 1
    query = _query(world, pipeline, params)
    size = page_size(params, default=DEFAULT_SIZE, largest=LARGEST_SIZE)
    if world.short_pages is not None:
        size = min(size, world.short_pages)
    rows = list(islice(_rows(pipeline, query), size + 1))
    more, rows = len(rows) > size, rows[:size]
    if query.back:
        rows.reverse()
    has_next, has_previous = (True, more) if query.back else (more, query.beside is not None)
    found = {}
    if rows and has_next:
        found["next_page_token"] = _token(pipeline, query, rows[-1], back=False)
    if rows and has_previous:
        found["prev_page_token"] = _token(pipeline, query, rows[0], back=True)
    return _answer(rows, found)


def _query(world: World, pipeline: Pipeline, params: Params) -> Query:
    token, text, sorting = params.get("page_token"), str(params.get("filter") or ""), params.get("order_by")
    if not token:
        column = order(params, "timestamp")
        return Query(text, falling=column is None or column[1])
    if text:
        raise invalid(_EITHER.format("a filter"))
    if sorting:
        raise invalid(_EITHER.format("an ordering"))
    content = tokens.decode(_place(pipeline), str(token))
    if world.token_life is not None and pipeline.log.requests - content["request"] > world.token_life:
        raise tokens.bad_token()
    at_ns, number = content["beside"]
    return Query(content["filter"], content["falling"], (at_ns, number), content["back"])


def _rows(pipeline: Pipeline, query: Query) -> Iterator[Row]:
    chosen = event_filter(query.filter)
    low, high, falling = chosen.low, chosen.high, query.falling != query.back
    if query.beside is not None and falling:
        high = min(high, query.beside)
    elif query.beside is not None:
        low = max(low, query.beside)
    return pipeline.log.walk(chosen.wanted, low, high, falling=falling)


def _place(pipeline: Pipeline) -> str:
    return f"events of {pipeline.pipeline_id}"


def _token(pipeline: Pipeline, query: Query, row: Row, *, back: bool) -> str:
    return tokens.encode(
        _place(pipeline),
        request=pipeline.log.requests,
        filter=query.filter,
        falling=query.falling,
        beside=row.key,
        back=back,
    )


def _answer(rows: list[Row], found: dict[str, str]) -> bytes:
    parts = ['"events":[' + ",".join(row.text for row in rows) + "]"] if rows else []
    parts += [f'"{name}":{json.dumps(token)}' for name, token in found.items()]
    return ("{" + ",".join(parts) + "}").encode()
