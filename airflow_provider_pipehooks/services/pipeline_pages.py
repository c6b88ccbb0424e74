"""The pipelines of a workspace and the updates of each, page by page, as read in November 2026."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.services.base import Procedure, Request
from airflow_provider_pipehooks.services.reading import objects, text_or_none

#: The most that a list of pipelines gives a page; more is an error.
_PIPELINES_A_PAGE = 100
_UPDATES_A_PAGE = 100


@dataclass(frozen=True)
class Page:
    """Some objects, as the service tells them.

    :param token: of the next page; None on the last.
    """

    objects: list[Mapping[str, object]]
    token: str | None


def pipelines_page(token: str | None = None) -> Procedure[Page]:
    """Pipelines by id, each with up to five ``latest_updates``, newest first."""
    return (yield from _page("", "statuses", _PIPELINES_A_PAGE, token))


def updates_page(pipeline_id: str, token: str | None = None) -> Procedure[Page]:
    """The updates of a pipeline, newest first."""
    return (yield from _page(f"/{pipeline_id}/updates", "updates", _UPDATES_A_PAGE, token))


def _page(path: str, key: str, size: int, token: str | None) -> Procedure[Page]:
    params = {"max_results": str(size), **({"page_token": token} if token else {})}
    request = Request(method="GET", path=f"/api/2.0/pipelines{path}", params=params)
    body = (yield request).body
    following = text_or_none(body.get("next_page_token"))
    if following is not None and following == token:
        raise RemoteCallError(f"{request} gave the same page again: {token!r}.", retryable=True)
    return Page(objects(body.get(key)), following)
