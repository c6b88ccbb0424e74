"""API paths that the stand-in does not play."""

from __future__ import annotations

import pytest
import requests

from airflow_provider_pipehooks.standin import StandIn

UNPLAYED = [
    ("GET", "/api/2.2/jobs/nope"),
    ("GET", "/api/2.2/jobs/run-now"),
    ("POST", "/api/2.1/jobs/runs/get"),
    ("PROPFIND", "/api/2.2/jobs/list"),
    ("DELETE", "/api/2.0/pipelines/some"),
    ("PUT", "/api/2.0/pipelines/some"),
    ("POST", "/api/2.0/pipelines/some/clone"),
    ("GET", "/api/2.0/permissions/pipelines/some"),
    ("GET", "/api/1.2/contexts/status"),
    ("GET", "/api/"),
    ("GET", "/api/v2/accounts/1/nothing/"),
    ("PATCH", "/api/v2/accounts/1/runs/"),
    ("POST", "/api/v3/accounts/1/webhooks"),
    ("GET", "/api/v4/accounts"),
]


@pytest.mark.parametrize(("method", "path"), UNPLAYED)
def test_a_path_or_method_that_is_not_played_says_so(standin: StandIn, method: str, path: str) -> None:
    response = requests.request(method, f"{standin.url}{path}", json={"a": 1}, timeout=10)
    answer, message = response.json(), f"The stand-in does not play {method} {path}."
    assert (response.status_code, answer["error_code"], answer["message"]) == (
        501,
        "NOT_IMPLEMENTED",
        message,
    )
    assert [entry.status for entry in standin.journal.entries] == [501]
    if path.startswith("/api/v"):
        assert (answer["status"]["code"], answer["status"]["user_message"]) == (501, message)


@pytest.mark.parametrize("path", ["/nothing", "/apis/x"])
def test_a_path_of_no_api_is_not_found(standin: StandIn, path: str) -> None:
    assert requests.get(f"{standin.url}{path}", timeout=10).status_code == 404
