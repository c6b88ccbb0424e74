"""The lists that finished runs are read from: no page is lost, and a garbled one is not taken for the end."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import NotFound, RemoteCallError
from airflow_provider_pipehooks.services.base import Request
from airflow_provider_pipehooks.services.dbt_cloud import PAGE
from airflow_provider_pipehooks.services.run_lists import (
    GONE_AFTER_LOOKS,
    DatabricksLists,
    DbtCloudLists,
    Look,
    Wants,
)
from tests.services.driving import Driven, drive

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)


def dbt_page(first: int, count: int) -> dict[str, Any]:
    return {"data": [{"id": first + at, "status": 10, "project_id": 7} for at in range(count)]}


def databricks_page(*run_ids: int, token: str | None = None) -> dict[str, Any]:
    runs = [{"run_id": run_id, "start_time": run_id * 1000} for run_id in run_ids]
    return {"runs": runs, **({"next_page_token": token} if token else {})}


def test_dbt_pages_go_on_above_the_last_id_and_not_at_an_offset() -> None:
    driven = Driven(DbtCloudLists().runs_above(5), [dbt_page(6, PAGE), dbt_page(6 + PAGE, 3)])
    assert [params["id__gt"] for params in driven.params] == ["5", str(5 + PAGE)]
    assert not any("offset" in params for params in driven.params)
    assert [each.position for each in driven.result] == list(range(6, 9 + PAGE))
    assert {each.project_id for each in driven.result} == {7}


def test_a_filter_that_is_not_heeded_is_no_endless_list() -> None:
    with pytest.raises(RemoteCallError, match="id__gt=105 was not heeded"):
        drive(DbtCloudLists().runs_above(5), dbt_page(6, PAGE), dbt_page(6, PAGE))


def test_databricks_pages_go_on_by_token() -> None:
    driven = Driven(DatabricksLists().runs_above(999), [databricks_page(9, 8, token="t"), databricks_page(7)])
    assert driven.params[0]["start_time_from"] == "1000"
    assert driven.params[1]["page_token"] == "t"
    assert [each.position for each in driven.result] == [9000, 8000, 7000]


@pytest.mark.parametrize(
    ("second", "says"),
    [
        ({}, "without 'runs'"),
        ({"runs": [None]}, "a list of more than objects"),
        (databricks_page(8, token="t"), "gave the same page again"),
    ],
)
def test_a_page_that_was_announced_and_is_garbage_fails_the_round(second: dict[str, Any], says: str) -> None:
    with pytest.raises(RemoteCallError, match=says) as caught:
        drive(DatabricksLists().runs_above(0), databricks_page(9, token="t"), second)
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("lists", "page", "position"),
    [(DbtCloudLists(), dbt_page(6, 1), 5), (DatabricksLists(), {}, int(NOON.timestamp() * 1000) - 1)],
)
def test_runs_made_at_that_very_moment_are_above_it(lists: Any, page: Any, position: int) -> None:
    assert Driven(lists.position_at(NOON), [page]).result == position


def test_a_run_has_to_be_missing_for_a_while_to_be_gone() -> None:
    look = Look(DbtCloudLists())

    def reply(request: Request) -> Any:
        return NotFound("gone", status_code=404) if request.path.endswith("/4/") else {"data": []}

    gone = [Driven(look.round(Wants(above=9, runs={4})), reply).result.gone for _ in range(GONE_AFTER_LOOKS)]
    assert gone == [frozenset()] * (GONE_AFTER_LOOKS - 1) + [{4}]


def test_a_run_in_the_list_is_not_read_again() -> None:
    driven = Driven(Look(DbtCloudLists()).round(Wants(above=3, runs={4})), [dbt_page(4, 1)])
    assert len(driven.requests) == 1
    assert driven.result.above == 3
