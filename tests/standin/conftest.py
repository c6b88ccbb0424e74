"""A small client for the dbt Cloud of the stand-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from airflow_provider_pipehooks.standin import StandIn


class DbtApi:
    """Calls dbt Cloud's API as plainly as possible; ``get`` and ``post`` give ``data`` of a success."""

    def __init__(self, standin: StandIn) -> None:
        self.url = standin.url
        self.session = requests.Session()
        self.session.headers["Authorization"] = "Token any"

    def ask(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        if not path.startswith("/"):
            path = f"/api/v2/accounts/1/{path}"
        return self.session.request(method, self.url + path, timeout=10, **kwargs)

    def get(self, path: str, **params: Any) -> Any:
        response = self.ask("GET", path, params=params)
        assert response.status_code == 200, response.text
        return response.json()["data"]

    def post(self, path: str, **body: Any) -> Any:
        response = self.ask("POST", path, json=body or None)
        assert response.status_code == 200, response.text
        return response.json()["data"]

    def start(self, job_id: int = 101, **body: Any) -> int:
        return int(self.post(f"jobs/{job_id}/run/", **{"cause": "test", **body})["id"])

    def status(self, run_id: int) -> int:
        return int(self.get(f"runs/{run_id}/")["status"])

    def ids(self, **params: Any) -> list[int]:
        return [run["id"] for run in self.get("runs/", **params)]


@pytest.fixture(scope="session")
def connect() -> Callable[[StandIn], DbtApi]:
    """A client for another stand-in than the common one."""
    return DbtApi


@pytest.fixture
def dbt(standin: StandIn) -> DbtApi:
    return DbtApi(standin)
