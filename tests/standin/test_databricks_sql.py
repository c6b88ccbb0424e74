"""SQL statements on the stand-in: the SDK and the official hook unchanged, and what the API refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from airflow.providers.databricks.hooks.databricks import DatabricksHook
from databricks.sdk import WorkspaceClient
from databricks.sdk.errors import InvalidParameterValue, NotFound
from databricks.sdk.service.sql import (
    QueryFilter,
    QueryStatus,
    QueryTag,
    StatementParameterListItem,
    StatementState,
    TimeRange,
)

from airflow_provider_pipehooks.standin import Plan, StandIn


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn(tls=True) as standin:
        yield standin


@pytest.fixture
def secured(server: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    server.reset()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_file))
    return server


@pytest.fixture
def client(secured: StandIn) -> Any:
    return WorkspaceClient(host=secured.url, token="dapi-secret")


def execute(client: Any, **given: Any) -> Any:
    return client.statement_execution.execute_statement(
        **{"statement": "SELECT 1", "warehouse_id": "w", "wait_timeout": "0s", **given}
    )


def test_a_statement_begins_pending_and_succeeds(secured: StandIn, client: Any) -> None:
    secured.databricks_sql.plans = [Plan(polls=2)]
    made = execute(client, parameters=[StatementParameterListItem(name="day", value="7")])
    assert made.status.state is StatementState.PENDING
    words = [client.statement_execution.get_statement(made.statement_id) for _ in range(2)]
    assert [word.status.state for word in words] == [StatementState.RUNNING, StatementState.SUCCEEDED]
    assert words[1].result.data_array == [["1"]]


def test_a_failed_statement_has_an_error(secured: StandIn, client: Any) -> None:
    secured.databricks_sql.plans = [Plan(outcome="failed", message="no", details={"error_code": "ABORTED"})]
    status = client.statement_execution.get_statement(execute(client).statement_id).status
    assert (status.error.error_code.value, status.error.message) == ("ABORTED", "no")


def test_a_cancel_is_seen_at_the_next_read(secured: StandIn, client: Any) -> None:
    secured.databricks_sql.plans = [Plan(hold=True)]
    made = execute(client)
    client.statement_execution.cancel_execution(made.statement_id)
    status = client.statement_execution.get_statement(made.statement_id).status
    assert status.state is StatementState.CANCELED


def test_the_history_has_tags_states_and_filters(secured: StandIn, client: Any) -> None:
    secured.databricks_sql.plans = [Plan(), Plan(outcome="failed", message="no"), Plan(hold=True)]
    made = [
        execute(client, warehouse_id=f"w{at % 2}", query_tags=[QueryTag(key="n", value=str(at))])
        for at in range(3)
    ]
    listed = client.query_history.list().res
    assert [query.query_id for query in listed] == [each.statement_id for each in reversed(made)]
    assert [query.status for query in listed] == [
        QueryStatus.RUNNING,
        QueryStatus.FAILED,
        QueryStatus.FINISHED,
    ]
    of_one = client.query_history.list(filter_by=QueryFilter(warehouse_ids=["w1"])).res
    assert [[tag.value for tag in query.query_tags] for query in of_one] == [["1"]]
    by_id = client.query_history.list(filter_by=QueryFilter(statement_ids=[made[0].statement_id])).res
    assert [query.query_id for query in by_id] == [made[0].statement_id]
    late = TimeRange(start_time_ms=2**50)
    assert client.query_history.list(filter_by=QueryFilter(query_start_time_range=late)).res == []


def test_the_history_comes_in_pages(secured: StandIn, client: Any) -> None:
    for _ in range(5):
        execute(client)
    first = client.query_history.list(max_results=3)
    second = client.query_history.list(max_results=3, page_token=first.next_page_token)
    assert (len(first.res), first.has_next_page, len(second.res)) == (3, True, 2)
    assert second.next_page_token is None


def test_what_is_forgotten_by_its_id_is_in_the_history(secured: StandIn, client: Any) -> None:
    made = execute(client)
    secured.databricks_sql.expire(made.statement_id)
    with pytest.raises(NotFound):
        client.statement_execution.get_statement(made.statement_id)
    assert len(client.query_history.list().res) == 1


REFUSED: dict[str, dict[str, Any]] = {
    "no statement": {"statement": ""},
    "no warehouse": {"warehouse_id": ""},
    "one second": {"wait_timeout": "1s"},
    "a minute": {"wait_timeout": "60s"},
    "a parameter without a name": {"parameters": [StatementParameterListItem(name="", value="7")]},
    "a tag without a key": {"query_tags": [QueryTag(key="", value="7")]},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_api_does_not_take_is_refused(name: str, secured: StandIn, client: Any) -> None:
    with pytest.raises(InvalidParameterValue):
        execute(client, **REFUSED[name])
    assert secured.databricks_sql.statements == {}


@pytest.mark.parametrize(
    "body",
    [
        {"statement": 1, "warehouse_id": "w"},
        {"statement": "SELECT 1", "warehouse_id": "w", "format": "CSV"},
        {"statement": "SELECT 1", "warehouse_id": "w", "on_wait_timeout": "WAIT"},
        {"statement": "SELECT 1", "warehouse_id": "w", "query_tags": {"a": "b"}},
        {"statement": "SELECT 1", "warehouse_id": "w", "parameters": [{"name": "a", "value": 7}]},
        {"statement": "SELECT 1", "warehouse_id": "w", "warehouse": "w"},
        [],
    ],
)
def test_a_body_of_the_wrong_shape_is_refused(body: Any, standin: StandIn) -> None:
    answer = requests.post(
        f"{standin.url}/api/2.0/sql/statements", json=body, headers={"Authorization": "Bearer t"}, timeout=10
    )
    assert answer.status_code == 400


def test_more_than_twenty_tags_are_cut_and_one_key_has_one_value(secured: StandIn, client: Any) -> None:
    execute(client, query_tags=[QueryTag(key=f"k{at % 25}", value=str(at)) for at in range(30)])
    (statement,) = secured.databricks_sql.statements.values()
    tags = statement.body["query_tags"]
    assert len(tags) == 20
    assert tags[0] == {"key": "k0", "value": "25"}


def test_it_wants_the_login_of_the_workspace(standin: StandIn) -> None:
    for path in ("statements/x", "history/queries"):
        assert requests.get(f"{standin.url}/api/2.0/sql/{path}", timeout=10).status_code == 401


def test_the_official_hook_speaks_to_it(secured: StandIn, connections: Callable[..., None]) -> None:
    connections("official", conn_type="databricks", host="localhost", port=secured.port, password="dapi")
    secured.databricks_sql.plans = [Plan(outcome="failed", message="no")]
    hook = DatabricksHook("official")
    made = hook.post_sql_statement({"statement": "SELECT 1", "warehouse_id": "w", "wait_timeout": "0s"})
    state = hook.get_sql_statement_state(made)
    assert (state.state, state.error_message) == ("FAILED", "no")
    hook.cancel_sql_statement(made)
    assert json.loads(state.to_json())["error_code"] == "BAD_REQUEST"
