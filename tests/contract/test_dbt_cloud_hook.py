"""Each method of the official dbt Cloud hook, there and here: the same requests, the same results."""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.dbt.cloud.hooks import dbt as official
from airflow.sdk.exceptions import AirflowException
from requests import Response

from airflow_provider_pipehooks.core.errors import RemoteCallError, RunCancelled, RunFailed, WaitTimedOut
from airflow_provider_pipehooks.hooks import dbt_cloud as ours
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn


def plain(value: Any) -> Any:
    """What is compared: of responses what people read of them."""
    if isinstance(value, Response):
        kind = value.headers["Content-Type"]
        body = value.json() if "json" in kind else value.text
        return value.status_code, value.ok, value.reason, kind, plain(body)
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items() if key != "generated_at"}
    return [plain(each) for each in value] if isinstance(value, (list, tuple)) else value


def outcome(call: Callable[[], Any]) -> Any:
    """The result, or which of the official errors a caller would catch, the narrowest first."""
    try:
        return plain(call())
    except AirflowException as err:
        for name in ("DbtCloudJobRunException", "DbtCloudResourceLookupError"):
            if isinstance(err, (getattr(official, name), getattr(ours, name))):
                return name
        return "AirflowException"


def asked(standin: StandIn) -> list[tuple[str, str, Any]]:
    found = standin.journal.entries
    return [(entry.method, entry.path.rstrip("/"), sent(entry.body)) for entry in found]


def sent(body: Any) -> Any:
    return json.loads(body) if isinstance(body, str) and body else body or None


def finished(standin: StandIn, outcome: str = "success") -> int:
    world = standin.dbt_cloud
    job_id = world.add_job("nightly", project="Finance", environment="Staging", plan=Plan(outcome=outcome))
    return world.start(job_id)


def with_run(do: Callable[[Any, int], Any], outcome: str = "success") -> Callable[[Any, StandIn], Any]:
    """The run is over when it is used: that it can be told of its artifacts."""

    def call(hook: Any, standin: StandIn) -> Any:
        run_id = finished(standin, outcome)
        while not standin.dbt_cloud.runs[run_id].is_terminal:
            hook.get_job_run(run_id)
        return do(hook, run_id)

    return call


def with_many(do: Callable[[Any], Any]) -> Callable[[Any, StandIn], Any]:
    def call(hook: Any, standin: StandIn) -> Any:
        world = standin.dbt_cloud
        job_id = world.add_job("many", plan=Plan(hold=True), one_at_a_time=False)
        for _ in range(230):
            world.start(job_id)
        for number in range(120):
            world.add_job(f"job {number:03}")
        return do(hook)

    return call


def started(hook: Any, standin: StandIn) -> Any:
    job_id = standin.dbt_cloud.add_job("nightly", plan=Plan(polls=2))
    return hook.trigger_job_run(
        job_id, "by hand", steps_override=["dbt run"], additional_run_config={"threads_override": 8}
    )


def continued(outcome: str) -> Callable[[Any, StandIn], Any]:
    def call(hook: Any, standin: StandIn) -> Any:
        run_id = finished(standin, outcome)
        while not standin.dbt_cloud.runs[run_id].is_terminal:
            hook.get_job_run(run_id)
        job_id = standin.dbt_cloud.runs[run_id].job_id
        return hook.trigger_job_run(job_id, "again", retry_from_failure=True)

    return call


def retried(hook: Any, standin: StandIn) -> Any:
    run_id = finished(standin, "error")
    hook.get_job_run(run_id)
    return hook.retry_failed_job_run(standin.dbt_cloud.runs[run_id].job_id)


def cancelled(hook: Any, standin: StandIn) -> Any:
    world = standin.dbt_cloud
    run_id = world.start(world.add_job("held", plan=Plan(hold=True)))
    return hook.cancel_job_run(run_id), hook.get_job_run_status(run_id)


def waited(expected: Any, outcome: str) -> Callable[[Any, StandIn], Any]:
    return lambda hook, standin: hook.wait_for_job_run_status(
        finished(standin, outcome), expected_statuses=expected, check_interval=0
    )


NAMES = {"project_name": "Analytics", "environment_name": "Production", "job_name": "named"}


def by_name(**changed: str) -> Callable[[Any, StandIn], Any]:
    def call(hook: Any, standin: StandIn) -> Any:
        standin.dbt_cloud.add_job("named")
        return hook.get_job_by_name(**{**NAMES, **changed})

    return call


