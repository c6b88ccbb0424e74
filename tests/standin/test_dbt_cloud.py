from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from airflow_provider_pipehooks.standin import Plan, StandIn
from airflow_provider_pipehooks.standin.dbt_cloud import World

if TYPE_CHECKING:
    from tests.standin.conftest import DbtApi

OUTCOMES = [
    (Plan(), 10),
    (Plan(outcome="error"), 20),
    (Plan(outcome="cancelled"), 30),
    (Plan(outcome="timeout"), 30),
    (Plan(states=(1, 3, 99)), 99),
]


def failed_run(standin: StandIn, dbt: DbtApi, **job: Any) -> int:
    plan = job.pop("plan", Plan(outcome="error"))
    run_id = dbt.start(standin.dbt_cloud.add_job("breaks", plan=plan, **job))
    assert dbt.status(run_id) == 20
    return run_id


# --- states -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("plan", "status"), OUTCOMES)
def test_a_run_ends_as_its_plan_says(standin: StandIn, dbt: DbtApi, plan: Plan, status: int) -> None:
    job_id = standin.dbt_cloud.add_job("one", plan=plan)
    started = dbt.post(f"jobs/{job_id}/run/", cause="test")
    assert started["status"] == 1
    assert dbt.status(started["id"]) == status


def test_polls_move_a_run_through_all_states(standin: StandIn, dbt: DbtApi) -> None:
    run_id = dbt.start(standin.dbt_cloud.add_job("slow", plan=Plan(polls=6)))
    assert [dbt.status(run_id) for _ in range(7)] == [1, 2, 2, 3, 3, 10, 10]


def test_being_on_a_page_counts_as_a_poll(standin: StandIn, dbt: DbtApi) -> None:
    run_id = dbt.start(standin.dbt_cloud.add_job("slow", plan=Plan(polls=3)))
    seen = [dbt.get("runs/", pk__in=json.dumps([run_id]))[0]["status"] for _ in range(3)]
    assert seen == [2, 3, 10]


def test_a_run_in_seconds_ends_when_it_was_due_and_not_when_someone_looked() -> None:
    now = [1000.0]
    world = World(clock=lambda: now[0], speed=2.0, base_url=lambda: "")
    run_id = world.start(world.add_job("timed", plan=Plan(seconds=30)))
    now[0] += 14.9
    assert world.runs[run_id].status == 3
    now[0] += 100
    assert (world.runs[run_id].status, world.runs[run_id].finished_at) == (10, 1015.0)


def test_a_held_run_waits_until_its_plan_changes(standin: StandIn, dbt: DbtApi) -> None:
    run_id = dbt.start(standin.dbt_cloud.add_job("held", plan=Plan(hold=True)))
    assert [dbt.status(run_id) for _ in range(3)] == [3, 3, 3]
    standin.dbt_cloud.set_plan(run_id, Plan(outcome="error", message="disk full"))
    assert dbt.get(f"runs/{run_id}/")["status_message"] == "disk full"


def test_successive_runs_use_successive_plans(standin: StandIn, dbt: DbtApi) -> None:
    job_id = standin.dbt_cloud.add_job("flaky", plans=(Plan(outcome="error"), Plan()))
    assert [dbt.status(dbt.start(job_id)) for _ in range(3)] == [20, 10, 10]


def test_an_unknown_outcome_is_refused_when_the_job_is_made(standin: StandIn) -> None:
    with pytest.raises(ValueError, match="no outcome 'succes'"):
        standin.dbt_cloud.add_job("typo", plan=Plan(outcome="succes"))


def test_a_timeout_looks_like_a_cancel_with_a_message_and_without_a_canceller(
    standin: StandIn, dbt: DbtApi
) -> None:
    run_id = dbt.start(standin.dbt_cloud.add_job("long", plan=Plan(outcome="timeout")))
    run = dbt.get(f"runs/{run_id}/", include_related="audit")
    assert (run["status"], run["is_cancelled"], run["audit"]["cancellation"]) == (30, True, None)
    assert run["status_message"] == (
        "This run timed out after running for 1 day, which exceeded the configured timeout of 86400 seconds."
    )


