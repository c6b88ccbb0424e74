from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import requests

from airflow_provider_pipehooks.standin import Fault, StandIn

if TYPE_CHECKING:
    from tests.standin.conftest import DbtApi


def test_the_journal_keeps_requests_in_order(standin: StandIn, dbt: DbtApi) -> None:
    run_id = dbt.start()
    dbt.ask("GET", "runs/5/")
    dbt.ids(pk__in=json.dumps([run_id]))
    seen = [(entry.method, entry.path, entry.status) for entry in standin.journal.entries]
    assert seen == [
        ("POST", "/api/v2/accounts/1/jobs/101/run/", 200),
        ("GET", "/api/v2/accounts/1/runs/5/", 404),
        ("GET", "/api/v2/accounts/1/runs/", 200),
    ]


def test_an_entry_has_query_body_and_service(standin: StandIn, dbt: DbtApi) -> None:
    dbt.post("jobs/101/run/", cause="why")
    dbt.ids(status__in="[1, 2]", order_by="-id")
    started, listed = standin.journal.entries
    assert (started.body, started.service) == ({"cause": "why"}, "dbt_cloud")
    assert (listed.query, listed.body) == ({"status__in": "[1, 2]", "order_by": "-id"}, None)


SERVICES = [
    ("/api/v2/accounts/", "dbt_cloud"),
    ("/api/v3/accounts/", "dbt_cloud"),
    ("/api/2.1/jobs/list", "databricks_jobs"),
    ("/api/2.2/jobs/runs/get", "databricks_jobs"),
    ("/oidc/v1/token", "databricks_jobs"),
    ("/api/2.0/pipelines", "databricks_pipelines"),
    ("/api/2.0/pipelines/some/events", "databricks_pipelines"),
    ("/api/2.0/permissions/pipelines/some", "databricks_jobs"),
    ("/", "other"),
]


@pytest.mark.parametrize(("path", "service"), SERVICES)
def test_an_entry_names_its_service(standin: StandIn, path: str, service: str) -> None:
    requests.get(standin.url + path, timeout=10)
    assert [entry.service for entry in standin.journal.entries] == [service]


def test_the_journal_counts_by_method_and_path(standin: StandIn, dbt: DbtApi) -> None:
    run_id = dbt.start()
    dbt.status(run_id)
    dbt.status(run_id)
    assert standin.journal.count() == 3
    assert standin.journal.count("POST") == 1
    assert standin.journal.count(path_contains=f"/runs/{run_id}") == 2
    assert standin.journal.count("POST", path_contains="/runs/") == 0


def test_control_requests_are_not_in_the_journal(standin: StandIn, dbt: DbtApi) -> None:
    dbt.ids()
    journal = f"{standin.url}/_standin/journal"
    answer = requests.get(journal, params={"path_contains": "runs"}, timeout=10).json()
    assert (answer["count"], answer["entries"][0]["path"]) == (1, "/api/v2/accounts/1/runs/")
    assert standin.journal.count() == 1


def test_the_token_is_not_in_the_journal(standin: StandIn, dbt: DbtApi) -> None:
    dbt.session.headers["Authorization"] = "Token s3cret"
    dbt.ids()
    assert "s3cret" not in repr(standin.journal.entries)


@pytest.mark.parametrize("reset", ["before", "after"])
def test_a_dropped_request_is_in_the_journal_with_its_body(standin: StandIn, dbt: DbtApi, reset: str) -> None:
    standin.faults.add(Fault(reset=reset))
    with pytest.raises(requests.ConnectionError):
        dbt.ask("POST", "jobs/101/run/", json={"cause": "lost"})
    (entry,) = standin.journal.entries
    assert (entry.status, entry.body) == (0, {"cause": "lost"})


def test_a_body_that_is_not_json_is_kept_as_text(standin: StandIn, dbt: DbtApi) -> None:
    dbt.ask("POST", "jobs/101/run/", data="not json")
    assert [(entry.body, entry.status) for entry in standin.journal.entries] == [("not json", 400)]


def test_the_journal_counts_tcp_connections(standin: StandIn) -> None:
    url = f"{standin.url}/api/v2/accounts/"
    with requests.Session() as session:
        for _ in range(3):
            session.get(url, timeout=10)
    requests.get(url, timeout=10)
    assert (standin.journal.count(), standin.journal.connections) == (4, 2)


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example.com"},
        {"Origin": "https://evil.example.com"},
        {"Origin": "null"},
    ],
    ids=str,
)
@pytest.mark.parametrize(("method", "path"), [("GET", "journal"), ("POST", "reset"), ("POST", "faults")])
def test_a_page_of_somebody_else_reaches_nothing(
    method: str, path: str, headers: dict[str, str], standin: StandIn
) -> None:
    answer = requests.request(method, f"{standin.url}/_standin/{path}", headers=headers, json={}, timeout=10)
    assert answer.status_code == 403


def test_a_page_of_our_own_reaches_all(standin: StandIn) -> None:
    answer = requests.get(f"{standin.url}/_standin/health", headers={"Origin": standin.url}, timeout=10)
    assert answer.status_code == 200


def test_the_journal_keeps_no_secret_of_a_client(standin: StandIn) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": "me",
        "client_secret": "s3cret/=&",
        "scope": "all",
    }
    requests.post(f"{standin.url}/oidc/v1/token", data=form, timeout=10)
    (entry,) = standin.journal.entries
    assert entry.body == "grant_type=client_credentials&client_id=me&client_secret=***&scope=all"
