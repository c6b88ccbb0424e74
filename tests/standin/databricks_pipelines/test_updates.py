"""How updates of the stand-in's pipelines start, move and end, and how they are read."""

from __future__ import annotations

import pytest

from airflow_provider_pipehooks.standin import Plan
from airflow_provider_pipehooks.standin.databricks_jobs.errors import ApiError
from tests.standin.databricks_pipelines.conftest import NOW_S, Api, refusal

USUAL = ["WAITING_FOR_RESOURCES", "INITIALIZING", "SETTING_UP_TABLES", "RUNNING"]
ALL_STATES = [
    "QUEUED",
    "CREATED",
    "WAITING_FOR_RESOURCES",
    "INITIALIZING",
    "RESETTING",
    "SETTING_UP_TABLES",
    "RUNNING",
    "STOPPING",
]


# --- how an update moves ----------------------------------------------------------------------------


def test_without_a_plan_an_update_has_completed_when_it_is_first_read(api: Api) -> None:
    pipeline_id = api.world.add_pipeline("a")
    update_id = api.start(pipeline_id)
    assert api.update(pipeline_id, update_id)["state"] == "COMPLETED"


def test_polls_move_an_update_along_its_path(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(polls=8))
    states = api.states(pipeline_id, api.start(pipeline_id), 9)
    assert states == [USUAL[0], *[each for each in USUAL[1:] for _ in (1, 2)], "COMPLETED", "COMPLETED"]


def test_a_full_refresh_is_resetting_before_it_sets_up_tables(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(polls=5))
    expected = ["INITIALIZING", "RESETTING", "SETTING_UP_TABLES", "RUNNING", "COMPLETED"]
    assert api.states(pipeline_id, api.start(pipeline_id, full_refresh=True), 5) == expected
    assert api.states(pipeline_id, api.start(pipeline_id, full_refresh_selection=["t"]), 5) == expected
    assert "RESETTING" not in api.states(pipeline_id, api.start(pipeline_id), 5)


@pytest.mark.parametrize("end", ["COMPLETED", "FAILED", "CANCELED"])
def test_a_plan_may_spell_out_all_eleven_states(api: Api, end: str) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(states=(*ALL_STATES, end), polls=8))
    update_id = api.start(pipeline_id)
    assert api.world.updates[update_id].state == "QUEUED"
    assert api.states(pipeline_id, update_id, 8) == [*ALL_STATES[1:], end]


def test_a_word_the_table_does_not_know_is_told_as_it_is(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(states=("RUNNING", "HIBERNATING"), polls=1))
    update_id = api.start(pipeline_id)
    assert api.states(pipeline_id, update_id, 3) == ["HIBERNATING"] * 3
    assert api.get(f"/{pipeline_id}")["state"] == "RUNNING"
    assert api.events(pipeline_id)[-1]["message"] == f"Update {update_id[:6]} is HIBERNATING."


@pytest.mark.parametrize(
    ("outcome", "state"),
    [("success", "COMPLETED"), ("failed", "FAILED"), ("error", "FAILED"), ("canceled", "CANCELED")],
)
def test_every_outcome_has_its_last_state(api: Api, outcome: str, state: str) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(outcome=outcome))
    assert api.update(pipeline_id, api.start(pipeline_id))["state"] == state


def test_an_outcome_or_state_that_is_none_is_refused_where_it_is_given(api: Api) -> None:
    with pytest.raises(ValueError, match="'faild' is unknown"):
        api.world.add_pipeline(plan=Plan(outcome="faild"))
    with pytest.raises(TypeError, match="state 3 of a plan"):
        api.world.add_pipeline(plan=Plan(states=(3,)))


def test_seconds_move_an_update_with_the_clock_whoever_reads(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(seconds=40))
    update_id = api.start(pipeline_id)
    seen = []
    for _ in range(5):
        seen += api.states(pipeline_id, update_id, 2)
        api.now_s += 10
    assert seen == [each for each in [*USUAL, "COMPLETED"] for _ in (1, 2)]


def test_speed_divides_seconds(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api.world, "speed", 10.0)
    pipeline_id = api.world.add_pipeline(plan=Plan(seconds=40))
    update_id = api.start(pipeline_id)
    api.now_s += 3
    assert api.update(pipeline_id, update_id)["state"] == "RUNNING"
    api.now_s += 1
    assert api.update(pipeline_id, update_id)["state"] == "COMPLETED"


def test_a_held_update_runs_until_it_gets_another_plan(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(hold=True))
    update_id = api.start(pipeline_id)
    assert api.states(pipeline_id, update_id, 3) == ["RUNNING"] * 3
    api.world.set_plan(update_id, Plan(outcome="failed", polls=2))
    assert api.states(pipeline_id, update_id, 3) == ["RUNNING", "FAILED", "FAILED"]
    assert api.world.updates[update_id].history == [*USUAL, "FAILED"]