def test_the_timeout_of_the_start_ends_a_run() -> None:
    now = [0.0]
    world = World(clock=lambda: now[0], speed=1.0, base_url=lambda: "")
    job_id = world.add_job("held", plan=Plan(hold=True), timeout_seconds=500)
    run_id = world.start(job_id, timeout_seconds_override=60)
    assert world.runs[run_id].status == 3
    now[0] += 60
    assert (world.runs[run_id].status, world.runs[run_id].finished_at) == (30, 60.0)


# --- cancel and queue -------------------------------------------------------------------------------------


def test_a_cancel_shows_at_the_next_look(standin: StandIn, dbt: DbtApi) -> None:
    run_id = dbt.start(standin.dbt_cloud.add_job("held", plan=Plan(hold=True)))
    assert dbt.status(run_id) == 3
    assert dbt.post(f"runs/{run_id}/cancel/")["status"] == 3
    run = dbt.get(f"runs/{run_id}/", include_related="audit")
    assert (run["status"], run["audit"]["cancellation"]["actor"]["type"]) == (30, "service_token")


def test_cancelling_an_ended_run_changes_nothing(dbt: DbtApi) -> None:
    run_id = dbt.start()
    assert dbt.status(run_id) == 10
    assert dbt.post(f"runs/{run_id}/cancel/")["status"] == 10
    assert dbt.status(run_id) == 10


def test_a_person_who_cancelled_is_named(standin: StandIn, dbt: DbtApi) -> None:
    run_id = dbt.start(standin.dbt_cloud.add_job("held", plan=Plan(hold=True)))
    standin.dbt_cloud.cancel(run_id, by="Grace Hopper")
    actor = dbt.get(f"runs/{run_id}/", include_related="audit")["audit"]["cancellation"]["actor"]
    assert (actor["name"], actor["type"]) == ("Grace Hopper", "user")


def test_a_job_runs_one_run_at_a_time(standin: StandIn, dbt: DbtApi) -> None:
    job_id = standin.dbt_cloud.add_job("one", plans=(Plan(hold=True), Plan(hold=True), Plan()))
    first, second, third = (dbt.start(job_id) for _ in range(3))
    assert dbt.status(first) == 3
    assert dbt.get(f"runs/{third}/")["blocked_by"] == [first, second]
    standin.dbt_cloud.cancel(first)
    assert (dbt.status(second), dbt.status(third)) == (3, 1)
    standin.dbt_cloud.cancel(second)
    assert (dbt.status(third), dbt.get(f"runs/{third}/")["blocked_by"]) == (10, [])


def test_a_queued_run_begins_when_the_one_before_it_ended() -> None:
    now = [0.0]
    world = World(clock=lambda: now[0], speed=1.0, base_url=lambda: "")
    job_id = world.add_job("timed", plan=Plan(seconds=30))
    first, second = world.start(job_id), world.start(job_id)
    now[0] += 59.9
    assert (world.runs[first].finished_at, world.runs[second].status) == (30.0, 3)
    now[0] += 40
    assert world.runs[second].finished_at == 60.0


def test_runs_overlap_when_a_job_allows_it(standin: StandIn, dbt: DbtApi) -> None:
    job_id = standin.dbt_cloud.add_job("many", plan=Plan(hold=True), one_at_a_time=False)
    assert [dbt.status(dbt.start(job_id)) for _ in range(3)] == [3, 3, 3]


# --- shape of a run ---------------------------------------------------------------------------------------


def test_a_start_keeps_what_was_sent(standin: StandIn, dbt: DbtApi) -> None:
    run = dbt.post("jobs/101/run/", cause="because", steps_override=["dbt test"], git_branch="dev")
    assert (run["trigger"]["cause"], run["trigger"]["cause_category"]) == ("because", "api")
    assert (run["trigger"]["steps_override"], run["trigger"]["git_branch"]) == (["dbt test"], "dev")
    assert standin.dbt_cloud.runs[run["id"]].steps_override == ["dbt test"]


@pytest.mark.parametrize(
    "body", [None, [], {}, {"cause": None}, {"cause": "x" * 256}, {"cause": "x", "steps_override": "dbt run"}]
)
def test_a_start_with_a_bad_body_starts_nothing(standin: StandIn, dbt: DbtApi, body: Any) -> None:
    answer = dbt.ask("POST", "jobs/101/run/", json=body)
    assert (answer.status_code, answer.json()["status"]["is_success"]) == (400, False)
    assert standin.dbt_cloud.runs == {}


