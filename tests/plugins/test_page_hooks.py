"""Hooks that failed or are off, as tasks store it: seen by whoever may read the DAG."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_pipehooks.plugins.shown.hooks import quoted
from tests.plugins.page_world import HOSTILE, Database

Get = Callable[..., Any]
REPORT = {"seen": 9, "handled": 9, "not_handled": 0, "complete": True, "failures": 0, "disabled": []}
STORED = {"v": 1, "failures": 4, "hooks": {"off": ["count_rows", "it's"], "hooks": []}}


def test_node_hooks_that_raised_are_told(get: Get, database: Database) -> None:
    row = {"hook": "Load.post_finish", "state": "FAILED", "error": "KeyError: 'rows'"}
    database.leave("ann_shops", [row], key="hook_progress", map_index=2)
    text = get("ann", "hooks").text
    assert "Load.post_finish" in text
    assert "KeyError: &#39;rows&#39;" in text
    assert "load[2]" in text
    assert "Load.post_finish" not in get("bob", "hooks").text


def test_event_hooks_that_failed_are_told_and_those_that_did_not_are_not(
    get: Get, database: Database
) -> None:
    database.leave("ann_shops", REPORT, key="event_hooks", task_id="well")
    bad = {**REPORT, "failures": 6, "disabled": ["count_rows"], "not_handled": 3}
    database.leave("ann_shops", bad, key="event_hooks", task_id="badly")
    text = get("ann", "hooks").text
    assert "6 calls failed; count_rows was switched off; 3 events were not handled" in text
    assert "badly" in text
    assert "well" not in text


def test_hooks_that_are_off_now_come_with_the_command_that_switches_them_on(
    get: Get, database: Database
) -> None:
    run_id = database.keep("ann_shops", "pipehooks_events", STORED)
    text = get("ann", "hooks").text
    assert "count_rows, it&#39;s" in text
    command = f"pipehooks hooks enable ann_shops {run_id} load --hook count_rows --hook"
    assert command in text
    assert command not in get("bob", "hooks").text
    assert command not in get("ann", "hooks?dag=ann_stock").text


def test_hooks_of_a_task_that_is_over_are_not_off_now(get: Get, database: Database) -> None:
    database.keep("ann_shops", "pipehooks_events", STORED, state="success")
    assert "hooks enable" not in get("ann", "hooks").text


def test_a_window_is_of_the_dag_run(get: Get, database: Database) -> None:
    bad = {**REPORT, "failures": 6}
    database.leave("ann_shops", bad, key="event_hooks", age=timedelta(days=3))
    assert "6 calls failed" in get("ann", "hooks?days=7").text
    assert "6 calls failed" not in get("ann", "hooks?days=1").text


@pytest.mark.parametrize("key", ["hook_progress", "event_hooks"])
@pytest.mark.parametrize(
    "value",
    [
        None,
        "text",
        7,
        [1, None, {"hook": 1}],
        {"failures": "x"},
        {"failures": True, "disabled": 5},
        {"disabled": [None]},
    ],
)
def test_whatever_lies_under_these_keys_is_shown_or_left_out(
    key: str, value: Any, get: Get, database: Database
) -> None:
    database.leave("ann_shops", value, key=key)
    database.keep("ann_shops", "pipehooks_events", {"hooks": value, "failures": value})
    assert get("ann", "hooks").status_code == 200


def test_names_and_errors_of_hooks_are_texts(get: Get, database: Database) -> None:
    database.leave("ann_shops", [{"hook": HOSTILE, "error": HOSTILE}], key="hook_progress")
    database.keep("ann_shops", "pipehooks_events", {"failures": 1, "hooks": {"off": [HOSTILE]}})
    assert "<script" not in get("ann", "hooks").text


@pytest.mark.parametrize(
    "word", ["load", "it's", "", "$(reboot)", "a b", "scheduled__2026-11-28T00:00:00+00:00", "ü;"]
)
def test_a_command_can_be_copied_into_a_shell(word: str) -> None:
    assert shlex.split(f"x {quoted(word)}") == ["x", word]