def test_a_new_plan_may_spell_out_where_it_goes_on(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(hold=True))
    update_id = api.start(pipeline_id)
    api.states(pipeline_id, update_id, 1)
    api.world.set_plan(update_id, Plan(states=("RUNNING", "SETTING_UP_TABLES", "COMPLETED"), polls=2))
    assert api.states(pipeline_id, update_id, 2) == ["SETTING_UP_TABLES", "COMPLETED"]


def test_an_update_that_is_over_takes_no_new_plan(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(seconds=5))
    update_id = api.start(pipeline_id)
    api.now_s += 5
    with pytest.raises(ValueError, match="is over"):
        api.world.set_plan(update_id, Plan(hold=True))
    with pytest.raises(KeyError):
        api.world.set_plan("nothing", Plan())


def test_a_continuous_update_runs_until_it_is_stopped(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(continuous=True, plan=Plan(polls=2))
    update_id = api.start(pipeline_id)
    assert api.states(pipeline_id, update_id, 4) == ["SETTING_UP_TABLES", *["RUNNING"] * 3]
    assert api.update(pipeline_id, update_id)["mode"] == "CONTINUOUS"
    api.post(f"/{pipeline_id}/stop")
    assert api.states(pipeline_id, update_id, 2) == ["STOPPING", "CANCELED"]


@pytest.mark.parametrize("plan", [Plan(), Plan(hold=True), Plan(seconds=1)], ids=str)
def test_a_continuous_update_never_completes(api: Api, plan: Plan) -> None:
    pipeline_id = api.world.add_pipeline(continuous=True, plan=plan)
    update_id = api.start(pipeline_id)
    api.now_s += 1000
    assert api.states(pipeline_id, update_id, 2) == ["RUNNING"] * 2


def test_a_path_that_is_spelled_out_completes_a_continuous_update_too(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(continuous=True, plan=Plan(states=("RUNNING", "COMPLETED")))
    assert api.update(pipeline_id, api.start(pipeline_id))["state"] == "COMPLETED"


def test_a_continuous_update_may_fail(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(continuous=True, plan=Plan(outcome="failed", polls=4))
    assert api.states(pipeline_id, api.start(pipeline_id), 4)[-2:] == ["RUNNING", "FAILED"]


# --- what counts as a read --------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/{pipeline}", "/{pipeline}/updates", "/{pipeline}/updates/{update}"])
def test_every_read_of_an_update_counts_as_a_poll(api: Api, path: str) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(polls=2))
    update_id = api.start(pipeline_id)
    for _ in range(2):
        assert api.ask("GET", path.format(pipeline=pipeline_id, update=update_id)).status_code == 200
    assert api.world.updates[update_id].state == "COMPLETED"


def test_reading_events_is_no_poll(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(polls=1))
    update_id = api.start(pipeline_id)
    api.events(pipeline_id)
    assert api.world.updates[update_id].state == "WAITING_FOR_RESOURCES"


def test_reading_an_update_that_is_over_is_no_poll_of_the_next(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plans=(Plan(), Plan(polls=1)))
    first = api.start(pipeline_id)
    api.update(pipeline_id, first)
    second = api.start(pipeline_id)
    api.states(pipeline_id, first, 3)
    assert api.world.updates[second].state == "WAITING_FOR_RESOURCES"


# --- starting ---------------------------------------------------------------------------------------


def test_a_second_update_is_a_conflict_that_names_the_first(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(hold=True))
    update_id = api.start(pipeline_id)
    status, code, message = refusal(api.ask("POST", f"/{pipeline_id}/updates", json={}))
    assert (status, code) == (409, "RESOURCE_CONFLICT")
    assert update_id in message
    assert list(api.world.updates) == [update_id]
    with pytest.raises(ApiError, match=update_id):
        api.world.start(pipeline_id)


def test_another_update_may_start_when_the_first_is_over_though_nobody_read_it(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(seconds=5))
    first = api.start(pipeline_id)
    api.now_s += 5
    second = api.start(pipeline_id)
    assert [each["update_id"] for each in api.updates(pipeline_id)] == [second, first]


def test_a_stopped_update_that_nobody_reads_makes_room_at_the_second_try(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(hold=True))
    api.start(pipeline_id)
    api.post(f"/{pipeline_id}/stop")
    tries = [api.ask("POST", f"/{pipeline_id}/updates", json={}).status_code for _ in range(2)]
    assert tries == [409, 200]


def test_plans_are_used_in_turn_and_the_last_one_repeats(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plans=(Plan(outcome="failed"), Plan(), Plan(outcome="canceled")))
    ends = [api.update(pipeline_id, api.start(pipeline_id))["state"] for _ in range(4)]
    assert ends == ["FAILED", "COMPLETED", "CANCELED", "CANCELED"]


BODY = {
    "full_refresh": True,
    "refresh_selection": ["a"],
    "full_refresh_selection": ["b"],
    "reset_checkpoint_selection": ["f"],
    "validate_only": True,
    "parameters": {"day": "sun"},
    "development": True,
    "cause": "JOB_TASK",
    "replace_where_overrides": [{"flow_name": "f", "predicate_override": "x > 1"}],
    "rewind_spec": {"rewind_timestamp": "2026-01-01T00:00:00Z", "dry_run": True},
    "something_new": {"deep": [1]},
}


def test_all_fields_of_a_start_are_remembered_even_unknown_ones(api: Api) -> None:
    pipeline_id = api.world.add_pipeline()
    update_id = api.start(pipeline_id, **BODY)
    assert api.world.updates[update_id].body == BODY
    update = api.update(pipeline_id, update_id)
    shown = ("full_refresh", "refresh_selection", "full_refresh_selection", "validate_only", "parameters")
    assert {name: update[name] for name in (*shown, "cause")} == {
        name: BODY[name] for name in (*shown, "cause")
    }
    created = api.told(pipeline_id, "create_update")[0]["details"]["create_update"]
    assert BODY.items() <= created.items()


def test_a_start_by_the_api_and_one_by_somebody_else_have_different_causes(api: Api) -> None:
    pipeline_id = api.world.add_pipeline()
    api.start(pipeline_id)
    api.world.start(pipeline_id)
    api.world.start(pipeline_id, cause="SCHEMA_CHANGE", full_refresh=True)
    updates = api.updates(pipeline_id)
    assert [each["cause"] for each in updates] == ["SCHEMA_CHANGE", "USER_ACTION", "API_CALL"]
    assert [each["full_refresh"] for each in updates] == [True, False, False]


@pytest.mark.parametrize(("body", "part"), [({"cause": "BOREDOM"}, "BOREDOM"), ({"parameters": []}, "a map")])
def test_a_start_with_a_wrong_field_is_refused(api: Api, body: dict[str, object], part: str) -> None:
    pipeline_id = api.world.add_pipeline()
    status, code, message = refusal(api.ask("POST", f"/{pipeline_id}/updates", json=body))
    assert (status, code, part in message) == (400, "INVALID_PARAMETER_VALUE", True)
    assert api.world.updates == {}


# --- reading ----------------------------------------------------------------------------------------


def test_one_update_has_all_its_fields_and_its_time_in_milliseconds(api: Api) -> None:
    pipeline_id = api.world.add_pipeline("a", settings={"catalog": "main"})
    update_id = api.start(pipeline_id, development=True)
    update = api.update(pipeline_id, update_id)
    assert update["creation_time"] == int(NOW_S * 1000)
    assert (update["pipeline_id"], update["update_id"]) == (pipeline_id, update_id)
    assert (update["mode"], update["validate_only"], update["full_refresh"]) == ("DEFAULT", False, False)
    assert (update["config"]["catalog"], update["config"]["development"]) == ("main", True)
    assert "parameters" not in update


def test_a_list_of_updates_leaves_config_and_mode_out(api: Api) -> None:
    pipeline_id = api.world.add_pipeline()
    api.start(pipeline_id, parameters={"day": "sun"})
    (update,) = api.updates(pipeline_id)
    assert "config" not in update
    assert "mode" not in update
    assert update["parameters"] == {"day": "sun"}


def test_parameters_may_be_left_out_of_answers(api: Api) -> None:
    api.world.returns_parameters = False
    pipeline_id = api.world.add_pipeline()
    update_id = api.start(pipeline_id, parameters={"day": "sun"})
    assert "parameters" not in api.updates(pipeline_id)[0]
    assert "parameters" not in api.update(pipeline_id, update_id)
    assert api.world.updates[update_id].body["parameters"] == {"day": "sun"}


def start_many(api: Api, pipeline_id: str, count: int) -> list[str]:
    """Ids, newest first."""
    return [api.world.start(pipeline_id) for _ in range(count)][::-1]


def ids_of(page: dict[str, list[dict[str, str]]]) -> list[str]:
    return [each["update_id"] for each in page.get("updates", [])]


def test_updates_are_listed_newest_first_in_pages_both_ways(api: Api) -> None:
    pipeline_id = api.world.add_pipeline()
    ids, path = start_many(api, pipeline_id, 60), f"/{pipeline_id}/updates"
    first = api.get(path)
    assert ids_of(first) == ids[:25]
    assert "prev_page_token" not in first
    newer = start_many(api, pipeline_id, 1)
    second = api.get(path, page_token=first["next_page_token"], max_results=30)
    third = api.get(path, page_token=second["next_page_token"])
    assert [ids_of(second), ids_of(third)] == [ids[25:55], ids[55:]]
    assert "next_page_token" not in third
    back = api.get(path, page_token=third["prev_page_token"], max_results=10)
    assert ids_of(back) == ids[45:55]
    assert ids_of(api.get(path, page_token=back["next_page_token"])) == ids[55:]
    assert ids_of(api.get(path, page_token=second["prev_page_token"])) == ids[:25]
    assert ids_of(api.get(path, max_results=1)) == newer
    assert len(ids_of(api.get(path, max_results=5000))) == 61


def test_a_list_of_updates_stops_with_the_one_that_is_named(api: Api) -> None:
    pipeline_id = api.world.add_pipeline()
    ids, path = start_many(api, pipeline_id, 6), f"/{pipeline_id}/updates"
    whole = api.get(path, until_update_id=ids[3])
    assert ids_of(whole) == ids[:4]
    assert "next_page_token" not in whole
    first = api.get(path, until_update_id=ids[3], max_results=3)
    assert ids_of(first) == ids[:3]
    assert ids_of(api.get(path, page_token=first["next_page_token"])) == [ids[3]]
    assert ids_of(api.get(path, until_update_id="of another time")) == ids


def test_no_updates_are_an_answer_without_that_key(api: Api) -> None:
    assert api.get(f"/{api.world.add_pipeline()}/updates") == {}


@pytest.mark.parametrize("params", [{"page_token": "nonsense"}, {"max_results": -1}, {"max_results": "x"}])
def test_a_list_of_updates_refuses_bad_parameters(api: Api, params: dict[str, object]) -> None:
    response = api.ask("GET", f"/{api.world.add_pipeline()}/updates", params=params)
    assert refusal(response)[:2] == (400, "INVALID_PARAMETER_VALUE")


def test_a_token_is_good_for_its_own_pipeline_only(api: Api) -> None:
    mine, other = api.world.add_pipeline(), api.world.add_pipeline()
    start_many(api, mine, 2)
    token = api.get(f"/{mine}/updates", max_results=1)["next_page_token"]
    response = api.ask("GET", f"/{other}/updates", params={"page_token": token})
    assert refusal(response) == (400, "INVALID_PARAMETER_VALUE", "Invalid page token")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/{other}/updates/{update}"),
        ("GET", "/{pipeline}/updates/nothing"),
        ("GET", "/nothing/updates/{update}"),
        ("GET", "/nothing/updates"),
        ("POST", "/nothing/updates"),
        ("GET", "/nothing"),
        ("POST", "/nothing/stop"),
        ("POST", "/nothing/environment/apply"),
        ("GET", "/nothing/events"),
    ],
)
def test_an_unknown_pipeline_or_update_is_a_404(api: Api, method: str, path: str) -> None:
    pipeline_id, other = api.world.add_pipeline(), api.world.add_pipeline()
    update_id = api.start(pipeline_id)
    response = api.ask(method, path.format(pipeline=pipeline_id, other=other, update=update_id))
    status, code, message = refusal(response)
    assert (status, code) == (404, "RESOURCE_DOES_NOT_EXIST")
    assert "was not found" in message


