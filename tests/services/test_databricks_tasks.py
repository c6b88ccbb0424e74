"""The tasks of one run: in one read, and whether one has to run again."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import NotFound
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.services.batch import Batch, Found
from airflow_provider_pipehooks.services.databricks_jobs import DatabricksJobs
from airflow_provider_pipehooks.services.databricks_tasks import is_over_with, repair_body
from tests.services.driving import Driven, drive

LOAD, CHECK = DatabricksJobs(task_key="load"), DatabricksJobs(task_key="check")


def a_task(key: str, run_id: int, result: str = "SUCCESS", attempt: int = 0, **fields: Any) -> dict[str, Any]:
    state = {"life_cycle_state": "TERMINATED", "result_state": result}
    return {"task_key": key, "run_id": run_id, "attempt_number": attempt, "state": state, **fields}


def a_whole(*tasks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    state = {"life_cycle_state": "RUNNING"}
    return {"run_id": 7, "job_id": 5, "state": state, "tasks": list(tasks), **fields}


def after(key: str) -> dict[str, Any]:
    return {"depends_on": [{"task_key": key}]}


def test_one_read_tells_all_tasks_of_a_run() -> None:
    keys = {service: service.key_of("7") for service in (LOAD, CHECK)}
    (batch,) = LOAD.batches_of(dict.fromkeys(keys.values()), ended_only=True)
    found = Found(batch)
    whole = a_whole(a_task("load", 71, "FAILED"), a_task("check", 72))
    driven = Driven(CHECK.read_batch(found), [whole])
    assert driven.result is True
    assert len(driven.requests) == 1
    states = {service.task_key: service.parse(found.runs[key]).state for service, key in keys.items()}
    assert states == {"load": RunState.ERROR, "check": RunState.SUCCESS}


def test_tasks_of_two_runs_and_a_run_are_three_batches() -> None:
    wanted = {
        LOAD.key_of(7): None,
        CHECK.key_of(7): None,
        LOAD.key_of(8): None,
        DatabricksJobs().key_of(9): None,
    }
    batches = [set(batch.wanted) for batch in DatabricksJobs().batches_of(wanted, ended_only=False)]
    assert sorted(map(len, batches)) == [1, 1, 2]
    assert {9} in batches


def test_a_key_with_a_slash_is_a_key() -> None:
    service = DatabricksJobs(task_key="a/b")
    found = Found(Batch({service.key_of(7): None}))
    drive(service.read_batch(found), a_whole(a_task("a/b", 71)))
    assert service.parse(found.runs["7/a/b"]).run_id == 71


OVER = {
    "never waited for": (a_whole(a_task("load", 71, "FAILED")), 0, False),
    "waited for": (a_whole(a_task("load", 71, "FAILED")), 71, True),
    "waited for, and well": (a_whole(a_task("load", 71)), 71, True),
    "another attempt since": (
        a_whole(a_task("load", 71, "FAILED"), a_task("load", 72, attempt=1)),
        71,
        False,
    ),
    "not there yet": (a_whole(), 71, False),
    "upstream failed": (
        a_whole(a_task("up", 70, "FAILED"), a_task("load", 71, "UPSTREAM_FAILED", **after("up"))),
        0,
        False,
    ),
    "upstream was mended": (
        a_whole(
            a_task("up", 70, "FAILED"),
            a_task("up", 72, attempt=1),
            a_task("load", 71, "UPSTREAM_FAILED", **after("up")),
        ),
        0,
        True,
    ),
    "half of it was mended": (
        a_whole(
            a_task("up", 72),
            a_task("other", 73, "CANCELED"),
            a_task("load", 71, "UPSTREAM_CANCELED", depends_on=[{"task_key": "up"}, {"task_key": "other"}]),
        ),
        0,
        False,
    ),
    "excluded": (a_whole(a_task("up", 70), a_task("load", 71, "EXCLUDED", **after("up"))), 0, False),
}


@pytest.mark.parametrize("name", OVER)
def test_when_a_task_has_to_run_again(name: str) -> None:
    whole, waited_for, over = OVER[name]
    assert is_over_with(whole, "load", waited_for) is over


def test_a_repair_names_the_last_one_and_keeps_the_parameters() -> None:
    whole = a_whole(
        overriding_parameters={"notebook_params": {"day": "7"}, "jar_params": [], "unknown": 1},
        repair_history=[{"type": "ORIGINAL"}, {"type": "REPAIR", "id": 3}, {"type": "REPAIR", "id": 4}],
    )
    assert repair_body(whole, ["load"]) == {
        "run_id": 7,
        "rerun_tasks": ["load"],
        "latest_repair_id": 4,
        "notebook_params": {"day": "7"},
    }


def test_a_cancel_is_of_the_task_alone() -> None:
    driven = Driven(LOAD.cancel_run(7), [a_whole(a_task("load", 71)), ""])
    assert driven.requests[-1].json == {"run_id": 71}


def test_a_task_that_is_not_there_is_not_cancelled_as_its_whole_run() -> None:
    with pytest.raises(NotFound, match="'load'"):
        drive(LOAD.cancel_run(7), a_whole(a_task("check", 72)))
