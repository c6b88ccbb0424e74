"""Time that went into trying again, from what the services tell of a run."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_pipehooks.reporting.attempts import again_and_paused, is_one_time, try_of
from tests.reporting.made_rows import run

#: A moment in 2026, in milliseconds.
T = 1_790_000_000_000


def tasks(*spans: tuple[Any, Any, Any]) -> dict[str, Any]:
    """From and to in seconds, and the number of the try."""
    return {
        "tasks": [
            {"start_time": T + begin * 1000, "end_time": T + end * 1000, "attempt_number": number}
            for begin, end, number in spans
        ]
    }


@pytest.mark.parametrize(
    ("raw", "again_s", "paused_s"),
    [
        ({}, 0, 0),
        (tasks((0, 60, 0), (100, 160, 0)), 0, 0),  # a gap between two tasks is no pause
        (tasks((0, 60, 0), (60, 90, 1)), 30, 0),  # retried at once
        (tasks((0, 60, 0), (3600, 3630, 1)), 30, 3540),  # repaired an hour later
        (tasks((0, 60, 0), (70, 100, 1), (80, 120, 1)), 50, 10),  # two at a time count once
        (tasks((0, 60, 0), (0, 200, 0), (70, 100, 1)), 30, 0),  # something else ran meanwhile
        (tasks((0, 60, 0), (70, 80, 0), (70, 100, 1)), 30, 10),
        (tasks((0, 60, 0), (70, 100, 1), (110, 130, 2)), 50, 20),
        ({"tasks": [{"start_time": T, "end_time": 0, "attempt_number": 1}]}, 0, 0),  # goes on
        ({"tasks": [{"start_time": "x", "end_time": [], "attempt_number": {}}, None, 7]}, 0, 0),
        ({"retrying_run_id": 41}, 60, 0),
        ({"retrying_run_id": None}, 0, 0),
        ({"cause": "RETRY_ON_FAILURE"}, 60, 0),
        ({"cause": "API_CALL"}, 0, 0),
        ({"attempt_number": 1}, 60, 0),
    ],
)
def test_time_of_later_tries_and_the_pauses_before_them(raw: Any, again_s: float, paused_s: float) -> None:
    assert again_and_paused(run(took_s=60), raw) == (again_s, paused_s)


def test_a_repeated_run_without_an_end_has_no_time_yet() -> None:
    assert again_and_paused(run(took_s=None), {"retrying_run_id": 41}) == (None, 0)


@pytest.mark.parametrize(
    ("number", "expected"), [(0, 1), (2, 3), (None, 1), ("2", 1), (-5, 1), (10**30, 100_001)]
)
def test_the_number_of_a_try_fits_a_column(number: Any, expected: int) -> None:
    assert try_of({"attempt_number": number}) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("SUBMIT_RUN", True), ("WORKFLOW_RUN", True), ("JOB_RUN", False), (None, False), ([], False)],
)
def test_a_submitted_run_belongs_to_no_job(kind: Any, expected: bool) -> None:
    assert is_one_time({"run_type": kind}) is expected
