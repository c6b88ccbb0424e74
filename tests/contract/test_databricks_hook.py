"""Each method of the official Databricks hook, there and here: the same requests, the same results."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from airflow.providers.databricks.hooks import databricks as official
from airflow.sdk.exceptions import AirflowException

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.hooks import databricks as ours
from airflow_provider_pipehooks.hooks import remote
from airflow_provider_pipehooks.hooks.transport import AsyncSender
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from tests.hooks.recorder import recording

TASKS = ("extract", {"task_key": "load", "depends_on": ["extract"]})
SUBMITTED = [{"task_key": "main", "notebook_task": {"notebook_path": "/n"}}]
MANY = [f"t{number}" for number in range(205)]
STATES = ("RunState", "ClusterState", "SQLStatementState", "WarehouseState")


def plain(value: Any) -> Any:
    """What is compared: states by what they say."""
    return {type(value).__name__: json.loads(value.to_json())} if hasattr(value, "to_json") else value


def outcome(call: Callable[[], Any]) -> Any:
    """The result, or that a caller's ``except AirflowException`` gets it, and the status."""
    try:
        return plain(call())
    except AirflowException as err:
        return "AirflowException", getattr(err, "http_status_code", None)


def asked(standin: StandIn) -> list[tuple[str, str, Any]]:
    """What was sent, apart from the queries, in which booleans and empty values are written otherwise."""
    found = standin.journal.entries
    bodies = ("POST", "PATCH")
    # The official hook writes two slashes before a repository.
    return [
        (
            entry.method,
            entry.path.replace("//", "/"),
            (entry.body or None) if entry.method in bodies else None,
        )
        for entry in found
    ]


def finished(standin: StandIn, **job: Any) -> int:
    world = standin.databricks_jobs
    return world.start(world.add_job("nightly", **{"tasks": TASKS, **job}))


def with_task(do: Callable[[Any, int], Any]) -> Callable[[Any, StandIn], Any]:
    def call(hook: Any, standin: StandIn) -> Any:
        run_id = finished(standin)
        return do(hook, hook.get_run_tasks(run_id)[0]["run_id"])

    return call


def with_run(do: Callable[[Any, int], Any], **job: Any) -> Callable[[Any, StandIn], Any]:
    return lambda hook, standin: do(hook, finished(standin, **job))


def with_pipelines(do: Callable[[Any], Any]) -> Callable[[Any, StandIn], Any]:
    def call(hook: Any, standin: StandIn) -> Any:
        for number, name in enumerate(["daily", "twin", "twin", *(f"p{each}" for each in range(30))]):
            standin.databricks_pipelines.add_pipeline(name, id=f"00000000-0000-0000-0000-{number:012}")
        return do(hook)

    return call


def with_jobs(do: Callable[[Any], Any]) -> Callable[[Any, StandIn], Any]:
    def call(hook: Any, standin: StandIn) -> Any:
        for name in ("nightly", "Nightly", "twin", "twin", *(f"job {number}" for number in range(30))):
            standin.databricks_jobs.add_job(name)
        return do(hook)

    return call


def repaired(hook: Any, standin: StandIn) -> Any:
    run_id = finished(standin, plan=Plan(outcome="failed"))
    before = hook.get_latest_repair_id(run_id)
    repair_id = hook.repair_run({"run_id": run_id, "rerun_all_failed_tasks": True})
    return before, repair_id, hook.get_latest_repair_id(run_id)


def life_of_a_job(hook: Any, standin: StandIn) -> Any:
    job_id = hook.create_job({"name": "made", "tasks": SUBMITTED})
    hook.update_job(str(job_id), {"name": "renamed"})
    found = hook.find_job_id_by_name("renamed")
    hook.reset_job(str(job_id), {"name": "other", "tasks": SUBMITTED})
    run_id = hook.run_now({"job_id": job_id})
    told = hook.get_run_state(run_id)
    hook.delete_run(run_id)
    return job_id, found, run_id, hook.list_jobs(expand_tasks=True), plain(told)


def cancelled(hook: Any, standin: StandIn) -> Any:
    run_id = finished(standin, plan=Plan(hold=True))
    hook.cancel_run(run_id)
    return [plain(hook.get_run_state(run_id)) for _ in range(3)]


def all_cancelled(hook: Any, standin: StandIn) -> Any:
    run_id = finished(standin, plan=Plan(hold=True))
    hook.cancel_all_runs(hook.get_job_id(run_id))
    return [hook.get_run_state_result(run_id) for _ in range(3)]


