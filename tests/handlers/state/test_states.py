"""States behave as recorded of Prefect 1.4.1."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_pipehooks.handlers.state import states
from airflow_provider_pipehooks.handlers.state.states import (
    Deferred,
    Failed,
    Later,
    Retrying,
    Running,
    State,
    Success,
)

RECORD = Path(__file__).parent / "records" / "predicates.json"
NOTES: list[dict[str, Any]] = json.loads(RECORD.read_text())["notes"]
PREDICATES = sorted(name for name in dir(State) if name.startswith("is_"))


@pytest.mark.parametrize("note", NOTES, ids=lambda note: str(note["state"]))
def test_predicates_tree_color_and_repr_are_those_of_the_record(note: dict[str, Any]) -> None:
    kind = getattr(states, note["state"])
    state = kind()
    assert [name for name in PREDICATES if getattr(state, name)()] == sorted(note["true"])
    assert [base.__name__ for base in kind.__mro__[1:-1]] == note["bases"]
    assert (kind.color, repr(state)) == (note["color"], note["repr"])


def test_the_record_knows_every_state_but_airflows_own() -> None:
    ours = {name for name, kind in vars(states).items() if isinstance(kind, type) and issubclass(kind, State)}
    assert ours - {note["state"] for note in NOTES} == {"Deferred"}
    assert Deferred().is_pending()


def test_a_state_shows_its_message_in_text_and_repr() -> None:
    state = Running("Starting task run.")
    assert repr(state) == str(state) == '<Running: "Starting task run.">'


def test_a_state_is_always_true_so_that_a_returned_one_counts() -> None:
    assert all(getattr(states, note["state"])(result=0) for note in NOTES)


def test_a_result_for_later_is_fetched_once_and_only_when_looked_at() -> None:
    fetched: list[int] = []

    def fetch() -> str:
        fetched.append(1)
        return "value"

    state = Success("done", Later(fetch))
    assert fetched == []
    assert (state.result, state.result, fetched) == ("value", "value", [1])


def test_arguments_come_in_prefects_order() -> None:
    error = ValueError("x")
    state = Failed("m", error, {"k": 1})
    assert (state.message, state.result, state.context) == ("m", error, {"k": 1})
    assert Retrying("m", run_count=2).run_count == 2
