"""A task that only listens: which events its hooks are told, once each, and what ends it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import TaskDeferred

from airflow_provider_pipehooks.core.errors import ConfigurationError, NotFound
from airflow_provider_pipehooks.handlers.event_hooks import on_event_hook
from airflow_provider_pipehooks.operators.databricks_events import (
    DatabricksPipelineEventsOperator,
    EventsNotHandled,
)
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from tests.task_context import Try, resume, run, stored

pytestmark = pytest.mark.usefixtures("connections")
both = pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])
FAST: dict[str, Any] = {
    "polling_period_seconds": 0.01,
    "wake_every": 0.1,
    "event_drain": 0,
    "hook_params": {"retry_delay": 0.001},
}
MIDNIGHT = datetime(2026, 11, 2, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_pipehooks.tasks.listening.DRAIN_POLL_S", 0.01)


def listener(pipeline_id: str | None, hook: Any, **given: Any) -> DatabricksPipelineEventsOperator:
    settings = {"task_id": "t", "pipeline_id": pipeline_id, "event_hooks": [hook], **FAST}
    return DatabricksPipelineEventsOperator(**{**settings, **given})


def at(minutes: float, digits: str = "") -> dict[str, Any]:
    time = (MIDNIGHT + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S")
    return {
        "id": f"{minutes:g}{digits}",
        "timestamp": f"{time}.000{digits}Z",
        "message": f"after {minutes:g} minutes",
        "event_type": "user_action",
        "level": "INFO",
        "maturity_level": "STABLE",
    }


def ids(events: list[Any]) -> list[str]:
    return [event["id"] for event in events]


@both
def test_the_runs_of_a_schedule_handle_every_event_once(standin: StandIn, deferrable: bool) -> None:
    """Those of one millisecond, too, where a span ends between them."""
    log = [at(0), at(59), at(60), at(60, "000001"), at(119), at(120)]
    pipeline_id = standin.databricks_pipelines.add_pipeline("orders", events=log)
    told: list[Any] = []
    for hour in range(3):
        seen: list[Any] = []
        since = MIDNIGHT + hour * HOUR
        task = listener(pipeline_id, seen.append, since=since, until=since + HOUR, deferrable=deferrable)
        report = run(task, Try())
        assert (report["handled"], report["not_handled"], report["complete"]) == (len(seen), 0, True)
        told.append(ids(seen))
    assert told == [["0", "59"], ["60", "60000001", "119"], ["120"]]


def test_a_span_may_end_within_a_millisecond(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(events=[at(0), at(0, "0005"), at(0, "0015")])
    seen: list[Any] = []
    middle = MIDNIGHT + timedelta(microseconds=1)
    run(listener(pipeline_id, seen.append, since=middle - HOUR, until=middle), Try())
    assert ids(seen) == ["0", "00005"]
    run(listener(pipeline_id, seen.append, since=middle, listen_for=3600), Try())
    assert ids(seen) == ["0", "00005", "00015"]


@both
def test_a_continuous_pipeline_is_listened_to_for_a_while(standin: StandIn, deferrable: bool) -> None:
    world = standin.databricks_pipelines
    pipeline_id = world.add_pipeline(continuous=True, events=[at(0)])
    world.start(pipeline_id)
    seen: list[Any] = []

    def hook(event: Any) -> None:
        seen.append(event)
        if len(seen) < 4:
            world.emit(pipeline_id, {"event_type": "user_action", "message": f"number {len(seen)}"})

    since = datetime.now(timezone.utc) - timedelta(minutes=1)
    task = listener(pipeline_id, hook, since=since, listen_for=61.5, deferrable=deferrable)
    context = Try()
    report = run(task, context)
    log = [event for event in world.pipelines[pipeline_id].log.events if event["id"] != "0"]
    assert ids(seen) == [event["id"] for event in log if event["maturity_level"] == "STABLE"]
    assert context.pushed["event_hooks"] == report
    assert world.pipelines[pipeline_id].active is not None  # nothing is stopped
    assert standin.journal.find("POST", "/api/2.0/pipelines/") == []


@both
def test_it_begins_with_now_where_nothing_else_is_said(standin: StandIn, deferrable: bool) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(events=[at(0)])
    report = run(listener(pipeline_id, print, listen_for=0.3, deferrable=deferrable), Try())
    assert report["handled"] == 0


@both
def test_it_may_end_when_the_pipeline_is_idle(standin: StandIn, deferrable: bool) -> None:
    world = standin.databricks_pipelines
    pipeline_id = world.add_pipeline(plan=Plan(polls=4))
    world.start(pipeline_id)
    seen: list[Any] = []
    since = datetime.now(timezone.utc) - timedelta(minutes=1)
    run(listener(pipeline_id, seen.append, since=since, stop_when_idle=True, deferrable=deferrable), Try())
    log = world.pipelines[pipeline_id].log.events
    assert ids(seen) == [event["id"] for event in log if event["maturity_level"] == "STABLE"]


def test_the_next_try_goes_on_in_the_same_span(standin: StandIn) -> None:
    log = [at(number) for number in range(30)]
    pipeline_id = standin.databricks_pipelines.add_pipeline(events=log)
    seen: list[str] = []

    class Killed(BaseException):
        pass

    def hook(event: Any) -> None:
        seen.append(event["id"])
        if len(seen) == 12:
            raise Killed

    given = {"since": MIDNIGHT, "until": MIDNIGHT + HOUR, "event_batch_size": 4}
    context = Try()
    with pytest.raises(Killed):
        run(listener(pipeline_id, hook, **given), context)
    # As the next day's run would render them: the task's span stays what it was.
    later = {"since": MIDNIGHT + 24 * HOUR, "until": MIDNIGHT + 25 * HOUR, "event_batch_size": 4}
    report = run(listener(pipeline_id, hook, **later), context.next())
    assert seen == [*ids(log[:12]), *ids(log[8:])]
    assert report["handled"] == 30
    # Cleared by a person, it begins anew.
    assert run(listener(pipeline_id, print, **given), Try(context.store, cleared=1))["handled"] == 30


def test_what_could_not_be_read_fails_the_task_and_the_next_try_goes_on(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(events=[at(0), at(1)])
    seen: list[Any] = []
    given = {"since": MIDNIGHT, "until": MIDNIGHT + HOUR}
    standin.faults.add(Fault(method="GET", path="/events", status=503))
    context = Try()
    with pytest.raises(EventsNotHandled, match=r"not read to its end\. The next try goes on"):
        run(listener(pipeline_id, seen.append, **given), context)
    standin.faults.clear()
    assert run(listener(pipeline_id, seen.append, **given), context.next())["handled"] == 2


def test_an_outage_does_not_end_the_listening(standin: StandIn) -> None:
    world = standin.databricks_pipelines
    pipeline_id = world.add_pipeline(continuous=True)
    world.start(pipeline_id)
    standin.faults.add(Fault(method="GET", path=f"/pipelines/{pipeline_id}", status=503, times=12, skip=6))
    seen: list[Any] = []
    since = datetime.now(timezone.utc) - timedelta(minutes=1)
    task = listener(pipeline_id, seen.append, since=since, listen_for=62, deferrable=True)
    assert run(task, Try())["complete"]
    assert seen


def test_the_trigger_sleeps_while_there_is_nothing_new(standin: StandIn) -> None:
    """Also where the log's newest event is not of the span."""
    pipeline_id = standin.databricks_pipelines.add_pipeline(events=[at(0)])
    context = Try()
    task = listener(pipeline_id, print, listen_for=2, deferrable=True)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)
    assert stored(deferred.value.trigger).seen_until == "0"
    assert resume(task, context, deferred.value)["handled"] == 0
    assert len(standin.journal.find("GET", f"/pipelines/{pipeline_id}/events")) <= 25


