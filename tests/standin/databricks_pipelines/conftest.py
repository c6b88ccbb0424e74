"""A small client for the Databricks Pipelines of the stand-in, and its clock, which is moved by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from airflow_provider_pipehooks.standin import StandIn

#: 2027-01-15T08:00:00Z
NOW_S = 1_800_000_000.0


class Api:
    """Calls the API as plainly as possible; ``get`` and ``post`` give the answer, whatever its status."""

    def __init__(self, standin: StandIn) -> None:
        self.now_s = NOW_S
        self.url = standin.url
        self.world = standin.databricks_pipelines
        self.session = requests.Session()
        self.session.headers["Authorization"] = "Bearer t"

    def ask(self, method: str, path: str = "", **kwargs: Any) -> requests.Response:
        return self.session.request(method, f"{self.url}/api/2.0/pipelines{path}", timeout=10, **kwargs)

    def get(self, path: str = "", **params: Any) -> dict[str, Any]:
        return self.ask("GET", path, params=params).json()

    def post(self, path: str = "", **body: Any) -> dict[str, Any]:
        return self.ask("POST", path, json=body).json()

    def start(self, pipeline_id: str, **body: Any) -> str:
        return str(self.post(f"/{pipeline_id}/updates", **body)["update_id"])

    def update(self, pipeline_id: str, update_id: str) -> dict[str, Any]:
        return dict(self.get(f"/{pipeline_id}/updates/{update_id}")["update"])

    def states(self, pipeline_id: str, update_id: str, reads: int) -> list[str]:
        return [self.update(pipeline_id, update_id)["state"] for _ in range(reads)]

    def updates(self, pipeline_id: str, **params: Any) -> list[dict[str, Any]]:
        return list(self.get(f"/{pipeline_id}/updates", **params).get("updates", []))

    def pipeline_states(self, pipeline_id: str, reads: int) -> list[str]:
        return [self.get(f"/{pipeline_id}")["state"] for _ in range(reads)]

    def events(self, pipeline_id: str, **params: Any) -> list[dict[str, Any]]:
        """One page, oldest first unless told otherwise."""
        return self.page(pipeline_id, **{"order_by": "timestamp asc", "max_results": 1000, **params})[0]

    def page(self, pipeline_id: str, **params: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        answer = self.get(f"/{pipeline_id}/events", **params)
        assert "error_code" not in answer, answer
        return answer.pop("events", []), answer

    def told(self, pipeline_id: str, kind: str, **params: Any) -> list[dict[str, Any]]:
        """Events of one type, oldest first."""
        return [each for each in self.events(pipeline_id, **params) if each["event_type"] == kind]


def refusal(response: requests.Response) -> tuple[int, str, str]:
    answer = response.json()
    return response.status_code, answer["error_code"], answer["message"]


@pytest.fixture
def api(standin: StandIn) -> Iterator[Api]:
    made, clock = Api(standin), standin.databricks_pipelines.clock
    made.world.clock = lambda: made.now_s
    yield made
    made.world.clock = clock