def submitted_twice(hook: Any, standin: StandIn) -> Any:
    body = {"run_name": "once", "tasks": SUBMITTED, "idempotency_token": "mine"}
    return hook.submit_run(body), hook.submit_run(body), hook.submit_run({**body, "idempotency_token": "b"})


ON_THE_STAND_IN: dict[str, Callable[[Any, StandIn], Any]] = {
    "a job from create to delete_run": life_of_a_job,
    "run_now of no job": lambda hook, _: hook.run_now({"job_id": 999}),
    "submit_run": submitted_twice,
    "submit_run of nonsense": lambda hook, _: hook.submit_run({"tasks": "x"}),
    "list_jobs": with_jobs(lambda hook: hook.list_jobs()),
    "list_jobs by name": with_jobs(lambda hook: hook.list_jobs(job_name="nightly", limit=1)),
    "list_jobs that are none": lambda hook, _: hook.list_jobs(),
    "find_job_id_by_name": with_jobs(lambda hook: hook.find_job_id_by_name("nightly")),
    "find_job_id_by_name of none": with_jobs(lambda hook: hook.find_job_id_by_name("weekly")),
    "find_job_id_by_name of two": with_jobs(lambda hook: hook.find_job_id_by_name("twin")),
    "list_pipelines": with_pipelines(lambda hook: hook.list_pipelines()),
    "list_pipelines by name": with_pipelines(lambda hook: hook.list_pipelines(10, "twin")),
    "list_pipelines by notebook": with_pipelines(lambda hook: hook.list_pipelines(notebook_path="/n")),
    "list_pipelines by both": with_pipelines(lambda hook: hook.list_pipelines(1, "twin", "/n")),
    "find_pipeline_id_by_name": with_pipelines(lambda hook: hook.find_pipeline_id_by_name("daily")),
    "find_pipeline_id_by_name of none": with_pipelines(lambda hook: hook.find_pipeline_id_by_name("x")),
    "find_pipeline_id_by_name of two": with_pipelines(lambda hook: hook.find_pipeline_id_by_name("twin")),
    "get_run": with_run(lambda hook, run_id: hook.get_run(run_id)),
    "get_run of 205 tasks": with_run(lambda hook, run_id: hook.get_run(run_id), tasks=MANY),
    "get_run of none": lambda hook, _: hook.get_run(999),
    "get_run_tasks": with_run(lambda hook, run_id: hook.get_run_tasks(run_id), tasks=MANY),
    "get_run_page_url": with_run(lambda hook, run_id: hook.get_run_page_url(run_id)),
    "get_job_id": with_run(lambda hook, run_id: hook.get_job_id(run_id)),
    "get_run_state": with_run(lambda hook, run_id: hook.get_run_state(run_id)),
    "get_run_state of a failed run": with_run(
        lambda hook, run_id: hook.get_run_state(run_id), plan=Plan(outcome="failed", message="Disk full")
    ),
    "get_run_state_str": with_run(lambda hook, run_id: hook.get_run_state_str(run_id)),
    "get_run_state_lifecycle": with_run(lambda hook, run_id: hook.get_run_state_lifecycle(run_id)),
    "get_run_state_result": with_run(lambda hook, run_id: hook.get_run_state_result(run_id)),
    "get_run_state_message": with_run(
        lambda hook, run_id: hook.get_run_state_message(run_id), plan=Plan(outcome="failed", message="full")
    ),
    "get_run_output": with_task(lambda hook, run_id: hook.get_run_output(run_id)),
    "get_run_output of several tasks": with_run(lambda hook, run_id: hook.get_run_output(run_id)),
    "cancel_run": cancelled,
    "cancel_all_runs": all_cancelled,
    "delete_run of none": lambda hook, _: hook.delete_run(999),
    "repair_run, get_latest_repair_id": repaired,
    "_do_api_call": with_run(
        lambda hook, run_id: hook._do_api_call(("GET", "2.2/jobs/runs/get-output"), {"run_id": run_id + 1})
    ),
    "_do_api_call of a POST": lambda hook, _: hook._do_api_call(
        ("POST", "2.2/jobs/create"), {"name": "x", "tasks": []}
    ),
    "_do_api_call of an unknown method": lambda hook, _: hook._do_api_call(("HEAD", "2.2/jobs/list")),
    "_do_api_call of no job": lambda hook, _: hook._do_api_call(("GET", "2.2/jobs/get"), {"job_id": 999}),
}


