"""How runs and tasks of the stand-in's Databricks move and end, and how they are read."""

from __future__ import annotations

import pytest

from airflow_provider_pipehooks.standin.databricks_jobs.states import OUTCOMES
from airflow_provider_pipehooks.standin.plan import Plan
from tests.databricks_api import Api, refusal, tasks_by_key


@pytest.fixture
def api() -> Api:
    return Api()


# --- how a run moves --------------------------------------------------------------------------------


def test_without_a_plan_a_run_has_succeeded_when_it_is_first_read(api: Api) -> None:
    run_id = api.post("run-now", job_id=api.world.add_job("a"))["run_id"]
    run = api.run(run_id)
    assert run["state"]["life_cycle_state"] == "TERMINATED"
    assert run["state"]["result_state"] == "SUCCESS"
    assert run["status"]["termination_details"]["code"] == "SUCCESS"
    assert run["run_page_url"].startswith("https://host/?o=1#job/")


def test_polls_move_a_run_from_pending_over_running_to_its_end(api: Api) -> None:
    run_id = api.world.start(api.world.add_job(plan=Plan(polls=3)))
    assert api.words(run_id, 4) == ["PENDING", "RUNNING", "TERMINATED", "TERMINATED"]


def test_seconds_end_a_run_at_the_planned_time_however_late_it_is_read(api: Api) -> None:
    run_id = api.world.start(api.world.add_job(plan=Plan(seconds=10)))
    assert api.word(run_id) == "PENDING"
    api.now_s += 6
    running = api.run(run_id)
    assert (running["state"]["life_cycle_state"], running["end_time"]) == ("RUNNING", 0)
    api.now_s += 100
    ended = api.run(run_id)
    assert ended["end_time"] - ended["start_time"] == ended["run_duration"] == 10_000


def test_a_held_run_runs_until_it_gets_another_plan(api: Api) -> None:
    run_id = api.world.start(api.world.add_job(plan=Plan(hold=True)))
    assert api.words(run_id, 3) == ["RUNNING"] * 3
    api.world.set_plan(run_id, Plan(outcome="failed", polls=2))
    assert api.words(run_id, 2) == ["RUNNING", "TERMINATED"]
    assert api.run(run_id)["state"]["result_state"] == "FAILED"


def test_words_the_table_does_not_know_are_told_as_they_are(api: Api) -> None:
    run_id = api.world.start(api.world.add_job(plan=Plan(states=("RUNNING", "HIBERNATING"), polls=2)))
    api.word(run_id), api.word(run_id)
    run = api.run(run_id)
    assert run["state"]["life_cycle_state"] == run["status"]["state"] == "HIBERNATING"
    assert "result_state" not in run["state"]
    assert run["end_time"] == 0


def test_a_spelled_out_path_keeps_its_last_word(api: Api) -> None:
    plan = Plan(states=("BLOCKED", "WAITING_FOR_RETRY", "INTERNAL_ERROR"), polls=2, outcome="failed")
    run_id = api.world.start(api.world.add_job(plan=plan))
    assert api.words(run_id, 2) == ["WAITING_FOR_RETRY", "INTERNAL_ERROR"]


def test_an_unknown_outcome_is_refused_where_it_is_given(api: Api) -> None:
    with pytest.raises(ValueError, match="'faild' is unknown"):
        api.world.add_job(plan=Plan(outcome="faild"))


@pytest.mark.parametrize("name", sorted(OUTCOMES))
def test_every_outcome_is_told_alike_in_state_and_status(api: Api, name: str) -> None:
    run = api.run(api.world.start(api.world.add_job(plan=Plan(outcome=name))))
    expected, details = OUTCOMES[name], run["status"]["termination_details"]
    assert run["status"]["state"] == "TERMINATED"
    assert run["state"]["life_cycle_state"] == expected.life_cycle_state
    assert run["state"].get("result_state") == expected.result_state
    assert (details["code"], details["type"]) == (expected.code, expected.type)
    assert details["message"] == run["state"]["state_message"]


