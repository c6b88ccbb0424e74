"""How updates of the stand-in's pipelines that fail are tried again."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_pipehooks.standin import Plan
from tests.standin.databricks_pipelines.conftest import NOW_S, Api


def failing(retries: int = 1, **details: Any) -> Plan:
    return Plan(outcome="failed", details={"retries": retries, **details})


def chain(api: Api, pipeline_id: str, reads: int) -> list[dict[str, Any]]:
    """All updates after so many reads of the pipeline, oldest first."""
    api.pipeline_states(pipeline_id, reads)
    return api.updates(pipeline_id)[::-1]


def test_a_failed_update_is_followed_by_a_new_one_after_a_recovery(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plans=(failing(), Plan(polls=2)))
    first = api.start(pipeline_id, full_refresh=True)
    assert api.update(pipeline_id, first)["state"] == "FAILED"
    recovering = api.get(f"/{pipeline_id}")
    assert (recovering["state"], recovering["health"]) == ("RECOVERING", "UNHEALTHY")
    assert [each["update_id"] for each in recovering["latest_updates"]] == [first]
    assert api.pipeline_states(pipeline_id, 3) == ["STARTING", "RESETTING", "IDLE"]
    second, again = api.updates(pipeline_id)
    assert (again["update_id"], second["cause"], second["state"]) == (
        first,
        "RETRY_ON_FAILURE",
        "COMPLETED",
    )
    assert second["full_refresh"] is True


@pytest.mark.parametrize("reads", [0, 1, 3])
def test_the_recovery_lasts_so_many_reads(api: Api, reads: int) -> None:
    pipeline_id = api.world.add_pipeline(plans=(failing(retry_after_polls=reads), Plan(hold=True)))
    first = api.start(pipeline_id)
    api.update(pipeline_id, first)
    assert api.pipeline_states(pipeline_id, reads + 1) == [*["RECOVERING"] * reads, "RUNNING"]


@pytest.mark.parametrize("path", ["", "/{pipeline}", "/{pipeline}/updates", "/{pipeline}/updates/{update}"])
def test_every_read_but_that_of_events_counts_for_the_recovery(api: Api, path: str) -> None:
    pipeline_id = api.world.add_pipeline(plans=(failing(), Plan()))
    first = api.start(pipeline_id)
    for _ in range(3):
        assert len(api.world.updates) == 1
        api.ask("GET", path.format(pipeline=pipeline_id, update=first))
        api.events(pipeline_id)
    assert len(api.world.updates) == 2


def test_the_recovery_may_last_some_seconds_which_pass_by_themselves(api: Api) -> None:
    plans = (
        Plan(outcome="failed", seconds=10, details={"retries": 1, "retry_after_seconds": 30}),
        Plan(seconds=20),
    )
    pipeline_id = api.world.add_pipeline(plans=plans)
    api.start(pipeline_id)
    api.now_s += 39.5
    assert api.pipeline_states(pipeline_id, 5) == ["RECOVERING"] * 5
    api.now_s += 100
    assert [each["state"] for each in chain(api, pipeline_id, 0)] == ["FAILED", "COMPLETED"]
    assert [each["creation_time"] for each in chain(api, pipeline_id, 0)] == [
        int(NOW_S * 1000),
        int((NOW_S + 40) * 1000),
    ]


def test_a_chain_of_retries_goes_on_until_one_succeeds(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plans=(failing(5), failing(5), failing(5), Plan()))
    api.start(pipeline_id)
    updates = chain(api, pipeline_id, 12)
    assert [each["state"] for each in updates] == ["FAILED"] * 3 + ["COMPLETED"]
    assert [each["cause"] for each in updates] == ["API_CALL", *["RETRY_ON_FAILURE"] * 3]


def test_a_chain_of_retries_ends_with_their_number(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=failing(2))
    api.start(pipeline_id)
    assert [each["state"] for each in chain(api, pipeline_id, 20)] == ["FAILED"] * 3
    assert api.get(f"/{pipeline_id}")["state"] == "FAILED"


def test_a_plan_that_says_nothing_of_retries_goes_by_what_was_said_before(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plans=(failing(2), Plan(outcome="failed"), Plan()))
    api.start(pipeline_id)
    assert [each["state"] for each in chain(api, pipeline_id, 20)] == ["FAILED", "FAILED", "COMPLETED"]
    stops = api.world.add_pipeline(plans=(failing(2), failing(0), Plan()))
    api.start(stops)
    assert [each["state"] for each in chain(api, stops, 20)] == ["FAILED", "FAILED"]


def test_a_new_plan_of_an_update_may_bring_retries(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plans=(Plan(hold=True), Plan()))
    api.world.set_plan(api.start(pipeline_id), failing(1))
    assert [each["state"] for each in chain(api, pipeline_id, 6)] == ["FAILED", "COMPLETED"]


def test_without_retries_a_failure_is_the_last_word(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(outcome="failed"))
    api.start(pipeline_id)
    assert api.pipeline_states(pipeline_id, 5) == ["FAILED"] * 5
    assert len(api.world.updates) == 1


def test_an_update_that_succeeds_or_is_canceled_is_not_tried_again(api: Api) -> None:
    for outcome in ("success", "canceled"):
        pipeline_id = api.world.add_pipeline(plan=Plan(outcome=outcome, details={"retries": 3}))
        api.start(pipeline_id)
        assert len(chain(api, pipeline_id, 6)) == 1


@pytest.mark.parametrize(
    ("pipeline", "body", "count"),
    [
        ({"development": True}, {}, 1),
        ({}, {"development": True}, 1),
        ({"development": True}, {"development": False}, 2),
        ({}, {}, 2),
    ],
)
def test_an_update_in_development_mode_is_not_tried_again(
    api: Api, pipeline: dict[str, Any], body: dict[str, Any], count: int
) -> None:
    pipeline_id = api.world.add_pipeline(plans=(failing(), Plan()), **pipeline)
    api.start(pipeline_id, **body)
    assert len(chain(api, pipeline_id, 6)) == count


@pytest.mark.parametrize("keep", [True, False])
def test_a_retry_has_the_parameters_of_the_first_unless_told_otherwise(api: Api, keep: bool) -> None:
    api.world.retries_keep_parameters = keep
    pipeline_id = api.world.add_pipeline(plans=(failing(2), failing(2), Plan()))
    api.start(pipeline_id, parameters={"mark": "x"}, refresh_selection=["t"])
    updates = chain(api, pipeline_id, 12)
    kept = {"mark": "x"} if keep else None
    assert [each.get("parameters") for each in updates] == [{"mark": "x"}, kept, kept]
    assert [each["refresh_selection"] for each in updates] == [["t"]] * 3


def test_stop_ends_a_recovery(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plans=(failing(), Plan()))
    update_id = api.start(pipeline_id)
    api.update(pipeline_id, update_id)
    api.post(f"/{pipeline_id}/stop")
    assert api.pipeline_states(pipeline_id, 5) == ["IDLE"] * 5
    assert [each["update_id"] for each in api.updates(pipeline_id)] == [update_id]
    assert api.told(pipeline_id, "user_action")[-1]["details"]["user_action"]["action"] == "STOP"


def test_stop_ends_a_recovery_that_time_alone_has_begun(api: Api) -> None:
    plan = Plan(outcome="failed", seconds=5, details={"retries": 1, "retry_after_seconds": 60})
    pipeline_id = api.world.add_pipeline(plan=plan)
    api.start(pipeline_id)
    api.now_s += 10
    api.world.stop(pipeline_id)
    api.now_s += 100
    assert api.pipeline_states(pipeline_id, 2) == ["IDLE"] * 2
    assert len(api.world.updates) == 1


def test_a_start_during_a_recovery_takes_the_place_of_the_retry(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plans=(failing(), Plan()))
    api.update(pipeline_id, api.start(pipeline_id))
    api.start(pipeline_id)
    updates = chain(api, pipeline_id, 6)
    assert [each["cause"] for each in updates] == ["API_CALL", "API_CALL"]


def test_the_error_of_a_failure_that_is_tried_again_is_not_fatal(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=failing(1))
    api.start(pipeline_id)
    chain(api, pipeline_id, 8)
    errors = [each["error"] for each in api.told(pipeline_id, "update_progress") if "error" in each]
    assert [each["fatal"] for each in errors] == [False, True]


def test_nobody_has_acted_when_an_update_is_tried_again(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plans=(failing(), Plan()))
    api.start(pipeline_id)
    chain(api, pipeline_id, 6)
    assert len(api.told(pipeline_id, "user_action")) == 1
    causes = [each["details"]["create_update"]["cause"] for each in api.told(pipeline_id, "create_update")]
    assert causes == ["API_CALL", "RETRY_ON_FAILURE"]
