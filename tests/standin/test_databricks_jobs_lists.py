"""Lists of runs and jobs, jobs themselves, and logins of the stand-in's Databricks."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from airflow_provider_pipehooks.standin.plan import Plan
from tests.databricks_api import NOW_S, Api, start_many


@pytest.fixture
def api() -> Api:
    return Api()


# --- list -------------------------------------------------------------------------------------------


def ids_of(page: dict[str, Any]) -> list[int]:
    return [run["run_id"] for run in page.get("runs", [])]


def test_list_gives_the_newest_first_and_pages_both_ways(api: Api) -> None:
    ids = start_many(api, 45)[::-1]
    first = api.get("runs/list")
    second = api.get("runs/list", page_token=first["next_page_token"])
    third = api.get("runs/list", page_token=second["next_page_token"])
    assert [ids_of(page) for page in (first, second, third)] == [ids[:20], ids[20:40], ids[40:]]
    assert "next_page_token" not in third
    assert "prev_page_token" not in first
    assert ids_of(api.get("runs/list", page_token=third["prev_page_token"])) == ids[20:40]


@pytest.mark.parametrize(("limit", "count"), [(1, 1), (25, 25), (0, 25)])
def test_list_takes_limits_up_to_25_and_0_means_that(api: Api, limit: int, count: int) -> None:
    start_many(api, 27)
    assert len(api.get("runs/list", limit=limit)["runs"]) == count


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 26},
        {"limit": -1},
        {"active_only": "true", "completed_only": "true"},
        {"run_type": "NOPE"},
        {"page_token": "nonsense"},
    ],
)
def test_list_refuses_bad_parameters(api: Api, params: dict[str, Any]) -> None:
    assert api.get("runs/list", **params)["error_code"] == "INVALID_PARAMETER_VALUE"


def test_only_version_2_1_has_more_at_the_root(api: Api) -> None:
    start_many(api, 2)
    assert api.get("runs/list", version="2.1", limit=1)["has_more"] is True
    assert api.get("runs/list", version="2.1")["has_more"] is False
    assert "has_more" not in api.get("runs/list", limit=1)


def test_list_filters_by_what_is_active(api: Api) -> None:
    (held,) = start_many(api, 1, plan=Plan(hold=True))
    (ended,) = start_many(api, 1)
    assert ids_of(api.get("runs/list", active_only="true")) == [held]
    assert ids_of(api.get("runs/list", completed_only="true")) == [ended]
    assert ids_of(api.get("runs/list", active_only="False")) == [ended, held]


def test_list_counts_as_a_read_for_the_runs_on_the_page(api: Api) -> None:
    start_many(api, 1, plan=Plan(polls=3))
    words = [api.get("runs/list")["runs"][0]["state"]["life_cycle_state"] for _ in range(3)]
    assert words == ["PENDING", "RUNNING", "TERMINATED"]


def test_list_filters_by_job_type_and_time_with_both_ends_inside(api: Api) -> None:
    ids = start_many(api, 3)
    submitted = api.post("runs/submit", tasks=[{"task_key": "a"}])["run_id"]
    job_id = api.world.runs[ids[0]].job_id
    start_ms = int(NOW_S * 1000)
    assert ids_of(api.get("runs/list", job_id=job_id)) == ids[::-1]
    assert ids_of(api.get("runs/list", run_type="SUBMIT_RUN")) == [submitted]
    window: dict[str, Any] = {"start_time_from": start_ms + 1000, "start_time_to": start_ms + 2000}
    assert ids_of(api.get("runs/list", **window)) == [ids[2], ids[1]]


def test_list_shows_tasks_only_when_asked_and_then_the_first_100(api: Api) -> None:
    api.world.start(api.world.add_job(tasks=[f"t{number}" for number in range(101)]))
    assert "tasks" not in api.get("runs/list")["runs"][0]
    run = api.get("runs/list", expand_tasks="true")["runs"][0]
    assert (len(run["tasks"]), run["has_more"]) == (100, True)
    whole = api.get("runs/list", version="2.1", expand_tasks="true")["runs"][0]
    assert len(whole["tasks"]) == 101


def test_an_empty_list_has_no_runs_key(api: Api) -> None:
    assert api.get("runs/list") == {}


# --- jobs -------------------------------------------------------------------------------------------


def test_jobs_are_found_by_their_whole_name_in_any_case(api: Api) -> None:
    ids = {name: api.world.add_job(name) for name in ("Daily", "daily", "daily2")}
    found = [job["job_id"] for job in api.get("list", name="DAILY")["jobs"]]
    assert found == [ids["daily"], ids["Daily"]]
    assert "tasks" not in api.get("list")["jobs"][0]["settings"]
    assert "tasks" in api.get("list", expand_tasks="true")["jobs"][0]["settings"]


def test_jobs_are_listed_in_pages_of_up_to_100(api: Api) -> None:
    for number in range(101):
        api.world.add_job(str(number))
    assert len(api.get("list")["jobs"]) == 20
    first = api.get("list", limit=100)
    second = api.get("list", limit=100, page_token=first["next_page_token"])
    assert [job["settings"]["name"] for job in second["jobs"]] == ["0"]
    assert "next_page_token" not in second
    assert api.get("list", limit=101)["error_code"] == "INVALID_PARAMETER_VALUE"
    assert api.get("list", version="2.1", limit=1)["has_more"] is True


def test_a_job_can_be_made_read_changed_and_deleted(api: Api) -> None:
    tasks = [{"task_key": "t", "notebook_task": {"notebook_path": "/t"}}]
    job_id = api.post("create", name="a", tasks=tasks, tags={"x": "1"})["job_id"]
    api.post("update", job_id=job_id, new_settings={"name": "b"}, fields_to_remove=["tags"])
    settings = api.get("get", job_id=job_id)["settings"]
    assert settings["name"] == "b"
    assert "tags" not in settings
    api.post("reset", job_id=job_id, new_settings={"name": "c"})
    assert "tasks" not in api.get("get", job_id=job_id)["settings"]
    assert api.post("delete", job_id=job_id) == {}
    assert api.get("get", job_id=job_id)["message"] == f"Job {job_id} does not exist."


def test_a_job_with_many_tasks_is_read_in_pages(api: Api) -> None:
    job_id = api.world.add_job(tasks=[f"t{number}" for number in range(101)])
    first = api.get("get", job_id=job_id)
    second = api.get("get", job_id=job_id, page_token=first["next_page_token"])
    assert [len(page["settings"]["tasks"]) for page in (first, second)] == [100, 1]


# --- who may call -----------------------------------------------------------------------------------


def status(api: Api, authorization: str | None) -> int:
    headers = {} if authorization is None else {"Authorization": authorization}
    return api.ask("GET", "/api/2.2/jobs/list", headers=headers).status_code


def test_a_call_needs_a_bearer_token_and_a_known_one_if_some_are_named(api: Api) -> None:
    assert [status(api, each) for each in (None, "Bearer ", "Basic eDp5", "Bearer x")] == [401, 401, 401, 200]
    api.world.tokens = {"good"}
    assert [status(api, each) for each in ("Bearer x", "Bearer good")] == [403, 200]
    assert api.get("list")["error_code"] == "PERMISSION_DENIED"


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def test_client_credentials_give_a_token_that_expires(api: Api) -> None:
    api.world.tokens, api.world.clients, api.world.token_lifetime_s = set(), {"id": "secret"}, 600
    form = {"grant_type": "client_credentials", "scope": "all-apis"}
    wrong = api.ask("POST", "/oidc/v1/token", data=form, headers=basic("id", "other"))
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    answer = api.ask("POST", "/oidc/v1/token", data=form, headers=basic("id", "secret")).json()
    assert (answer["token_type"], answer["scope"], answer["expires_in"]) == ("Bearer", "all-apis", 600)
    authorization = f"Bearer {answer['access_token']}"
    assert status(api, authorization) == 200
    api.now_s += 600
    assert status(api, authorization) == 401


@pytest.mark.parametrize(
    ("path", "target", "kind"),
    [("oauth2/token", {"resource": "{}"}, str), ("oauth2/v2.0/token", {"scope": "{}/.default"}, int)],
)
def test_entra_gives_tokens_for_one_resource(api: Api, path: str, target: dict[str, str], kind: type) -> None:
    def ask(resource: str) -> dict[str, Any]:
        form = {"grant_type": "client_credentials", "client_id": "id", "client_secret": "s"}
        form |= {key: value.format(resource) for key, value in target.items()}
        return api.ask("POST", f"/tenant/{path}", data=form, headers={}).json()

    right, other = ask("2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"), ask("https://management.core.windows.net/")
    assert isinstance(right["expires_in"], kind)
    assert ("expires_on" in right) is (kind is str)
    assert status(api, f"Bearer {right['access_token']}") == 200
    assert status(api, f"Bearer {other['access_token']}") == 403


def test_discovery_leads_to_the_token_endpoint(api: Api) -> None:
    config = api.ask("GET", "/.well-known/databricks-config").json()
    server = api.ask("GET", f"{config['oidc_endpoint']}/.well-known/oauth-authorization-server").json()
    assert server["token_endpoint"] == "https://host/oidc/v1/token"


# --- the rest ---------------------------------------------------------------------------------------


def test_a_body_that_is_not_json_is_malformed(api: Api) -> None:
    response = api.ask("POST", "/api/2.2/jobs/run-now", content=b"{")
    assert (response.status_code, response.json()["error_code"]) == (400, "MALFORMED_REQUEST")


def test_the_connection_test_of_the_official_provider_is_answered(api: Api) -> None:
    assert api.ask("GET", "/api/2.1/clusters/spark-versions").json()["versions"]


def test_reset_forgets_everything(api: Api) -> None:
    api.world.start(api.world.add_job())
    api.world.tokens = {"x"}
    api.world.reset()
    assert [api.world.runs, api.world.jobs, api.world.tokens] == [{}, {}, None]


def test_ten_thousand_active_runs_are_read_without_looking_at_the_others(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of the list looks at the runs on it and one more, a get at its own run only."""
    ids = start_many(api, 10_000, plan=Plan(hold=True))
    for ended in start_many(api, 100):
        api.run(ended)
    looked, look = [], api.world.look

    def noted(run: Any, read: bool = False) -> Any:
        looked.append(run.run_id)
        return look(run, read=read)

    monkeypatch.setattr(api.world, "look", noted)
    api.get("runs/list", active_only="true", limit=2)
    api.run(ids[5])
    assert looked == [*ids[:-4:-1], ids[5]]