def of_another_account(hook: Any, standin: StandIn) -> Any:
    standin.dbt_cloud.accounts[2] = "Other"
    return hook.get_account(2), hook.list_projects(2), hook.get_job_runs(account_id=2)


def ids(hook: Any) -> tuple[int, int]:
    project = hook.list_projects()[0].json()["data"][0]["id"]
    return project, hook.list_environments(project)[0].json()["data"][0]["id"]


ON_THE_STAND_IN: dict[str, Callable[[Any, StandIn], Any]] = {
    "get_account": lambda hook, _: hook.get_account(),
    "another account": of_another_account,
    "an account that is none": lambda hook, _: hook.get_account(77),
    "list_projects": lambda hook, _: hook.list_projects(),
    "list_projects by name": lambda hook, _: hook.list_projects(name_contains="ANA"),
    "get_project": lambda hook, _: hook.get_project(ids(hook)[0]),
    "get_project of none": lambda hook, _: hook.get_project(999999),
    "list_environments": lambda hook, _: hook.list_environments(ids(hook)[0], name_contains="prod"),
    "get_environment": lambda hook, _: hook.get_environment(*ids(hook)),
    "list_jobs": with_many(lambda hook: hook.list_jobs()),
    "list_jobs by order": with_many(lambda hook: hook.list_jobs(order_by="-id", name_contains="job 00")),
    "list_jobs of a project": lambda hook, _: hook.list_jobs(None, None, *ids(hook)),
    "get_job": lambda hook, standin: hook.get_job(standin.dbt_cloud.add_job("one")),
    "get_job of none": lambda hook, _: hook.get_job(999),
    "get_job_by_name": by_name(),
    "get_job_by_name of no project": by_name(project_name="x"),
    "get_job_by_name of no environment": by_name(environment_name="x"),
    "get_job_by_name of no job": by_name(job_name="x"),
    "trigger_job_run": started,
    "trigger_job_run of no job": lambda hook, _: hook.trigger_job_run(999, "x"),
    "trigger_job_run after a failure": continued("error"),
    "trigger_job_run after a success": continued("success"),
    "retry_failed_job_run": retried,
    "list_job_runs": with_many(lambda hook: hook.list_job_runs()),
    "list_job_runs by order": with_many(lambda hook: hook.list_job_runs(None, ["trigger"], None, "-id")),
    "list_job_runs that are none": lambda hook, _: hook.list_job_runs(),
    "list_job_runs of an order that is none": lambda hook, _: hook.list_job_runs(order_by="colour"),
    "get_job_runs": with_many(lambda hook: hook.get_job_runs(payload={"limit": 3, "order_by": "-id"})),
    "get_job_run": with_run(lambda hook, run_id: hook.get_job_run(run_id, include_related=["job"])),
    "get_job_run of none": lambda hook, _: hook.get_job_run(999),
    "get_job_run_status": with_run(lambda hook, run_id: hook.get_job_run_status(run_id)),
    "wait_for_job_run_status": waited(10, "success"),
    "wait_for_job_run_status of two": waited({10, 20}, "error"),
    "wait_for_job_run_status that fails": waited(10, "error"),
    "wait_for_job_run_status that is cancelled": waited([10], "cancelled"),
    "wait_for_job_run_status for an error": waited(20, "success"),
    "cancel_job_run": cancelled,
    "list_job_run_artifacts": with_run(lambda hook, run_id: hook.list_job_run_artifacts(run_id)),
    "list_job_run_artifacts of a step": with_run(
        lambda hook, run_id: hook.list_job_run_artifacts(run_id, step=3)
    ),
    "get_job_run_artifact": with_run(
        lambda hook, run_id: hook.get_job_run_artifact(run_id, "run_results.json")
    ),
    "get_job_run_artifact of none": with_run(
        lambda hook, run_id: hook.get_job_run_artifact(run_id, "x.json")
    ),
    "_run_and_get_response": with_run(
        lambda hook, run_id: hook._run_and_get_response(endpoint=f"1/steps/{run_id * 100 + 1}/")
    ),
    "_run_and_get_response of a POST": lambda hook, standin: hook._run_and_get_response(
        method="POST",
        endpoint=f"1/jobs/{standin.dbt_cloud.add_job('x')}/run/",
        payload=json.dumps({"cause": "x"}),
    ),
    "_run_and_get_response in pages": with_many(
        lambda hook: hook._run_and_get_response(endpoint="1/jobs/", paginate=True)
    ),
    "_run_and_get_response of v3": lambda hook, _: hook._run_and_get_response(
        endpoint="1/projects/", api_version="v3", payload={"name__icontains": "ana"}
    ),
}
#: Ours looks the job up by its id, and reads why a run has failed.
ASKS_OTHERWISE = ("get_job_by_name", "wait_for_job_run_status that", "wait_for_job_run_status for")


