"""What was found of a batch, and of others on the way."""

from __future__ import annotations

from typing import Any

from airflow_provider_pipehooks.services.batch import Batch, Found
from tests.core.anything import a_run


def test_what_is_told_is_found_once() -> None:
    found = Found(Batch({1: None, 2: a_run()}))
    assert found.take([{"id": 1}, {"id": 5}], "id") == 1
    assert found.take([{"id": 1}], "id") == 0
    assert (found.runs, found.requests, found.told) == ({1: {"id": 1}}, 2, 1)
    assert found.missing == {2: a_run()}


def test_it_is_told_on_at_once_and_each_time() -> None:
    seen: list[Any] = []
    found = Found(Batch({1: None}), on_found=lambda run_id, data: seen.append((run_id, data["n"])))
    found.take([{"id": 1, "n": 1}], "id")
    found.take([{"id": 1, "n": 2}], "id")
    assert seen == [(1, 1), (1, 2)]
    assert found.runs[1]["n"] == 2


def test_what_another_batch_looks_for_is_found_there() -> None:
    other = Found(Batch({7: None}))
    found = Found(Batch({1: None}), elsewhere={7: other}.get)
    assert found.take([{"id": 7}, {"id": 8}, {"id": 1}], "id") == 2
    assert (list(found.runs), list(other.runs), found.told, other.told, other.requests) == ([1], [7], 2, 0, 0)


def test_an_object_without_a_number_is_nobodys() -> None:
    found = Found(Batch({1: None}))
    assert found.take([{}, {"id": "1"}, {"id": None}, {"other": 1}, {"id": 1}], "id") == 1
