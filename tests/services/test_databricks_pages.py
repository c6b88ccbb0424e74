"""Many Databricks runs in few requests, against a workspace that lists as the real one does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.services.base import Request
from airflow_provider_pipehooks.services.batch import Batch, Found
from airflow_provider_pipehooks.services.databricks_pages import batches_of, read_batch
from tests.core.anything import a_run
from tests.services.driving import Body, Driven

PATH = "/api/2.2/jobs/runs/list"


def a_start(second: float) -> Run:
    return a_run(created_at=datetime.fromtimestamp(second, tz=timezone.utc))


def known(starts: Mapping[int, float]) -> dict[int, Run | None]:
    """Runs as last seen: id -> when it was made, in seconds."""
    return {run_id: a_start(second) for run_id, second in starts.items()}


class Workspace:
    """Answers ``runs/list``: newest start first, windows with both ends in, pages by token.

    :param runs: id -> (start in seconds, whether it goes on).
    """

    def __init__(self, runs: dict[int, tuple[float, bool]]) -> None:
        self.runs = runs
        self.asked: list[dict[str, str]] = []

    def __call__(self, request: Request) -> Body:
        assert (request.method, request.path) == ("GET", PATH)
        params = dict(request.params)
        self.asked.append(params)
        offset, size = int(params.get("page_token", "0")), int(params["limit"])
        matching = [
            run_id for run_id in sorted(self.runs, key=self._order) if self._is_in(params, *self.runs[run_id])
        ]
        page = matching[offset : offset + size]
        body: dict[str, Any] = {
            "runs": [{"run_id": run_id, "start_time": int(self.runs[run_id][0] * 1000)} for run_id in page]
        }
        if offset + size < len(matching):
            body["next_page_token"] = str(offset + size)
        return body

    def _order(self, run_id: int) -> tuple[float, int]:
        return -self.runs[run_id][0], run_id

    @staticmethod
    def _is_in(params: dict[str, str], start_s: float, goes_on: bool) -> bool:
        if "active_only" in params and not goes_on:
            return False
        if "completed_only" in params and goes_on:
            return False
        earliest, latest = params.get("start_time_from", "0"), params.get("start_time_to", "9" * 15)
        return int(earliest) <= start_s * 1000 <= int(latest)


def read(workspace: Workspace, batch: Batch) -> tuple[bool, Found]:
    found = Found(batch)
    return Driven(read_batch(found), workspace).result, found


def going_on(starts: Mapping[int, float]) -> dict[int, tuple[float, bool]]:
    return {run_id: (second, True) for run_id, second in starts.items()}


def test_one_page_tells_all_that_go_on() -> None:
    starts = {1: 10, 2: 20, 3: 30}
    workspace = Workspace(going_on(starts))
    others_go_on, found = read(workspace, Batch(known(starts)))
    assert (others_go_on, set(found.runs), found.requests, found.told) == (False, {1, 2, 3}, 1, 3)
    assert workspace.asked == [
        {"limit": "25", "active_only": "true", "start_time_from": "9995", "start_time_to": "30005"}
    ]


def test_the_next_page_begins_at_the_newest_run_that_is_still_missing() -> None:
    wanted = {1: 10.0, 2: 500.0}
    crowd = {run_id: 699.0 - run_id for run_id in range(100, 130)}  # 599 down to 570: a page of strangers
    wanted_newest = {3: 600.0}
    workspace = Workspace(going_on({**wanted, **crowd, **wanted_newest}))
    _, found = read(workspace, Batch(known({**wanted, **wanted_newest})))
    assert set(found.runs) == {1, 2, 3}
    assert [(asked["start_time_from"], asked["start_time_to"]) for asked in workspace.asked] == [
        ("9995", "600005"),
        ("9995", "500005"),
    ]


def test_those_that_are_not_among_the_active_are_looked_for_among_the_ended() -> None:
    starts = {1: 10, 2: 20, 3: 30}
    workspace = Workspace({1: (10, False), 2: (20, False), 3: (30, True)})
    others_go_on, found = read(workspace, Batch(known(starts)))
    assert (others_go_on, set(found.runs)) == (False, {1, 2, 3})
    assert [sorted(asked.keys() & {"active_only", "completed_only"}) for asked in workspace.asked] == [
        ["active_only"],
        ["completed_only"],
    ]
    assert workspace.asked[1]["start_time_to"] == "20005", "only those that are missing"


def test_a_single_one_that_is_missing_is_cheaper_read_alone() -> None:
    workspace = Workspace({1: (10, False), 2: (20, True), 3: (30, True)})
    _, found = read(workspace, Batch(known({1: 10, 2: 20, 3: 30})))
    assert (set(found.runs), len(workspace.asked)) == ({2, 3}, 1)


def test_runs_of_one_moment_come_by_the_token_of_their_page() -> None:
    starts = dict.fromkeys(range(1, 41), 10.0)
    workspace = Workspace(going_on(starts))
    _, found = read(workspace, Batch(known(starts)))
    assert set(found.runs) == set(starts)
    assert [asked.get("page_token") for asked in workspace.asked] == [None, "25"]
    assert workspace.asked[1]["start_time_to"] == "10005"
    assert workspace.asked[1]["active_only"] == "true"


def test_pages_of_strangers_are_given_up() -> None:
    """As many as the wanted would fill, and one: those that hide deeper are quicker read one by one."""
    crowd = dict.fromkeys(range(100, 400), 10.0)
    starts = {1: 10.0, 2: 10.0}
    workspace = Workspace(going_on(crowd))
    _, found = read(workspace, Batch(known(starts)))
    assert found.runs == {}
    assert [asked.get("page_token") for asked in workspace.asked if "active_only" in asked] == [None, "25"]


def test_the_newest_pages_are_asked_for_runs_that_were_never_seen() -> None:
    """Hardly more than the pages they would fill."""
    workspace = Workspace(going_on({run_id: float(run_id) for run_id in range(1, 101)}))
    _, found = read(workspace, Batch(dict.fromkeys((60, 20))))
    assert set(found.runs) == {60}
    assert workspace.asked == [
        {"limit": "25", "active_only": "true"},
        {"limit": "25", "active_only": "true", "page_token": "25"},
    ]


def test_the_newest_pages_end_where_all_are_found_or_none_follows() -> None:
    workspace = Workspace(going_on({run_id: float(run_id) for run_id in range(1, 61)}))
    read(workspace, Batch(dict.fromkeys((59, 60))))
    assert len(workspace.asked) == 1
    short = Workspace(going_on({1: 1.0}))
    read(short, Batch(dict.fromkeys((7, 8))))
    assert len(short.asked) == 1


def test_a_single_run_that_was_never_seen_is_not_looked_for_in_lists() -> None:
    workspace = Workspace(going_on({1: 1.0}))
    _, found = read(workspace, Batch({1: None}))
    assert (found.runs, workspace.asked) == ({}, [])


# --- ended ones only --------------------------------------------------------------------------------------


def test_ended_ones_are_asked_for_in_the_time_the_wanted_were_made_in() -> None:
    starts = {1: 10, 2: 20, 3: 30}
    workspace = Workspace({1: (10, True), 2: (20, False), 3: (30, True), 4: (25, False), 5: (31, False)})
    others_go_on, found = read(workspace, Batch(known(starts), ended_only=True))
    assert (others_go_on, set(found.runs)) == (True, {2})
    assert workspace.asked == [
        {"limit": "25", "completed_only": "true", "start_time_from": "9995", "start_time_to": "30005"}
    ]


def test_ended_ones_may_take_several_pages() -> None:
    starts = {run_id: float(run_id) for run_id in range(1, 41)}
    workspace = Workspace({run_id: (second, False) for run_id, second in starts.items()})
    others_go_on, found = read(workspace, Batch(known(starts), ended_only=True))
    assert (others_go_on, set(found.runs)) == (True, set(starts))
    assert [asked.get("page_token") for asked in workspace.asked] == [None, "25"]
    assert {asked["completed_only"] for asked in workspace.asked} == {"true"}


def test_where_ended_strangers_are_more_pages_all_are_told_instead() -> None:
    starts = {1: 10.0, 2: 20.0}
    strangers = dict.fromkeys(range(100, 160), (15.0, False))
    workspace = Workspace({**going_on(starts), **strangers})
    others_go_on, found = read(workspace, Batch(known(starts), ended_only=True))
    assert (others_go_on, set(found.runs)) == (False, {1, 2})
    assert [sorted(asked.keys() & {"active_only", "completed_only"}) for asked in workspace.asked] == [
        ["completed_only"],
        ["active_only"],
    ]


def test_what_another_batch_has_told_already_is_not_asked_for() -> None:
    found = Found(Batch(known({1: 10}), ended_only=True))
    found.runs[1] = {"run_id": 1}
    assert list(read_batch(found)) == []
    found = Found(Batch(known({1: 10, 2: 20})))
    found.runs[2] = {"run_id": 2}
    workspace = Workspace(going_on({1: 10}))
    Driven(read_batch(found), workspace)
    assert workspace.asked[0]["start_time_to"] == "10005"


# --- trouble ----------------------------------------------------------------------------------------------


def failing(workspace: Workspace, *errors: RemoteCallError) -> Any:
    left = list(errors)

    def reply(request: Request) -> Body:
        return left.pop(0) if left else workspace(request)

    return reply


BUSY = RemoteCallError("503", status_code=503, retryable=True)
REFUSED = RemoteCallError("400", status_code=400)


def test_one_bad_page_does_not_cost_the_batch() -> None:
    starts = {1: 10, 2: 20}
    found = Found(Batch(known(starts)))
    driven = Driven(read_batch(found), failing(Workspace(going_on(starts)), BUSY, BUSY))
    assert set(found.runs) == {1, 2}
    assert len(driven.requests) == 3


@pytest.mark.parametrize("errors", [(BUSY, BUSY, BUSY), (REFUSED,)], ids=["for long", "refused"])
def test_a_page_that_stays_bad_ends_the_batch(errors: Iterable[RemoteCallError]) -> None:
    found = Found(Batch(known({1: 10, 2: 20})))
    with pytest.raises(RemoteCallError, match=r"503|400"):
        Driven(read_batch(found), failing(Workspace({}), *errors))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"runs": None},
        {"runs": "x", "next_page_token": "y"},
        {"runs": [{"run_id": "1", "start_time": 10_000}], "next_page_token": 7},
        {"runs": [{"run_id": 9, "start_time": "x"}], "next_page_token": "again"},
    ],
    ids=str,
)
def test_garbage_ends_the_pages_and_tells_nothing(body: dict[str, Any]) -> None:
    found = Found(Batch(known({1: 10, 2: 20})))
    driven = Driven(read_batch(found), lambda request: body, most=4)
    assert found.runs == {}
    assert driven.result is False


# --- who is read together ---------------------------------------------------------------------------------


def test_runs_that_were_never_seen_are_a_batch_and_the_others_go_by_their_start() -> None:
    wanted: dict[int, Run | None] = {9: None, 8: None, **known({1: 30, 2: 10, 3: 20})}
    unseen, seen = batches_of(wanted, True)
    assert (dict(unseen.wanted), unseen.ended_only) == ({9: None, 8: None}, False)
    assert (list(seen.wanted), seen.ended_only) == ([2, 3, 1], True)
    assert dict(seen.wanted) == known({1: 30, 2: 10, 3: 20})


def test_a_batch_has_five_hundred_runs_at_most() -> None:
    wanted = known({run_id: float(run_id) for run_id in range(1, 1002)})
    assert [len(batch.wanted) for batch in batches_of(wanted, False)] == [500, 500, 1]
    assert [batch.ended_only for batch in batches_of(wanted, False)] == [False] * 3
    assert next(iter(batches_of(wanted, False)[1].wanted)) == 501
    assert batches_of({}, False) == []


def test_a_start_is_told_to_the_millisecond() -> None:
    run = a_run(RunState.RUNNING, created_at=datetime.fromtimestamp(10.0006, tz=timezone.utc))
    workspace = Workspace({})
    Driven(read_batch(Found(Batch({1: run, 2: run}))), workspace)
    assert workspace.asked[0]["start_time_from"] == "9996"
