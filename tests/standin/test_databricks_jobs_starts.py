"""Starting, queueing, cancelling and repairing runs in the stand-in's Databricks."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_pipehooks.standin.plan import Plan
from tests.databricks_api import Api, refusal, start_many, tasks_by_key


@pytest.fixture
def api() -> Api:
    return Api()


# --- run-now and submit -----------------------------------------------------------------------------


def test_an_unknown_job_is_a_400_with_the_words_clients_look_for(api: Api) -> None:
    response = api.ask("POST", "/api/2.2/jobs/run-now", json={"job_id": 5})
    assert response.status_code == 400
    assert refusal(response.json()) == ("INVALID_PARAMETER_VALUE", "Job 5 does not exist.")
    assert response.json()["details"][0]["@type"].endswith("ErrorInfo")


@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"job_parameters": {"a": "1"}, "notebook_params": {"b": "2"}}, "together with notebook_params"),
        ({"job_parameters": {"a": "1"}, "dbt_commands": ["dbt run"]}, "together with dbt_commands"),
        ({"notebook_params": {"a": "1"}, "jar_params": ["x"]}, "cannot be specified together"),
        ({"python_params": ["\N{SNOWMAN}"]}, "ASCII"),
        ({"spark_submit_params": ["\N{SNOWMAN}"]}, "ASCII"),
        ({"notebook_params": {"a": "x" * 10_000}}, "10000 bytes"),
        ({"jar_params": ["\N{SNOWMAN}" * 3_400]}, "10000 bytes"),
        ({"notebook_params": ["a"]}, "wrong type"),
        ({"idempotency_token": "x" * 65}, "more than 64"),
        ({"only": ["nope"]}, "nope in only"),
    ],
)
def test_run_now_refuses_what_the_api_refuses(api: Api, body: dict[str, Any], part: str) -> None:
    answer = api.post("run-now", job_id=api.world.add_job(), **body)
    assert answer["error_code"] == "INVALID_PARAMETER_VALUE"
    assert part in answer["message"]
    assert not api.world.runs


def test_job_parameters_override_the_defaults_of_the_job(api: Api) -> None:
    defaults = [{"name": "day", "default": "mon"}, {"name": "env", "default": "dev"}]
    job_id = api.world.add_job(settings={"parameters": defaults})
    run = api.run(api.post("run-now", job_id=str(job_id), job_parameters={"day": "sun"})["run_id"])
    assert run["job_parameters"] == [
        {"name": "day", "default": "mon", "value": "sun"},
        {"name": "env", "default": "dev", "value": "dev"},
    ]


def test_the_limit_of_the_parameters_counts_bytes_of_utf8(api: Api) -> None:
    answer = api.post("run-now", job_id=api.world.add_job(), jar_params=["\N{SNOWMAN}" * 3_300])
    assert "run_id" in answer


@pytest.mark.parametrize(
    ("only", "chosen"),
    [("b", ["b"]), ("+b", ["a", "b"]), ("b+", ["b", "c"]), ("+b+", ["a", "b", "c"])],
)
def test_only_runs_the_chosen_tasks_and_their_neighbours(api: Api, only: str, chosen: list[str]) -> None:
    tasks = ("a", {"task_key": "b", "depends_on": ["a"]}, {"task_key": "c", "depends_on": ["b"]}, "d")
    run_id = api.post("run-now", job_id=api.world.add_job(tasks=tasks), only=[only])["run_id"]
    assert list(tasks_by_key(api.run(run_id))) == chosen


@pytest.mark.parametrize("way", ["run-now", "runs/submit"])
def test_a_token_stands_for_one_run_until_that_is_deleted(api: Api, way: str) -> None:
    body: dict[str, Any] = {"job_id": api.world.add_job()}
    if way == "runs/submit":
        body = {"tasks": [{"task_key": "a"}]}
    body["idempotency_token"] = "t" * 64
    first, second = api.post(way, **body), api.post(way, **body)
    assert first["run_id"] == second["run_id"]
    assert len(api.world.runs) == 1
    task_id = api.world.runs[first["run_id"]].tasks[0].run_id
    assert api.post("runs/delete", run_id=first["run_id"]) == {}
    assert api.run(task_id)["message"] == f"Run {task_id} does not exist."
    assert api.post(way, **body)["error_code"] == "INVALID_STATE"


def test_submit_takes_tasks_and_gives_an_untitled_run(api: Api) -> None:
    api.world.submit_plans = [Plan(outcome="failed"), Plan()]
    tasks = [{"task_key": "a"}, {"task_key": "b", "depends_on": [{"task_key": "a"}]}]
    ids = [api.post("runs/submit", tasks=tasks)["run_id"] for _ in range(3)]
    runs = [api.run(run_id) for run_id in ids]
    assert [run["state"]["result_state"] for run in runs] == ["FAILED", "SUCCESS", "SUCCESS"]
    assert (runs[0]["run_name"], runs[0]["run_type"]) == ("Untitled", "SUBMIT_RUN")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"tasks": []},
        {"tasks": [{"task_key": "a"}, {"task_key": "a"}]},
        {"tasks": [{"task_key": "a", "depends_on": [{"task_key": "b"}]}]},
        {"tasks": [{"task_key": "a", "depends_on": [{"task_key": "a"}]}]},
        {"tasks": [{"task_key": str(number)} for number in range(1001)]},
    ],
    ids=["nothing", "no task", "same key", "unknown upstream", "cycle", "too many"],
)
def test_submit_refuses_tasks_that_cannot_run(api: Api, body: dict[str, Any]) -> None:
    assert api.post("runs/submit", **body)["error_code"] == "INVALID_PARAMETER_VALUE"


def test_successive_runs_take_successive_plans_and_the_last_repeats(api: Api) -> None:
    job_id = api.world.add_job(plans=(Plan(outcome="failed"), Plan()), max_concurrent_runs=3)
    results = [api.run(api.world.start(job_id))["state"]["result_state"] for _ in range(3)]
    assert results == ["FAILED", "SUCCESS", "SUCCESS"]


# --- cancel -----------------------------------------------------------------------------------------


def test_cancel_is_seen_as_terminating_first(api: Api) -> None:
    run_id = api.world.start(api.world.add_job(plan=Plan(hold=True)))
    assert api.post("runs/cancel", run_id=run_id) == {}
    first, second = api.run(run_id), api.run(run_id)
    assert first["state"]["life_cycle_state"] == first["status"]["state"] == "TERMINATING"
    assert "result_state" not in first["state"]
    assert second["state"]["result_state"] == "CANCELED"
    assert second["state"]["user_cancelled_or_timedout"] is True
    assert second["status"]["termination_details"]["code"] == "USER_CANCELED"


def test_cancel_does_not_change_a_run_that_is_over(api: Api) -> None:
    run_id = api.world.start(api.world.add_job())
    api.run(run_id)
    assert api.post("runs/cancel", run_id=run_id) == {}
    assert api.run(run_id)["state"]["result_state"] == "SUCCESS"


def test_cancel_comes_too_late_for_a_run_whose_time_was_up_unseen(api: Api) -> None:
    run_id = api.world.start(api.world.add_job(plan=Plan(seconds=10)))
    api.now_s += 11
    api.world.cancel(run_id)
    assert api.run(run_id)["state"]["result_state"] == "SUCCESS"


def test_cancelling_one_of_several_tasks_leaves_the_others(api: Api) -> None:
    tasks = ("a", {"task_key": "b", "depends_on": ["a"]}, "c")
    run_id = api.world.start(api.world.add_job(tasks=tasks, plan=Plan(polls=2)))
    api.world.cancel(api.world.runs[run_id].tasks[0].run_id)
    assert api.run(run_id)["tasks"][0]["state"]["result_state"] == "CANCELED"
    run = api.run(run_id)
    results = [task["state"]["result_state"] for task in run["tasks"]]
    assert results == ["CANCELED", "UPSTREAM_CANCELED", "SUCCESS"]
    assert run["state"]["result_state"] == "CANCELED"


def test_cancel_all_reaches_every_active_run_of_one_job(api: Api) -> None:
    mine = start_many(api, 2, plan=Plan(hold=True))
    (other,) = start_many(api, 1, plan=Plan(hold=True))
    assert api.post("runs/cancel-all", job_id=api.world.runs[mine[0]].job_id) == {}
    assert [api.word(run_id) for run_id in (*mine, other)] == ["TERMINATING", "TERMINATING", "RUNNING"]


def test_cancel_all_queued_runs_leaves_those_that_run(api: Api) -> None:
    running, queued = start_many(api, 2, plan=Plan(hold=True), max_concurrent_runs=1)
    api.post("runs/cancel-all", all_queued_runs=True)
    assert [api.word(running), api.word(queued)] == ["RUNNING", "TERMINATING"]


# --- queue ------------------------------------------------------------------------------------------


def test_a_run_over_the_limit_waits_for_a_slot(api: Api) -> None:
    first, second = start_many(api, 2, plan=Plan(hold=True), max_concurrent_runs=1)
    queued = api.run(second)
    assert queued["state"]["life_cycle_state"] == queued["status"]["state"] == "QUEUED"
    assert queued["status"]["queue_details"]["code"] == "MAX_CONCURRENT_RUNS_REACHED"
    api.now_s += 3
    api.world.set_plan(first, Plan())
    assert api.words(first, 1) + api.words(second, 1) == ["TERMINATED", "RUNNING"]
    assert api.run(second)["queue_duration"] == 4_000


@pytest.mark.parametrize("plan", [Plan(polls=3), Plan(seconds=10)])
def test_a_plan_does_not_begin_while_the_run_is_queued(api: Api, plan: Plan) -> None:
    first, second = start_many(api, 2, plans=(Plan(hold=True), plan), max_concurrent_runs=1)
    assert api.words(second, 5) == ["QUEUED"] * 5
    api.now_s += 20
    api.world.set_plan(first, Plan())
    assert api.word(second) == "PENDING"


def test_a_queued_run_starts_when_a_cancelled_one_is_gone_even_if_nobody_reads_that(api: Api) -> None:
    first, second = start_many(api, 2, plan=Plan(hold=True), max_concurrent_runs=1)
    api.world.cancel(first)
    assert api.words(second, 2) == ["QUEUED", "RUNNING"]


@pytest.mark.parametrize(
    ("job", "body"), [({"queue": False}, {}), ({"queue": True}, {"queue": {"enabled": False}})]
)
def test_without_a_queue_the_run_is_skipped(api: Api, job: dict[str, Any], body: dict[str, Any]) -> None:
    job_id = api.world.add_job(plan=Plan(hold=True), **job)
    api.world.start(job_id)
    run = api.run(api.post("run-now", job_id=job_id, **body)["run_id"])
    assert run["state"]["life_cycle_state"] == "SKIPPED"
    assert run["state"]["result_state"] == "MAXIMUM_CONCURRENT_RUNS_REACHED"
    assert run["status"]["termination_details"]["code"] == "MAX_CONCURRENT_RUNS_EXCEEDED"


@pytest.mark.parametrize(("version", "word"), [("2.1", "SKIPPED"), ("2.2", "QUEUED")])
def test_jobs_made_through_2_2_queue_by_default(api: Api, version: str, word: str) -> None:
    tasks = [{"task_key": "t", "notebook_task": {"notebook_path": "/t"}}]
    job_id = api.post("create", version=version, name="a", tasks=tasks)["job_id"]
    first = api.world.start(job_id)
    api.world.set_plan(first, Plan(hold=True))
    assert api.word(api.world.start(job_id)) == word


# --- repair -----------------------------------------------------------------------------------------


def failed_run(api: Api, *plans: Plan, **job: Any) -> int:
    job_id = api.world.add_job(plans=(Plan(outcome="failed"), *plans), **job)
    run_id = api.world.start(job_id)
    assert api.run(run_id)["state"]["result_state"] == "FAILED"
    return run_id


def test_a_repair_brings_the_run_back_under_its_id_with_new_attempts(api: Api) -> None:
    tasks = ("a", {"task_key": "b", "depends_on": ["a"]}, "c")
    run_id = failed_run(api, Plan(polls=2), tasks=tasks)
    repair_id = api.post("runs/repair", run_id=run_id, rerun_all_failed_tasks=True)["repair_id"]
    going, ended = api.run(run_id), api.run(run_id, include_history="true")
    assert (going["state"]["life_cycle_state"], going["end_time"]) == ("RUNNING", 0)
    assert ended["state"]["result_state"] == "SUCCESS"
    attempts = [(task["task_key"], task["attempt_number"]) for task in ended["tasks"]]
    assert attempts == [("a", 0), ("b", 0), ("c", 0), ("a", 1), ("b", 1)]
    history = ended["repair_history"]
    assert [(item["type"], item.get("id")) for item in history] == [("ORIGINAL", None), ("REPAIR", repair_id)]
    assert [item["state"]["result_state"] for item in history] == ["FAILED", "SUCCESS"]
    assert history[1]["task_run_ids"] == [task["run_id"] for task in ended["tasks"][3:]]


def test_a_later_repair_must_name_the_latest_one(api: Api) -> None:
    run_id = failed_run(api, Plan(outcome="failed"), Plan())
    repair: dict[str, Any] = {"run_id": run_id, "rerun_all_failed_tasks": True}
    assert "not been repaired" in api.post("runs/repair", **repair, latest_repair_id=1)["message"]
    first = api.post("runs/repair", **repair)["repair_id"]
    wrongs: list[dict[str, Any]] = [{}, {"latest_repair_id": 1}]
    for wrong in wrongs:
        assert f"must be {first}" in api.post("runs/repair", **repair, **wrong)["message"]
    assert "repair_id" in api.post("runs/repair", **repair, latest_repair_id=first)
    assert api.run(run_id)["state"]["result_state"] == "SUCCESS"


@pytest.mark.parametrize(
    "body",
    [{}, {"rerun_tasks": ["main"], "rerun_all_failed_tasks": True}, {"rerun_tasks": ["nope"]}],
    ids=["neither", "both", "unknown"],
)
def test_a_repair_must_choose_tasks_in_one_way(api: Api, body: dict[str, Any]) -> None:
    answer = api.post("runs/repair", run_id=failed_run(api), **body)
    assert answer["error_code"] == "INVALID_PARAMETER_VALUE"


def test_a_run_in_progress_can_be_neither_repaired_nor_deleted(api: Api) -> None:
    run_id = api.world.start(api.world.add_job(plan=Plan(hold=True)))
    answer = api.post("runs/repair", run_id=run_id, rerun_tasks=["main"])
    assert answer["error_code"] == "INVALID_STATE"
    assert api.post("runs/delete", run_id=run_id)["error_code"] == "INVALID_STATE"


def test_a_repaired_run_is_active_and_holds_a_slot_again(api: Api) -> None:
    run_id = failed_run(api, Plan(hold=True))
    assert len(api.world.active_ids) == 0
    api.post("runs/repair", run_id=run_id, rerun_all_failed_tasks=True)
    assert [run["run_id"] for run in api.get("runs/list", active_only="true")["runs"]] == [run_id]
    assert api.word(api.world.start(api.world.runs[run_id].job_id)) == "QUEUED"


def test_a_repair_can_take_the_dependants_along(api: Api) -> None:
    tasks = ("a", {"task_key": "b", "depends_on": ["a"]}, "c")
    run_id = api.world.start(api.world.add_job(tasks=tasks))
    api.post("runs/repair", run_id=run_id, rerun_tasks=["a"], rerun_dependent_tasks=True)
    again = [task["task_key"] for task in api.run(run_id)["tasks"] if task["attempt_number"] == 1]
    assert again == ["a", "b"]


def test_a_repair_uses_the_present_settings_of_the_job(api: Api) -> None:
    run_id = failed_run(api)
    job_id = api.world.runs[run_id].job_id
    changed = {"task_key": "main", "notebook_task": {"notebook_path": "/new"}}
    api.post("update", job_id=job_id, new_settings={"tasks": [changed]})
    api.post("runs/repair", run_id=run_id, rerun_all_failed_tasks=True)
    paths = [task["notebook_task"]["notebook_path"] for task in api.run(run_id)["tasks"]]
    assert paths == ["/main", "/new"]


@pytest.mark.parametrize(
    "body",
    [
        {"notebook_task": "{'notebook_path': '/n'}"},
        {"tasks": "[{'task_key': 'a'}]"},
        {"tasks": ["a"]},
        {"tasks": [{"task_key": "a", "new_cluster": "small"}]},
        {"libraries": {"whl": "x"}},
        {"idempotency_token": 20260101},
    ],
    ids=str,
)
def test_a_text_where_an_object_is_expected_is_refused(body: dict[str, Any], api: Api) -> None:
    answer = api.ask("POST", "/api/2.2/jobs/runs/submit", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert not api.world.runs


def test_a_time_limit_may_come_as_a_text(api: Api) -> None:
    task = {"task_key": "a", "notebook_task": {"notebook_path": "/n"}}
    body = {"tasks": [task], "timeout_seconds": "0"}
    answer = api.ask("POST", "/api/2.2/jobs/runs/submit", json=body)
    assert answer.status_code == 200
    read = api.ask("GET", "/api/2.2/jobs/runs/get", params=answer.json())
    assert "TIMEDOUT" not in read.text
