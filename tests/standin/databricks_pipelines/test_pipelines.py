"""Pipelines of the stand-in: made, listed and read."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from airflow_provider_pipehooks.standin import Plan, StandIn
from tests.standin.databricks_pipelines.conftest import NOW_S, Api, refusal


def names_of(page: dict[str, Any]) -> list[str]:
    return [each["name"] for each in page.get("statuses", [])]


# --- create and get ---------------------------------------------------------------------------------


def test_a_pipeline_is_made_with_its_spec_and_runs(api: Api) -> None:
    body: dict[str, Any] = {
        "name": "made",
        "catalog": "main",
        "continuous": True,
        "libraries": [{"file": {"path": "/a"}}],
    }
    pipeline_id = api.post(**body)["pipeline_id"]
    assert str(uuid.UUID(pipeline_id)) == pipeline_id
    pipeline = api.get(f"/{pipeline_id}")
    assert body.items() <= pipeline["spec"].items()
    assert (pipeline["name"], pipeline["spec"]["id"]) == ("made", pipeline_id)
    assert api.update(pipeline_id, api.start(pipeline_id))["mode"] == "CONTINUOUS"


def test_a_pipeline_that_never_ran_is_idle(api: Api) -> None:
    pipeline_id = api.world.add_pipeline("a", settings={"parameters": {"x": "1"}})
    pipeline = api.get(f"/{pipeline_id}")
    assert (pipeline["state"], pipeline["health"]) == ("IDLE", "HEALTHY")
    assert "latest_updates" not in pipeline
    assert "cause" not in pipeline
    assert pipeline["last_modified"] == int(NOW_S * 1000)
    assert pipeline["run_as_user_name"] == pipeline["creator_user_name"] == "standin@example.com"
    assert pipeline["parameters"] == {"x": "1"}


def test_a_pipeline_may_have_an_id_of_the_tests_choice(api: Api) -> None:
    assert api.world.add_pipeline(id="mine") == "mine"
    assert api.get("/mine")["pipeline_id"] == "mine"


def test_the_state_of_a_pipeline_follows_that_of_its_update(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(polls=10))
    api.start(pipeline_id, full_refresh=True)
    assert api.pipeline_states(pipeline_id, 11)[::2] == [
        "STARTING",
        "STARTING",
        "RESETTING",
        "RUNNING",
        "RUNNING",
        "IDLE",
    ]


def test_a_failure_stays_with_the_pipeline_until_the_next_success(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plans=(Plan(outcome="failed", message="Disk full."), Plan()))
    update_id = api.start(pipeline_id)
    failed = api.get(f"/{pipeline_id}")
    assert (failed["state"], failed["health"]) == ("FAILED", "UNHEALTHY")
    assert failed["cause"] == f"Update {update_id[:6]} has failed. Disk full."
    api.start(pipeline_id)
    good = api.get(f"/{pipeline_id}")
    assert (good["state"], good["health"], good.get("cause")) == ("IDLE", "HEALTHY", None)


def test_the_latest_five_updates_come_newest_first_with_their_time_as_text(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plans=(*[Plan()] * 6, Plan(hold=True)))
    ids = []
    for _ in range(7):
        ids.append(api.start(pipeline_id))
        api.now_s += 0.25
    for shown in (api.get(f"/{pipeline_id}"), api.get()["statuses"][0]):
        latest = shown["latest_updates"]
        assert [each["update_id"] for each in latest] == ids[:1:-1]
        assert [each["state"] for each in latest[:2]] == ["RUNNING", "COMPLETED"]
        assert latest[0]["creation_time"] == "2027-01-15T08:00:01.500Z"


def test_the_environment_can_be_applied(api: Api) -> None:
    response = api.ask("POST", f"/{api.world.add_pipeline()}/environment/apply")
    assert (response.status_code, response.json()) == (200, {})


# --- list -------------------------------------------------------------------------------------------


def test_pipelines_are_listed_by_id_in_pages_of_25(api: Api) -> None:
    ids = sorted(api.world.add_pipeline(str(number)) for number in range(60))
    pages = [api.get()]
    while token := pages[-1].get("next_page_token"):
        pages.append(api.get(page_token=token))
    assert [len(page["statuses"]) for page in pages] == [25, 25, 10]
    assert [each["pipeline_id"] for page in pages for each in page["statuses"]] == ids


@pytest.mark.parametrize(("size", "count"), [(1, 1), (100, 100), (0, 25)])
def test_a_page_has_up_to_100_pipelines(api: Api, size: int, count: int) -> None:
    for _ in range(101):
        api.world.add_pipeline()
    assert len(api.get(max_results=size)["statuses"]) == count


def test_no_pipelines_are_an_answer_without_that_key(api: Api) -> None:
    assert api.get() == {}


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("%shop%", ["a shop", "shop", "shop_1", "shopx1"]),
        ("shop%", ["shop", "shop_1", "shopx1"]),
        ("%shop", ["a shop", "shop"]),
        ("shop", ["shop"]),
        ("shop_1", ["shop_1", "shopx1"]),
        ("it''s%", ["it's (new)"]),
        ("%(new)", ["it's (new)"]),
        ("SHOP", []),
    ],
)
def test_pipelines_are_found_by_a_pattern_of_their_name(api: Api, pattern: str, found: list[str]) -> None:
    for name in ("shop", "a shop", "shop_1", "shopx1", "it's (new)"):
        api.world.add_pipeline(name)
    assert names_of(api.get(filter=f"name LIKE '{pattern}'", order_by="name asc")) == found


def test_pipelines_are_found_by_their_notebook(api: Api) -> None:
    api.world.add_pipeline("a", settings={"libraries": [{"notebook": {"path": "/n"}}]})
    api.world.add_pipeline("b")
    assert names_of(api.get(filter="notebook='/n'")) == ["a"]


@pytest.mark.parametrize("order", ["id asc", "id desc", "name asc", "name desc", "NAME DESC"])
def test_pipelines_are_ordered_and_pages_keep_order_and_filter(api: Api, order: str) -> None:
    for name in ("c", "a", "long", "b", "a", "also long", "x"):
        api.world.add_pipeline(name)
    pages = [api.get(order_by=order, filter="name like '_'", max_results=2)]
    while token := pages[-1].get("next_page_token"):
        pages.append(api.get(page_token=token, max_results=2))
    column = {"id": "pipeline_id"}.get(order.lower().split()[0], "name")
    values = [each[column] for page in pages for each in page["statuses"]]
    assert len(values) == 5
    assert values == sorted(values, reverse=order.lower().endswith("desc"))


@pytest.mark.parametrize(
    "params",
    [
        {"max_results": 101},
        {"max_results": -1},
        {"filter": "name = 'x'"},
        {"filter": "name LIKE 'x' AND notebook='y'"},
        {"order_by": "state asc"},
        {"order_by": "name"},
        {"order_by": "name up"},
        {"order_by": ["name asc", "id asc"]},
        {"page_token": "nonsense"},
        {"page_token": "ÿ"},
    ],
)
def test_a_list_of_pipelines_refuses_bad_parameters(api: Api, params: dict[str, Any]) -> None:
    for _ in range(2):
        api.world.add_pipeline("x")
    assert refusal(api.ask("GET", params=params))[:2] == (400, "INVALID_PARAMETER_VALUE")


def test_a_page_of_500_pipelines_looks_at_those_on_it_only(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(500):
        api.world.start(api.world.add_pipeline(plan=Plan(polls=9)))
    looked: list[Any] = []
    monkeypatch.setattr(api.world, "settle", lambda pipeline, read: looked.append((pipeline, read)))
    assert len(api.get(max_results=7)["statuses"]) == 7
    assert [read for _, read in looked] == [True] * 7


# --- who may call -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/{pipeline}", "/{pipeline}/updates", "/{pipeline}/events"])
def test_the_login_is_that_of_the_workspace(standin: StandIn, api: Api, path: str) -> None:
    standin.databricks_jobs.tokens = {"right"}
    path = path.format(pipeline=api.world.add_pipeline())
    headers = ("", "Bearer wrong", "Bearer right")
    answers = [api.ask("GET", path, headers={"Authorization": header}) for header in headers]
    assert [each.status_code for each in answers] == [401, 403, 200]
    assert refusal(answers[1])[1:] == ("PERMISSION_DENIED", "Invalid access token.")


def test_a_start_without_a_login_starts_nothing(api: Api) -> None:
    pipeline_id = api.world.add_pipeline()
    response = api.ask("POST", f"/{pipeline_id}/updates", json={}, headers={"Authorization": ""})
    assert (response.status_code, api.world.updates) == (401, {})


@pytest.mark.parametrize("content", ["{", "[]"])
def test_a_body_that_is_no_object_is_malformed(api: Api, content: str) -> None:
    response = api.ask("POST", f"/{api.world.add_pipeline()}/updates", data=content)
    assert refusal(response)[:2] == (400, "MALFORMED_REQUEST")


def test_reset_forgets_everything(api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(hold=True))
    api.start(pipeline_id)
    world = api.world
    world.short_pages, world.token_life, world.fraction_digits = 1, 1, 0
    world.retries_keep_parameters = world.returns_parameters = False
    world.reset()
    assert (world.pipelines, world.updates) == ({}, {})
    knobs = ("short_pages", "token_life", "fraction_digits", "retries_keep_parameters", "returns_parameters")
    assert [getattr(world, name) for name in knobs] == [None, None, 6, True, True]
