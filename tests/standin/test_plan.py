from __future__ import annotations

import pytest

from airflow_provider_pipehooks.standin import Plan

# plan, length of the path, polls, elapsed seconds -> position
POSITIONS = [
    (Plan(), 4, 0, 0.0, 3),
    (Plan(polls=3), 4, 0, 0.0, 0),
    (Plan(polls=3), 4, 1, 0.0, 1),
    (Plan(polls=3), 4, 3, 0.0, 3),
    (Plan(polls=3), 4, 9, 0.0, 3),
    (Plan(polls=1), 4, 1, 0.0, 3),
    (Plan(seconds=30), 4, 9, 0.0, 0),
    (Plan(seconds=30), 4, 0, 10.0, 1),
    (Plan(seconds=30), 4, 0, 29.9, 2),
    (Plan(seconds=30), 4, 0, 30.0, 3),
    (Plan(hold=True), 4, 99, 99.0, 2),
    (Plan(hold=True), 1, 0, 0.0, 0),
    (Plan(), 1, 0, 0.0, 0),
]


@pytest.mark.parametrize(("plan", "length", "polls", "elapsed_s", "expected"), POSITIONS)
def test_a_plan_says_where_the_run_is(
    plan: Plan, length: int, polls: int, elapsed_s: float, expected: int
) -> None:
    assert plan.position(length, polls=polls, elapsed_s=elapsed_s) == expected


def test_a_plan_reads_its_json() -> None:
    data = {"outcome": "error", "polls": 2, "states": [1, 99], "details": {"simulate": True}}
    assert Plan.from_json(data) == Plan(outcome="error", polls=2, states=(1, 99), details={"simulate": True})


def test_an_unknown_key_of_a_plan_is_named() -> None:
    with pytest.raises(TypeError, match="outcom"):
        Plan.from_json({"outcom": "error"})
