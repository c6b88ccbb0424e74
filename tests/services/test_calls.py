"""The calls under the official hooks' names: what may be repeated, what a query is, what is garbage."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import ConfigurationError, NotFound, RemoteCallError
from airflow_provider_pipehooks.services.base import Procedure, Request
from airflow_provider_pipehooks.services.databricks_calls import DatabricksCalls, in_path
from airflow_provider_pipehooks.services.dbt_cloud import DbtCloud
from airflow_provider_pipehooks.services.dbt_cloud_calls import DbtCloudCalls
from tests.services.driving import Body, Driven, drive

CALLS = DatabricksCalls()


def first(procedure: Procedure[Any]) -> Request:
    return next(procedure)


@pytest.mark.parametrize(
    ("call", "repeatable"),
    [
        (CALLS.run_now({"job_id": 5}), False),
        (CALLS.run_now({"job_id": 5, "idempotency_token": ""}), False),
        (CALLS.run_now({"job_id": 5, "idempotency_token": "mine"}), True),
        (CALLS.submit({"tasks": []}), False),
        (CALLS.create_job({}), False),
        (CALLS.repair({}), False),
        (CALLS.post_statement({"statement": "delete from x"}), False),
        (CALLS.ask("POST", "2.1/clusters/start", {}), False),
        (CALLS.ask("DELETE", "2.0/repos/7"), False),
        (CALLS.permit(5, {}), False),
        (CALLS.update_job(5, {}), True),
        (CALLS.cancel_run(5), True),
        (CALLS.ask("GET", "2.2/jobs/list"), True),
        (DbtCloudCalls().start(5, {"cause": "x"}), False),
        (DbtCloudCalls().rerun(5), False),
        (DbtCloudCalls().ask("POST", "1/x/"), False),
        (DbtCloudCalls().ask("GET", "1/x/"), True),
    ],
)
def test_what_changes_something_is_repeated_only_where_twice_is_once(
    call: Procedure[Any], repeatable: bool
) -> None:
    assert first(call).repeatable is repeatable


@pytest.mark.parametrize("body", ["<html>", "[1]", "{", "7"])
def test_garbage_after_a_change_is_an_outcome_that_is_not_known(body: str) -> None:
    with pytest.raises(RemoteCallError, match="not a JSON object") as raised:
        drive(CALLS.run_now({"job_id": 5}), body)
    assert raised.value.outcome_unknown


def test_a_start_that_tells_no_run_is_an_outcome_that_is_not_known() -> None:
    with pytest.raises(RemoteCallError, match="without 'run_id'") as raised:
        drive(CALLS.run_now({"job_id": 5}), "{}")
    assert raised.value.outcome_unknown


def test_no_body_is_an_empty_answer() -> None:
    assert drive(CALLS.ask("POST", "2.1/clusters/start", {"cluster_id": "c"}), "  ") == {}


def test_a_query_has_texts_and_repeats_the_name_of_a_list() -> None:
    request = first(
        CALLS.ask("GET", "2.1/x", {"a": True, "b": None, "c": 7, "d": ["x y", "&"], "e": {"f": 1}})
    )
    assert request.path == "/api/2.1/x?d=x+y&d=%26"
    assert dict(request.params) == {"a": "true", "c": "7", "e": '{"f": 1}'}


@pytest.mark.parametrize("calls", [DatabricksCalls(), DbtCloudCalls()])
def test_an_unknown_method_is_said(calls: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"'HEAD'\. There are: GET, POST, PATCH, DELETE"):
        first(calls.ask("HEAD", "x"))


def test_an_id_in_a_path_cannot_lead_elsewhere() -> None:
    assert in_path("a/../b?c#d {account_id}") == "a%2F..%2Fb%3Fc%23d%20%7Baccount_id%7D"
    with pytest.raises(ConfigurationError, match="job_id must be a whole number"):
        first(CALLS.permit("5/../6", {}))


def test_a_quote_in_a_name_is_no_end_of_it() -> None:
    request = first(CALLS.pipelines(25, "bob's", None))
    assert request.params["filter"] == "name LIKE 'bob''s'"


def test_a_page_that_comes_again_is_said() -> None:
    with pytest.raises(RemoteCallError, match="same page again: 'p'"):
        drive(CALLS.get_run(7), {"next_page_token": "p"}, {"next_page_token": "p"})


@pytest.mark.parametrize("missing", [{}, {"job_id": "x"}, {"job_id": 0.5}])
def test_a_job_without_a_usable_id_is_no_reason_to_say_there_is_none(missing: dict[str, Any]) -> None:
    job = {"settings": {"name": "nightly"}, **missing}
    with pytest.raises(RemoteCallError, match="without 'job_id'"):
        drive(CALLS.job_id_by_name("nightly"), {"jobs": [job]})


def test_nothing_at_a_path_is_none_and_a_refusal_is_not() -> None:
    assert drive(CALLS.repo_id_by_path("/x"), NotFound("no", status_code=404)) is None
    with pytest.raises(RemoteCallError):
        drive(CALLS.repo_id_by_path("/x"), RemoteCallError("no", status_code=403))


# --- dbt Cloud --------------------------------------------------------------------------------------------


def page(*ids: int, total: Any = None, limit: Any = None) -> Body:
    extra = {"filters": {"limit": limit}, "pagination": {"total_count": total}}
    return {"data": [{"id": number} for number in ids], "extra": extra}


@pytest.mark.parametrize(
    ("pages", "offsets"),
    [
        ([page()], [None]),
        ([page(1, 2, total=2, limit=2)], [None]),
        ([page(1, 2, total=3, limit=2), page(3, total=3, limit=2)], [None, "2"]),
        ([page(1, 2, limit=2), page(3, limit=2)], [None, "2"]),
        ([page(1, 2, total=9, limit=2), page(limit=2, total=9)], [None, "2"]),
        ([page(1, 2, total=9, limit=2), page(1, 2, limit=2, total=9)], [None, "2"]),
    ],
    ids=["empty", "one", "by total", "by a short page", "an empty one", "the same again"],
)
def test_all_pages_are_read_and_no_more(pages: list[Body], offsets: list[str | None]) -> None:
    driven = Driven(DbtCloudCalls().pages("1/runs/", {"order_by": "id", "job": None}), pages)
    assert [query.get("offset") for query in driven.params] == offsets
    assert driven.params[0] == {"order_by": "id"}
    assert len(driven.result) == len(pages)


def test_pages_begin_where_they_are_told() -> None:
    pages = [page(1, 2, total=9, limit=2), page(3, total=9, limit=2)]
    driven = Driven(DbtCloudCalls().pages("1/runs/", {"offset": 4}), pages)
    assert [query["offset"] for query in driven.params] == ["4", "6"]


def test_lists_in_a_query_are_as_the_api_reads_them() -> None:
    request = first(
        DbtCloudCalls().ask("GET", "1/runs/", {"include_related": ["a", "b"], "status__in": [1, 2]})
    )
    assert dict(request.params) == {"include_related": "a,b", "status__in": "[1, 2]"}


def test_what_changes_something_has_a_body_and_no_query() -> None:
    request = first(DbtCloudCalls().start(5, {"cause": "x"}))
    assert (dict(request.params), request.json) == ({}, {"cause": "x"})


def test_another_account_is_the_one_of_every_request() -> None:
    found = DbtCloudCalls(7).here(DbtCloud().job_id_by_name("p", "e", "j"))
    named = [{"data": [{"id": 3, "name": name}]} for name in "pej"]
    driven = Driven(found, named)
    assert driven.result == 3
    assert all("/accounts/7/" in request.path for request in driven.requests)


def test_an_error_reaches_the_call_that_waits_for_it() -> None:
    found = DbtCloudCalls(7).here(DbtCloud().get_run(1))
    with pytest.raises(NotFound):
        drive(found, NotFound("no", status_code=404))
