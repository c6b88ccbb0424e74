"""What each call asks, word for word, and what it says when it gives up: the fact sheets as a table."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import ConfigurationError, NotFound, RemoteCallError
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.services.base import Procedure, Request
from airflow_provider_pipehooks.services.batch import Batch, Found
from airflow_provider_pipehooks.services.databricks_jobs import DatabricksJobs
from airflow_provider_pipehooks.services.dbt_cloud import DbtCloud
from airflow_provider_pipehooks.services.run_lists import DatabricksLists, DbtCloudLists, Look, Wants
from tests.core.anything import a_run
from tests.services.driving import Body, Driven

V2, V3 = "/api/v2/accounts/{account_id}/", "/api/v3/accounts/{account_id}/"
JOBS = "/api/2.2/jobs/"
MADE = "2026-11-01T06:00:00+00:00"
SINCE = datetime(2026, 11, 1, 6, 0, tzinfo=timezone.utc)


def get(path: str, **params: str) -> Request:
    return Request(method="GET", path=path, params=params)


def post(path: str, **more: Any) -> Request:
    return Request(method="POST", path=path, **more)


def dbt(data: Any) -> Body:
    return {"data": data}


def dbt_run(run_id: int = 7, status: int = 3, **more: Any) -> dict[str, Any]:
    return {"id": run_id, "status": status, "job_definition_id": 5, "created_at": MADE, **more}


def dbx_run(run_id: int = 7, life: str = "RUNNING", **more: Any) -> dict[str, Any]:
    return {"run_id": run_id, "job_id": 5, "start_time": 1_000, "status": {"state": life}, **more}


def named(item_id: int, name: str) -> dict[str, Any]:
    return {"id": item_id, "name": name}


def dbx_job(job_id: int, name: str) -> dict[str, Any]:
    return {"job_id": job_id, "settings": {"name": name}}


NEWEST = {"order_by": "-id", "include_related": "trigger", "limit": "100"}
BY_ID = {"order_by": "id", "include_related": "job,audit", "limit": "100"}


@dataclass(frozen=True)
class Call:
    """One call, what the remote answers, what was asked for it, and what came of it."""

    call: Callable[[], Procedure[Any]]
    answers: list[Body]
    asked: list[Request]
    result: Any = None


def found_ids(found: Found, ended_only: bool) -> Procedure[Any]:
    service = DbtCloud()
    result = yield from service.read_batch(found)
    return result, sorted(found.runs), found.requests


def dbt_batch(ids: int, *, ended_only: bool = False) -> Callable[[], Procedure[Any]]:
    return lambda: found_ids(Found(Batch(dict.fromkeys(range(1, ids + 1)), ended_only)), ended_only)


PAGE = [dbt_run(run_id) for run_id in range(1, 101)]
CALLS: dict[str, Call] = {
    "dbt: read a run": Call(
        lambda: DbtCloud().get_run(7), [dbt(dbt_run())], [get(f"{V2}runs/7/")], "dbt Cloud run 7"
    ),
    "dbt: read a run with more": Call(
        lambda: DbtCloud().get_run(7, "job", "trigger"),
        [dbt(dbt_run())],
        [get(f"{V2}runs/7/", include_related="job,trigger")],
        "dbt Cloud run 7",
    ),
    "dbt: start": Call(
        lambda: DbtCloud().start_run(5, cause="why", overrides={"steps_override": ["dbt run"], "x": None}),
        [dbt(dbt_run())],
        [post(f"{V2}jobs/5/run/", json={"cause": "why", "steps_override": ["dbt run"]})],
        "dbt Cloud run 7",
    ),
    "dbt: retry": Call(
        lambda: DbtCloud().retry_run(7), [dbt(dbt_run(8))], [post(f"{V2}runs/7/retry/")], "dbt Cloud run 8"
    ),
    "dbt: cancel": Call(
        lambda: DbtCloud().cancel_run(7),
        [""],
        [post(f"{V2}runs/7/cancel/", idempotent=True, expects="text")],
    ),
    "dbt: the newest run id": Call(
        lambda: DbtCloud().newest_run_id(5),
        [dbt([dbt_run(9)])],
        [get(f"{V2}runs/", **{**NEWEST, "limit": "1", "job_definition_id": "5"})],
        9,
    ),
    "dbt: the run that goes on": Call(
        lambda: DbtCloud().active_run(5),
        [dbt([dbt_run(9)])],
        [get(f"{V2}runs/", **{**NEWEST, "limit": "1", "job_definition_id": "5", "status__in": "[1, 2, 3]"})],
        "dbt Cloud run 9",
    ),
    "dbt: by mark, on the second page": Call(
        lambda: DbtCloud().run_with_tag(5, "pipehooks:ab", above=0),
        [dbt(PAGE), dbt([dbt_run(101, trigger={"cause": "x [pipehooks:ab]"})])],
        [
            get(f"{V2}runs/", **{**NEWEST, "order_by": "id", "job_definition_id": "5", "id__gt": "0"}),
            get(f"{V2}runs/", **{**NEWEST, "order_by": "id", "job_definition_id": "5", "id__gt": "100"}),
        ],
        "dbt Cloud run 101",
    ),
    "dbt: who retries it": Call(
        lambda: DbtCloud().run_retrying(5, 7),
        [dbt([dbt_run(8, retrying_run_id=7)])],
        [get(f"{V2}runs/", **{**NEWEST, "order_by": "id", "job_definition_id": "5", "id__gt": "7"})],
        "dbt Cloud run 8",
    ),
    "dbt: a job by its three names": Call(
        lambda: DbtCloud().job_id_by_name("shop", "prod", "nightly"),
        [dbt([named(1, "shop")]), dbt([named(2, "prod")]), dbt([named(3, "nightly"), named(4, "nightly 2")])],
        [
            get(f"{V3}projects/", name__icontains="shop", limit="100", offset="0"),
            get(f"{V3}projects/1/environments/", name__icontains="prod", limit="100", offset="0"),
            get(
                f"{V2}jobs/",
                project_id="1",
                environment_id="2",
                name__icontains="nightly",
                limit="100",
                offset="0",
            ),
        ],
        3,
    ),
    "dbt: names on several pages": Call(
        lambda: DbtCloud().job_id_by_name("shop", "prod", "nightly"),
        [
            dbt([named(number, f"x{number}") for number in range(100, 200)]),
            dbt([named(1, "shop")]),
            dbt([named(2, "prod")]),
            dbt([named(3, "nightly")]),
        ],
        [
            get(f"{V3}projects/", name__icontains="shop", limit="100", offset="0"),
            get(f"{V3}projects/", name__icontains="shop", limit="100", offset="100"),
            get(f"{V3}projects/1/environments/", name__icontains="prod", limit="100", offset="0"),
            get(
                f"{V2}jobs/",
                project_id="1",
                environment_id="2",
                name__icontains="nightly",
                limit="100",
                offset="0",
            ),
        ],
        3,
    ),
    "dbt: a batch": Call(
        dbt_batch(2),
        [dbt([dbt_run(1), dbt_run(2), dbt_run(9)])],
        [get(f"{V2}runs/", pk__in="[1,2]", limit="100")],
        (False, [1, 2], 1),
    ),
    "dbt: a batch of two pages": Call(
        dbt_batch(150),
        [dbt(PAGE), dbt([dbt_run(101)])],
        [
            get(f"{V2}runs/", pk__in=json.dumps(list(range(1, 151)), separators=(",", ":")), limit="100"),
            get(f"{V2}runs/", pk__in=json.dumps(list(range(101, 151)), separators=(",", ":")), limit="100"),
        ],
        (False, list(range(1, 102)), 2),
    ),
    "dbt: a batch that is answered with strangers": Call(
        dbt_batch(2),
        [dbt([dbt_run(run_id) for run_id in range(100, 200)])],
        [get(f"{V2}runs/", pk__in="[1,2]", limit="100")],
        (False, [], 1),
    ),
    "dbt: a batch of ended ones": Call(
        dbt_batch(2, ended_only=True),
        [dbt([dbt_run(1, 10)])],
        [get(f"{V2}runs/", pk__in="[1,2]", limit="100", status__in="[10,20,30]")],
        (True, [1], 1),
    ),
    "dbt: why it failed": Call(
        lambda: DbtCloud().explain_run(a_run(RunState.ERROR, run_id=7, url="u")),
        [
            dbt(
                dbt_run(
                    7,
                    20,
                    href="https://run",
                    run_steps=[
                        {
                            "index": 1,
                            "name": "Clone git repository",
                            "status": 20,
                            "logs": "no\n\n  access \n",
                        },
                        {"index": 2, "name": "Invoke dbt with `dbt run`", "status": 10},
                        {"index": 3, "name": "Invoke dbt with `dbt build`", "status": 20, "logs": ""},
                        {"index": 4, "name": "Invoke dbt with `dbt docs`", "status": 20, "logs": None},
                    ],
                )
            ),
            '{"results": [{"unique_id": "test.a", "status": "fail", "message": "Got 2"},'
            ' {"unique_id": "model.b", "status": "success"}, {"unique_id": "model.c", "status": "error"}]}',
            NotFound("GET artifact answered 404", status_code=404),
        ],
        [
            get(f"{V2}runs/7/", include_related="run_steps,job,audit"),
            Request(
                method="GET",
                path=f"{V2}runs/7/artifacts/run_results.json",
                params={"step": "3"},
                expects="text",
            ),
            Request(
                method="GET",
                path=f"{V2}runs/7/artifacts/run_results.json",
                params={"step": "4"},
                expects="text",
            ),
        ],
        (
            "step 1, Clone git repository, failed",
            [
                ("Clone git repository", "no | access", "https://run"),
                ("test.a", "Got 2", "https://run"),
                ("model.c", "error", "https://run"),
                ("Invoke dbt with `dbt docs`", "failed without a log", "https://run"),
            ],
        ),
    ),
    "databricks: read a run": Call(
        lambda: DatabricksJobs().get_run(7),
        [dbx_run()],
        [get(f"{JOBS}runs/get", run_id="7", include_history="true")],
        "Databricks run 7",
    ),
    "databricks: read a task on the second page": Call(
        lambda: DatabricksJobs(task_key="load").get_run(7),
        [
            dbx_run(tasks=[{"task_key": "other", "run_id": 70}], next_page_token="p2"),
            dbx_run(tasks=[{"task_key": "load", "run_id": 71, "status": {"state": "RUNNING"}}]),
        ],
        [
            get(f"{JOBS}runs/get", run_id="7", include_history="true"),
            get(f"{JOBS}runs/get", run_id="7", include_history="true", page_token="p2"),
        ],
        "Databricks run 71",
    ),
    "databricks: run now": Call(
        lambda: DatabricksJobs().run_now({"job_id": 5, "idempotency_token": "t"}),
        [{"run_id": 7}],
        [post(f"{JOBS}run-now", json={"job_id": 5, "idempotency_token": "t"}, idempotent=True)],
        7,
    ),
    "databricks: submit": Call(
        lambda: DatabricksJobs().submit({"tasks": []}),
        [{"run_id": 7}],
        [post(f"{JOBS}runs/submit", json={"tasks": []})],
        7,
    ),
    "databricks: the second repair, with parameters": Call(
        lambda: DatabricksJobs().repair(7, {"day": "1"}),
        [dbx_run(repair_history=[{"type": "ORIGINAL"}, {"type": "REPAIR", "id": 31}]), {"repair_id": 32}],
        [
            get(f"{JOBS}runs/get", run_id="7", include_history="true"),
            post(
                f"{JOBS}runs/repair",
                json={
                    "run_id": 7,
                    "rerun_all_failed_tasks": True,
                    "latest_repair_id": 31,
                    "job_parameters": {"day": "1"},
                },
            ),
        ],
        32,
    ),
    "databricks: the first repair": Call(
        lambda: DatabricksJobs().repair(7),
        [dbx_run(), {"repair_id": 31}],
        [
            get(f"{JOBS}runs/get", run_id="7", include_history="true"),
            post(f"{JOBS}runs/repair", json={"run_id": 7, "rerun_all_failed_tasks": True}),
        ],
        31,
    ),
    "databricks: change a job": Call(
        lambda: DatabricksJobs().update_job(5, {"name": "x"}),
        [""],
        [post(f"{JOBS}update", json={"job_id": 5, "new_settings": {"name": "x"}}, expects="text")],
    ),
    "databricks: cancel": Call(
        lambda: DatabricksJobs().cancel_run(7),
        [""],
        [post(f"{JOBS}runs/cancel", json={"run_id": 7}, idempotent=True, expects="text")],
    ),
    "databricks: cancel all": Call(
        lambda: DatabricksJobs().cancel_all_runs(5),
        [""],
        [post(f"{JOBS}runs/cancel-all", json={"job_id": 5}, idempotent=True, expects="text")],
    ),
    "databricks: the newest run": Call(
        lambda: DatabricksJobs().newest_run(5),
        [{"runs": [dbx_run(9)]}],
        [get(f"{JOBS}runs/list", job_id="5", limit="1")],
        "Databricks run 9",
    ),
    "databricks: a job by its name": Call(
        lambda: DatabricksJobs().job_id_by_name("nightly"),
        [{"jobs": [dbx_job(1, "Nightly")], "next_page_token": "p2"}, {"jobs": [dbx_job(2, "nightly")]}],
        [
            get(f"{JOBS}list", name="nightly", limit="100"),
            get(f"{JOBS}list", name="nightly", limit="100", page_token="p2"),
        ],
        2,
    ),
    "databricks: why it failed": Call(
        lambda: DatabricksJobs().explain_run(a_run(RunState.ERROR, run_id=7, url="u")),
        [
            dbx_run(
                7,
                tasks=[
                    {
                        "task_key": "load",
                        "run_id": 71,
                        "run_page_url": "https://task",
                        "state": {"life_cycle_state": "TERMINATED", "result_state": "FAILED"},
                    },
                    {
                        "task_key": "clean",
                        "run_id": 72,
                        "state": {
                            "life_cycle_state": "TERMINATED",
                            "result_state": "FAILED",
                            "state_message": "no disk",
                        },
                    },
                    {"task_key": "fine", "run_id": 73, "status": {"state": "RUNNING"}},
                ],
            ),
            {"error": "ZeroDivisionError:\n  division by zero"},
            RemoteCallError("503", status_code=503, retryable=True),
        ],
        [
            get(f"{JOBS}runs/get", run_id="7", include_history="true"),
            get(f"{JOBS}runs/get-output", run_id="71"),
            get(f"{JOBS}runs/get-output", run_id="72"),
        ],
        (
            None,
            [
                ("load", "ZeroDivisionError: division by zero", "https://task"),
                ("clean", "no disk (its output could not be read: 503)", "u"),
            ],
        ),
    ),
    "lists: dbt, above": Call(
        lambda: DbtCloudLists().runs_above(4),
        [dbt([dbt_run(run_id) for run_id in range(5, 105)]), dbt([dbt_run(105)])],
        [get(f"{V2}runs/", **BY_ID, id__gt="4"), get(f"{V2}runs/", **BY_ID, id__gt="104")],
        [(run_id, run_id) for run_id in range(5, 106)],
    ),
    "lists: dbt, newest": Call(
        lambda: DbtCloudLists().newest_runs(),
        [dbt([dbt_run(9, project_id=3)])],
        [get(f"{V2}runs/", **{**BY_ID, "order_by": "-id"})],
        [(9, 9)],
    ),
    "lists: dbt, active": Call(
        lambda: DbtCloudLists().active_runs(),
        [dbt([dbt_run(9)])],
        [get(f"{V2}runs/", **BY_ID, id__gt="0", status__in="[1, 2, 3]")],
        [(9, 9)],
    ),
    "lists: dbt, the position of a moment": Call(
        lambda: DbtCloudLists().position_at(SINCE),
        [dbt([dbt_run(9)])],
        [
            get(
                f"{V2}runs/",
                **{**NEWEST, "limit": "1", "created_at__range": f'["2000-01-01T00:00:00+00:00", "{MADE}"]'},
            )
        ],
        8,
    ),
    "lists: dbt, before the first run": Call(
        lambda: DbtCloudLists().position_at(SINCE),
        [dbt([])],
        [
            get(
                f"{V2}runs/",
                **{**NEWEST, "limit": "1", "created_at__range": f'["2000-01-01T00:00:00+00:00", "{MADE}"]'},
            )
        ],
        0,
    ),
    "lists: databricks, above": Call(
        lambda: DatabricksLists().runs_above(999),
        [{"runs": [dbx_run(9)], "next_page_token": "p2"}, {"runs": [dbx_run(8)]}],
        [
            get(f"{JOBS}runs/list", limit="25", start_time_from="1000"),
            get(f"{JOBS}runs/list", limit="25", start_time_from="1000", page_token="p2"),
        ],
        [(9, 1000), (8, 1000)],
    ),
    "lists: databricks, newest": Call(
        lambda: DatabricksLists().newest_runs(),
        [{"runs": [dbx_run(9)]}],
        [get(f"{JOBS}runs/list", limit="25")],
        [(9, 1000)],
    ),
    "lists: databricks, active": Call(
        lambda: DatabricksLists().active_runs(),
        [{"runs": [dbx_run(9)]}],
        [get(f"{JOBS}runs/list", limit="25", active_only="true")],
        [(9, 1000)],
    ),
    "lists: databricks, the position of a moment": Call(
        lambda: DatabricksLists().position_at(SINCE), [], [], int(SINCE.timestamp() * 1000) - 1
    ),
}


def shown(result: Any) -> Any:
    """A result as the table writes it."""
    if isinstance(result, Run):
        failures = [(failure.name, failure.message, failure.url) for failure in result.failures]
        return (result.message, failures) if failures else result.label
    if isinstance(result, list):
        return [(int(each.run.run_id), each.position) for each in result]
    return result


@pytest.mark.parametrize("name", CALLS)
def test_a_call_asks_and_gives_what_the_table_says(name: str) -> None:
    call = CALLS[name]
    driven = Driven(call.call(), call.answers)
    assert driven.requests == call.asked
    assert shown(driven.result) == call.result


# --- rounds of the lists ----------------------------------------------------------------------------------


def test_a_round_reads_what_is_new_and_what_was_open() -> None:
    """Those that are open are read together, though nothing of them is new."""
    look = Look(DbtCloudLists())
    wants = Wants(above=10, runs={3, 4, 12})
    assert not wants.is_nothing
    driven = Driven(
        look.round(wants),
        [dbt([dbt_run(11), dbt_run(12, 10)]), dbt([dbt_run(3, 20), dbt_run(4)])],
    )
    assert driven.requests == [
        get(f"{V2}runs/", **BY_ID, id__gt="10"),
        get(f"{V2}runs/", pk__in="[3,4]", limit="100"),
    ]
    seen = {int(each.run.run_id): each.run.state for each in driven.result.seen}
    assert seen == {
        11: RunState.RUNNING,
        12: RunState.SUCCESS,
        3: RunState.ERROR,
        4: RunState.RUNNING,
    }
    assert (driven.result.above, driven.result.gone, driven.result.starts) == (10, frozenset(), {})


def test_a_single_open_run_is_read_alone() -> None:
    driven = Driven(Look(DbtCloudLists()).round(Wants(above=10, runs={3})), [dbt([]), dbt(dbt_run(3))])
    assert driven.requests == [get(f"{V2}runs/", **BY_ID, id__gt="10"), get(f"{V2}runs/3/")]
    assert [(each.run.run_id, each.position) for each in driven.result.seen] == [(3, 0)]


def test_a_round_for_a_new_watcher_finds_where_it_begins() -> None:
    driven = Driven(
        Look(DbtCloudLists()).round(Wants(starts={None, SINCE})),
        lambda request: dbt([dbt_run(9)]),
    )
    starts = driven.result.starts
    assert starts[SINCE].mark == 8
    assert [each.run.run_id for each in starts[None].active] == [9]
    assert driven.result.seen == ()
    assert driven.result.above is None


def test_nothing_is_wanted_where_nobody_watches() -> None:
    assert Wants().is_nothing
    assert Wants(runs={3}).is_nothing
    assert not Wants(starts={None}).is_nothing


# --- what is said -----------------------------------------------------------------------------------------

SAID: dict[str, tuple[Callable[[], Procedure[Any]], list[Body], type[Exception], str]] = {
    "dbt, no such job": (
        lambda: DbtCloud().job_id_by_name("shop", "prod", "nightly"),
        [dbt([]), dbt([named(1, "shops"), named(2, "bakery"), named(3, "workshop"), named(4, "zoo")])],
        ConfigurationError,
        "No dbt Cloud project is named 'shop'. Near: 'shops', 'workshop'.",
    ),
    "dbt, nothing near": (
        lambda: DbtCloud().job_id_by_name("shop", "prod", "nightly"),
        [dbt([]), dbt([named(4, "d"), named(1, "c"), named(2, "b"), named(3, "a")])],
        ConfigurationError,
        "No dbt Cloud project is named 'shop'. Near: 'a', 'b', 'c'.",
    ),
    "dbt, nothing at all": (
        lambda: DbtCloud().job_id_by_name("shop", "prod", "nightly"),
        [dbt([]), dbt([])],
        ConfigurationError,
        "No dbt Cloud project is named 'shop'. This token sees none at all.",
    ),
    "dbt, two of a name": (
        lambda: DbtCloud().job_id_by_name("shop", "prod", "nightly"),
        [dbt([named(1, "shop"), named(2, "shop")])],
        ConfigurationError,
        "2 dbt Cloud projects are named 'shop' (ids 1, 2). Use job_id.",
    ),
    "dbt, the same page again": (
        lambda: DbtCloud().run_with_tag(5, "tag", above=200),
        [dbt(PAGE)],
        RemoteCallError,
        "GET runs/ answered the same page again: id__gt=200 was not heeded.",
    ),
    "dbt, not a run": (
        lambda: DbtCloud().get_run(7),
        [dbt({"id": "x"})],
        RemoteCallError,
        "GET /api/v2/accounts/{account_id}/runs/7/ did not answer with a run: "
        """Not a dbt Cloud run: {"id": "x"}""",
    ),
    "dbt, more than objects": (
        lambda: DbtCloud().newest_run_id(5),
        [dbt([3])],
        RemoteCallError,
        "GET /api/v2/accounts/{account_id}/runs/ answered a list of more than objects.",
    ),
    "databricks, no such job": (
        lambda: DatabricksJobs().job_id_by_name("nightly"),
        [{"jobs": []}, {"jobs": [dbx_job(1, "nightly_2"), dbx_job(2, "zoo")]}],
        ConfigurationError,
        "No Databricks job is named 'nightly'. Near: 'nightly_2'.",
    ),
    "databricks, nothing near": (
        lambda: DatabricksJobs().job_id_by_name("nightly"),
        [{"jobs": []}, {"jobs": [dbx_job(number, name) for number, name in enumerate("dcba", 1)]}],
        ConfigurationError,
        "No Databricks job is named 'nightly'. Near: 'a', 'b', 'c'.",
    ),
    "databricks, nothing at all": (
        lambda: DatabricksJobs().job_id_by_name("nightly"),
        [{}, {}],
        ConfigurationError,
        "No Databricks job is named 'nightly'. This token sees none at all.",
    ),
    "databricks, two of a name": (
        lambda: DatabricksJobs().job_id_by_name("nightly"),
        [{"jobs": [dbx_job(1, "nightly"), dbx_job(2, "nightly")]}],
        ConfigurationError,
        "2 Databricks jobs are named 'nightly' (ids 1, 2). Use job_id.",
    ),
    "databricks, never ran": (
        lambda: DatabricksJobs().newest_run(5),
        [{}],
        NotFound,
        "Databricks job 5 has no run to wait for.",
    ),
    "databricks, no such task": (
        lambda: DatabricksJobs(task_key="load").get_run(7),
        [
            dbx_run(
                7,
                "TERMINATED",
                state={"life_cycle_state": "TERMINATED", "result_state": "SUCCESS"},
                tasks=[{"task_key": "a"}, {"task_key": "b"}],
            )
        ],
        ConfigurationError,
        "Databricks run 7 has no task 'load'. It has: 'a', 'b'.",
    ),
    "databricks, the same page again": (
        lambda: DatabricksJobs(task_key="load").get_run(7),
        [dbx_run(next_page_token="p"), dbx_run(next_page_token="p"), dbx_run(next_page_token="p")],
        RemoteCallError,
        "GET /api/2.2/jobs/runs/get gave the same page again: 'p'.",
    ),
    "lists, dbt does not heed": (
        lambda: DbtCloudLists().runs_above(200),
        [dbt(PAGE)],
        RemoteCallError,
        "GET runs/ answered the same page again: id__gt=200 was not heeded.",
    ),
    "lists, databricks, the same page again": (
        lambda: DatabricksLists().active_runs(),
        [{"runs": [], "next_page_token": "p"}, {"runs": [], "next_page_token": "p"}],
        RemoteCallError,
        "GET /api/2.2/jobs/runs/list gave the same page again: 'p'.",
    ),
}


@pytest.mark.parametrize("name", SAID)
def test_an_error_says_what_happened_with_which_value(name: str) -> None:
    call, answers, kind, text = SAID[name]
    with pytest.raises(kind) as raised:
        Driven(call(), answers)
    assert str(raised.value) == text
    if kind is RemoteCallError:
        assert raised.value.retryable  # type: ignore[attr-defined]
