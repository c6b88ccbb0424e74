"""JOIN an update of a pipeline: which one, how it ends, and its events in every way to wait."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException

from airflow_provider_pipehooks.core.errors import ConfigurationError, NotFound, RunCancelled, RunFailed
from airflow_provider_pipehooks.sensors.databricks_pipelines import DatabricksPipelineUpdateSensor
from airflow_provider_pipehooks.standin import Plan, StandIn
from tests.task_context import Try, run

pytestmark = pytest.mark.usefixtures("connections")
both = pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_pipehooks.tasks.listening.DRAIN_POLL_S", 0.01)


def join(pipeline_id: str | None = None, **given: Any) -> DatabricksPipelineUpdateSensor:
    settings = {"task_id": "t", "pipeline_id": pipeline_id, "poke_interval": 0.01}
    return DatabricksPipelineUpdateSensor(**{**settings, **given})


@both
def test_the_newest_update_is_waited_for(standin: StandIn, deferrable: bool) -> None:
    world = standin.databricks_pipelines
    pipeline_id = world.add_pipeline("orders", plan=Plan(polls=3))
    first = world.start(pipeline_id)
    while not world.updates[first].is_over:
        run(join(pipeline_id, update_id=first), Try())
    newest = world.start(pipeline_id)
    context = Try()
    assert run(join(pipeline_name="orders", deferrable=deferrable), context) == newest
    assert context.pushed["run"]["state"] == "SUCCESS"
    assert standin.journal.find("POST", "/api/2.0/pipelines/") == []  # it starts and stops nothing


@both
@pytest.mark.parametrize(("outcome", "error"), [("failed", RunFailed), ("canceled", RunCancelled)])
def test_an_update_that_did_not_end_well_fails_the_task(
    standin: StandIn, deferrable: bool, outcome: str, error: type[Exception]
) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(outcome=outcome, polls=2))
    update_id = standin.databricks_pipelines.start(pipeline_id)
    with pytest.raises(error, match=update_id):
        run(join(pipeline_id, update_id=update_id, deferrable=deferrable), Try())


@both
def test_what_became_of_the_events_is_told_once_where_a_failure_is_a_skip(
    standin: StandIn, deferrable: bool
) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(outcome="failed", polls=3))
    update_id = standin.databricks_pipelines.start(pipeline_id)
    task = join(pipeline_id, update_id=update_id, event_hooks=[print], never_fail=True, deferrable=deferrable)
    reports: list[Any] = []
    task.report_events = lambda context, report: reports.append(report)  # type: ignore[method-assign]
    with pytest.raises(AirflowSkipException):
        run(task, Try())
    assert [report.complete for report in reports] == [True]


def test_a_pipeline_without_updates_has_none_to_wait_for(standin: StandIn) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline()
    with pytest.raises(NotFound, match=f"pipeline {pipeline_id} has no update to wait for"):
        run(join(pipeline_id), Try())


@both
def test_a_continuous_pipeline_is_waited_for_until_the_time_is_over(
    standin: StandIn, deferrable: bool
) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(continuous=True)
    standin.databricks_pipelines.start(pipeline_id)
    seen: list[Any] = []
    context = Try()
    with pytest.raises(AirflowSensorTimeout):
        run(join(pipeline_id, event_hooks=[seen.append], deferrable=deferrable, timeout=0.1), context)
    assert seen
    assert context.pushed["event_hooks"]["handled"] >= len(seen)


@pytest.mark.parametrize("given", [{}, {"pipeline_id": "1", "pipeline_name": "x"}])
def test_one_of_id_and_name_is_given(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="either pipeline_id or pipeline_name"):
        join(**given)


@both
def test_every_stable_event_is_told_once(standin: StandIn, deferrable: bool) -> None:
    world = standin.databricks_pipelines
    pipeline_id = world.add_pipeline(plan=Plan(polls=6))
    world.start(pipeline_id)
    seen: list[Any] = []
    context = Try()
    run(join(pipeline_id, event_hooks=[seen.append], deferrable=deferrable, wake_every=0.1), context)
    log = world.pipelines[pipeline_id].log.events
    assert [event["id"] for event in seen] == [e["id"] for e in log if e["maturity_level"] == "STABLE"]
    assert context.pushed["event_hooks"]["not_handled"] == 0


def test_each_poke_of_a_rescheduled_sensor_goes_on_where_the_last_one_was(standin: StandIn) -> None:
    world = standin.databricks_pipelines
    pipeline_id = world.add_pipeline(plan=Plan(polls=6))
    world.start(pipeline_id)
    seen: list[Any] = []
    context, done = Try(), False
    while not done:  # each in a process of its own
        done = bool(join(pipeline_id, event_hooks=[seen.append], mode="reschedule").poke(context))
    log = world.pipelines[pipeline_id].log.events
    assert [event["id"] for event in seen] == [e["id"] for e in log if e["maturity_level"] == "STABLE"]