@pytest.mark.parametrize("name", ON_THE_STAND_IN)
def test_the_same_call_asks_and_gives_the_same(name: str, for_both: StandIn) -> None:
    told = []
    for module in (official, ours):
        for_both.reset()
        hook = module.DbtCloudHook("dbt_both", retry_limit=1)
        result = outcome(lambda hook=hook: ON_THE_STAND_IN[name](hook, for_both))  # type: ignore[misc]
        told.append((result, asked(for_both)))
    theirs, here = told
    assert here[0] == theirs[0]
    if not name.startswith(ASKS_OTHERWISE):
        assert here[1] == theirs[1]


AWAITED: dict[str, Callable[[Any, int], Any]] = {
    "get_job_details": lambda hook, run_id: hook.get_job_details(run_id, include_related=["trigger"]),
    "get_job_status": lambda hook, run_id: hook.get_job_status(run_id),
    "get_job_run_artifacts_concurrently": lambda hook, run_id: hook.get_job_run_artifacts_concurrently(
        run_id, ["run_results.json", "manifest.json"]
    ),
}


@pytest.mark.parametrize("name", AWAITED)
def test_the_same_call_gives_the_same_inside_an_event_loop(name: str, for_both: StandIn) -> None:
    told = []
    for module in (official, ours):
        for_both.reset()
        run_id = finished(for_both, "success")
        official.DbtCloudHook("dbt_both").wait_for_job_run_status(run_id, check_interval=0)
        told.append(plain(asyncio.run(AWAITED[name](module.DbtCloudHook("dbt_both"), run_id))))
    assert told[1] == told[0]


def test_every_method_is_called_here() -> None:
    """By what the cases' own source names."""
    source = inspect.getsource(inspect.getmodule(test_every_method_is_called_here))  # type: ignore[arg-type]
    methods = {
        name
        for name, member in vars(official.DbtCloudHook).items()
        if inspect.isfunction(member) and name[0] != "_"
    }
    assert {name for name in methods if f".{name}(" not in source} == {
        "get_conn",
        "get_headers_tenants_from_connection",
        "test_connection",
    }


# --- where ours differs -----------------------------------------------------------------------------------


def test_the_accounts_are_listed_where_the_official_hook_reads_the_front_page(for_both: StandIn) -> None:
    accounts = ours.DbtCloudHook("dbt_both").list_accounts().json()["data"]
    assert [account["id"] for account in accounts] == list(for_both.dbt_cloud.accounts)
    assert "<title>" in official.DbtCloudHook("dbt_both").list_accounts().text  # type: ignore[attr-defined]


def test_all_that_is_related_is_given_where_the_official_hook_loses_all_but_the_last(
    for_both: StandIn,
) -> None:
    run_id, related = finished(for_both), ["trigger", "job"]
    theirs = official.DbtCloudHook("dbt_both").get_job_run(run_id, include_related=related).json()["data"]
    here = ours.DbtCloudHook("dbt_both").get_job_run(run_id, include_related=related).json()["data"]
    assert here["job"] == theirs["job"]
    assert theirs["trigger"] is None
    assert here["trigger"]["id"]


def test_a_status_that_is_not_known_is_told_and_goes_on(for_both: StandIn) -> None:
    world = for_both.dbt_cloud
    run_id = world.start(world.add_job("new", plan=Plan(states=(99, 99), hold=True)))
    status = ours.DbtCloudHook("dbt_both").get_job_run_status(run_id)
    assert status == 99
    assert not ours.DbtCloudJobRunStatus.is_terminal(status)
    with pytest.raises(ValueError, match="99"):
        official.DbtCloudHook("dbt_both").get_job_run_status(run_id)


def test_statuses_are_the_official_ones() -> None:
    theirs, here = official.DbtCloudJobRunStatus, ours.DbtCloudJobRunStatus
    assert {each.name: each.value for each in here} == {each.name: each.value for each in theirs}
    for status in (1, 2, 3, 10, 20, 30):
        assert here.is_terminal(status) is theirs.is_terminal(status)
    for statuses in (10, [10, 20], {1, 2}):
        here.check_is_valid(statuses)
    for wrong in (4, [10, 4], {99}):
        with pytest.raises(ValueError, match="not a valid DbtCloudJobRunStatus"):
            here.check_is_valid(wrong)


