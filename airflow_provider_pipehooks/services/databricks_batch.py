"""Many Databricks runs in few requests.

There is no filter by run id, so pages of ``runs/list``, which come newest start first, are laid over the
wanted runs by their start. A page begins at the start of a wanted run, so it is rarely worth less than one
read of that run alone, and often tells 25. Jobs API 2.2, as read in August 2026.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.services.base import Batch, Procedure, Request, objects, text_or_none

#: The text says "less than 25", every client asks for 25.
PAGE = 25
#: Ten pages in turn, at best.
_RUNS_A_BATCH = 250


@dataclass(frozen=True)
class _Page:
    """:param oldest_ms: start of its last run; minus infinity when no page follows."""

    told: int
    oldest_ms: float
    token: str | None


def batches_of(wanted: Mapping[int, Run | None]) -> list[Batch]:
    """Those never seen together, the others by their start: batches side by side do not share pages."""
    unseen = {run_id: run for run_id, run in wanted.items() if _start_ms(run) is None}
    seen = sorted(wanted.keys() - unseen.keys(), key=lambda run_id: (_start_ms(wanted[run_id]), run_id))
    slices = [seen[at : at + _RUNS_A_BATCH] for at in range(0, len(seen), _RUNS_A_BATCH)]
    batches = [Batch({run_id: wanted[run_id] for run_id in part}) for part in slices]
    return [Batch(unseen), *batches] if unseen else batches


def read_batch(batch: Batch) -> Procedure[None]:
    """Active runs first; then, among the ended ones, those that were not among the active.

    A wanted run may still be missing: it started at the same moment as a page of others, or was never seen
    and is not among the newest.
    """
    yield from _newest(batch)
    yield from _by_start(batch, "active_only")
    if len(batch.wanted) - len(batch.found) > 1:
        yield from _by_start(batch, "completed_only")


def _newest(batch: Batch) -> Procedure[None]:
    """Runs that were never seen have mostly just started: the newest pages, as long as they pay.

    Still newer runs may lie on top of them, so a few pages may tell nothing: as many as reading the runs
    one by one would cost hardly more.
    """
    unseen = sum(_start_ms(run) is None for run in batch.wanted.values())
    fruitless_left = unseen // PAGE
    params = {"active_only": "true"}
    while unseen > 1:
        page = yield from _page(batch, params)
        fruitless_left -= page.told < 2
        if fruitless_left < 0 or page.token is None:
            return
        unseen, params = unseen - page.told, params | {"page_token": page.token}


def _by_start(batch: Batch, only: Literal["active_only", "completed_only"]) -> Procedure[None]:
    starts = ((_start_ms(run), run_id) for run_id, run in batch.wanted.items() if run_id not in batch.found)
    rest = deque(sorted(((start, run_id) for start, run_id in starts if start is not None), reverse=True))
    token = None
    while rest:
        params = {only: "true", "start_time_from": str(rest[-1][0]), "start_time_to": str(rest[0][0])}
        page = yield from _page(batch, params | ({"page_token": token} if token else {}))
        left = len(rest)
        while rest and (rest[0][0] > page.oldest_ms or rest[0][1] in batch.found):
            rest.popleft()
        # Others that started at the very same moment come on the next page, not on one that begins there.
        same_start = bool(rest) and rest[0][0] == page.oldest_ms and page.told > 0
        token = page.token if same_start else None
        if len(rest) == left and not same_start:
            rest.popleft()  # a page that tells nothing of where it should begin: ask for that run alone


def _page(batch: Batch, params: Mapping[str, str]) -> Procedure[_Page]:
    query = {"limit": str(PAGE), **params}
    answer = yield Request(method="GET", path="/api/2.2/jobs/runs/list", params=query)
    runs = objects(answer.body.get("runs"))
    token = text_or_none(answer.body.get("next_page_token"))
    starts = [run["start_time"] for run in runs if isinstance(run.get("start_time"), int)]
    return _Page(
        told=batch.take(runs, "run_id"),
        oldest_ms=min(starts) if token and starts else float("-inf"),
        token=token,
    )


def _start_ms(run: Run | None) -> int | None:
    return round(run.started_at.timestamp() * 1000) if run and run.started_at else None
