"""Pages: opaque tokens, walking newest first both ways, and the nested arrays of API 2.2."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from airflow_provider_pipehooks.standin.databricks_jobs.errors import invalid
from airflow_provider_pipehooks.standin.databricks_jobs.model import Ids, Json

# Since 2.2 every array inside a run or a job has at most this many elements per answer.
NESTED_PAGE = 100


def encode(direction: str, position: int) -> str:
    """Make a page token; clients may not look inside."""
    return base64.urlsafe_b64encode(f"{direction}:{position}".encode()).decode().rstrip("=")


def decode(token: str, *directions: str) -> tuple[str, int]:
    """Read a page token.

    :raises ApiError: not one of ours, or one of another endpoint.
    """
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
        direction, _, position = text.partition(":")
        number = int(position)
    except (binascii.Error, ValueError) as err:
        raise invalid(f"Invalid page token: {token!r}.") from err
    if direction not in directions:
        raise invalid(f"Invalid page token: {token!r}.")
    return direction, number


@dataclass(frozen=True)
class Page:
    """One page of ids, newest first, and whether there are more on either side."""

    ids: list[int]
    has_older: bool
    has_newer: bool

    def tokens(self, kind: str) -> Json:
        """``next_page_token`` and ``prev_page_token``, each only when there is such a page."""
        found: Json = {}
        if self.ids and self.has_older:
            found["next_page_token"] = encode(f"{kind}-older", self.ids[-1])
        if self.ids and self.has_newer:
            found["prev_page_token"] = encode(f"{kind}-newer", self.ids[0])
        return found


def walk(
    ids: Ids,
    kind: str,
    token: str | None,
    limit: int,
    take: Callable[[int], bool],
    peek: Callable[[int], bool],
    skip: int = 0,
) -> Page:
    """Collect one page.

    :param take: decides on an id that may go on the page; may count as a read.
    :param peek: decides on an id past the page, only to tell whether there are more.
    :param skip: the deprecated ``offset``.
    :raises ApiError: a bad token.
    """
    if not token:
        found, more = _collect(ids.older(), limit + skip, take, peek)
        return Page(found[skip:], more, bool(skip))
    direction, position = decode(token, f"{kind}-older", f"{kind}-newer")
    if direction.endswith("older"):
        found, more = _collect(ids.older(position), limit, take, peek)
        return Page(found, more, True)
    found, more = _collect(ids.newer(position), limit, take, peek)
    return Page(found[::-1], True, more)


def _collect(
    ids: Iterable[int], limit: int, take: Callable[[int], bool], peek: Callable[[int], bool]
) -> tuple[list[int], bool]:
    found: list[int] = []
    for id_ in ids:
        if len(found) < limit:
            if take(id_):
                found.append(id_)
        elif peek(id_):
            return found, True
    return found, False


def nested_page(answer: Json, names: Iterable[str], token: str | None) -> str | None:
    """Cut the arrays of an answer down to one page, in place.

    :param names: keys of the arrays, where they are present.
    :param token: of the page before; empty for the first.
    :return: token of the next page, None on the last.
    """
    start = decode(token, "nested")[1] if token else 0
    more = False
    for name in names:
        items: list[Any] = answer.get(name) or []
        if len(items) > NESTED_PAGE:
            # The order is not that of the definition, so who reads one page only misses an arbitrary part.
            items = sorted(items, key=lambda item: crc32(repr(item.get("task_key", item)).encode()))
        more = more or len(items) > start + NESTED_PAGE
        if items:
            answer[name] = items[start : start + NESTED_PAGE]
    return encode("nested", start + NESTED_PAGE) if more else None