def test_related_objects_are_empty_until_asked_for(dbt: DbtApi) -> None:
    run_id = dbt.start()
    plain = dbt.get(f"runs/{run_id}/")
    assert [plain[key] for key in ("trigger", "job", "environment", "run_steps")] == [None, None, None, []]
    full = dbt.get(f"runs/{run_id}/", include_related="trigger,job,environment,run_steps")
    assert (full["trigger"]["cause"], full["job"]["name"]) == ("test", "nightly build")
    assert (full["environment"]["name"], len(full["run_steps"])) == ("Production", 3)


def test_a_list_never_gives_steps(dbt: DbtApi) -> None:
    dbt.status(dbt.start())
    (run,) = dbt.get("runs/", include_related="run_steps,trigger,debug_logs")
    assert (run["run_steps"], run["trigger"]["cause"]) == ([], "test")


def test_a_repeated_include_related_counts_once(dbt: DbtApi) -> None:
    run = dbt.get(f"runs/{dbt.start()}/", include_related=["trigger", "job"])
    assert (run["trigger"], run["job"]["id"]) == (None, 101)


def test_times_have_a_space_and_an_unfinished_run_has_none(standin: StandIn, dbt: DbtApi) -> None:
    run = dbt.get(f"runs/{dbt.start(standin.dbt_cloud.add_job('held', plan=Plan(hold=True)))}/")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}\+00:00", run["created_at"])
    assert (run["finished_at"], run["is_running"], run["in_progress"]) == (None, None, True)
    assert re.fullmatch(r"\d\d:\d\d:\d\d", run["duration"])


def test_ids_are_too_large_for_32_bits_and_grow(dbt: DbtApi) -> None:
    first, second = dbt.start(), dbt.start()
    assert 2**32 < first < second


def test_a_failed_run_names_model_and_test_in_its_artifact(standin: StandIn, dbt: DbtApi) -> None:
    run_id = failed_run(standin, dbt)
    steps = dbt.get(f"runs/{run_id}/", include_related="run_steps")["run_steps"]
    failed = [step for step in steps if step["status"] == 20]
    assert [step["name"] for step in failed] == ["Invoke dbt with `dbt build`"]
    assert "Database Error in model fct_orders" in failed[0]["logs"]
    artifact = dbt.ask(
        "GET", f"runs/{run_id}/artifacts/run_results.json", params={"step": failed[0]["index"]}
    )
    results = {each["unique_id"]: each["status"] for each in artifact.json()["results"]}
    assert results["model.analytics.fct_orders"] == "error"
    assert results["test.analytics.not_null_stg_orders_customer_id.81cf"] == "fail"


def test_the_default_step_of_an_artifact_is_the_last_one(standin: StandIn, dbt: DbtApi) -> None:
    steps = [
        {"name": "Invoke dbt with `dbt build`", "status": 20, "run_results": {"results": []}},
        {"name": "Invoke dbt with `dbt docs generate`"},
    ]
    run_id = failed_run(standin, dbt, plan=Plan(outcome="error", details={"steps": steps}))
    assert dbt.get(f"runs/{run_id}/artifacts/") == []
    assert dbt.ask("GET", f"runs/{run_id}/artifacts/run_results.json").status_code == 404
    assert dbt.ask("GET", f"runs/{run_id}/artifacts/run_results.json?step=1").json() == {"results": []}
    assert dbt.get(f"runs/{run_id}/artifacts/", step=1) == ["run_results.json"]


def test_a_step_can_be_read_with_its_debug_log(standin: StandIn, dbt: DbtApi) -> None:
    run_id = failed_run(standin, dbt)
    step = dbt.get(f"runs/{run_id}/", include_related="run_steps")["run_steps"][-1]
    assert (step["debug_logs"], step["truncated_debug_logs"] != "") == (None, True)
    again = dbt.get(f"steps/{step['id']}/", include_related="debug_logs")
    assert (again["index"], "Done." in again["debug_logs"]) == (3, True)


# --- retry ------------------------------------------------------------------------------------------------


