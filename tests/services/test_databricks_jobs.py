"""The calls on a Databricks workspace: pages, tasks and attempts, repairs, names, and why a run failed."""

from __future__ import annotations

import random
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import ConfigurationError, NotFound, RemoteCallError
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.services.base import Request
from airflow_provider_pipehooks.services.databricks_jobs import DatabricksJobs
from airflow_provider_pipehooks.services.databricks_states import parse_run
from airflow_provider_pipehooks.services.databricks_tasks import newest_attempts
from tests.services.driving import Body, Driven, drive

JOBS = DatabricksJobs()
LOAD = DatabricksJobs(task_key="load")
URL = "https://dbc.example/run"


def a_run(life: str = "RUNNING", result: str | None = None, run_id: int = 7, **fields: Any) -> dict[str, Any]:
    state = {"life_cycle_state": life, **({"result_state": result} if result else {})}
    return {"run_id": run_id, "job_id": 5, "state": state, "run_page_url": f"{URL}/{run_id}", **fields}


def a_task(
    key: str, life: str = "TERMINATED", result: str | None = "FAILED", run_id: int = 70, **fields: Any
) -> dict[str, Any]:
    task = {**a_run(life, result if life == "TERMINATED" else None, run_id), "task_key": key, **fields}
    del task["job_id"]
    return task


def test_a_run_is_read_in_one_call_with_its_repairs() -> None:
    driven = Driven(JOBS.get_run(7), [a_run(tasks=[a_task("load")], next_page_token="p2")])
    assert driven.result.state is RunState.RUNNING
    assert driven.params == [{"run_id": "7", "include_history": "true"}]


@pytest.mark.parametrize("body", [{}, {"error": "x"}, {"run_id": "7"}], ids=str)
def test_an_object_that_is_no_run_is_retryable(body: dict[str, Any]) -> None:
    with pytest.raises(RemoteCallError, match="did not answer with a run") as caught:
        drive(JOBS.get_run(7), body)
    assert caught.value.retryable


def test_the_policy_of_the_service_reaches_the_run() -> None:
    body = a_run("TERMINATED", "SUCCESS_WITH_FAILURES")
    assert drive(DatabricksJobs(with_failures_is_success=True).get_run(7), body).is_success
    assert drive(JOBS.get_run(7), body).is_failed


def test_a_task_on_a_later_page_is_found() -> None:
    pages = [
        a_run(tasks=[a_task("a")], next_page_token="p2"),
        a_run(tasks=[a_task("b")], next_page_token="p3"),
        a_run(tasks=[a_task("load", "RUNNING")], next_page_token=""),
    ]
    driven = Driven(LOAD.get_run(7), pages)
    assert (driven.result.run_id, driven.result.name) == (70, "load")
    assert [params.get("page_token") for params in driven.params] == [None, "p2", "p3"]


@pytest.mark.parametrize("tokens", [["p2"], ["p2", "p3"]], ids=str)
@pytest.mark.parametrize("ask", [LOAD.get_run, lambda run_id: JOBS.explain_run(parse_run(a_run()))])
def test_pages_that_repeat_are_trouble(ask: Any, tokens: list[str]) -> None:
    asked = iter(range(99))
    with pytest.raises(RemoteCallError, match="the same page again: 'p2'") as caught:
        Driven(ask(7), lambda _: a_run(next_page_token=tokens[next(asked) % len(tokens)]))
    assert caught.value.retryable


