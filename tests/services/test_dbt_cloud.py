"""dbt Cloud's words and calls, held to the fact sheet of its API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import ConfigurationError, NotFound, RemoteCallError
from airflow_provider_pipehooks.core.run import Failure, FailureKind, Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.services import dbt_cloud
from airflow_provider_pipehooks.services.base import Request
from airflow_provider_pipehooks.services.dbt_cloud import (
    DbtCloud,
    count_results,
    parse_failed_nodes,
    parse_run,
)
from tests.services.driving import Body, Driven, drive

DBT = DbtCloud()
URL = "https://ab123.us1.dbt.com/deploy/1/projects/2/runs/7/"
TIMED_OUT = (
    "This run timed out after running for 1 day, which exceeded the configured timeout of 86400 seconds."
)


def a_run(status: Any = 3, run_id: int = 7, **fields: Any) -> dict[str, Any]:
    return {"id": run_id, "status": status, "job_definition_id": 5, "href": URL, **fields}


def answer(data: Any) -> dict[str, Any]:
    return {"status": {"code": 200, "is_success": True}, "data": data}


# code, status_humanized -> state, terminal, kind
STATUSES: list[tuple[int, str, RunState | None, bool, FailureKind | None]] = [
    (1, "Queued", RunState.QUEUED, False, None),
    (2, "Starting", RunState.STARTING, False, None),
    (3, "Running", RunState.RUNNING, False, None),
    (10, "Success", RunState.SUCCESS, True, None),
    (20, "Error", RunState.ERROR, True, "user"),
    (30, "Cancelled", RunState.CANCELLED, True, "cancelled"),
    (99, "Hibernating", None, False, None),
    (0, "Nothing", None, False, None),
    (-10, "Nothing", None, False, None),
]


@pytest.mark.parametrize(("code", "word", "state", "terminal", "kind"), STATUSES)
def test_every_status_has_its_state(
    code: int, word: str, state: RunState | None, terminal: bool, kind: FailureKind | None
) -> None:
    run = parse_run(a_run(code, status_humanized=word))
    assert (run.state, run.status, run.is_terminal, run.kind) == (state, word, terminal, kind)


def test_a_status_without_its_word_is_still_named() -> None:
    assert parse_run(a_run(20)).status == "Error"
    assert parse_run(a_run(99)).status == "99"


def test_every_known_status_has_a_row() -> None:
    assert {*dbt_cloud.STATES} == {row[0] for row in STATUSES if row[2] is not None}


@pytest.mark.parametrize(("code", "kind"), [(30, "timeout"), (20, "user"), (10, None), (3, None)])
def test_a_run_cut_by_its_time_limit_is_no_cancel(code: int, kind: FailureKind | None) -> None:
    assert parse_run(a_run(code, status_message=TIMED_OUT)).kind == kind


def test_a_run_is_read_in_full() -> None:
    data = a_run(
        30,
        status_message="stopped",
        status_humanized="Cancelled",
        job={"name": "nightly"},
        created_at="2026-05-27 10:42:16.179903+00:00",
        started_at="2026-05-27T10:42:20Z",
        finished_at=None,
        audit={"trigger": None, "cancellation": {"actor": {"id": "1", "type": "user", "name": "ada"}}},
    )
    run = parse_run(data)
    assert (run.service, run.run_id, run.job_id, run.name, run.url) == ("dbt_cloud", 7, 5, "nightly", URL)
    assert (run.message, run.cancelled_by, run.finished_at) == ("stopped", "ada", None)
    assert str(run.created_at) == "2026-05-27 10:42:16.179903+00:00"
    assert str(run.started_at) == "2026-05-27 10:42:20+00:00"


# What a half-written answer may hold: no id, no status, or values of another type.
NOT_RUNS: list[dict[str, Any]] = [
    {},
    {"id": 7},
    {"status": 10},
    a_run(None),
    a_run("10"),
    a_run(10.0),
    a_run(True),
    a_run([10]),
    {"id": "7", "status": 10},
    {"id": 0, "status": 10},
    {"id": True, "status": 10},
]


@pytest.mark.parametrize("data", NOT_RUNS, ids=str)
def test_half_an_answer_is_no_run(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Not a dbt Cloud run"):
        parse_run(data)
    with pytest.raises(RemoteCallError, match="did not answer with a run") as caught:
        drive(DBT.get_run(7), answer(data))
    assert caught.value.retryable


@pytest.mark.parametrize("data", [None, [], "x", 7, [a_run()]], ids=str)
def test_an_envelope_without_an_object_is_retryable(data: Any) -> None:
    with pytest.raises(RemoteCallError, match="'data' as dict") as caught:
        drive(DBT.get_run(7), answer(data))
    assert caught.value.retryable


def test_what_belongs_to_a_run_is_asked_for_in_one_value() -> None:
    driven = Driven(DBT.get_run(7, "job", "trigger"), [answer(a_run())])
    assert driven.params == [{"include_related": "job,trigger"}]
    assert driven.requests[0].path == "/api/v2/accounts/{account_id}/runs/7/"


def test_a_start_is_sent_once_and_holds_no_empty_override() -> None:
    overrides = {"steps_override": ["dbt build"], "schema_override": None, "threads_override": 0}
    driven = Driven(DBT.start_run(5, cause="why", overrides=overrides), [answer(a_run(1))])
    (request,) = driven.requests
    assert request.path.endswith("/jobs/5/run/")
    assert request.json == {"cause": "why", "steps_override": ["dbt build"], "threads_override": 0}
    assert not request.repeatable
    assert driven.result.state is RunState.QUEUED


def test_a_retry_takes_nothing_and_is_sent_once() -> None:
    (request,) = Driven(DBT.retry_run(7), [answer(a_run(1, run_id=8))]).requests
    assert (request.path[-14:], request.json, request.repeatable) == ("/runs/7/retry/", None, False)


def test_a_cancel_may_be_sent_again() -> None:
    (request,) = Driven(DBT.cancel_run(7), [answer(None)]).requests
    assert (request.method, request.path[-15:], request.repeatable) == ("POST", "/runs/7/cancel/", True)


def test_lists_are_sent_as_json_text() -> None:
    driven = Driven(DBT.runs(status__in=[1, 2, 3], limit=1), [answer([])])
    assert driven.params[0] == {
        "status__in": "[1, 2, 3]",
        "limit": "1",
        "order_by": "-id",
        "include_related": "trigger",
    }


def test_a_list_of_more_than_objects_is_garbage() -> None:
    with pytest.raises(RemoteCallError, match="more than objects") as caught:
        drive(DBT.runs(), answer([a_run(), None]))
    assert caught.value.retryable


@pytest.mark.parametrize(("runs", "expected"), [([], None), ([a_run(2)], 7)])
def test_the_active_run_of_a_job_is_found(runs: list[Any], expected: int | None) -> None:
    driven = Driven(DBT.active_run(5), [answer(runs)])
    assert (driven.result.run_id if driven.result else None) == expected
    assert driven.params[0]["status__in"] == "[1, 2, 3]"


@pytest.mark.parametrize(
    ("runs", "expected"), [([], 0), ([a_run(10, run_id=70403110257794)], 70403110257794)]
)
def test_the_newest_run_is_a_mark_to_look_above(runs: list[Any], expected: int) -> None:
    driven = Driven(DBT.newest_run_id(5), [answer(runs)])
    assert driven.result == expected
    assert driven.params[0]["order_by"] == "-id"


TAG = "pipehooks:0123456789abcdef"


class Runs:
    """The runs of a job as the list endpoint pages them.

    :param heeds: of ``id__gt``; some intermediaries answer from a cache that leaves the query out.
    """

    def __init__(self, *runs: dict[str, Any], heeds: bool = True) -> None:
        self.runs = sorted(runs, key=lambda run: run["id"])
        self.heeds = heeds

    def __call__(self, request: Request) -> Body:
        above = int(request.params["id__gt"]) if self.heeds else 0
        assert request.params["order_by"] == "id"
        return answer([run for run in self.runs if run["id"] > above][: int(request.params["limit"])])


def tagged(run_id: int, cause: str | None) -> dict[str, Any]:
    return a_run(3, run_id=run_id, trigger={"cause": cause} if cause is not None else None)


@pytest.mark.parametrize("position", [1, 100, 101, 250])
def test_a_run_is_found_by_its_tag_on_any_page(position: int) -> None:
    others = [tagged(n, None) for n in range(1, 251) if n != position]
    runs = Runs(*others, tagged(position, f"nightly [{TAG}]"))
    found = Driven(DBT.run_with_tag(5, TAG, above=0), runs).result
    assert found is not None
    assert found.run_id == position


@pytest.mark.parametrize("count", [0, 1, 99, 100, 200, 201])
def test_a_tag_that_no_run_has_is_not_found(count: int) -> None:
    runs = Runs(*(tagged(n, "by hand") for n in range(1, count + 1)))
    driven = Driven(DBT.run_with_tag(5, TAG, above=0), runs)
    assert driven.result is None
    assert len(driven.requests) == count // 100 + 1


def test_only_runs_above_the_mark_are_looked_at() -> None:
    runs = Runs(tagged(7, TAG), tagged(8, None))
    assert Driven(DBT.run_with_tag(5, TAG, above=7), runs).result is None


def test_pages_that_repeat_are_trouble_and_never_a_no() -> None:
    """A no would start a second run."""
    runs = Runs(*(tagged(n, None) for n in range(1, 101)), heeds=False)
    with pytest.raises(RemoteCallError, match="id__gt=100 was not heeded") as caught:
        Driven(DBT.run_with_tag(5, TAG, above=0), runs)
    assert caught.value.retryable


def test_a_run_that_retries_another_is_found() -> None:
    runs = Runs(a_run(run_id=8, retrying_run_id=6), a_run(run_id=9, retrying_run_id=7))
    found = Driven(DBT.run_retrying(5, 7), runs).result
    assert found is not None
    assert found.run_id == 9


@pytest.mark.parametrize(
    "ask",
    [
        lambda: DBT.active_run(5),
        lambda: DBT.newest_run_id(5),
        lambda: DBT.run_with_tag(5, TAG, above=0),
        lambda: DBT.run_retrying(5, 7),
    ],
    ids=["active", "newest", "tag", "retrying"],
)
def test_a_list_of_half_runs_is_trouble(ask: Any) -> None:
    page = [{"trigger": {"cause": TAG}, "retrying_run_id": 7}] * 100
    with pytest.raises(RemoteCallError, match="did not answer with a run"):
        drive(ask(), answer(page))


def named(*names: str) -> dict[str, Any]:
    return answer([{"id": number, "name": name} for number, name in enumerate(names, start=11)])


def test_a_job_is_found_by_its_three_names() -> None:
    bodies = [named("shop old", "shop"), named("prod"), named("nightly", "nightly 2")]
    driven = Driven(DBT.job_id_by_name("shop", "prod", "nightly"), bodies)
    assert driven.result == 11
    assert [request.path.partition("{account_id}")[::2] for request in driven.requests] == [
        ("/api/v3/accounts/", "/projects/"),
        ("/api/v3/accounts/", "/projects/12/environments/"),
        ("/api/v2/accounts/", "/jobs/"),
    ]
    assert driven.params[2] == {
        "project_id": "12",
        "environment_id": "11",
        "name__icontains": "nightly",
        "limit": "100",
        "offset": "0",
    }


def test_a_name_nobody_has_is_answered_with_the_near_ones() -> None:
    bodies = [named(), named("shop", "sales", "shopping")]
    with pytest.raises(ConfigurationError, match=r"No dbt Cloud project is named 'shp'\. Near: 'shop'"):
        drive(DBT.job_id_by_name("shp", "prod", "nightly"), *bodies)


def test_a_token_that_sees_nothing_is_told_so() -> None:
    with pytest.raises(ConfigurationError, match="sees none at all"):
        drive(DBT.job_id_by_name("shop", "prod", "nightly"), named(), named())


def test_a_name_that_two_have_is_refused_with_their_ids() -> None:
    with pytest.raises(ConfigurationError, match=r"2 dbt Cloud projects are named 'shop' \(ids 11, 12\)"):
        drive(DBT.job_id_by_name("shop", "prod", "nightly"), named("shop", "shop"))


def test_an_item_that_comes_on_two_pages_counts_once() -> None:
    """Offsets shift while projects are created."""
    first = [{"id": number, "name": "other"} for number in range(99)] + [{"id": 500, "name": "shop"}]
    pages = [answer(first), answer([{"id": 500, "name": "shop"}])]
    driven = Driven(DBT.job_id_by_name("shop", "prod", "n"), [*pages, named("prod"), named("n")])
    assert driven.result == 11
    assert driven.params[1]["offset"] == "100"


def test_pages_without_anything_new_end_a_list() -> None:
    full = answer([{"id": number, "name": "other"} for number in range(100)])
    with pytest.raises(ConfigurationError, match="No dbt Cloud project is named 'shop'"):
        Driven(DBT.job_id_by_name("shop", "prod", "n"), lambda _: full, most=4)


def results(*nodes: tuple[str, str, str | None]) -> str:
    return json.dumps({"results": [{"unique_id": i, "status": s, "message": m} for i, s, m in nodes]})


# status of a result -> whether it failed the run
RESULTS = [
    ("success", False),
    ("error", True),
    ("skipped", False),
    ("partial success", True),
    ("no-op", False),
    ("pass", False),
    ("fail", True),
    ("warn", False),
    ("runtime error", True),
    ("reused", False),
]


@pytest.mark.parametrize(("status", "failed"), RESULTS)
def test_every_status_of_a_node_fails_the_run_or_not(status: str, failed: bool) -> None:
    nodes = parse_failed_nodes(results(("model.shop.orders", status, "boom")), URL)
    assert nodes == ([Failure(name="model.shop.orders", message="boom", url=URL)] if failed else [])


def test_every_failing_status_of_a_node_has_a_row() -> None:
    assert {status for status, failed in RESULTS if failed} == dbt_cloud._FAILED_RESULTS


def test_a_node_without_a_message_is_named_with_its_status() -> None:
    assert parse_failed_nodes(results(("test.shop.no_nulls", "fail", None)))[0].message == "fail"


@pytest.mark.parametrize(
    "text",
    ["", "<html>", "null", "[]", "{}", '{"results": 7}', '{"results": [1, null]}', "[" * 10**5],
    ids=lambda text: text[:20],
)
def test_what_is_no_file_of_results_names_no_node(text: str) -> None:
    assert parse_failed_nodes(text) == []


def a_step(index: int, name: str, status: int = 20, **fields: Any) -> dict[str, Any]:
    return {"index": index, "name": name, "status": status, **fields}


FAILED = parse_run(a_run(20))


def explained(*bodies: Body, steps: list[Any], run: Run = FAILED, **fields: Any) -> Run:
    return drive(DBT.explain_run(run), answer(a_run(20, run_steps=steps, **fields)), *bodies)


def test_the_failed_nodes_are_asked_for_step_by_step() -> None:
    steps = [
        a_step(1, "Clone Git Repository", 10),
        a_step(4, "Invoke dbt with `dbt build`"),
        a_step(5, "Invoke dbt with `dbt test`"),
    ]
    bodies: list[Body] = [
        answer(a_run(20, run_steps=steps)),
        results(("model.a", "error", "x")),
        results(("test.b", "fail", "y")),
    ]
    driven = Driven(DBT.explain_run(FAILED), bodies)
    assert [failure.name for failure in driven.result.failures] == ["model.a", "test.b"]
    assert driven.params == [
        {"include_related": "run_steps,job,audit"},
        {"step": "4"},
        {"step": "5"},
    ]
    assert driven.result.message == "step 4, Invoke dbt with `dbt build`, failed: 1 of 1 models"


@pytest.mark.parametrize(
    "body", [NotFound("404", status_code=404), "<html>", results(("m", "success", None))]
)
def test_a_step_without_failed_nodes_tells_its_last_lines(body: Body) -> None:
    steps = [a_step(4, "Invoke dbt with `dbt build`", logs="one\n\ntwo\nthree\nfour\n")]
    assert explained(body, steps=steps).failures == (
        Failure(
            name="Invoke dbt with `dbt build`",
            message="two | three | four",
            url=URL,
            detail="one\ntwo\nthree\nfour",
        ),
    )


def test_a_step_that_is_not_dbts_has_no_results_to_ask_for() -> None:
    steps = [a_step(1, "Clone Git Repository", logs=None)]
    assert explained(steps=steps).failures[0].message == "failed without a log"


def test_the_remotes_own_reason_is_kept() -> None:
    steps = [a_step(1, "Clone Git Repository")]
    assert explained(steps=steps, status_message="out of slots").message == "out of slots"


@pytest.mark.parametrize("now", [a_run(3), a_run(10), a_run(99), a_run(20, run_id=8)], ids=str)
def test_an_older_answer_does_not_turn_the_end_into_another(now: dict[str, Any]) -> None:
    """Whoever asks why a run failed must not come back with a run that did not."""
    told = drive(DBT.explain_run(FAILED), answer({**now, "run_steps": [a_step(1, "Clone")]}))
    assert (told.run_id, told.state, told.kind) == (7, RunState.ERROR, "user")
    assert told.failures[0].name == "Clone"


def test_how_many_failed_is_told_by_kind() -> None:
    text = results(
        ("model.shop.orders", "error", "boom"),
        ("model.shop.items", "error", "boom"),
        ("model.shop.days", "success", None),
        ("model.shop.marts", "skipped", None),
        ("test.shop.not_null.1a2b", "fail", "Got 2 results"),
        ("test.shop.unique.3c4d", "warn", "Got 1 result"),
        ("exposure.shop.x", "error", None),
    )
    assert count_results(text) == "2 of 4 models, 1 of 2 tests, 1 of 1 other nodes (1 nodes skipped)"
    assert count_results("<html>") == count_results("[]") == ""
