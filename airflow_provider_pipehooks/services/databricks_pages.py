"""Many Databricks runs in few requests.

There is no filter by run id, so pages of ``runs/list``, which come newest start first, are laid over the
wanted runs by their start. A page begins at the start of a wanted run, so it is rarely worth less than one
read of that run alone, and often tells 25. Jobs API 2.2, as read in August 2026.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Literal

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.services.base import Answer, Procedure, Request
from airflow_provider_pipehooks.services.batch import Batch, Found, Key
from airflow_provider_pipehooks.services.reading import objects, text_or_none

#: The text says "less than 25", every client asks for 25.
PAGE = 25
#: Twenty pages in turn, at best.
_RUNS_A_BATCH = 500
_TRIES_A_PAGE = 3
#: A window reaches so far beyond the starts of the runs it is for. Whether its ends belong to it is not
#: documented; a service that keeps finer times than it shows leaves out runs of the last millisecond.
EDGE_MS = 5


@dataclass(frozen=True)
class _Page:
    """:param oldest_ms: start of its last run; minus infinity when no page follows."""

    told: int
    oldest_ms: float
    token: str | None


def batches_of(wanted: Mapping[Key, Run | None], ended_only: bool) -> list[Batch]:
    """Those never seen together, the others by their start: batches side by side do not share pages."""
    unseen = {run_id: run for run_id, run in wanted.items() if _start_ms(run) is None}
    seen = sorted(wanted.keys() - unseen.keys(), key=lambda run_id: (_start_ms(wanted[run_id]), run_id))
    slices = [seen[at : at + _RUNS_A_BATCH] for at in range(0, len(seen), _RUNS_A_BATCH)]
    batches = [Batch({run_id: wanted[run_id] for run_id in part}, ended_only) for part in slices]
    return [Batch(unseen), *batches] if unseen else batches


def read_batch(found: Found) -> Procedure[bool]:
    """Active runs first; then, among the ended ones, those that were not among the active.

    A wanted run may still be missing: it started at the same moment as a page of others, or was never seen
    and is not among the newest.
    """
    if found.batch.ended_only and (yield from _ended(found)):
        return True
    yield from _newest(found)
    yield from _by_start(found, "active_only")
    if len(found.missing) > 1:
        yield from _by_start(found, "completed_only")
    return False


def _ended(found: Found) -> Procedure[bool]:
    """The ended runs in the time the wanted ones started in.

    :return: whether that was all of them: it is given up where the active ones are fewer pages.
    """
    starts = [start for start in map(_start_ms, found.missing.values()) if start is not None]
    if not starts:
        return True
    window = _window(min(starts), max(starts))
    params = {"completed_only": "true", **window}
    for _ in range(ceil(len(starts) / PAGE)):
        page = yield from _page(found, params)
        if page.token is None:
            return True
        params = params | {"page_token": page.token}
    return False


def _newest(found: Found) -> Procedure[None]:
    """Runs that were never seen have mostly just started, so they are on the newest pages.

    Hardly more pages than they would fill: those that lie deeper are quicker read one by one.
    """
    unseen = [run_id for run_id, run in found.batch.wanted.items() if _start_ms(run) is None]
    params = {"active_only": "true"}
    for _ in range(ceil(len(unseen) / PAGE) + 1 if len(unseen) > 1 else 0):
        if all(run_id in found.runs for run_id in unseen):
            return
        page = yield from _page(found, params)
        if page.token is None:
            return
        params = params | {"page_token": page.token}


def _by_start(found: Found, only: Literal["active_only", "completed_only"]) -> Procedure[None]:
    starts = ((_start_ms(run), run_id) for run_id, run in found.missing.items())
    rest = deque(sorted(((start, run_id) for start, run_id in starts if start is not None), reverse=True))
    fruitless_left = ceil(len(rest) / PAGE)
    params: dict[str, str] = {}
    while rest and fruitless_left >= 0:
        params = params or {only: "true", **_window(rest[-1][0], rest[0][0])}
        page = yield from _page(found, params)
        fruitless_left -= not page.told
        while rest and (rest[0][0] > page.oldest_ms or rest[0][1] in found.runs):
            rest.popleft()
        # Others that started at the very same moment come on the next page, not on one that begins there.
        more = rest and page.token and rest[0][0] == page.oldest_ms
        params = params | {"page_token": page.token or ""} if more else {}


def _window(first_ms: int, last_ms: int) -> dict[str, str]:
    return {"start_time_from": str(first_ms - EDGE_MS), "start_time_to": str(last_ms + EDGE_MS)}


def _page(found: Found, params: Mapping[str, str]) -> Procedure[_Page]:
    query = {"limit": str(PAGE), **params}
    request = Request(method="GET", path="/api/2.2/jobs/runs/list", params=query)
    answer = yield from _patiently(request)
    runs = objects(answer.body.get("runs"))
    token = text_or_none(answer.body.get("next_page_token"))
    starts = [run["start_time"] for run in runs if isinstance(run.get("start_time"), int)]
    return _Page(
        told=found.take(runs, "run_id"),
        oldest_ms=min(starts) if token and starts else float("-inf"),
        token=token,
    )


def _patiently(request: Request) -> Procedure[Answer]:
    """One bad page must not cost all that follow. After a 429 the limit of the account holds us back."""
    for _ in range(_TRIES_A_PAGE - 1):
        try:
            return (yield request)
        except RemoteCallError as err:
            if not err.retryable:
                raise
    return (yield request)


def _start_ms(run: Run | None) -> int | None:
    return round(run.created_at.timestamp() * 1000) if run and run.created_at else None