# life, result, attempt_number, max_retries of a task; whether its run goes on -> state of the task
TASKS: list[tuple[str, str, Any, Any, bool, RunState]] = [
    ("RUNNING", "", 0, 0, True, RunState.RUNNING),
    ("TERMINATED", "SUCCESS", 0, 3, True, RunState.SUCCESS),
    ("TERMINATED", "FAILED", 0, 0, True, RunState.ERROR),
    ("TERMINATED", "FAILED", 0, None, True, RunState.ERROR),
    ("TERMINATED", "FAILED", 0, 1, True, RunState.RUNNING),
    ("TERMINATED", "FAILED", 1, 1, True, RunState.ERROR),
    ("TERMINATED", "FAILED", 2, 1, True, RunState.ERROR),
    ("TERMINATED", "FAILED", 99, -1, True, RunState.RUNNING),
    ("TERMINATED", "FAILED", 99, -1, False, RunState.ERROR),
    ("TERMINATED", "FAILED", 0, 3, False, RunState.ERROR),
    ("TERMINATED", "CANCELED", 0, 3, False, RunState.CANCELLED),
    ("INTERNAL_ERROR", "", 0, 0, True, RunState.ERROR),
    ("TERMINATED", "FAILED", "0", "3", True, RunState.ERROR),
    ("TERMINATED", "FAILED", None, [3], True, RunState.ERROR),
]


@pytest.mark.parametrize(("life", "result", "attempt", "retries", "goes_on", "expected"), TASKS)
def test_a_failed_attempt_is_the_end_once_no_retry_can_follow(
    life: str, result: str, attempt: Any, retries: Any, goes_on: bool, expected: RunState
) -> None:
    task = a_task("load", life, result, attempt_number=attempt, max_retries=retries)
    whole = a_run("RUNNING", tasks=[task]) if goes_on else a_run("TERMINATED", "FAILED", tasks=[task])
    run = drive(LOAD.get_run(7), whole)
    assert (run.state, run.run_id, run.job_id, run.url) == (expected, 70, 5, f"{URL}/70")
    assert (run.kind is not None) == run.is_failed
    assert run.status.endswith(", to be retried") == (result == "FAILED" and not run.is_terminal)


def test_a_task_may_show_only_after_its_run_has_started() -> None:
    run = drive(LOAD.get_run(7), a_run("PENDING"))
    assert (run.state, run.status) == (RunState.QUEUED, "not started yet: task 'load'")


def test_a_task_that_never_showed_is_a_wrong_name() -> None:
    whole = a_run("TERMINATED", "SUCCESS", tasks=[a_task("laod"), a_task("extract")])
    with pytest.raises(ConfigurationError, match=r"no task 'load'\. It has: 'laod', 'extract'"):
        drive(LOAD.get_run(7), whole)


def test_the_newest_attempt_of_a_task_is_taken_whatever_the_order() -> None:
    tasks = [
        a_task("load", run_id=70, attempt_number=0, start_time=1),
        a_task("load", run_id=71, attempt_number=1, start_time=2),
        a_task("load", run_id=72, attempt_number=2, start_time=3),
        a_task("load", run_id=73, attempt_number=2, start_time=4),
        a_task("check", run_id=80, start_time=9),
        {"run_id": 90, "task_key": None},
    ]
    for seed in range(10):
        random.Random(seed).shuffle(tasks)
        assert {key: task["run_id"] for key, task in newest_attempts(tasks).items()} == {
            "load": 73,
            "check": 80,
        }


@pytest.mark.parametrize(
    ("start", "path"), [(JOBS.run_now, "/api/2.2/jobs/run-now"), (JOBS.submit, "/api/2.2/jobs/runs/submit")]
)
@pytest.mark.parametrize("token", [{}, {"idempotency_token": "t"}], ids=["without", "with"])
def test_a_start_may_be_repeated_only_with_a_token(start: Any, path: str, token: dict[str, str]) -> None:
    driven = Driven(start({"job_id": 5, **token}), [{"run_id": 7, "number_in_job": 7}])
    (request,) = driven.requests
    assert (driven.result, request.path, request.repeatable) == (7, path, bool(token))
    assert request.json == {"job_id": 5, **token}


@pytest.mark.parametrize("body", [{}, {"run_id": "7"}, {"run_id": None}], ids=str)
def test_a_start_without_a_run_id_leaves_open_what_became_of_it(body: dict[str, Any]) -> None:
    with pytest.raises(RemoteCallError, match="without 'run_id'") as caught:
        drive(JOBS.run_now({"job_id": 5}), body)
    assert caught.value.outcome_unknown