def life_of_a_cluster(hook: Any, standin: StandIn) -> Any:
    cluster = {"cluster_id": standin.databricks_workspace.add_cluster()}
    told = [hook.get_cluster_state(cluster["cluster_id"])]
    for change in (hook.start_cluster, hook.restart_cluster, hook.terminate_cluster):
        change(cluster)
        told += [hook.get_cluster_state(cluster["cluster_id"]) for _ in range(2)]
    return [plain(state) for state in told]


def libraries(hook: Any, standin: StandIn) -> Any:
    cluster_id = standin.databricks_workspace.add_cluster(state="RUNNING")
    body = {"cluster_id": cluster_id, "libraries": [{"pypi": {"package": "x"}}]}
    told = []
    for change in (hook.install, hook.uninstall, hook.restart_cluster):
        change(body)
        told.append(hook._do_api_call(("GET", "2.0/libraries/cluster-status"), {"cluster_id": cluster_id}))
    return told


def life_of_a_warehouse(hook: Any, standin: StandIn) -> Any:
    warehouse_id = standin.databricks_workspace.add_warehouse()
    told: list[Any] = [hook.get_warehouse(warehouse_id)]
    for change in (hook.start_warehouse, hook.stop_warehouse):
        change(warehouse_id)
        told += [plain(hook.get_warehouse_state(warehouse_id)) for _ in range(2)]
    return told


def life_of_a_repo(hook: Any, standin: StandIn) -> Any:
    made = hook.create_repo(
        {"url": "https://example.com/a/b.git", "provider": "gitHub", "path": "/Repos/a b"}
    )
    found = hook.get_repo_by_path("/Repos/a b")
    updated = hook.update_repo(found, {"branch": "other"})
    hook.delete_repo(found)
    return made, found, updated, hook.get_repo_by_path("/Repos/a b")


def rights(hook: Any, standin: StandIn) -> Any:
    job_id = standin.databricks_jobs.add_job("nightly")
    mine = {"access_control_list": [{"user_name": "ada", "permission_level": "CAN_MANAGE"}]}
    told = hook.update_job_permission(job_id, mine)
    group = {"access_control_list": [{"group_name": "g", "permission_level": "CAN_VIEW"}], "tasks": SUBMITTED}
    hook.reset_job(job_id, group)
    return told, hook._do_api_call(("GET", f"2.0/permissions/jobs/{job_id}"))


ON_THE_STAND_IN |= {
    "a cluster": life_of_a_cluster,
    "a cluster that is none": lambda hook, _: hook.get_cluster_state("x"),
    "a cluster that runs is not started": lambda hook, standin: hook.start_cluster(
        {"cluster_id": standin.databricks_workspace.add_cluster(state="RUNNING")}
    ),
    "libraries": libraries,
    "a warehouse": life_of_a_warehouse,
    "a warehouse that is none": lambda hook, _: hook.get_warehouse("x"),
    "a repository": life_of_a_repo,
    "a repository without a provider": lambda hook, _: hook.create_repo({"url": "u"}),
    "rights": rights,
    "rights of no job": lambda hook, _: hook.update_job_permission(9, {"access_control_list": []}),
    "rights that are none": lambda hook, standin: hook.update_job_permission(
        standin.databricks_jobs.add_job("nightly"), {"access_control_list": [{"user_name": "ada"}]}
    ),
}


@pytest.mark.parametrize("name", ON_THE_STAND_IN)
def test_the_same_call_asks_and_gives_the_same(name: str, for_both: StandIn) -> None:
    told = []
    for module in (official, ours):
        for_both.reset()
        hook = module.DatabricksHook("databricks_both", retry_limit=1)
        result = outcome(lambda hook=hook: ON_THE_STAND_IN[name](hook, for_both))  # type: ignore[misc]
        told.append((result, asked(for_both)))
    theirs, here = told
    assert here[0] == theirs[0]
    assert here[1] == theirs[1]


AWAITED: dict[str, Callable[[Any, int], Any]] = {
    "a_get_run": lambda hook, run_id: hook.a_get_run(run_id),
    "a_get_run_state": lambda hook, run_id: hook.a_get_run_state(run_id),
    "a_get_run_page_url": lambda hook, run_id: hook.a_get_run_page_url(run_id),
    "a_get_run_output": lambda hook, run_id: hook.a_get_run_output(run_id + 1),
    "_a_do_api_call": lambda hook, run_id: hook._a_do_api_call(("GET", "2.2/jobs/list"), {"limit": 1}),
    "a_get_run of none": lambda hook, _: hook.a_get_run(999),
}


