"""The Databricks SDK, unchanged, against the pipelines of the stand-in."""

from __future__ import annotations

from typing import Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, ResourceConflict, ResourceDoesNotExist
from databricks.sdk.errors.platform import NotImplemented as NotPlayed
from databricks.sdk.service.pipelines import (
    EventLevel,
    MaturityLevel,
    PipelineState,
    StartUpdateCause,
    UpdateInfoCause,
    UpdateInfoState,
    UpdateMode,
    UpdateStateInfoState,
)

from airflow_provider_pipehooks.standin import Plan, StandIn


@pytest.fixture
def client(standin: StandIn) -> Any:
    return WorkspaceClient(host=standin.url, token="dapi-secret")


def test_an_update_is_started_listed_and_read(standin: StandIn, client: Any) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline("shop", plan=Plan(polls=2))
    update_id = client.pipelines.start_update(
        pipeline_id, full_refresh=True, parameters={"day": "sun"}, cause=StartUpdateCause.JOB_TASK
    ).update_id
    (listed,) = client.pipelines.list_updates(pipeline_id).updates
    assert (listed.update_id, listed.cause, listed.mode) == (update_id, UpdateInfoCause.JOB_TASK, None)
    assert listed.parameters == {"day": "sun"}
    update = client.pipelines.get_update(pipeline_id, update_id).update
    assert (update.state, update.mode) == (UpdateInfoState.COMPLETED, UpdateMode.DEFAULT)
    assert (update.full_refresh, update.config.name) == (True, "shop")
    assert isinstance(update.creation_time, int)


def test_a_second_update_is_a_conflict(standin: StandIn, client: Any) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(hold=True))
    update_id = client.pipelines.start_update(pipeline_id).update_id
    with pytest.raises(ResourceConflict, match=update_id):
        client.pipelines.start_update(pipeline_id)


def test_stop_and_wait_comes_to_idle(standin: StandIn, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("databricks.sdk.service.pipelines.time.sleep", lambda _: None)
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(hold=True))
    client.pipelines.start_update(pipeline_id)
    pipeline = client.pipelines.stop_and_wait(pipeline_id)
    assert pipeline.state is PipelineState.IDLE
    assert pipeline.latest_updates[0].state is UpdateStateInfoState.CANCELED


def test_pipelines_are_made_read_and_listed_over_pages(standin: StandIn, client: Any) -> None:
    made = client.pipelines.create(name="shop", catalog="main").pipeline_id
    for number in range(120):
        standin.databricks_pipelines.add_pipeline(f"shop {number}")
    standin.databricks_pipelines.add_pipeline("other")
    pipeline = client.pipelines.get(made)
    assert (pipeline.name, pipeline.spec.catalog, pipeline.state) == ("shop", "main", PipelineState.IDLE)
    assert len(list(client.pipelines.list_pipelines())) == 122
    found = list(client.pipelines.list_pipelines(filter="name LIKE 'shop%'", order_by=["name desc"]))
    assert (len(found), found[-1].name) == (121, "shop")


def fifty(standin: StandIn) -> str:
    events = [{"id": str(number), "timestamp": f"2026-11-28T02:30:{number}Z"} for number in range(10, 60)]
    return standin.databricks_pipelines.add_pipeline(events=events)


def test_events_are_gathered_over_pages(standin: StandIn, client: Any) -> None:
    expected = [str(number) for number in range(59, 9, -1)]
    pipeline_id = fifty(standin)
    for params in ({}, {"max_results": 7}):
        assert [each.id for each in client.pipelines.list_pipeline_events(pipeline_id, **params)] == expected


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"filter": "level='INFO'"}, "You can provide a page token or specify a filter, but not both."),
        (
            {"order_by": ["timestamp asc"]},
            "You can provide a page token or specify an ordering, but not both.",
        ),
    ],
)
def test_its_second_page_with_a_filter_or_an_order_is_refused(
    standin: StandIn, client: Any, params: dict[str, Any], message: str
) -> None:
    events = client.pipelines.list_pipeline_events(fifty(standin), max_results=10, **params)
    assert len([next(events) for _ in range(10)]) == 10
    with pytest.raises(InvalidParameterValue) as refused:
        next(events)
    assert str(refused.value) == message


def test_one_page_with_a_filter_and_an_order_is_good(standin: StandIn, client: Any) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline(plan=Plan(outcome="failed"))
    client.pipelines.start_update(pipeline_id)
    events = list(
        client.pipelines.list_pipeline_events(
            pipeline_id, filter="level='ERROR'", order_by=["timestamp asc"], max_results=100
        )
    )
    assert [each.event_type for each in events] == ["flow_progress", "update_progress"]
    last = events[-1]
    assert (last.level, last.maturity_level) == (EventLevel.ERROR, MaturityLevel.STABLE)
    assert last.error.fatal is True
    assert last.error.exceptions[0].stack[0].line_number == 12
    assert last.origin.pipeline_id == pipeline_id


def test_what_is_unknown_or_not_played_is_told_apart(standin: StandIn, client: Any) -> None:
    pipeline_id = standin.databricks_pipelines.add_pipeline()
    with pytest.raises(ResourceDoesNotExist, match="nothing"):
        client.pipelines.get("nothing")
    with pytest.raises(ResourceDoesNotExist, match="nothing"):
        client.pipelines.get_update(pipeline_id, "nothing")
    client.pipelines.apply_environment(pipeline_id)
    with pytest.raises(NotPlayed, match="does not play DELETE"):
        client.pipelines.delete(pipeline_id)