def test_a_failed_run_can_be_retried_from_its_failure(standin: StandIn, dbt: DbtApi) -> None:
    commands = ("dbt build", "dbt docs generate")
    run_id = failed_run(standin, dbt, plan=Plan(outcome="error"), execute_steps=commands)
    assert dbt.get(f"runs/{run_id}/retry/") == {
        "failed_step": "dbt build",
        "skipped_steps": ["dbt docs generate"],
    }
    new = dbt.post(f"runs/{run_id}/retry/")
    assert (new["retrying_run_id"], new["trigger"]["cause_category"]) == (run_id, "rerun")


def test_rerun_takes_up_a_failed_run_and_otherwise_starts_anew(standin: StandIn, dbt: DbtApi) -> None:
    job_id = standin.dbt_cloud.add_job("flaky", plans=(Plan(outcome="error"), Plan()))
    failed = dbt.start(job_id)
    assert dbt.status(failed) == 20
    retried = dbt.post(f"jobs/{job_id}/rerun/")
    assert (retried["retrying_run_id"], dbt.status(retried["id"])) == (failed, 10)
    assert dbt.post(f"jobs/{job_id}/rerun/")["retrying_run_id"] is None


def test_a_retry_runs_from_the_failed_command(standin: StandIn, dbt: DbtApi) -> None:
    steps = [
        {"name": "Invoke dbt with `dbt seed`"},
        {"name": "Invoke dbt with `dbt run`", "status": 20, "run_results": {"results": []}},
    ]
    plans = (Plan(outcome="error", details={"steps": steps}), Plan())
    job_id = standin.dbt_cloud.add_job("two", execute_steps=("dbt seed", "dbt run"), plans=plans)
    dbt.status(dbt.start(job_id))
    retried = dbt.post(f"jobs/{job_id}/rerun/")["id"]
    assert standin.dbt_cloud.runs[retried].commands == ("dbt run",)


NOT_RETRYABLE = [
    ("RETRY_NOT_FAILED_RUN", {"plan": Plan(outcome="cancelled")}),
    ("RETRY_NOT_FAILED_RUN", {"plan": Plan(outcome="timeout")}),
    ("RETRY_UNSUPPORTED_VERSION", {"plan": Plan(outcome="error"), "dbt_version": "1.5.0-latest"}),
    ("RETRY_UNSUPPORTED_CMD", {"plan": Plan(outcome="error"), "execute_steps": ("dbt source freshness",)}),
    ("RETRY_NO_RUN_RESULTS", {"plan": Plan(outcome="error", details={"run_results": None})}),
]


@pytest.mark.parametrize(("reason", "job"), NOT_RETRYABLE)
def test_a_run_says_why_it_cannot_be_retried(
    standin: StandIn, dbt: DbtApi, reason: str, job: dict[str, Any]
) -> None:
    run_id = dbt.start(standin.dbt_cloud.add_job("no retry", **job))
    run = dbt.get(f"runs/{run_id}/")
    assert (run["can_retry"], run["retry_not_supported_reason"]) == (False, reason)
    assert dbt.ask("POST", f"runs/{run_id}/retry/").status_code == 400


def test_only_the_latest_run_can_be_retried(standin: StandIn, dbt: DbtApi) -> None:
    first = failed_run(standin, dbt)
    assert dbt.get(f"runs/{first}/")["can_retry"]
    dbt.start(standin.dbt_cloud.runs[first].job_id)
    assert dbt.get(f"runs/{first}/")["retry_not_supported_reason"] == "RETRY_NOT_LATEST_RUN"


# --- list -------------------------------------------------------------------------------------------------


@pytest.fixture
def five(standin: StandIn, dbt: DbtApi) -> list[int]:
    """Success, error, cancelled, running, queued behind it."""
    plans = [Plan(), Plan(outcome="error"), Plan(outcome="cancelled"), Plan(hold=True)]
    job_id = standin.dbt_cloud.add_job("mixed", plans=plans)
    run_ids = []
    for _ in range(5):
        run_ids.append(dbt.start(job_id))
        dbt.status(run_ids[-1])
    return run_ids


