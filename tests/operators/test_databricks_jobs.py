"""START a Databricks job or a one-time run: what is sent, one run for each intent, repairs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator

from airflow_provider_pipehooks.core.errors import RunCancelled, RunFailed, WaitTimedOut
from airflow_provider_pipehooks.operators.databricks_jobs import (
    TASK_SLOTS,
    DatabricksRunNowOperator,
    DatabricksSubmitRunOperator,
)
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from tests.dag_runs import Finished
from tests.task_context import Try, crashed_before_the_answer, run

Connect = Callable[..., None]
pytestmark = pytest.mark.usefixtures("connections")
FAST: dict[str, Any] = {"polling_period_seconds": 0.01, "databricks_retry_delay": 0.001}
FAILED = Plan(outcome="failed", polls=1, message="Cluster too small")
both = pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])


def run_now(job_id: int | None = None, **given: Any) -> DatabricksRunNowOperator:
    return DatabricksRunNowOperator(**{"task_id": "t", "job_id": job_id, **FAST, **given})


def submit(**given: Any) -> DatabricksSubmitRunOperator:
    return DatabricksSubmitRunOperator(**{"task_id": "t", **FAST, **given})


def body_of(standin: StandIn, path: str = "run-now") -> dict[str, Any]:
    (entry,) = standin.journal.find("POST", path)
    return {key: value for key, value in entry.body.items() if key != "idempotency_token"}


def results(standin: StandIn) -> list[str | None]:
    outcomes = [run.round.outcome for run in standin.databricks_jobs.runs.values()]
    return [outcome.result_state if outcome else None for outcome in outcomes]


def rounds(standin: StandIn) -> list[str]:
    (run,) = standin.databricks_jobs.runs.values()
    return [round_.type for round_ in run.rounds]


# --- run-now: what is sent --------------------------------------------------------------------------------

SLOTS = {
    "job_parameters": ({"n": 1, "on": True, "deep": [1]}, {"n": "1", "on": "true", "deep": "[1]"}),
    "notebook_params": ({"day": 7}, {"day": "7"}),
    "python_params": (["a", 7], ["a", "7"]),
    "jar_params": (["a"], ["a"]),
    "spark_submit_params": (["--class", "x"], ["--class", "x"]),
    "python_named_params": ({"n": 1.5}, {"n": "1.5"}),
    "dbt_commands": (["dbt run"], ["dbt run"]),
}


def test_every_slot_is_in_the_table() -> None:
    assert set(SLOTS) == {"job_parameters", *TASK_SLOTS}


@pytest.mark.parametrize("by", ["name", "json"])
@pytest.mark.parametrize("slot", SLOTS)
def test_every_slot_is_sent_as_texts(slot: str, by: str, standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job()
    given, sent = SLOTS[slot]
    run(run_now(job_id, **({slot: given} if by == "name" else {"json": {slot: given}})), Try())
    assert body_of(standin) == {"job_id": job_id, slot: sent}


@pytest.mark.parametrize(
    "json", ['{"job_id": %d}', "{'job_id': %d}"], ids=["JSON", "what Jinja makes of an object"]
)
def test_the_body_may_be_a_text(json: str, standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job()
    run(run_now(json=json % job_id), Try())
    assert body_of(standin) == {"job_id": job_id}


def test_named_parameters_win_over_the_body_and_leave_it_as_it_was(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job()
    json = {"job_id": 1, "notebook_params": {"a": 1}, "queue": {"enabled": False}}
    run(run_now(job_id, json=json, performance_target="STANDARD"), Try())
    assert body_of(standin) == {
        "job_id": job_id,
        "notebook_params": {"a": "1"},
        "queue": {"enabled": False},
        "performance_target": "STANDARD",
    }
    assert json["notebook_params"] == {"a": 1}


def test_a_job_is_found_by_its_name_beyond_the_first_page(standin: StandIn) -> None:
    ids = [standin.databricks_jobs.add_job(f"job {number}") for number in range(130)]
    run(run_now(job_name="job 128"), Try())
    assert body_of(standin) == {"job_id": ids[128]}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, {"job_parameters": {"day": "7"}}),
        ({"job_parameters": {}}, {"job_parameters": {"day": "7"}}),
        ({"job_parameters": {"a": "b"}}, {"job_parameters": {"a": "b"}}),
        ({"notebook_params": {"a": "b"}}, {"notebook_params": {"a": "b"}}),
        ({"forward_dag_params": False}, {}),
    ],
    ids=["nothing given", "an empty object", "parameters given", "a slot given", "switched off"],
)
def test_dag_params_are_forwarded_as_the_official_operator_does(
    given: dict[str, Any], sent: dict[str, Any], standin: StandIn
) -> None:
    job_id = standin.databricks_jobs.add_job()
    with DAG("d", schedule=None, params={"day": 7, "nothing": None}):
        operator = run_now(job_id, **given)
    run(operator, Try())
    assert body_of(standin) == {"job_id": job_id, **sent}


# --- submit: what is sent ---------------------------------------------------------------------------------


def test_a_submitted_body_of_tasks_is_sent_under_the_tasks_name(standin: StandIn) -> None:
    tasks = [{"task_key": "a", "notebook_task": {"notebook_path": "/n"}}]
    run(submit(tasks=tasks, timeout_seconds=60), Try())
    assert body_of(standin, "submit") == {"run_name": "t", "tasks": tasks, "timeout_seconds": 60}


def test_a_submitted_body_of_the_older_form_is_sent_as_it_is(standin: StandIn) -> None:
    json = {"notebook_task": {"notebook_path": "/n"}, "existing_cluster_id": "c"}
    run(submit(json=json, run_name="mine"), Try())
    assert body_of(standin, "submit") == {**json, "run_name": "mine"}


@pytest.mark.parametrize(
    ("kind", "slot"),
    [
        ("notebook_task", "base_parameters"),
        ("sql_task", "parameters"),
        ("python_wheel_task", "named_parameters"),
    ],
)
def test_dag_params_fill_a_submitted_task_that_has_none(kind: str, slot: str, standin: StandIn) -> None:
    tasks = [{"task_key": "a", kind: {}}, {"task_key": "b", kind: {slot: {"own": "1"}}}]
    with DAG("d", schedule=None, params={"day": 7}):
        operator = submit(tasks=tasks)
    run(operator, Try())
    sent = body_of(standin, "submit")["tasks"]
    assert [task[kind] for task in sent] == [{slot: {"day": "7"}}, {slot: {"own": "1"}}]
    assert tasks[0] == {"task_key": "a", kind: {}}, "a retry renders the originals"


# --- exactly one run --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["run-now", "runs/submit"])
@pytest.mark.parametrize(
    "how",
    [{"reset": "after"}, {"reset": "before"}, {"status": 503, "after_accept": True}, {"body": "truncated"}],
    ids=["lost", "not arrived", "503", "truncated"],
)
def test_a_start_is_repeated_under_one_token_until_it_is_answered(
    how: dict[str, Any], path: str, standin: StandIn
) -> None:
    standin.faults.add(Fault(path=path, method="POST", times=2, **how))
    task = {"notebook_task": {"notebook_path": "/n"}}
    run(run_now(standin.databricks_jobs.add_job()) if path == "run-now" else submit(**task), Try())
    tokens = {entry.body["idempotency_token"] for entry in standin.journal.find("POST", path)}
    assert standin.journal.count("POST", path) == 3
    assert len(tokens) == len(standin.databricks_jobs.runs) == 1


@pytest.mark.parametrize("given", [{}, {"idempotency_token": ""}], ids=["none", "empty"])
def test_without_a_token_of_the_user_there_is_one_of_ours(given: dict[str, Any], standin: StandIn) -> None:
    run(run_now(standin.databricks_jobs.add_job(), **given), Try())
    (entry,) = standin.journal.find("POST", "run-now")
    assert len(entry.body["idempotency_token"]) == 64


def test_a_token_of_the_user_is_sent(standin: StandIn) -> None:
    run(run_now(standin.databricks_jobs.add_job(), idempotency_token="mine"), Try())
    (entry,) = standin.journal.find("POST", "run-now")
    assert entry.body["idempotency_token"] == "mine"


@pytest.mark.parametrize("answered", [True, False], ids=["id stored", "no id stored"])
def test_after_a_crash_the_next_try_joins_the_run(answered: bool, standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(plan=Plan(hold=True))
    context = Try()
    started = run(run_now(job_id, wait_for_termination=False), context)
    if not answered:
        crashed_before_the_answer(context.store)
    standin.databricks_jobs.set_plan(started, Plan())
    assert run(run_now(job_id), context.next()) == started
    assert list(standin.databricks_jobs.runs) == [started]


def test_after_a_clear_the_run_that_goes_on_is_cancelled_and_a_new_one_started(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(plans=[Plan(hold=True), Plan()])
    context = Try()
    run(run_now(job_id, wait_for_termination=False), context)
    run(run_now(job_id), context.next(cleared=4))
    assert results(standin) == ["CANCELED", "SUCCESS"]


def test_after_a_failed_run_a_retry_starts_a_new_one(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(plans=[FAILED, Plan()])
    context = Try()
    with pytest.raises(RunFailed):
        run(run_now(job_id), context)
    run(run_now(job_id), context.next())
    assert results(standin) == ["FAILED", "SUCCESS"]


def test_a_run_that_was_deleted_is_started_anew(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job()
    context = Try()
    first = run(run_now(job_id), context)
    standin.databricks_jobs.delete_run(first)
    assert run(run_now(job_id), context.next()) != first


def test_previous_runs_are_cancelled_first_when_asked_for(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(plans=[Plan(hold=True), Plan()])
    standin.databricks_jobs.start(job_id)
    run(run_now(job_id, cancel_previous_runs=True), Try())
    assert results(standin) == ["CANCELED", "SUCCESS"]


def test_a_run_that_cannot_be_read_right_after_its_start_is_waited_for(standin: StandIn) -> None:
    standin.faults.add(Fault(path="runs/get", status=404, times=2))
    run(run_now(standin.databricks_jobs.add_job()), Try())
    assert results(standin) == ["SUCCESS"]


# --- repair -----------------------------------------------------------------------------------------------


@both
def test_a_run_that_a_repair_mends_is_a_success(deferrable: bool, standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(plans=[FAILED, Plan(polls=2)])
    context = Try()
    run_id = run(run_now(job_id, repair_run=True, deferrable=deferrable), context)
    assert rounds(standin) == ["ORIGINAL", "REPAIR"]
    assert context.pushed["return_value"] == run_id
    assert (context.pushed["run"]["state"], context.pushed["run"]["attempt"]) == ("SUCCESS", 2)


@both
def test_a_task_whose_run_was_repaired_is_green_in_airflow(
    deferrable: bool, standin: StandIn, run_dag: Callable[..., Finished]
) -> None:
    job_id = standin.databricks_jobs.add_job(plans=[FAILED, Plan(polls=2)])
    with DAG(f"repairs_{deferrable}", schedule=None) as dag:
        run_now(job_id, repair_run=True, deferrable=deferrable)
    assert run_dag(dag).tasks == {"t": "success"}
    assert rounds(standin) == ["ORIGINAL", "REPAIR"]


@both
def test_a_run_is_repaired_once_in_a_try_and_again_in_the_next(deferrable: bool, standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(plans=[FAILED, FAILED, Plan(polls=1)])
    context, settings = Try(), {"repair_run": True, "deferrable": deferrable}
    with pytest.raises(RunFailed, match="Cluster too small"):
        run(run_now(job_id, **settings), context)
    run(run_now(job_id, **settings), context.next())
    assert rounds(standin) == ["ORIGINAL", "REPAIR", "REPAIR"]
    repairs = [entry.body.get("latest_repair_id") for entry in standin.journal.find("POST", "repair")]
    assert repairs[0] is None
    assert repairs[1] is not None


def test_a_repair_sends_the_job_parameters_again(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(plans=[FAILED, Plan()])
    run(run_now(job_id, repair_run=True, job_parameters={"day": 7}), Try())
    assert body_of(standin, "repair")["job_parameters"] == {"day": "7"}


def test_a_cancelled_run_is_not_repaired(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(plan=Plan(outcome="cancelled", polls=1))
    with pytest.raises(RunCancelled):
        run(run_now(job_id, repair_run=True), Try())
    assert rounds(standin) == ["ORIGINAL"]


def test_a_repair_whose_reason_has_new_settings_changes_the_job_first(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(plans=[FAILED, Plan()])
    reasons = {"Disk full": {"name": "no"}, "too small": {"name": "larger"}}
    run(run_now(job_id, repair_run=True, databricks_repair_reason_new_settings=reasons), Try())
    assert standin.databricks_jobs.jobs[job_id].settings["name"] == "larger"
    posts = [entry.path.rpartition("/")[2] for entry in standin.journal.find("POST")]
    assert posts == ["run-now", "update", "repair"]


def test_a_failure_without_one_of_the_reasons_is_not_repaired(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job(plan=FAILED)
    with pytest.raises(RunFailed):
        run(run_now(job_id, repair_run=True, databricks_repair_reason_new_settings={"Disk": {}}), Try())
    assert rounds(standin) == ["ORIGINAL"]
    assert standin.journal.count("POST", "update") == 0


def test_a_repair_that_is_refused_ends_as_the_run_ended(standin: StandIn) -> None:
    standin.faults.add(Fault(path="runs/repair", status=403))
    with pytest.raises(RunFailed, match="Cluster too small"):
        run(run_now(standin.databricks_jobs.add_job(plan=FAILED), repair_run=True), Try())


# --- how it ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("success", [True, False])
@both
def test_success_with_failures_is_what_the_user_says(
    deferrable: bool, success: bool, standin: StandIn
) -> None:
    job_id = standin.databricks_jobs.add_job(plan=Plan(outcome="success_with_failures", polls=1))
    task = run_now(job_id, success_with_failures=success, deferrable=deferrable)
    if success:
        run(task, Try())
    else:
        with pytest.raises(RunFailed):
            run(task, Try())


def test_the_error_names_the_task_and_what_it_printed(standin: StandIn) -> None:
    tasks: list[Any] = ["extract", {"task_key": "load", "outcome": "failed", "error": "KeyError: 'day'"}]
    with pytest.raises(RunFailed, match="load: KeyError: 'day'"):
        run(run_now(standin.databricks_jobs.add_job(tasks=tasks)), Try())


@pytest.mark.parametrize(("on_cancel", "result"), [("cancel", "CANCELED"), ("keep", None)])
def test_a_kill_cancels_the_run_and_sees_it_cancelled_unless_it_is_to_be_kept(
    on_cancel: str, result: str | None, standin: StandIn
) -> None:
    task = run_now(
        standin.databricks_jobs.add_job(plan=Plan(hold=True)), on_cancel=on_cancel, wait_for_termination=False
    )
    context = Try()
    run(task, context)
    context.state = "failed"
    task.on_kill()
    assert results(standin) == [result]


def nested(*job_ids: int, context: Try) -> list[Any]:
    """Operators that a task executes itself, as people do it in a PythonOperator."""
    made = [
        DatabricksRunNowOperator(task_id=f"run_{job_id}", job_id=job_id, **FAST)
        if job_id % 2
        else run_now(job_id, task_id="same_id")
        for job_id in job_ids
    ]
    return [run(operator, context) for operator in made]


def test_each_operator_that_a_task_executes_starts_its_own_job(standin: StandIn) -> None:
    """Also one in a loop, twice for the same job; the next try finds all of them."""
    for job_id in (41, 42, 44):
        standin.databricks_jobs.add_job(f"job {job_id}", id=job_id)
    context = Try()
    first = nested(41, 42, 44, 42, 41, context=context)
    assert len(set(first)) == 5
    assert nested(41, 42, 44, 42, 41, context=context.next()) == first
    # In another order the first of a job is still the first of that job.
    assert nested(44, 42, 41, 42, 41, context=context.next()) == [first[each] for each in (2, 1, 0, 3, 4)]
    assert len(nested(41, 42, context=context.next(cleared=4))) == 2
    assert len(standin.databricks_jobs.runs) == 7


def test_a_task_that_executes_itself_twice_starts_two_runs(standin: StandIn) -> None:
    jobs = [standin.databricks_jobs.add_job(f"job {number}") for number in range(2)]
    context = Try()

    class Both(DatabricksRunNowOperator):
        def execute(self, context: Any) -> Any:
            found = []
            for self.job_id in jobs:
                found.append(super().execute(context))
            return found

    first = run(Both(task_id="t", job_id=1, **FAST), context)
    assert run(Both(task_id="t", job_id=1, **FAST), context.next()) == first
    assert sorted(each.job_id for each in standin.databricks_jobs.runs.values()) == sorted(jobs)


def test_a_dag_run_that_is_made_anew_under_its_id_starts_a_new_run(standin: StandIn) -> None:
    """Deleted and triggered again, or of another Airflow on the same workspace: nothing is stored of it."""
    job_id = standin.databricks_jobs.add_job()
    first = run(run_now(job_id), Try(born="2026-11-27T10:00:00.000001+00:00"))
    again = run(run_now(job_id), Try(born="2026-11-27T10:00:00.000002+00:00"))
    assert again != first
    assert len(standin.databricks_jobs.runs) == 2


def test_two_processes_of_one_try_start_one_run(standin: StandIn) -> None:
    job_id = standin.databricks_jobs.add_job()
    born = "2026-11-27T10:00:00+00:00"
    assert run(run_now(job_id), Try(born=born)) == run(run_now(job_id), Try(born=born))


def test_a_run_of_the_job_that_the_task_had_before_is_cancelled_and_not_joined(standin: StandIn) -> None:
    old = standin.databricks_jobs.add_job("old", plan=Plan(hold=True))
    new = standin.databricks_jobs.add_job("new")
    context = Try()
    run(run_now(old, wait_for_termination=False), context)
    run(run_now(new), context.next())
    assert results(standin) == ["CANCELED", "SUCCESS"]


@both
def test_the_end_of_the_wait_cancels_the_run(deferrable: bool, standin: StandIn) -> None:
    task = run_now(standin.databricks_jobs.add_job(plan=Plan(hold=True)), timeout=0.05, deferrable=deferrable)
    with pytest.raises(WaitTimedOut):
        run(task, Try())
    assert results(standin) == ["CANCELED"]


def test_the_official_xcoms_are_pushed_beside_ours(standin: StandIn) -> None:
    job_id, context = standin.databricks_jobs.add_job(), Try()
    run_id = run(run_now(job_id), context)
    assert {key: context.pushed[key] for key in ("run_id", "job_id", "return_value")} == {
        "run_id": run_id,
        "job_id": job_id,
        "return_value": run_id,
    }
    assert context.pushed["run_page_url"] == context.pushed["run_url"] == context.pushed["run"]["url"]


def test_the_button_opens_the_remote_run(standin: StandIn, run_dag: Callable[..., Finished]) -> None:
    with DAG("links", schedule=None) as dag:
        task: BaseOperator = run_now(standin.databricks_jobs.add_job())
    finished = run_dag(dag)
    (link,) = task.operator_extra_links
    assert link.name == "Open remote run"
    assert finished.xcom("t", link.xcom_key) == finished.xcom("t", "run_url")
    assert finished.xcom("t", link.xcom_key).startswith(standin.url)


@pytest.mark.parametrize("template", [None, "{{ task.job_id }}!"], ids=["ours", "theirs"])
def test_a_mapped_instance_has_the_name_of_its_job(
    template: str | None, standin: StandIn, run_dag: Callable[..., Any]
) -> None:
    names = ["orders", "{{ 7 * 7 }}", "long " * 100]
    jobs = [standin.databricks_jobs.add_job(name) for name in names]
    given: dict[str, Any] = {"map_index_template": template} if template else {}
    with DAG(f"named_{bool(template)}", schedule=None) as dag:
        DatabricksRunNowOperator.partial(task_id="t", polling_period_seconds=0.05, **given).expand(
            job_id=jobs
        )
    instances = run_dag(dag).dag_run.get_task_instances()
    shown = [ti.rendered_map_index for ti in sorted(instances, key=lambda ti: ti.map_index)]
    if template:
        assert shown == [f"{job}!" for job in jobs]
    else:
        assert shown[:2] == names[:2]
        assert shown[2].startswith("long long ")
        assert len(shown[2]) == 200