def test_the_documented_codes_are_all_outcomes() -> None:
    documented = (
        "SUCCESS SUCCESS_WITH_FAILURES USER_CANCELED CANCELED SKIPPED DISABLED MAX_CONCURRENT_RUNS_EXCEEDED "
        "MAX_JOB_QUEUE_SIZE_EXCEEDED RUN_EXECUTION_ERROR INVALID_RUN_CONFIGURATION INVALID_CLUSTER_REQUEST "
        "RESOURCE_NOT_FOUND UNAUTHORIZED_ERROR FEATURE_DISABLED LIBRARY_INSTALLATION_ERROR "
        "REPOSITORY_CHECKOUT_FAILED STORAGE_ACCESS_ERROR MAX_SPARK_CONTEXTS_EXCEEDED INTERNAL_ERROR "
        "DRIVER_ERROR CLUSTER_ERROR CLOUD_FAILURE BREAKING_CHANGE CLUSTER_REQUEST_LIMIT_EXCEEDED "
        "WORKSPACE_RUN_LIMIT_EXCEEDED BUDGET_POLICY_LIMIT_EXCEEDED CLUSTER_TERMINATED_BY_USER"
    )
    assert [code for code in documented.split() if OUTCOMES[code.lower()].code != code] == []


def test_a_timeout_of_the_job_ends_a_run_that_takes_longer(api: Api) -> None:
    run_id = api.world.start(api.world.add_job(plan=Plan(hold=True), settings={"timeout_seconds": 60}))
    api.now_s += 60
    assert api.run(run_id)["state"]["result_state"] == "TIMEDOUT"


# --- tasks ------------------------------------------------------------------------------------------


def test_dependants_of_a_failed_task_are_upstream_failed(api: Api) -> None:
    tasks = ("a", {"task_key": "b", "depends_on": ["a"]}, {"task_key": "c", "depends_on": ["b"]}, "d")
    run = api.run(api.world.start(api.world.add_job(tasks=tasks, plan=Plan(outcome="failed"))))
    results = {key: task["state"]["result_state"] for key, task in tasks_by_key(run).items()}
    assert results == {"a": "FAILED", "b": "UPSTREAM_FAILED", "c": "UPSTREAM_FAILED", "d": "SUCCESS"}


def test_a_failed_task_with_a_good_leaf_is_success_with_failures(api: Api) -> None:
    leaf = {"task_key": "b", "depends_on": ["a"], "run_if": "ALL_DONE"}
    run = api.run(api.world.start(api.world.add_job(tasks=({"task_key": "a", "outcome": "failed"}, leaf))))
    assert run["state"]["result_state"] == "SUCCESS_WITH_FAILURES"


def test_a_task_with_its_own_plan_ends_while_the_run_goes_on(api: Api) -> None:
    tasks = ({"task_key": "a", "plan": Plan(outcome="failed")}, {"task_key": "b", "depends_on": ["a"]}, "c")
    run_id = api.world.start(api.world.add_job(tasks=tasks, plan=Plan(polls=2)))
    early = tasks_by_key(api.run(run_id))
    assert [early[key]["state"]["life_cycle_state"] for key in "abc"] == ["TERMINATED", "RUNNING", "RUNNING"]
    assert api.run(run_id)["state"]["result_state"] == "FAILED"


def test_a_run_goes_on_until_the_last_of_its_tasks_is_over(api: Api) -> None:
    tasks = ("a", {"task_key": "b", "plan": Plan(polls=3)})
    run_id = api.world.start(api.world.add_job(tasks=tasks))
    assert api.words(run_id, 3) == ["RUNNING", "RUNNING", "TERMINATED"]


def test_a_plan_can_name_the_tasks_that_fail(api: Api) -> None:
    plan = Plan(outcome="failed", details={"failed_tasks": ["b"]})
    run = api.run(api.world.start(api.world.add_job(tasks=("a", "b"), plan=plan)))
    results = {key: task["state"]["result_state"] for key, task in tasks_by_key(run).items()}
    assert results == {"a": "SUCCESS", "b": "FAILED"}


def test_a_waiting_task_is_blocked(api: Api) -> None:
    tasks = ("a", {"task_key": "b", "depends_on": ["a"]})
    run = api.run(api.world.start(api.world.add_job(tasks=tasks, plan=Plan(hold=True))))
    assert tasks_by_key(run)["b"]["state"]["life_cycle_state"] == "BLOCKED"