# repair_history -> latest_repair_id
HISTORIES: list[tuple[Any, int | None]] = [
    (None, None),
    ([], None),
    ([{"type": "ORIGINAL"}], None),
    ([{"type": "ORIGINAL"}, {"type": "REPAIR", "id": 1}, {"type": "REPAIR", "id": 2}], 2),
    ([{"id": 1}, {"id": "two"}, {"id": None}], 1),
    ("garbage", None),
]


@pytest.mark.parametrize(("history", "latest"), HISTORIES)
def test_a_repair_names_the_one_before(history: Any, latest: int | None) -> None:
    bodies: list[Body] = [a_run("TERMINATED", "FAILED", repair_history=history), {"repair_id": 3}]
    driven = Driven(JOBS.repair(7, {"day": "monday"}), bodies)
    request = driven.requests[1]
    assert (driven.result, request.repeatable) == (3, False)
    assert request.json == {
        "run_id": 7,
        "rerun_all_failed_tasks": True,
        "job_parameters": {"day": "monday"},
        **({"latest_repair_id": latest} if latest else {}),
    }


def test_cancels_may_be_sent_again() -> None:
    (one,) = Driven(JOBS.cancel_run(7), [{}]).requests
    (every,) = Driven(JOBS.cancel_all_runs(5), [{}]).requests
    assert (one.path, one.json, one.repeatable) == ("/api/2.2/jobs/runs/cancel", {"run_id": 7}, True)
    assert (every.path, every.json, every.repeatable) == (
        "/api/2.2/jobs/runs/cancel-all",
        {"job_id": 5},
        True,
    )


def test_a_job_is_changed_once() -> None:
    (request,) = Driven(JOBS.update_job(5, {"name": "n"}), [{}]).requests
    assert (request.path, request.repeatable) == ("/api/2.2/jobs/update", False)
    assert request.json == {"job_id": 5, "new_settings": {"name": "n"}}


def test_the_newest_run_is_the_first_of_the_list() -> None:
    driven = Driven(JOBS.newest_run(5), [{"runs": [a_run(run_id=9), a_run(run_id=8)]}])
    assert driven.result.run_id == 9
    assert driven.params == [{"job_id": "5", "limit": "1"}]


@pytest.mark.parametrize("body", [{}, {"runs": []}, {"runs": None}], ids=str)
def test_a_job_that_never_ran_has_no_newest_run(body: dict[str, Any]) -> None:
    with pytest.raises(NotFound, match="Databricks job 5 has no run"):
        drive(JOBS.newest_run(5), body)


def jobs(*names: str, first: int = 11, token: str = "") -> dict[str, Any]:
    found = [{"job_id": n, "settings": {"name": name}} for n, name in enumerate(names, start=first)]
    return {"jobs": found, "next_page_token": token}


def test_a_job_is_found_by_its_name() -> None:
    driven = Driven(JOBS.job_id_by_name("nightly"), [jobs("nightly")])
    assert driven.result == 11
    assert driven.params == [{"name": "nightly", "limit": "100"}]


@pytest.mark.parametrize(
    ("names", "expected"), [(["Nightly"], 11), (["Nightly", "nightly"], 12), (["other", "nightly"], 12)]
)
def test_a_job_of_another_name_is_never_taken(names: list[str], expected: int) -> None:
    assert drive(JOBS.job_id_by_name("nightly"), jobs(*names)) == expected


@pytest.mark.parametrize("names", [["nightly", "nightly"], ["Nightly", "NIGHTLY"]])
def test_a_name_that_two_have_is_refused_with_their_ids(names: list[str]) -> None:
    with pytest.raises(ConfigurationError, match=r"2 Databricks jobs are named 'nightly' \(ids 11, 12\)"):
        drive(JOBS.job_id_by_name("nightly"), jobs(*names))


def test_a_name_nobody_has_is_answered_with_the_near_ones_of_every_page() -> None:
    pages = [jobs(), jobs("weekly", token="p2"), jobs("nightly", first=12)]
    with pytest.raises(ConfigurationError, match=r"No Databricks job is named 'nighly'\. Near: 'nightly'"):
        drive(JOBS.job_id_by_name("nighly"), *pages)


