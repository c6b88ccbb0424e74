"""``retry_args``: tenacity's ``stop`` and ``wait`` say when a call is tried again, as officially."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tenacity import (
    stop_after_attempt,
    stop_after_delay,
    stop_before_delay,
    stop_never,
    wait_chain,
    wait_exponential,
    wait_fixed,
    wait_incrementing,
    wait_none,
)

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.hooks.databricks import DatabricksHook
from airflow_provider_pipehooks.hooks.retrying import Retries
from airflow_provider_pipehooks.services.databricks_jobs import DatabricksJobs
from airflow_provider_pipehooks.standin import Fault, StandIn

TROUBLE = RemoteCallError("down", status_code=503, retryable=True)


def pauses(retry_args: Any, most: int = 9, limit: int = 3, delay_s: float = 1.0) -> list[float]:
    """The pauses of a call that never succeeds."""
    tried = Retries.of(limit, delay_s, retry_args).begin()
    found: list[float] = []
    while len(found) < most and (pause_s := tried.pause_s(TROUBLE)) is not None:
        found.append(pause_s)
    return found


@pytest.mark.parametrize(
    ("retry_args", "expected"),
    [
        (None, [1, 2]),
        ({}, [1, 2]),
        ({"stop": None, "wait": None}, [1, 2]),
        ({"stop": stop_after_attempt(4)}, [1, 2, 4]),
        ({"wait": wait_fixed(7)}, [7, 7]),
        ({"stop": stop_after_attempt(1), "wait": wait_fixed(7)}, []),
        ({"stop": stop_after_attempt(4), "wait": wait_exponential(multiplier=2, max=6)}, [2, 4, 6]),
        ({"stop": stop_after_attempt(4), "wait": wait_incrementing(1, 2)}, [1, 3, 5]),
        ({"stop": stop_after_attempt(3), "wait": wait_chain(wait_fixed(1), wait_fixed(9))}, [1, 9]),
        ({"stop": stop_never, "wait": wait_none()}, [0] * 9),
        ({"stop": stop_after_delay(0)}, []),
        ({"stop": stop_after_delay(0) & stop_after_attempt(2)}, [1]),
        ({"stop": stop_before_delay(10), "wait": wait_fixed(20)}, []),
        ({"stop": stop_before_delay(30), "wait": wait_fixed(20)}, [20] * 9),
    ],
)
def test_stop_and_wait_count(retry_args: Any, expected: list[float]) -> None:
    assert pauses(retry_args) == expected


def test_what_a_caller_allows_wins_over_stop() -> None:
    tried = Retries.of(3, 1.0, {"stop": stop_never, "wait": wait_fixed(5)}).begin(2)
    assert [tried.pause_s(TROUBLE), tried.pause_s(TROUBLE)] == [5, None]


@pytest.mark.parametrize("name", ["sleep", "before", "before_sleep", "retry_error_cls"])
def test_what_is_not_used_is_told_of(name: str, caplog: pytest.LogCaptureFixture) -> None:
    Retries.of(3, 1.0, {name: print, "retry": print, "after": print, "reraise": True})
    assert f"retry_args: {name} not used here" in caplog.text


def test_what_the_official_hooks_set_themselves_is_left_without_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    Retries.of(3, 1.0, {"retry": print, "after": print, "reraise": True})
    assert caplog.text == ""


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_hook_tries_as_often_as_it_was_told(
    mode: str, standin: StandIn, connections: Callable[..., None]
) -> None:
    standin.faults.add(Fault(path="runs/get", status=503))
    hook = DatabricksHook(retry_args={"stop": stop_after_attempt(5), "wait": wait_none()})

    def call() -> Any:
        look = DatabricksJobs().get_run(1)
        return hook.call(look) if mode == "sync" else asyncio.run(hook.acall_once(look))

    with pytest.raises(RemoteCallError, match="answered 503"):
        call()
    assert len(standin.journal.entries) == 5
