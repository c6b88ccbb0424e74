"""The event log of a Databricks pipeline over the REST API, page by page, as read in November 2026.

A filter takes ``timestamp``, ``id``, ``update_id`` and ``level`` only, and no page token beside it; a page
may be short, or empty, without being the last one; a token may expire.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.core.event_cursor import EventCursor, as_filter, sortable
from airflow_provider_pipehooks.core.run import Failure
from airflow_provider_pipehooks.core.texts import cut, shorten
from airflow_provider_pipehooks.services.base import Procedure, Request
from airflow_provider_pipehooks.services.reading import (
    LONGEST_FAILURE,
    LONGEST_MESSAGE,
    LONGEST_NAME,
    date_of,
    object_or_empty,
    objects,
    text_or_none,
)

Event = Mapping[str, Any]

#: The most that clients ask for.
PAGE = 1_000
#: Pages in a row, with nothing new in between.
_MOST_REFUSED = 3
_MOST_ERRORS = 50
_MOST_EXCEPTIONS = 3


@dataclass(frozen=True)
class LogPage:
    """Some events, oldest first.

    :param token: of the next page; None on the last.
    :param expired: the token was refused: the log has to be read again from where it was handled.
    :param read_at: by the remote's clock, as times of events sort; "" where it does not tell.
    """

    events: Sequence[dict[str, Any]]
    token: str | None = None
    expired: bool = False
    read_at: str = ""


#: Gives a page: ``(since, None)`` the first one from a time on, ``(None, token)`` a later one.
Reader = Callable[[str | None, str | None], LogPage]


def unread(read: Reader, cursor: EventCursor, *, whole: bool = False) -> Iterator[list[dict[str, Any]]]:
    """What of a log is not handled yet, page by page, oldest first, until its end.

    Whoever takes a page handles it before the next. A page that is refused begins again behind those before.

    :param whole: all that the cursor can tell apart, for events that came later than the overlap.
    :raises RemoteCallError: a page cannot be read now; or every next one is refused.
    """
    since, token = cursor.floor(settled=True, whole=whole), None
    begun, reached, refused = "", "", 0
    while True:
        page = read(since if token is None else None, token)
        if page.expired:
            refused += 1
            if refused > _MOST_REFUSED:
                raise RemoteCallError("Every next page of the event log is refused.", retryable=True)
            since, token = as_filter(reached) or since, None
            continue
        new = [event for event in page.events if cursor.is_new(event)]
        if new:
            refused = 0
            yield new
        reached = max(reached, *(sortable(event.get("timestamp")) for event in page.events), "")
        if page.token is None or page.token == token:
            cursor.settle(begun or cursor.newest)
            return
        begun, token = begun or page.read_at or reached, page.token


def read_page(
    pipeline_id: str,
    *,
    since: str | None = None,
    until: str | None = None,
    token: str | None = None,
    size: int = PAGE,
) -> Procedure[LogPage]:
    """One page of a pipeline's log.

    :param since: from this time on, in milliseconds: whether a filter takes finer ones is not documented.
    :param until: up to this time, which belongs to it.
    :param token: of the page before; then the times are not sent.
    """
    params = {"max_results": str(size)}
    if token is not None:
        params["page_token"] = token
    else:
        params["order_by"] = "timestamp asc"
        times = [f"timestamp >= '{since}'"] if since else []
        times += [f"timestamp <= '{until}'"] if until else []
        if times:
            params["filter"] = " AND ".join(times)
    try:
        answer = yield _request(pipeline_id, params)
    except RemoteCallError as err:
        if token is not None and err.status_code == 400:
            return LogPage((), expired=True)
        raise
    events = [event for event in objects(answer.body.get("events")) if isinstance(event, dict)]
    told = date_of(answer)
    read_at = sortable(told.isoformat()) if told else ""
    return LogPage(events, text_or_none(answer.body.get("next_page_token")), read_at=read_at)


def read_newest(pipeline_id: str) -> Procedure[dict[str, Any] | None]:
    """The last event of a log; None where it has none."""
    body = (yield _request(pipeline_id, {"max_results": "1", "order_by": "timestamp desc"})).body
    return next((dict(event) for event in objects(body.get("events"))), None)


def read_errors(pipeline_id: str, update_id: str) -> Procedure[list[Event]]:
    """The newest events of an update that tell of errors, oldest first."""
    params = {
        "max_results": str(_MOST_ERRORS),
        "filter": f"update_id = '{update_id}' AND level = 'ERROR'",
        "order_by": "timestamp desc",
    }
    body = (yield _request(pipeline_id, params)).body
    return list(reversed(objects(body.get("events"))))


def _request(pipeline_id: str, params: Mapping[str, str]) -> Request:
    return Request(method="GET", path=f"/api/2.0/pipelines/{pipeline_id}/events", params=params)


def failures_in(events: Iterable[Event], url: str | None) -> tuple[str | None, list[Failure]]:
    """Why an update failed: what its own last event says, and the flows that failed, each once."""
    message: str | None = None
    failures: dict[str, Failure] = {}
    for event in events:
        origin = object_or_empty(event.get("origin"))
        text = _told(event)
        if event.get("event_type") == "update_progress":
            message = text
        elif name := text_or_none(origin.get("flow_name")) or text_or_none(origin.get("dataset_name")):
            failures[name] = Failure(name=shorten(name, LONGEST_NAME), message=text, url=url)
    return message, list(failures.values())


def _told(event: Event) -> str:
    """The message and the exceptions, the outermost first: class, SQL state, and what each says."""
    parts = [shorten(text_or_none(event.get("message")) or "no message", LONGEST_FAILURE)]
    for error in objects(object_or_empty(event.get("error")).get("exceptions"))[:_MOST_EXCEPTIONS]:
        kind = text_or_none(error.get("error_class")) or text_or_none(error.get("class_name")) or ""
        state = text_or_none(error.get("sql_state"))
        # Spark's own messages begin with the class.
        said = shorten(text_or_none(error.get("message")) or "", LONGEST_FAILURE)
        said = said.removeprefix(f"[{kind}]").strip()
        named = f"[{shorten(kind)}] " if kind else ""
        parts.append(f"{named}{f'(SQLSTATE {shorten(state)}) ' if state else ''}{said}".strip())
    return cut(" ".join(part for part in parts if part), LONGEST_MESSAGE)
