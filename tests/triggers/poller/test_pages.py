"""Batches under way tell each other of their runs."""

from __future__ import annotations

from airflow_provider_pipehooks.services.batch import Batch
from airflow_provider_pipehooks.triggers.poller.pages import SharedPages


def test_batches_under_way_share_what_they_are_told() -> None:
    told: list[int] = []
    pages = SharedPages()
    one = pages.begin(Batch({1: None, 2: None}), lambda run_id, data: told.append(run_id))
    other = pages.begin(Batch({3: None, 4: None}), lambda run_id, data: told.append(run_id))
    page = [{"run_id": run_id} for run_id in (1, 3, 5, 6)]
    assert one.take(page, "run_id") == 2
    assert one.take(page, "run_id") == 0
    assert (one.told, list(one.runs), list(other.runs), told) == (2, [1], [3], [1, 3, 1, 3])
    pages.end(other)
    assert one.take([{"run_id": 4}], "run_id") == 0


def test_a_run_that_is_asked_for_anew_is_found_by_the_newest_batch() -> None:
    pages = SharedPages()
    old, new = (pages.begin(Batch({1: None}), lambda run_id, data: None) for _ in range(2))
    asking = pages.begin(Batch({9: None}), lambda run_id, data: None)
    pages.end(old)
    asking.take([{"run_id": 1}], "run_id")
    assert (list(old.runs), list(new.runs)) == ([], [1])