# --- stopping ---------------------------------------------------------------------------------------


def test_stop_cancels_the_active_update_over_two_reads(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(hold=True))
    update_id = api.start(pipeline_id)
    response = api.ask("POST", f"/{pipeline_id}/stop")
    assert (response.status_code, response.json()) == (200, {})
    assert api.states(pipeline_id, update_id, 1) == ["STOPPING"]
    api.post(f"/{pipeline_id}/stop")
    assert api.states(pipeline_id, update_id, 2) == ["CANCELED", "CANCELED"]
    actions = [each["details"]["user_action"]["action"] for each in api.told(pipeline_id, "user_action")]
    assert actions == ["START", "STOP"]


def test_stop_takes_whatever_update_is_active(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plans=(Plan(), Plan(hold=True)))
    mine = api.start(pipeline_id)
    api.update(pipeline_id, mine)
    theirs = api.world.start(pipeline_id)
    api.world.stop(pipeline_id)
    assert api.pipeline_states(pipeline_id, 2) == ["STOPPING", "IDLE"]
    assert [api.world.updates[each].state for each in (mine, theirs)] == ["COMPLETED", "CANCELED"]


def test_stop_with_nothing_active_does_nothing(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(seconds=5))
    assert api.ask("POST", f"/{pipeline_id}/stop").status_code == 200
    update_id = api.start(pipeline_id)
    api.now_s += 5
    assert api.ask("POST", f"/{pipeline_id}/stop").status_code == 200
    assert api.update(pipeline_id, update_id)["state"] == "COMPLETED"
    assert [each["details"]["user_action"]["action"] for each in api.told(pipeline_id, "user_action")] == [
        "START"
    ]
