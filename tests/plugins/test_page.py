"""The page in Airflow's own API application, on a real database: who sees what, and what nobody sees."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.plugins.page import HEADERS, ROUTES, ROWS, page
from tests.plugins.page_world import HOSTILE, NOW, Database, failing_badly, run_of

Get = Callable[..., Any]


# Who is let in


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("token", [None, "a.b.c"])
def test_no_route_answers_whoever_is_not_logged_in(
    path: str, token: str | None, page_app: FastAPI, get: Get
) -> None:
    answer = TestClient(page_app, cookies={"_token": token} if token else {}).get(f"/pipehooks{path}")
    assert answer.status_code in (401, 403)
    assert "Runs" not in answer.text


def test_every_route_of_the_application_is_in_the_table() -> None:
    paths = {route.path for route in page().routes}  # type: ignore[attr-defined]
    assert paths == set(ROUTES)


@pytest.mark.parametrize("by", ["cookie", "bearer"])
def test_whoever_is_logged_in_sees_the_page(by: str, get: Get) -> None:
    assert get("ann", by=by).status_code == 200


def test_a_refusal_says_where_to_log_in(page_app: FastAPI, get: Get) -> None:
    answer = TestClient(page_app).get("/pipehooks/alerts?dag=a%22b")
    assert answer.status_code == 401
    (target,) = re.findall(r'href="([^"]+)"', answer.text)
    assert target.startswith("../api/v2/auth/login?next=%2Fpipehooks%2Falerts%3Fdag%3Da%2522b")


@pytest.mark.parametrize("path", [*ROUTES, "/nothing"])
def test_every_answer_has_the_headers(path: str, page_app: FastAPI, get: Get) -> None:
    for answer in (get("ann", path[1:]), TestClient(page_app).get(f"/pipehooks{path}")):
        for name, text in HEADERS.items():
            assert answer.headers.get_list(name) == [text], (name, answer.status_code)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_can_be_changed(method: str, page_app: FastAPI, get: Get) -> None:
    assert TestClient(page_app).request(method, "/pipehooks/").status_code == 405


# Whose runs are seen


def test_runs_of_readable_dags_are_seen_and_no_others(get: Get, database: Database) -> None:
    database.leave("ann_shops", run_of(run_id=111))
    database.leave("bob_shops", run_of(run_id=222, message="a secret of bob's"))
    for user, sees, misses in (("ann", "111", "222"), ("bob", "222", "111")):
        text = get(user).text
        assert f"dbt Cloud run {sees}" in text
        assert f"run {misses}" not in text
    assert "secret of bob" not in get("ann").text
    assert {"run 111", "run 222"} <= set(re.findall(r"run \d{3}", get("root", role="admin").text))


@pytest.mark.parametrize("path", ["", "alerts", "hooks", "figures"])
def test_a_dag_that_may_not_be_read_and_one_that_is_not_there_look_alike(
    path: str, get: Get, database: Database
) -> None:
    database.leave("bob_shops", run_of())
    texts = [get("ann", f"{path}?dag={dag_id}").text for dag_id in ("bob_shops", "bob_shopz")]
    assert "bob_shops" in texts[0]
    assert texts[0].replace("bob_shops", "bob_shopz") == texts[1]


def test_the_filter_offers_no_other_dags(get: Get) -> None:
    offered = re.findall(r'<option value="(\w+_\w+)"></option>', get("ann").text)
    assert offered == ["ann_shops", "ann_stock"]


def test_a_run_of_another_users_dag_has_no_page(get: Get, database: Database) -> None:
    run_id = database.leave("bob_shops", run_of(run_id=222))
    address = f"run?dag=bob_shops&run={run_id}&task=load"
    assert get("bob", address).status_code == 200
    refused, missing = get("ann", address), get("ann", "run?dag=bob_shops&run=nothing&task=load")
    assert refused.status_code == missing.status_code == 404
    assert refused.text == missing.text


def test_whoever_may_not_read_xcoms_sees_no_runs_and_no_hooks(get: Get, database: Database) -> None:
    database.dag("blind_dag")
    run_id = database.leave("ann_shops", run_of(run_id=111))
    for path in ("", "hooks"):
        text = get("blind", path, role="op").text
        assert "does not let you read XComs" in text
        assert "run 111" not in text
    assert get("blind", f"run?dag=ann_shops&run={run_id}&task=load", role="op").status_code == 404


@pytest.mark.parametrize("role", ["viewer", "user", "op", "admin"])
def test_the_roles_of_the_simple_auth_manager_see_the_runs(
    role: str, get: Get, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.api_fastapi import app

    database.leave("ann_shops", run_of(run_id=111))
    monkeypatch.delenv("AIRFLOW__CORE__AUTH_MANAGER")
    monkeypatch.setattr(app._AuthManagerState, "instance", None)
    app.init_auth_manager()
    assert "dbt Cloud run 111" in get("somebody", role=role).text


# What of a run is seen


def test_a_row_tells_state_reason_class_time_and_try(get: Get, database: Database) -> None:
    database.leave("ann_shops", run_of(run_id=111), map_index=3)
    row = rows(get("ann").text)[0]
    for told in (
        "error",
        "ann_shops",
        "load[3]",
        "run 111",
        "nightly",
        "user",
        "orders failed",
        "6.0 min",
    ):
        assert told in row
    assert re.search(r'Try" class="figure">2<', row)


def test_the_state_of_a_task_is_told_where_its_runs_does_not_say_it(get: Get, database: Database) -> None:
    for state, told in (("failed", ""), ("up_for_retry", "is up for retry"), ("success", "is success")):
        database.leave("ann_shops", run_of(), state=state)
        text = rows(get("ann").text)[0]
        assert re.findall(r'load <span class="soft">(.*?)</span>', text) == ([told] if told else []), state


def rows(text: str) -> list[str]:
    return re.findall(r"<tr>\s*(<td.*?)</tr>", text, re.S)


def test_a_run_that_nobody_watches_any_more_is_told_as_such(get: Get, database: Database) -> None:
    database.leave("ann_shops", run_of(state=RunState.RUNNING, status="Running", kind=None, finished_at=None))
    assert "Had not ended when it was last seen" in get("ann").text


def test_the_page_of_a_run_tells_all_that_is_recorded(get: Get, database: Database) -> None:
    from airflow_provider_pipehooks.core.run import Failure

    failures = [Failure(name=f"test_{n}", message="went wrong", detail="line 1\nline 2") for n in range(30)]
    run = run_of(run_id=111).with_failures(*failures)
    change = {"service": "dbt_cloud", "run_id": 111, "attempt": 1, "old": "RUNNING", "new": "ERROR"}
    value = {**run.to_json(), "changes": [{**change, "at": NOW.isoformat(), "source": "remote"}]}
    run_id = database.leave("ann_shops", value)
    text = get("ann", f"run?dag=ann_shops&run={run_id}&task=load").text
    for told in ("test_24", "went wrong", "line 2", "And 5 more", "What happened", run_id, run.url):
        assert told in text
    assert f'href="../dags/ann_shops/runs/{run_id}/tasks/load"' in text


def test_hostile_texts_are_shown_as_texts(get: Get, database: Database) -> None:
    run_id = database.leave("ann_shops", failing_badly())
    for path in (
        "",
        f"run?dag=ann_shops&run={run_id}&task=load",
        f"run?dag=ann_shops&run={run_id}&task=load&view=airflow",
    ):
        text = get("ann", path).text
        assert "<script" not in text
        assert "&lt;script&gt;alert(1)" in text
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
        assert not re.search(r'href="\s*javascript', text, re.I)


@pytest.mark.parametrize(
    "query",
    [
        "dag={}",
        "service={}",
        "state={}",
        "days={}",
        "page={}",
        "refresh={}",
        "view={}",
        "job={}",
        "run={}&task={}&map={}",
    ],
)
def test_hostile_addresses_are_answered(query: str, get: Get) -> None:
    from urllib.parse import quote

    for word in (
        HOSTILE,
        "-1",
        "9" * 5_000,
        "٣",
        "1e9",
        "",
        "a" * 3_000,
        "\ud800".encode("utf-8", "replace").decode(),
    ):
        for path in ("", "alerts", "hooks", "figures", "run"):
            answer = get("ann", f"{path}?{query.replace('{}', quote(word))}")
            assert answer.status_code == (404 if path == "run" else 200), (path, word)
            assert "<script" not in answer.text


@pytest.mark.parametrize(
    "value",
    [
        {"service": "dbt_cloud"},
        {"service": "dbt_cloud", "run_id": [], "state": 7, "failures": "x"},
        {"service": "dbt_cloud", "run_id": 5, "status": "?", "state": "NEWER_THAN_WE", "changes": {"a": 1}},
    ],
)
def test_a_record_that_cannot_be_read_is_a_row_that_says_so(value: Any, get: Get, database: Database) -> None:
    database.leave("ann_shops", value)
    assert "unreadable" in get("ann").text


@pytest.mark.parametrize(
    "value", [None, "text", 7, [1], {"service": "another"}, {"run": 1}, {"service": {"a": 1}}]
)
def test_what_another_operator_keeps_under_the_same_key_is_no_run(
    value: Any, get: Get, database: Database
) -> None:
    database.leave("ann_shops", value)
    database.leave("ann_shops", run_of(run_id=111))
    assert len(rows(get("ann").text)) == 1


def test_an_empty_database_is_told_in_words(get: Get) -> None:
    assert "No task of a DAG that you may read has left such a run" in get("ann").text
    assert "Nothing waits." in get("ann", "alerts").text
    assert get("ann", "hooks").text.count("None.") == 2


# Choices


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("", {1, 2, 3, 4, 5}),
        ("?dag=ann_stock", {5}),
        ("?service=databricks_jobs", {3}),
        ("?state=failed", {1, 3}),
        ("?state=success", {2}),
        ("?state=going on", {4}),
        ("?state=unknown", {5}),
        ("?state=failed&service=dbt_cloud", {1}),
        ("?days=30", {1, 2, 3, 4, 5, 6}),
        ("?days=1", {1, 2, 3, 4}),
        ("?state=nonsense&days=8", {1, 2, 3, 4, 5}),
    ],
)
def test_filters_are_in_the_address(asked: str, found: set[int], get: Get, database: Database) -> None:
    database.leave("ann_shops", run_of(run_id=1))
    database.leave("ann_shops", run_of(run_id=2, state=RunState.SUCCESS, kind=None), state="success")
    database.leave("ann_shops", run_of(run_id=3, service="databricks_jobs"))
    database.leave("ann_shops", run_of(run_id=4, state=RunState.RUNNING, kind=None), state="deferred")
    database.leave("ann_stock", run_of(run_id=5, state=None, kind=None), age=timedelta(days=3))
    database.leave("ann_stock", run_of(run_id=6), age=timedelta(days=20))
    text = get("ann", asked).text
    assert {int(number) for number in re.findall(r"\brun (\d)<", text)} == found


def test_a_page_has_fifty_rows_and_leads_to_the_next(get: Get, database: Database) -> None:
    run_id = ""
    for index in range(2 * ROWS + 5):
        run_id = database.leave("ann_shops", run_of(run_id=1_000 + index), map_index=index, run_id=run_id)
    seen: list[str] = []
    path: str | None = "?state=failed"
    counts = []
    while path is not None:
        text = get("ann", path).text
        counts.append(len(rows(text)))
        seen += re.findall(r"run (\d{4})<", text)
        found = re.search(r'href="\./?(\?[^"]+)" rel="next"', text)
        path = found[1].replace("&amp;", "&") if found else None
        assert path is None or "state=failed" in path
    assert counts == [ROWS, ROWS, 5]
    assert sorted(map(int, seen)) == list(range(1_000, 1_000 + 2 * ROWS + 5))
    assert 'rel="prev"' in text


@pytest.mark.parametrize(("asked", "tag"), [("", 0), ("?refresh=60", 1), ("?refresh=1", 0)])
def test_the_page_loads_itself_again_where_that_is_chosen(asked: str, tag: int, get: Get) -> None:
    assert get("ann", asked).text.count('<meta http-equiv="refresh" content="60">') == tag


def test_inside_airflow_no_link_leads_away_and_all_stay_in_the_view(get: Get, database: Database) -> None:
    run_id = database.leave("ann_shops", run_of(run_id=111))
    for path in ("", "alerts", "hooks", "figures", f"run?dag=ann_shops&run={run_id}&task=load"):
        text = get("ann", f"{path}{'&' if '?' in path else '?'}view=airflow").text
        links = re.findall(r'<a href="([^"]*)"', text)
        assert links
        assert all(
            "view=airflow" in link and "//" not in link and not link.startswith("..") for link in links
        )
        assert "target=" not in text
        assert text.count('type="hidden" name="view"') == (not path.startswith("run"))
    assert '<code class="address">https://cloud.getdbt.com/deploy/1/projects/2/runs/3</code>' in text
    assert re.search(rf'<code class="address">http\S+/dags/ann_shops/runs/{run_id}/tasks/load</code>', text)


@pytest.mark.parametrize("path", ["", "alerts", "hooks", "figures"])
def test_links_are_relative_and_nothing_is_a_script(path: str, get: Get, database: Database) -> None:
    """Airflow may be mounted below any path."""
    database.leave("ann_shops", run_of())
    text = get("ann", path).text
    links = re.findall(r'(?:href|src|action)="([^"]*)"', text)
    assert links
    assert not [link for link in links if link.startswith("/") or "://" in link]
    assert "<script" not in text
    assert not re.search(r"\s(on\w+|style)=", text)
