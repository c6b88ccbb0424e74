"""What updates of the stand-in's pipelines tell in the event log, and how tests write into it."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_pipehooks.standin import Plan
from airflow_provider_pipehooks.standin.databricks_jobs.errors import ApiError
from tests.standin.databricks_pipelines.conftest import NOW_S, Api

NOW = "2027-01-15T08:00:00.000000Z"


def states_of(api: Api, pipeline_id: str) -> list[str]:
    return [each["details"]["update_progress"]["state"] for each in api.told(pipeline_id, "update_progress")]


def flow_states(api: Api, pipeline_id: str) -> list[tuple[str, str]]:
    return [
        (each["origin"]["flow_name"], each["details"]["flow_progress"]["status"])
        for each in api.told(pipeline_id, "flow_progress")
    ]


# --- what updates tell ------------------------------------------------------------------------------


def test_an_update_tells_its_whole_life_in_order(api: Api) -> None:
    pipeline_id = api.world.add_pipeline("shop", flows=("orders", "items"))
    short_id = api.start(pipeline_id)[:6]
    told = [(each["event_type"], each["message"]) for each in api.events(pipeline_id)]
    assert told == [
        ("create_update", f"Update {short_id} started by API_CALL."),
        ("user_action", "START by user standin@example.com."),
        ("update_progress", f"Update {short_id} is WAITING_FOR_RESOURCES."),
        ("update_progress", f"Update {short_id} is INITIALIZING."),
        ("dataset_definition", "Dataset 'orders' defined."),
        ("flow_definition", "Flow 'orders' defined."),
        ("dataset_definition", "Dataset 'items' defined."),
        ("flow_definition", "Flow 'items' defined."),
        ("update_progress", f"Update {short_id} is SETTING_UP_TABLES."),
        ("planning_information", "Planning information of the update."),
        ("update_progress", f"Update {short_id} is RUNNING."),
        ("flow_progress", "Flow 'orders' is QUEUED."),
        ("flow_progress", "Flow 'items' is QUEUED."),
        ("flow_progress", "Flow 'orders' is STARTING."),
        ("flow_progress", "Flow 'items' is STARTING."),
        ("flow_progress", "Flow 'orders' is RUNNING."),
        ("flow_progress", "Flow 'items' is RUNNING."),
        ("cluster_resources", f"Resources of cluster 1128-023000-{pipeline_id[:8]}."),
        ("flow_progress", "Flow 'orders' has COMPLETED."),
        ("flow_progress", "Flow 'items' has COMPLETED."),
        ("update_progress", f"Update {short_id} is COMPLETED."),
    ]


def test_an_event_has_all_fields(api: Api) -> None:
    pipeline_id = api.world.add_pipeline("shop", flows=("orders",))
    update_id = api.start(pipeline_id)
    event = api.events(pipeline_id)[-2]
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-8080-[0-9a-f]{12}", event.pop("id"))
    assert event.pop("sequence")["control_plane_seq_no"] == len(api.events(pipeline_id)) - 1
    origin = event.pop("origin")
    assert event == {
        "timestamp": NOW,
        "message": "Flow 'orders' has COMPLETED.",
        "level": "INFO",
        "maturity_level": "STABLE",
        "event_type": "flow_progress",
        "details": {"flow_progress": {"status": "COMPLETED", "metrics": {"num_output_rows": 0}}},
    }
    expected = {
        "pipeline_id": pipeline_id,
        "pipeline_name": "shop",
        "update_id": update_id,
        "request_id": update_id,
        "flow_name": "orders",
        "dataset_name": "orders",
        "org_id": 1,
    }
    assert expected.items() <= origin.items()


def test_one_event_is_of_level_metrics_and_one_is_not_stable(api: Api) -> None:
    pipeline_id = api.world.add_pipeline()
    api.start(pipeline_id)
    events = api.events(pipeline_id)
    assert [each["event_type"] for each in events if each["level"] == "METRICS"] == ["cluster_resources"]
    assert [each["event_type"] for each in events if each["maturity_level"] == "EVOLVING"] == [
        "planning_information"
    ]
    assert {each["level"] for each in events} == {"INFO", "METRICS"}
    assert {each["maturity_level"] for each in events} == {"STABLE", "EVOLVING"}


def test_ids_are_unique_over_all_pipelines_and_sequences_rise(api: Api) -> None:
    events = []
    for _ in range(2):
        pipeline_id = api.world.add_pipeline()
        api.start(pipeline_id)
        events += api.events(pipeline_id)
    assert len({each["id"] for each in events}) == len(events)
    numbers = [each["sequence"]["control_plane_seq_no"] for each in events]
    assert numbers == [*range(1, len(events) // 2 + 1)] * 2


def test_a_failed_update_says_why(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(flows=("orders", "items"), plan=Plan(outcome="failed"))
    update_id = api.start(pipeline_id)
    *_, flow, update = api.events(pipeline_id)
    assert (update["level"], update["message"]) == (
        "ERROR",
        f"Update {update_id[:6]} has failed. Failed to execute flow 'orders'.",
    )
    assert update["details"] == {"update_progress": {"state": "FAILED"}}
    assert update["error"]["fatal"] is True
    exception = update["error"]["exceptions"][0]
    assert (exception["class_name"], exception["error_class"], exception["sql_state"]) == (
        "Exception",
        "PYTHON.EXCEPTION",
        "P0001",
    )
    assert exception["message"].endswith("ZeroDivisionError: division by zero")
    assert set(exception["stack"][0]) == {"declaring_class", "method_name", "file_name", "line_number"}
    assert (flow["level"], flow["message"], flow["error"]) == (
        "ERROR",
        "Flow 'orders' has FAILED.",
        update["error"],
    )
    assert flow_states(api, pipeline_id)[-2:] == [("items", "COMPLETED"), ("orders", "FAILED")]


ERRORS: list[tuple[Any, dict[str, Any]]] = [
    ("no such column", {"message": "no such column", "class_name": "Exception"}),
    ({"class_name": "KeyError", "sql_state": "X", "stack": []}, {"class_name": "KeyError", "sql_state": "X"}),
    ({"exceptions": [{"class_name": "A"}, {"class_name": "B"}]}, {"class_name": "A"}),
]


@pytest.mark.parametrize(("error", "expected"), ERRORS, ids=str)
def test_a_plan_may_say_what_the_error_is(api: Api, error: Any, expected: dict[str, Any]) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(outcome="error", details={"error": error}))
    api.start(pipeline_id)
    assert expected.items() <= api.events(pipeline_id)[-1]["error"]["exceptions"][0].items()


@pytest.mark.parametrize("fatal", [True, False])
def test_a_plan_may_say_whether_the_error_is_fatal(api: Api, fatal: bool) -> None:
    plan = Plan(outcome="failed", details={"error": {"fatal": fatal}})
    pipeline_id = api.world.add_pipeline(plan=plan)
    api.start(pipeline_id)
    error = api.events(pipeline_id)[-1]["error"]
    assert (error["fatal"], "fatal" in error["exceptions"][0]) == (fatal, False)


def test_a_plan_may_say_the_message_and_which_flows_fail(api: Api) -> None:
    plan = Plan(outcome="failed", message="Disk full.", details={"failed_flows": ["b", "c"]})
    pipeline_id = api.world.add_pipeline(flows=("a", "b", "c"), plan=plan)
    api.start(pipeline_id)
    assert flow_states(api, pipeline_id)[-3:] == [("a", "COMPLETED"), ("b", "FAILED"), ("c", "FAILED")]
    assert api.events(pipeline_id)[-1]["message"].endswith(" has failed. Disk full.")


def test_an_update_that_fails_before_it_runs_tells_of_no_flow_but_the_failed_one(api: Api) -> None:
    plan = Plan(outcome="failed", states=("INITIALIZING", "FAILED"))
    pipeline_id = api.world.add_pipeline(flows=("orders", "items"), plan=plan)
    api.start(pipeline_id)
    assert flow_states(api, pipeline_id) == [("orders", "FAILED")]


def test_an_update_that_only_validates_runs_no_flow(api: Api) -> None:
    pipeline_id = api.world.add_pipeline()
    api.start(pipeline_id, validate_only=True)
    assert flow_states(api, pipeline_id) == []
    assert states_of(api, pipeline_id)[-2:] == ["RUNNING", "COMPLETED"]


def test_flows_tell_what_became_of_their_expectations(api: Api) -> None:
    positive = {"name": "positive", "dataset": "items", "passed_records": 90, "failed_records": 10}
    known = {"name": "known", "passed_records": 100, "failed_records": 0}
    details = {"expectations": [positive, known], "dropped_records": 10, "metrics": {"num_output_rows": 90}}
    pipeline_id = api.world.add_pipeline(flows=("orders", "items", "rest"), plan=Plan(details=details))
    api.start(pipeline_id)
    told = [each["details"]["flow_progress"] for each in api.told(pipeline_id, "flow_progress")[-3:]]
    assert [each.get("data_quality") for each in told] == [
        {"dropped_records": 10, "expectations": [{**known, "dataset": "orders"}]},
        {"dropped_records": 10, "expectations": [positive]},
        None,
    ]
    assert [each["metrics"] for each in told] == [{"num_output_rows": 90}] * 3
    datasets = [each["details"]["dataset_definition"] for each in api.told(pipeline_id, "dataset_definition")]
    assert [each["expectations"] for each in datasets] == [[{"name": "known"}], [{"name": "positive"}], []]


def test_a_stopped_update_tells_who_stopped_it(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(hold=True))
    update_id = api.start(pipeline_id)
    api.states(pipeline_id, update_id, 1)
    api.post(f"/{pipeline_id}/stop")
    api.states(pipeline_id, update_id, 2)
    *_, action, stopping, flow, end = api.events(pipeline_id)
    assert action["details"]["user_action"]["action"] == "STOP"
    assert [each["details"]["update_progress"] for each in (stopping, end)] == [
        {"state": state, "cancellation_cause": "USER_ACTION"} for state in ("STOPPING", "CANCELED")
    ]
    assert flow["details"]["flow_progress"]["status"] == "STOPPED"
    assert end["message"] == f"Update {update_id[:6]} is CANCELED."


def test_a_plan_may_say_why_an_update_is_canceled(api: Api) -> None:
    plan = Plan(outcome="canceled", details={"cancellation_cause": "WORKFLOW_CANCELLATION"})
    pipeline_id = api.world.add_pipeline(plan=plan)
    api.start(pipeline_id)
    progress = api.events(pipeline_id)[-1]["details"]["update_progress"]
    assert progress == {"state": "CANCELED", "cancellation_cause": "WORKFLOW_CANCELLATION"}


def test_a_continuous_flow_is_stopped_when_another_fails(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(continuous=True, flows=("a", "b"), plan=Plan(outcome="failed"))
    api.start(pipeline_id)
    assert flow_states(api, pipeline_id)[-2:] == [("b", "STOPPED"), ("a", "FAILED")]


# --- times ------------------------------------------------------------------------------------------


def test_moves_that_are_found_late_have_the_time_at_which_they_were_planned(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(seconds=10))
    api.start(pipeline_id)
    api.now_s += 1000
    times = [each["timestamp"] for each in api.told(pipeline_id, "update_progress")]
    assert times == [
        NOW,
        "2027-01-15T08:00:02.500000Z",
        "2027-01-15T08:00:05.000000Z",
        "2027-01-15T08:00:07.500000Z",
        "2027-01-15T08:00:10.000000Z",
    ]


def test_speed_divides_the_seconds_of_planned_times_too(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.world, "speed", 10.0)
    plans = (
        Plan(outcome="failed", seconds=40, details={"retries": 1, "retry_after_seconds": 60}),
        Plan(hold=True),
    )
    pipeline_id = api.world.add_pipeline(plans=plans)
    api.start(pipeline_id)
    api.now_s += 1000
    api.events(pipeline_id)
    failed = api.events(pipeline_id, filter="level='ERROR'")[-1]
    assert failed["timestamp"] == "2027-01-15T08:00:04.000000Z"
    assert api.told(pipeline_id, "create_update")[-1]["timestamp"] == "2027-01-15T08:00:10.000000Z"


@pytest.mark.parametrize("plan", [Plan(), Plan(hold=True)], ids=str)
def test_moves_that_wait_for_nothing_have_the_time_of_the_start(api: Api, plan: Plan) -> None:
    pipeline_id = api.world.add_pipeline(plan=plan)
    api.start(pipeline_id)
    api.now_s += 60
    assert {each["timestamp"] for each in api.events(pipeline_id)} == {NOW}


def test_moves_by_polls_have_the_time_of_the_read(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(polls=1))
    update_id = api.start(pipeline_id)
    api.now_s += 7.25
    api.update(pipeline_id, update_id)
    assert {each["timestamp"] for each in api.told(pipeline_id, "update_progress")[1:]} == {
        "2027-01-15T08:00:07.250000Z"
    }


@pytest.mark.parametrize(
    ("digits", "fraction"), [(0, ""), (3, ".123"), (4, ".1234"), (6, ".123456"), (9, ".123456000")]
)
def test_timestamps_have_as_many_fraction_digits_as_wanted(api: Api, digits: int, fraction: str) -> None:
    api.world.fraction_digits = digits
    api.now_s += 0.123456
    pipeline_id = api.world.add_pipeline()
    api.start(pipeline_id)
    assert {each["timestamp"] for each in api.events(pipeline_id)} == {f"2027-01-15T08:00:00{fraction}Z"}


# --- written by tests -------------------------------------------------------------------------------


def test_an_emitted_event_is_filled_in(api: Api) -> None:
    pipeline_id = api.world.add_pipeline("shop")
    id_ = api.world.emit(pipeline_id, {"details": {"hook_progress": {"state": "FAILED"}}, "level": "WARN"})
    (event,) = api.events(pipeline_id)
    assert (event["id"], event["timestamp"], event["level"]) == (id_, NOW, "WARN")
    assert (event["event_type"], event["message"], event["maturity_level"]) == ("hook_progress", "", "STABLE")
    assert event["origin"]["pipeline_name"] == "shop"
    assert "update_id" not in event["origin"]


def test_an_emitted_event_keeps_what_it_has(api: Api) -> None:
    pipeline_id = api.world.add_pipeline("shop")
    event = {
        "id": "mine",
        "timestamp": "2020-01-01T00:00:00.1234567Z",
        "sequence": {"control_plane_seq_no": 99},
        "maturity_level": None,
        "event_type": "odd",
        "origin": {"update_id": "u", "pipeline_name": "other"},
        "truncation": {"truncated_fields": [{"field_name": "error"}]},
    }
    assert api.world.emit(pipeline_id, event) == "mine"
    (read,) = api.events(pipeline_id)
    assert {name: read[name] for name in event if name != "origin"} == {
        name: event[name] for name in event if name != "origin"
    }
    assert (read["origin"]["update_id"], read["origin"]["pipeline_name"]) == ("u", "other")
    assert read["origin"]["pipeline_id"] == pipeline_id


@pytest.mark.parametrize(
    "at",
    [
        "2027-01-15T07:59:30Z",
        datetime(2027, 1, 15, 7, 59, 30),
        datetime(2027, 1, 15, 8, 59, 30, tzinfo=timezone(timedelta(hours=1))),
    ],
    ids=str,
)
def test_an_event_may_come_late(api: Api, at: datetime | str) -> None:
    pipeline_id = api.world.add_pipeline()
    for message, seconds in (("first", -60), ("last", 0)):
        api.now_s = NOW_S + seconds
        api.world.emit(pipeline_id, {"message": message})
    api.world.emit(pipeline_id, {"message": "late", "timestamp": "2000-01-01T00:00:00Z"}, at=at)
    events = api.events(pipeline_id)
    assert [each["message"] for each in events] == ["first", "late", "last"]
    assert events[1]["timestamp"].startswith("2027-01-15T07:59:30")
    assert events[1]["sequence"]["control_plane_seq_no"] == 3


def test_events_of_one_moment_stay_in_the_order_they_came_in(api: Api) -> None:
    pipeline_id = api.world.add_pipeline()
    for message in "abc":
        api.world.emit(pipeline_id, {"message": message}, at=NOW)
    assert [each["message"] for each in api.events(pipeline_id)] == ["a", "b", "c"]
    assert [each["message"] for each in api.page(pipeline_id)[0]] == ["c", "b", "a"]


def test_an_emitted_event_moves_no_update_that_nobody_has_read(api: Api) -> None:
    pipeline_id = api.world.add_pipeline()
    update_id = api.start(pipeline_id)
    api.world.emit(pipeline_id, {"message": "x"})
    assert api.world.updates[update_id].state == "WAITING_FOR_RESOURCES"


def test_an_emitted_event_comes_after_what_time_has_done_before_it(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(seconds=5))
    api.start(pipeline_id)
    api.now_s += 60
    api.world.emit(pipeline_id, {"message": "x"})
    numbers = [each["sequence"]["control_plane_seq_no"] for each in api.events(pipeline_id)]
    assert numbers == sorted(numbers)


def test_a_moment_that_is_none_and_a_pipeline_that_is_none_are_refused(api: Api) -> None:
    pipeline_id = api.world.add_pipeline()
    with pytest.raises(ValueError, match="'soon' is not a moment"):
        api.world.emit(pipeline_id, {}, at="soon")
    with pytest.raises(ApiError, match="was not found"):
        api.world.emit("nothing", {})


@pytest.mark.parametrize(
    "event",
    [
        {"origin": "here"},
        {"origin": [1]},
        {"origin": {"update_id": {"deep": []}}},
        {"details": "none"},
        {"details": None},
        {"level": ["ERROR"]},
        {"message": "\ud800 \x00"},
    ],
    ids=str,
)
def test_a_remote_that_sends_anything_can_be_played(api: Api, event: dict[str, Any]) -> None:
    pipeline_id = api.world.add_pipeline()
    api.world.emit(pipeline_id, event)
    (read,) = api.events(pipeline_id)
    name, value = next(iter(event.items()))
    assert read[name] == value or value.items() <= read[name].items()


# --- scripted ---------------------------------------------------------------------------------------

SCRIPT: list[dict[str, Any]] = [
    {"message": "second", "timestamp": "2026-11-28T02:30:00.5Z", "id": "b"},
    {"message": "first", "timestamp": "2026-11-28T02:30:00Z"},
    {"message": "third"},
]


def test_a_scripted_log_is_there_at_once_sorted_and_filled_in(api: Api) -> None:
    pipeline_id = api.world.add_pipeline("shop", events=SCRIPT)
    events = api.events(pipeline_id)
    assert [each["message"] for each in events] == ["first", "second", "third"]
    assert (events[1]["id"], events[2]["timestamp"]) == ("b", NOW)
    assert {each["origin"]["pipeline_id"] for each in events} == {pipeline_id}


FILES = {
    "list.json": json.dumps(SCRIPT, indent=2),
    "answer.json": json.dumps({"events": SCRIPT, "next_page_token": "x"}),
    "lines.jsonl": "".join(json.dumps(each) + "\n\n" for each in SCRIPT),
}


@pytest.mark.parametrize("name", FILES)
def test_a_scripted_log_may_come_from_a_file(api: Api, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(FILES[name])
    for given in (path, str(path)):
        pipeline_id = api.world.add_pipeline(events=given)
        assert [each["message"] for each in api.events(pipeline_id)] == ["first", "second", "third"]


def test_a_file_of_one_line_is_one_event(api: Api, tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps(SCRIPT[0]))
    assert [each["id"] for each in api.events(api.world.add_pipeline(events=path))] == ["b"]


@pytest.mark.parametrize("text", ["nonsense", "[1]", '{"events": 5}', '{"a": 1}\nx'])
def test_a_file_without_events_is_named(api: Api, tmp_path: Path, text: str) -> None:
    path = tmp_path / "log.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"log\.json: holds no events"):
        api.world.add_pipeline(events=path)
    assert api.world.pipelines == {}