LISTS = [
    ({}, [0, 1, 2, 3, 4]),
    ({"status": "10"}, [0]),
    ({"status__in": "[1, 3]"}, [3, 4]),
    ({"status__in": "[20, 30]", "order_by": "-id"}, [2, 1]),
    ({"order_by": "-created_at", "limit": "2"}, [4, 3]),
    ({"order_by": "finished_at"}, [0, 1, 2, 3, 4]),
    ({"order_by": "-finished_at", "limit": "3"}, [4, 3, 2]),
    ({"limit": "2", "offset": "2"}, [2, 3]),
    ({"offset": "99"}, []),
    ({"project_id": "11"}, [0, 1, 2, 3, 4]),
    ({"project_id": "99"}, []),
    ({"project_id__in": "[99, 11]", "limit": "1"}, [0]),
    ({"environment_id": "51", "limit": "1"}, [0]),
    ({"job_definition_id": "101"}, []),
    ({"job_id": "101"}, [0, 1, 2, 3, 4]),
    ({"deferring_run_id": "7"}, []),
    ({"dbt_version": "versionless", "limit": "1"}, [0]),
    ({"dbt_version__in": '["1.7.0-latest"]'}, []),
    ({"has_docs_generated": "true"}, []),
    ({"has_sources_generated": "false", "limit": "1"}, [0]),
    ({"state": "deleted"}, []),
    ({"state": "active", "limit": "1"}, [0]),
    ({"created_at__range": '["2020-01-01T00:00:00Z", "2020-01-02T00:00:00Z"]'}, []),
    ({"created_at__range": '["2020-01-01T00:00:00+00:00", "2120-01-01"]', "limit": "1"}, [0]),
    ({"finished_at__range": '["2020-01-01T00:00:00Z", "2120-01-02T00:00:00Z"]'}, [0, 1, 2]),
]


@pytest.mark.parametrize(("params", "expected"), LISTS, ids=lambda value: str(value)[:60])
def test_every_parameter_of_the_list_does_what_it_says(
    dbt: DbtApi, five: list[int], params: dict[str, str], expected: list[int]
) -> None:
    assert dbt.ids(**params) == [five[index] for index in expected]


def test_runs_are_found_by_their_ids(dbt: DbtApi, five: list[int]) -> None:
    assert dbt.ids(pk=five[1]) == [five[1]]
    assert dbt.ids(pk__in=json.dumps([five[3], five[0], 12345])) == [five[0], five[3]]
    assert dbt.ids(id__gt=five[2]) == five[3:]
    assert dbt.ids(pk__in=json.dumps(five), status__in="[1,2,3]") == five[3:]


BAD_LISTS = [
    {"order_by": "status"},
    {"order_by": "-started_at"},
    {"status__in": "1,2,3"},
    {"status": "running"},
    {"pk__in": "7"},
    {"id__gt": "x"},
    {"limit": "-1"},
    {"created_at__range": '["2020-01-01T00:00:00Z"]'},
    {"finished_at__range": "yesterday"},
    {"state": "gone"},
]


@pytest.mark.parametrize("params", BAD_LISTS, ids=str)
def test_a_parameter_that_cannot_be_read_is_a_400(dbt: DbtApi, params: dict[str, str]) -> None:
    answer = dbt.ask("GET", "runs/", params=params)
    assert (answer.status_code, answer.json()["status"]["code"], answer.json()["data"]) == (400, 400, None)


def test_a_page_holds_at_most_100_and_counts_them_all(standin: StandIn, dbt: DbtApi) -> None:
    for _ in range(103):
        standin.dbt_cloud.start(101)
    answer = dbt.ask("GET", "runs/", params={"limit": 500}).json()
    assert answer["extra"]["pagination"] == {"count": 100, "total_count": 103}
    assert answer["extra"]["filters"] == {"state": "all", "account_id": 1, "limit": 100, "offset": 0}
    assert answer["extra"]["order_by"] == "id"
    assert len(dbt.get("runs/", offset=100)) == 3


def test_a_run_filtered_by_status_is_shown_with_that_status(standin: StandIn, dbt: DbtApi) -> None:
    dbt.start(standin.dbt_cloud.add_job("quick", plan=Plan(polls=1)))
    assert [run["status"] for run in dbt.get("runs/", status__in="[1, 2, 3]")] == [1]
    assert [run["status"] for run in dbt.get("runs/", status__in="[1, 2, 3]")] == []


# --- jobs, projects, environments, accounts ---------------------------------------------------------------