def test_a_token_that_sees_nothing_is_told_so() -> None:
    with pytest.raises(ConfigurationError, match="sees none at all"):
        drive(JOBS.job_id_by_name("nightly"), {}, {})


def test_a_page_that_repeats_counts_once() -> None:
    assert Driven(JOBS.job_id_by_name("nightly"), lambda _: jobs("nightly", token="p2"), most=5).result == 11


FAILED = parse_run(a_run("TERMINATED", "FAILED"))


def explained(tasks: list[dict[str, Any]], *outputs: Body, service: DatabricksJobs = JOBS) -> Run:
    return drive(service.explain_run(FAILED), a_run("TERMINATED", "FAILED", tasks=tasks), *outputs)


def test_every_failed_task_is_named_with_what_it_printed() -> None:
    tasks = [a_task("load"), a_task("check", run_id=71), a_task("fine", result="SUCCESS", run_id=72)]
    run = explained(tasks, {"error": "ValueError:\n no rows"}, {"error": "boom"})
    assert [(failure.name, failure.message, failure.url) for failure in run.failures] == [
        ("load", "ValueError: no rows", f"{URL}/70"),
        ("check", "boom", f"{URL}/71"),
    ]
    assert (run.run_id, run.state) == (7, RunState.ERROR)


@pytest.mark.parametrize(
    "output", [{}, {"error": None}, {"error": 5}, RemoteCallError("400", status_code=400)]
)
def test_a_task_without_output_is_named_with_its_own_reason(output: Body) -> None:
    task = a_task("load")
    task["state"]["state_message"] = "cluster\nwas lost " + "x" * 1_100
    message = explained([task], output).failures[0].message
    assert message.startswith("cluster was lost xxx")
    assert len(message) == 1_000


def test_a_task_that_says_nothing_is_named_with_its_status() -> None:
    assert explained([a_task("load")], {}).failures[0].message == "TERMINATED FAILED"


@pytest.mark.parametrize("result", ["CANCELED", "UPSTREAM_FAILED", "EXCLUDED", "SUCCESS"])
def test_a_task_that_did_not_fail_is_not_named(result: str) -> None:
    assert explained([a_task("load", result=result)]).failures == ()


def test_a_repaired_task_is_not_named() -> None:
    tasks = [a_task("load", attempt_number=0), a_task("load", result="SUCCESS", attempt_number=1)]
    assert explained(tasks).failures == ()


def test_one_task_is_explained_alone() -> None:
    run = explained([a_task("load"), a_task("check", run_id=71)], {"error": "boom"}, service=LOAD)
    assert [failure.name for failure in run.failures] == ["load"]


def test_no_more_outputs_are_asked_for_than_anybody_reads() -> None:
    whole = a_run("TERMINATED", "FAILED", tasks=[a_task(f"t{n}", run_id=100 + n) for n in range(30)])

    def reply(request: Request) -> Body:
        return {"error": "boom"} if request.path.endswith("get-output") else whole

    driven = Driven(JOBS.explain_run(FAILED), reply)
    assert (len(driven.result.failures), driven.result.failed) == (25, 30)  # a record is bounded
    assert len(driven.requests) == 1 + 10


def test_the_end_of_a_trace_is_told() -> None:
    whole = a_run("TERMINATED", "FAILED", tasks=[a_task("load", run_id=100)])
    trace = "\n".join(f"line {n}" for n in range(40)) + "\npassword=hunter2"

    def reply(request: Request) -> Body:
        is_output = request.path.endswith("get-output")
        return {"error": "boom", "error_trace": trace} if is_output else whole

    (failure,) = Driven(JOBS.explain_run(FAILED), reply).result.failures
    assert failure.message == "boom"
    assert failure.detail is not None
    assert failure.detail.splitlines()[0] == "line 33"
    assert "hunter2" not in failure.detail