@pytest.mark.parametrize("tasks", [TASKS, MANY], ids=["few tasks", "many tasks"])
@pytest.mark.parametrize("name", AWAITED)
def test_the_same_call_gives_the_same_inside_an_event_loop(name: str, tasks: Any, for_both: StandIn) -> None:
    async def call(hook: Any, run_id: int) -> Any:
        async with hook:
            return await AWAITED[name](hook, run_id)

    told = []
    for module in (official, ours):
        for_both.reset()
        run_id = finished(for_both, tasks=tasks)
        hook = module.DatabricksHook("databricks_both")
        told.append(outcome(lambda hook=hook, run_id=run_id: asyncio.run(call(hook, run_id))))  # type: ignore[misc]
    assert told[1] == told[0]


class Senders(list[Any]):
    """The senders that are made, in the place of their class."""

    def __call__(self, *given: Any) -> Any:
        self.append(AsyncSender(*given))
        return self[-1]


@pytest.mark.parametrize(("inside", "made"), [(True, 1), (False, 2)], ids=["inside", "outside"])
def test_async_calls_share_connections_inside_async_with_and_leave_none_open(
    inside: bool, made: int, for_both: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, hook, senders = finished(for_both), ours.DatabricksHook("databricks_both"), Senders()
    monkeypatch.setattr(remote, "AsyncSender", senders)

    async def calls() -> None:
        async with hook if inside else contextlib.nullcontext():
            await hook.a_get_run(run_id)
            await hook.a_get_run_state(run_id)

    asyncio.run(calls())
    assert len(senders) == made
    assert all(sender._session.closed for sender in senders)


# --- what the stand-in does not play ----------------------------------------------------------------------

ANSWER = {
    "state": "RUNNING",
    "state_message": "up",
    "status": {"state": "FAILED", "error": {"error_code": "BAD", "message": "no"}},
    "statement_id": "s1",
    "object_type": "REPO",
    "object_id": 7,
    "id": "w",
}
BODY = {"cluster_id": "c", "libraries": [{"pypi": {"package": "x"}}]}
ELSEWHERE: dict[str, Callable[[Any], Any]] = {
    "get_cluster_state": lambda hook: hook.get_cluster_state("c 1"),
    "restart_cluster": lambda hook: hook.restart_cluster(BODY),
    "start_cluster": lambda hook: hook.start_cluster(BODY),
    "terminate_cluster": lambda hook: hook.terminate_cluster(BODY),
    "install": lambda hook: hook.install(BODY),
    "uninstall": lambda hook: hook.uninstall(BODY),
    "get_warehouse": lambda hook: hook.get_warehouse("w"),
    "get_warehouse_state": lambda hook: hook.get_warehouse_state("w"),
    "start_warehouse": lambda hook: hook.start_warehouse("w"),
    "stop_warehouse": lambda hook: hook.stop_warehouse("w"),
    "post_sql_statement": lambda hook: hook.post_sql_statement({"statement": "x", "warehouse_id": "w"}),
    "get_sql_statement_state": lambda hook: hook.get_sql_statement_state("s"),
    "cancel_sql_statement": lambda hook: hook.cancel_sql_statement("s"),
    "create_repo": lambda hook: hook.create_repo({"url": "u"}),
    "update_repo": lambda hook: hook.update_repo("7", {"branch": "b"}),
    "delete_repo": lambda hook: hook.delete_repo("7"),
    "get_repo_by_path": lambda hook: hook.get_repo_by_path("/Repos/a b"),
    "update_job_permission": lambda hook: hook.update_job_permission(3, {"access_control_list": []}),
    "reset_job with permissions": lambda hook: hook.reset_job("3", {"access_control_list": [{"a": 1}]}),
    "a_get_cluster_state": lambda hook: asyncio.run(entered(hook, lambda: hook.a_get_cluster_state("c"))),
    "a_get_warehouse": lambda hook: asyncio.run(entered(hook, lambda: hook.a_get_warehouse("w"))),
    "a_get_warehouse_state": lambda hook: asyncio.run(entered(hook, lambda: hook.a_get_warehouse_state("w"))),
    "a_get_sql_statement_state": lambda hook: asyncio.run(
        entered(hook, lambda: hook.a_get_sql_statement_state("s"))
    ),
}


async def entered(hook: Any, call: Callable[[], Any]) -> Any:
    async with hook:
        return await call()


@pytest.mark.parametrize("name", ELSEWHERE)
def test_the_same_request_and_from_the_same_answer_the_same_result(
    name: str, connections: Callable[..., None]
) -> None:
    told = []
    for module in (official, ours):
        with recording(json.dumps(ANSWER)) as recorder:
            place = urlsplit(recorder.url)
            fields = {"host": place.hostname, "port": place.port, "schema": "http", "password": "dapi"}
            connections("databricks_both", conn_type="databricks", **fields)
            result = plain(ELSEWHERE[name](module.DatabricksHook("databricks_both")))
            told.append((result, [readable(seen) for seen in recorder.requests]))
    assert told[1] == told[0]


def readable(seen: Any) -> tuple[Any, ...]:
    """A request; the official client writes two slashes before a repository, and a GET's query as a body."""
    url = urlsplit(seen.path)
    body = json.loads(seen.body) if seen.body else {}
    query = dict(parse_qsl(url.query)) or (body if seen.method == "GET" else {})
    sent = body if seen.method in ("POST", "PATCH") else {}
    return seen.method, url.path.replace("//", "/"), query, sent, seen.headers["Authorization"]


def test_every_method_is_called_here() -> None:
    """By what the cases' own source names."""
    source = inspect.getsource(inspect.getmodule(test_every_method_is_called_here))  # type: ignore[arg-type]
    methods = {
        name
        for kind in official.DatabricksHook.__mro__[:2]
        for name, member in vars(kind).items()
        if inspect.isfunction(member) and name[0] != "_" and not name.startswith("get_openlineage")
    }
    assert {name for name in methods if f".{name}(" not in source} == set()


# --- where ours differs -----------------------------------------------------------------------------------


def test_a_word_that_is_not_known_is_kept_and_goes_on(for_both: StandIn) -> None:
    run_id = finished(for_both, plan=Plan(states=("HIBERNATING", "HIBERNATING"), hold=True))
    hook = ours.DatabricksHook("databricks_both")
    words = [hook.get_run_state(run_id) for _ in range(3)]
    assert words[-1].life_cycle_state == "HIBERNATING"
    assert not words[-1].is_terminal
    with pytest.raises(AirflowException, match="Unexpected life cycle state"):
        official.DatabricksHook("databricks_both").get_run_state(run_id)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(path="run-now", times=1, status=503, after_accept=True),
        Fault(path="run-now", times=1, reset="after"),
    ],
    ids=["503", "lost reply"],
)
@pytest.mark.parametrize("token", [False, True], ids=["without a token", "with one"])
def test_a_start_whose_answer_is_lost_is_one_run_or_an_error(
    token: bool, fault: Fault, for_both: StandIn
) -> None:
    job_id = for_both.databricks_jobs.add_job("nightly", max_concurrent_runs=9)
    for_both.faults.add(fault)
    hook = ours.DatabricksHook("databricks_both", retry_delay=0)
    body = {"job_id": job_id, **({"idempotency_token": "mine"} if token else {})}
    if token:
        assert hook.run_now(body) in for_both.databricks_jobs.runs
    else:
        with pytest.raises(RemoteCallError) as raised:
            hook.run_now(body)
        assert raised.value.outcome_unknown
    assert len(for_both.databricks_jobs.runs) == 1