def test_output_tells_why_a_task_failed(api: Api) -> None:
    tasks = ("a", {"task_key": "b", "outcome": "failed", "error": "KeyError: 'x'", "error_trace": "line 1"})
    run = api.run(api.world.start(api.world.add_job(tasks=tasks)))
    by_key = tasks_by_key(run)
    output = api.get("runs/get-output", run_id=by_key["b"]["run_id"])
    assert (output["error"], output["error_trace"]) == ("KeyError: 'x'", "line 1")
    assert output["metadata"]["job_run_id"] == run["run_id"]
    good = api.get("runs/get-output", run_id=by_key["a"]["run_id"])
    assert "error" not in good
    assert good["notebook_output"] == {"result": "", "truncated": False}


def test_the_usual_error_is_a_division_by_zero_unless_the_plan_has_a_message(api: Api) -> None:
    job_id = api.world.add_job(
        plans=(Plan(outcome="failed"), Plan(outcome="failed", message="Disk full")), max_concurrent_runs=9
    )
    first, second = (api.run(api.world.start(job_id)) for _ in range(2))
    errors = [
        api.get("runs/get-output", run_id=run["tasks"][0]["run_id"])["error"] for run in (first, second)
    ]
    assert errors == ["ZeroDivisionError: division by zero", "Disk full"]
    assert second["state"]["state_message"] == "Disk full"


def test_output_of_a_job_run_is_refused_but_that_of_an_old_style_submit_is_not(api: Api) -> None:
    run_id = api.world.start(api.world.add_job())
    assert "multiple tasks is not supported" in api.get("runs/get-output", run_id=run_id)["message"]
    legacy = api.post("runs/submit", notebook_task={"notebook_path": "/n"}, existing_cluster_id="c")
    assert api.get("runs/get-output", **legacy)["metadata"]["job_run_id"] == legacy["run_id"]


def test_a_task_run_can_be_read_by_its_own_id(api: Api) -> None:
    run_id = api.world.start(api.world.add_job(plan=Plan(polls=2)))
    task_id = api.world.runs[run_id].tasks[0].run_id
    first, second = api.run(task_id), api.run(task_id)
    assert (first["job_run_id"], first["state"]["life_cycle_state"]) == (run_id, "RUNNING")
    assert second["state"]["result_state"] == "SUCCESS"


# --- get --------------------------------------------------------------------------------------------


def test_get_reads_its_parameters_from_a_json_body_too(api: Api) -> None:
    run_id = api.world.start(api.world.add_job())
    answer = api.ask("GET", "/api/2.2/jobs/runs/get", json={"run_id": run_id}).json()
    assert answer["run_id"] == run_id


@pytest.mark.parametrize("name", ["runs/get", "runs/get-output", "runs/export"])
def test_an_unknown_run_is_a_400(api: Api, name: str) -> None:
    assert refusal(api.get(name, run_id=5)) == ("INVALID_PARAMETER_VALUE", "Run 5 does not exist.")
    assert api.get(name)["message"] == "Missing required field: run_id"
    assert "an integer is expected" in api.get(name, run_id="x")["message"]


def test_version_2_2_pages_the_arrays_inside_a_run_and_2_1_does_not(api: Api) -> None:
    keys = [f"t{number}" for number in range(250)]
    run_id = api.world.start(api.world.add_job(tasks=keys, plan=Plan(polls=2)))
    pages = [api.run(run_id, include_history="true")]
    while token := pages[-1].get("next_page_token"):
        pages.append(api.run(run_id, include_history="true", page_token=token))
    assert [len(page["tasks"]) for page in pages] == [100, 100, 50]
    assert [len(page["repair_history"]) for page in pages] == [1, 0, 0]
    assert [page["state"]["life_cycle_state"] for page in pages] == ["RUNNING"] * 3
    seen = [task["task_key"] for page in pages for task in page["tasks"]]
    assert sorted(seen) == sorted(keys)
    assert seen[:100] != keys[:100], "a reader of the first page must miss an arbitrary part"
    assert len(api.get("runs/get", version="2.1", run_id=run_id)["tasks"]) == 250