def test_a_job_is_found_by_names_as_the_official_client_does(standin: StandIn, dbt: DbtApi) -> None:
    job_id = standin.dbt_cloud.add_job("nightly build", project="Finance", environment="Staging")
    (project,) = dbt.get("/api/v3/accounts/1/projects/", name__icontains="FINANCE")
    (environment,) = dbt.get(
        f"/api/v3/accounts/1/projects/{project['id']}/environments/", name__icontains="stag"
    )
    (job,) = dbt.get(
        "jobs/", project_id=project["id"], environment_id=environment["id"], name__icontains="build"
    )
    assert job["id"] == job_id


def test_a_job_shows_its_most_recent_runs_when_asked(standin: StandIn, dbt: DbtApi) -> None:
    job_id = standin.dbt_cloud.add_job("mixed", plans=(Plan(), Plan(hold=True)))
    first, second = dbt.start(job_id), dbt.start(job_id)
    assert (dbt.status(first), dbt.status(second)) == (10, 3)
    job = dbt.get(f"jobs/{job_id}/", include_related="most_recent_run,most_recent_completed_run")
    assert (job["most_recent_run"]["id"], job["most_recent_completed_run"]["id"]) == (second, first)
    assert dbt.get(f"jobs/{job_id}/")["most_recent_run"] is None


@pytest.mark.parametrize("version", ["v2", "v3"])
def test_the_accounts_of_the_token_are_listed(dbt: DbtApi, version: str) -> None:
    assert [account["id"] for account in dbt.get(f"/api/{version}/accounts/")] == [1]
    assert dbt.get(f"/api/{version}/accounts/1/")["name"] == "Stand-in"


# --- errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["", "any", "Basic any", "Token ", "Token wrong", "Bearer wrong"])
def test_a_bad_token_is_a_401_with_the_real_text(standin: StandIn, dbt: DbtApi, header: str) -> None:
    standin.dbt_cloud.tokens = {"right"}
    dbt.session.headers["Authorization"] = header
    answer = dbt.ask("GET", "runs/")
    assert answer.status_code == 401
    assert answer.json() == {
        "status": {
            "code": 401,
            "is_success": False,
            "user_message": "Invalid token.",
            "developer_message": None,
        },
        "data": None,
    }


@pytest.mark.parametrize("form", ["Token right", "Bearer right"])
def test_both_forms_of_the_header_are_good(standin: StandIn, dbt: DbtApi, form: str) -> None:
    standin.dbt_cloud.tokens = {"right"}
    dbt.session.headers["Authorization"] = form
    assert dbt.ids() == []


MISSING = [
    "runs/5/",
    "jobs/5/",
    "steps/501/",
    "/api/v2/accounts/2/runs/",
    "/api/v3/accounts/2/projects/",
    "/api/v3/accounts/1/projects/99/environments/",
    "runs/70403110257001/artifacts/catalog.json",
    "runs/70403110257001/artifacts/..%2F..%2Fca.pem",
]


@pytest.mark.parametrize("path", MISSING)
def test_what_is_missing_or_forbidden_is_a_404_with_the_real_text(dbt: DbtApi, path: str) -> None:
    dbt.status(dbt.start())
    answer = dbt.ask("GET", path)
    assert (answer.status_code, answer.json()["data"]) == (404, None)
    assert answer.json()["status"]["user_message"] == (
        "The requested resource was not found. Please check that you have the proper permissions."
    )


def test_runs_of_another_account_are_hidden(standin: StandIn, dbt: DbtApi) -> None:
    standin.dbt_cloud.add_account(70403103922125)
    run_id = standin.dbt_cloud.start(standin.dbt_cloud.add_job("theirs", account_id=70403103922125))
    assert dbt.ids() == []
    assert dbt.ask("GET", f"runs/{run_id}/").status_code == 404
    assert dbt.get(f"/api/v2/accounts/70403103922125/runs/{run_id}")["account_id"] == 70403103922125


@pytest.mark.parametrize("slash", ["", "/"])
def test_every_path_works_with_and_without_its_slash(dbt: DbtApi, slash: str) -> None:
    run_id = dbt.post(f"jobs/101/run{slash}", cause="x")["id"]
    assert dbt.get(f"runs/{run_id}{slash}")["status"] == 10
    assert dbt.get(f"runs/{run_id}/artifacts{slash}") == ["manifest.json", "run_results.json"]
    assert dbt.post(f"runs/{run_id}/cancel{slash}")["id"] == run_id
