"""Updates of all pipelines as rows, and their events: each once, however often they are read."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.reporting import listing
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.sync import sync_history
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from tests.reporting.conftest import rows

pytestmark = pytest.mark.usefixtures("connections")
SERVICE = "databricks_pipelines"


def sync(history: History, **more: Any) -> Any:
    return sync_history(SERVICE, history=history, **more)


def requests(standin: StandIn) -> list[str]:
    """The ends of the paths that were asked since the last call."""
    paths = [entry.path.rpartition("/")[2] for entry in standin.journal.entries]
    standin.journal.clear()
    return paths


def test_updates_have_their_times_and_reasons_from_the_log(standin: StandIn, history: History) -> None:
    world = standin.databricks_pipelines
    bad = world.add_pipeline("shop", plan=Plan(outcome="failed", details={"error": "no such table"}))
    good, going = world.add_pipeline("web"), world.add_pipeline("live", plan=Plan(hold=True))
    world.add_pipeline("never started")
    ids = {pipeline_id: world.start(pipeline_id) for pipeline_id in (bad, good, going)}
    assert sync(history).runs == 3
    found = {row[0]: row[1:] for row in rows(history, "run_id, job_id, job_name, state, class, started_by")}
    assert found == {
        ids[bad]: (bad, "shop", "error", "user", "USER_ACTION"),
        ids[good]: (good, "web", "success", None, "USER_ACTION"),
        ids[going]: (going, "live", "running", None, "USER_ACTION"),
    }
    times = rows(history, "created_at <= started_at AND started_at <= ended_at, state")
    assert sorted(times, key=str) == [(None, "running"), (True, "error"), (True, "success")]
    ((message, fingerprint),) = rows(history, "message, fingerprint", state="error")
    assert "has failed" in message
    assert fingerprint


def test_a_second_sync_reads_pipelines_with_news_alone(standin: StandIn, history: History) -> None:
    world = standin.databricks_pipelines
    quiet, busy = (world.add_pipeline(name) for name in ("quiet", "busy"))
    for pipeline_id in (quiet, busy):
        world.start(pipeline_id)
    sync(history)
    requests(standin)
    assert sync(history).runs == 0
    assert requests(standin) == ["pipelines"]
    world.start(busy)
    assert sync(history).runs == 1
    assert requests(standin) == ["pipelines", "updates", "events"]
    assert len(rows(history, "run_id")) == 3


def test_an_update_that_went_on_is_seen_to_its_end(standin: StandIn, history: History) -> None:
    world = standin.databricks_pipelines
    update_id = world.start(world.add_pipeline("live", plan=Plan(hold=True)))
    sync(history)
    world.set_plan(update_id, Plan(outcome="failed"))
    sync(history)
    assert rows(history, "state, ended_at IS NOT NULL") == [("error", True)]


def test_an_update_that_is_tried_again_is_two(standin: StandIn, history: History) -> None:
    world = standin.databricks_pipelines
    plans = (Plan(outcome="failed", details={"retries": 1}), Plan())
    world.start(world.add_pipeline("shop", plans=plans))
    sync(history)
    sync(history)
    sync(history)
    assert sorted(rows(history, "state, started_by")) == [
        ("error", "USER_ACTION"),
        ("success", "RETRY_ON_FAILURE"),
    ]


def test_every_event_is_there_once(standin: StandIn, history: History) -> None:
    world = standin.databricks_pipelines
    pipeline_id = world.add_pipeline("shop", flows=("orders", "items"))
    world.start(pipeline_id)
    sync(history)
    assert rows(history, "*", "events") == []
    world.short_pages = 4
    done = sync(history, events=True)
    log = world.pipelines[pipeline_id].log
    assert done.events >= len(log)
    world.start(pipeline_id)
    late = (datetime.now(timezone.utc) - timedelta(seconds=60)).isoformat()
    world.emit(pipeline_id, {"message": "late"}, at=late)
    sync(history, events=True)
    assert sorted(row[0] for row in rows(history, "event_id", "events")) == sorted(
        event["id"] for event in log.events
    )
    assert rows(history, "message", "events", message="late") == [("late",)]
    assert rows(history, "count(*)", "events", flow_name="orders") > [(0,)]


def test_a_refused_page_begins_again(standin: StandIn, history: History) -> None:
    world = standin.databricks_pipelines
    pipeline_id = world.add_pipeline("shop")
    world.start(pipeline_id)
    world.start(pipeline_id)
    world.short_pages, world.token_life = 5, 1
    standin.faults.add(Fault(path="page_token", status=400, times=2))
    sync(history, events=True)
    assert len(rows(history, "event_id", "events")) == len(world.pipelines[pipeline_id].log)


def test_an_interrupted_sync_goes_on(standin: StandIn, history: History) -> None:
    world = standin.databricks_pipelines
    ids = [world.add_pipeline(f"p{number}") for number in range(12)]
    for pipeline_id in ids:
        world.start(pipeline_id)
    standin.faults.add(Fault(path=f"{ids[6]}/events", status=403))
    with pytest.raises(RemoteCallError):
        sync(history, events=True)
    standin.faults.clear()
    sync(history, events=True)
    assert len(rows(history, "run_id")) == 12
    assert len(rows(history, "event_id", "events")) == sum(len(world.pipelines[each].log) for each in ids)


def test_updates_are_written_from_the_oldest_on(standin: StandIn, history: History) -> None:
    """The newest that is known says from where on they are new."""
    world = standin.databricks_pipelines
    pipeline_id = world.add_pipeline("shop")
    for _ in range(4):
        world.start(pipeline_id)
    append, left = History.append, 2

    def full(history: History, *given: Any) -> int:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError("No space left on device")
        return append(history, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "_ROWS_A_FILE", 1)
        patch.setattr(History, "append", full)
        with pytest.raises(OSError, match="No space"):
            sync(history)
    assert len(rows(history, "run_id")) == 2
    sync(history)
    assert len(rows(history, "run_id")) == 4


def test_a_pipeline_that_goes_meanwhile_is_left_out(
    standin: StandIn, history: History, caplog: pytest.LogCaptureFixture
) -> None:
    world = standin.databricks_pipelines
    gone, there = (world.add_pipeline(name) for name in ("gone", "there"))
    for pipeline_id in (gone, there):
        world.start(pipeline_id)
    standin.faults.add(Fault(path=f"{gone}/updates", status=404))
    sync(history)
    assert rows(history, "job_name") == [("there",)]
    assert "Left out" in caplog.text


def test_hostile_events_are_rows(standin: StandIn, history: History) -> None:
    world = standin.databricks_pipelines
    pipeline_id = world.add_pipeline("shop")
    world.start(pipeline_id)
    now = datetime.now(timezone.utc).isoformat()
    for event in (
        {"message": "\x00\ud800 password=hunter2", "level": 7, "details": None},
        {"message": "x" * 100_000, "event_type": {"a": 1}, "origin": [1]},
        {"id": "", "message": "<script>", "details": {"n": 2**80}},
    ):
        world.emit(pipeline_id, event, at=now)
    sync(history, events=True)
    found = rows(history, "*", "events")
    assert len(found) == len(world.pipelines[pipeline_id].log)
    assert "hunter2" not in str(found)
    assert rows(history, "count(*)", "events", message="<script>") == [(1,)]


def test_events_are_compacted_and_deleted_as_runs_are(standin: StandIn, history: History) -> None:
    from airflow_provider_pipehooks.reporting.compaction import compact

    world = standin.databricks_pipelines
    pipeline_id = world.add_pipeline("shop")
    for _ in range(3):
        world.start(pipeline_id)
        sync(history, events=True)
    before = rows(history, "event_id", "events")
    assert compact(history).after == 2
    assert rows(history, "event_id", "events") == before
    later = datetime.now(timezone.utc) + timedelta(days=40)
    assert compact(history, retention_days=30, now=later).deleted == 2
