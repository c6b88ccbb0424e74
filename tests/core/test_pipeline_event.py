"""An event is a type and its payload."""

from __future__ import annotations

from airflow_provider_pipehooks.core.pipeline_event import PipelineEvent


def test_an_event_is_given_as_a_dict_of_its_own() -> None:
    data = {"dag_id": "d"}
    event = PipelineEvent(event_type="node_enter", data=data)
    given = event.as_dict()
    assert given == {"event_type": "node_enter", "data": {"dag_id": "d"}}
    given["data"]["dag_id"] = "changed"
    assert data == {"dag_id": "d"}
    assert PipelineEvent(event_type="x").as_dict() == {"event_type": "x", "data": {}}