@pytest.mark.parametrize(
    "fault", [Fault(path="/run/", status=503, after_accept=True), Fault(path="/run/", reset="after")]
)
def test_a_start_whose_answer_is_lost_is_one_run_and_an_error(fault: Fault, for_both: StandIn) -> None:
    job_id = for_both.dbt_cloud.add_job("nightly")
    for_both.faults.add(fault)
    with pytest.raises(RemoteCallError) as raised:
        ours.DbtCloudHook("dbt_both", retry_limit=5, retry_delay=0).trigger_job_run(job_id, "once")
    assert raised.value.outcome_unknown
    assert len(for_both.dbt_cloud.runs) == 1


def test_a_start_that_was_refused_for_a_moment_is_sent_again(for_both: StandIn) -> None:
    job_id = for_both.dbt_cloud.add_job("nightly")
    for_both.faults.add(Fault(path="/run/", status=429, times=2))
    hook = ours.DbtCloudHook("dbt_both", retry_delay=0)
    assert hook.trigger_job_run(job_id, "once").json()["data"]["id"] in for_both.dbt_cloud.runs
    assert len(for_both.dbt_cloud.runs) == 1


@pytest.mark.parametrize(("end", "error"), [("error", RunFailed), ("cancelled", RunCancelled)])
def test_the_error_of_a_wait_says_why(end: str, error: type[Exception], for_both: StandIn) -> None:
    run_id = finished(for_both, end)
    with pytest.raises(error) as raised:
        ours.DbtCloudHook("dbt_both").wait_for_job_run_status(run_id, check_interval=0)
    assert isinstance(raised.value, ours.DbtCloudJobRunException)
    assert f"dbt Cloud run {run_id}" in str(raised.value)
    assert end == "cancelled" or "Database Error in model fct_orders" in str(raised.value)


def test_trouble_of_the_remote_does_not_end_a_wait(for_both: StandIn) -> None:
    run_id = finished(for_both)
    for_both.faults.add(Fault(path=f"/runs/{run_id}/", status=503, times=4))
    hook = ours.DbtCloudHook("dbt_both", retry_limit=1)
    assert hook.wait_for_job_run_status(run_id, check_interval=0)


def test_a_wait_that_is_over_says_what_the_run_does(for_both: StandIn) -> None:
    world = for_both.dbt_cloud
    run_id = world.start(world.add_job("held", plan=Plan(hold=True)))
    with pytest.raises(WaitTimedOut, match="is not over after 0 s: ") as raised:
        ours.DbtCloudHook("dbt_both").wait_for_job_run_status(run_id, timeout=0)
    assert isinstance(raised.value, ours.DbtCloudJobRunException)


def test_why_a_run_failed_is_logged(for_both: StandIn, capfd: pytest.CaptureFixture[str]) -> None:
    ours.DbtCloudHook("dbt_both").log_job_run_failure_details(finished(for_both, "error"))
    assert "Database Error in model fct_orders" in "".join(capfd.readouterr())


def test_a_long_cause_is_cut_with_a_warning(for_both: StandIn) -> None:
    job_id = for_both.dbt_cloud.add_job("nightly")
    with pytest.warns(UserWarning, match="cut to 255"):
        ours.DbtCloudHook("dbt_both").trigger_job_run(job_id, "x" * 300)
    (run,) = for_both.dbt_cloud.runs.values()
    assert run.cause == "x" * 255


def test_overrides_of_a_run_that_is_continued_are_told_of(for_both: StandIn) -> None:
    run_id = finished(for_both, "error")
    hook = ours.DbtCloudHook("dbt_both")
    hook.get_job_run(run_id)
    with pytest.warns(UserWarning, match="are ignored"):
        hook.trigger_job_run(
            for_both.dbt_cloud.runs[run_id].job_id, "x", schema_override="s", retry_from_failure=True
        )


def test_what_people_read_of_a_hook_is_there(for_both: StandIn) -> None:
    theirs = official.DbtCloudHook("dbt_both", retry_limit=2)
    here = ours.DbtCloudHook("dbt_both", 30, 2)
    for name in ("dbt_cloud_conn_id", "retry_limit", "retry_delay"):
        assert getattr(here, name) == getattr(theirs, name), name
    for name in ("login", "host", "password", "conn_type"):
        assert getattr(here.connection, name) == getattr(theirs.connection, name), name


def test_an_id_that_is_none_is_not_put_into_a_path(for_both: StandIn) -> None:
    with pytest.raises(ValueError, match="run_id must be a whole number above 0"):
        ours.DbtCloudHook("dbt_both").get_job_run("7/cancel")  # type: ignore[arg-type]
    assert for_both.journal.entries == []