def test_states_are_values_as_the_official_ones_are() -> None:
    for name in STATES:
        theirs, here = getattr(official, name), getattr(ours, name)
        told = {"state": "RUNNING", "life_cycle_state": "TERMINATED"}
        fields = {key: value for key, value in told.items() if key in inspect.signature(theirs).parameters}
        one, other = theirs(**fields), here(**fields)
        assert (one.to_json(), repr(one)) == (other.to_json(), repr(other))
        assert here.from_json(one.to_json()) == other
        assert hash(here.from_json(one.to_json())) == hash(other)
        assert other != theirs
        flags = [flag for flag in dir(theirs) if flag.startswith("is_")]
        assert [getattr(one, flag) for flag in flags] == [getattr(other, flag) for flag in flags]


def test_what_people_read_of_a_hook_is_there(for_both: StandIn) -> None:
    theirs = official.DatabricksHook("databricks_both", caller="me")
    here = ours.DatabricksHook("databricks_both", 30, 3, 1.0, None, "me")
    for name in ("databricks_conn_id", "retry_limit", "retry_delay", "caller", "host", "proxies"):
        assert getattr(here, name) == getattr(theirs, name), name
    assert here.databricks_conn.password == here.get_conn().password == theirs.get_conn().password
    assert here.user_agent_header["user-agent"].startswith("airflow-provider-pipehooks/")
    assert here.timeout_seconds == 30
    assert here.test_connection()[0]


def test_a_path_with_api_before_it_is_the_same(for_both: StandIn) -> None:
    hook = ours.DatabricksHook("databricks_both")
    assert hook._do_api_call(("GET", "api/2.2/jobs/list")) == hook._do_api_call(("GET", "/2.2/jobs/list"))