def test_a_hook_that_fails_does_not_fail_the_task(standin: StandIn) -> None:
    @on_event_hook(max_allowable_consecutive_failures=0)
    def fails(event: Any) -> None:
        raise RuntimeError("oops")

    pipeline_id = standin.databricks_pipelines.add_pipeline(events=[at(0), at(1)])
    told: list[Any] = []
    task = listener(
        pipeline_id, fails, since=MIDNIGHT, listen_for=HOUR, on_hook_disabled=lambda c: told.append(c)
    )
    report = run(task, Try())
    assert (report["handled"], report["failures"], report["disabled"]) == (2, 1, ["fails"])
    assert "Event Hook fails DISABLED: RuntimeError: oops" in str(told[0]["exception"])


def test_there_has_to_be_such_a_pipeline() -> None:
    with pytest.raises(NotFound):
        run(listener("2f8c1f0e-5a3b-4a0e-9a52-0d8c9b6f7a11", print, listen_for=1), Try())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "give one of until and listen_for, or stop_when_idle"),
        ({"until": MIDNIGHT, "listen_for": 5}, "Given: until and listen_for"),
        ({"listen_for": "soon"}, "listen_for of task 't' must be a number of seconds"),
        ({"listen_for": 5, "since": "yesterday"}, "since of task 't' must be a time in ISO 8601"),
        ({"until": datetime(2026, 1, 1)}, "until of task 't' must have a time zone"),
        ({"since": MIDNIGHT, "until": MIDNIGHT}, "must be later than since"),
        ({"listen_for": 5, "event_hooks": None}, "nothing listens without one"),
        ({"listen_for": 5, "pipeline_name": "x"}, "either pipeline_id or pipeline_name"),
    ],
)
def test_wrong_arguments_are_refused_when_the_dag_is_parsed(given: dict[str, Any], says: str) -> None:
    with DAG("d"), pytest.raises(ConfigurationError, match=says):
        listener("p", print, **given)


def test_a_time_comes_from_a_template(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(events=[at(0), at(90)])
    task = listener(pipeline_id, print, since="{{ since }}", until="{{ until }}", listen_for="{{ empty }}")
    context, rendered = Try(), Try()
    rendered.update({"since": MIDNIGHT, "until": MIDNIGHT + HOUR, "empty": ""})
    task.render_template_fields(rendered)
    assert run(task, context)["handled"] == 1
