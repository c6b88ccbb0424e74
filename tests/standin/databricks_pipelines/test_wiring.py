"""The pipelines as a part of the whole stand-in: faults, journal and control routes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from tests.standin.databricks_pipelines.conftest import Api, refusal

Control = Callable[..., requests.Response]


@pytest.fixture
def control(standin: StandIn) -> Control:
    def ask(method: str, path: str, body: Any = None, **params: Any) -> requests.Response:
        url = f"{standin.url}/_standin/{path}"
        return requests.request(method, url, json=body, params=params, timeout=10)

    return ask


def test_an_injected_error_speaks_the_language_of_databricks(standin: StandIn, api: Api) -> None:
    pipeline_id = api.world.add_pipeline()
    standin.faults.add(Fault(service="databricks_pipelines", status=409))
    answer = api.ask("POST", f"/{pipeline_id}/updates", json={})
    assert refusal(answer)[:2] == (409, "RESOURCE_CONFLICT")
    assert api.world.updates == {}


def test_a_fault_for_jobs_does_not_hit_pipelines(standin: StandIn, api: Api) -> None:
    standin.faults.add(Fault(service="databricks_jobs", status=500))
    assert api.ask("GET").status_code == 200


def test_a_lost_answer_has_started_an_update_all_the_same(standin: StandIn, api: Api) -> None:
    pipeline_id = api.world.add_pipeline(plan=Plan(hold=True))
    standin.faults.add(Fault(path="/updates", method="POST", reset="after"))
    with pytest.raises(requests.ConnectionError):
        api.start(pipeline_id)
    assert [each["cause"] for each in api.updates(pipeline_id)] == ["API_CALL"]


@pytest.mark.parametrize("path", ["", "/x", "/x/updates", "/x/events"])
def test_the_journal_names_the_service(standin: StandIn, api: Api, path: str) -> None:
    api.ask("GET", path)
    assert [entry.service for entry in standin.journal.entries] == ["databricks_pipelines"]


def test_pipelines_can_be_controlled_from_another_process(api: Api, control: Control) -> None:
    assert "databricks_pipelines" in control("GET", "health").json()["services"]
    body = {"name": "far", "plans": [{"hold": True}], "flows": ["a"], "events": [{"message": "old"}]}
    pipeline_id = control("POST", "databricks_pipelines/pipelines", body).json()["pipeline_id"]
    assert [each["message"] for each in api.events(pipeline_id)] == ["old"]
    path = f"databricks_pipelines/pipelines/{pipeline_id}"
    update_id = control("POST", f"{path}/start", {"cause": "JOB_TASK", "full_refresh": True}).json()[
        "update_id"
    ]
    assert api.update(pipeline_id, update_id)["state"] == "RUNNING"
    id_ = control("POST", f"{path}/events", {"message": "new"}, at="2020-01-01T00:00:00Z").json()["id"]
    first = api.events(pipeline_id)[0]
    assert (first["id"], first["message"], first["timestamp"]) == (id_, "new", "2020-01-01T00:00:00Z")
    plan = {"outcome": "failed"}
    control("PUT", f"databricks_pipelines/updates/{update_id}/plan", plan).raise_for_status()
    assert api.update(pipeline_id, update_id)["state"] == "FAILED"
    (run,) = control("GET", "databricks_pipelines/runs").json()
    assert (run["update_id"], run["state"], run["cause"]) == (update_id, "FAILED", "JOB_TASK")
    assert (run["pipeline_id"], run["body"]["full_refresh"]) == (pipeline_id, True)


def test_a_start_over_the_control_routes_needs_no_body(api: Api, control: Control) -> None:
    pipeline_id = api.world.add_pipeline()
    control("POST", f"databricks_pipelines/pipelines/{pipeline_id}/start").raise_for_status()
    assert api.updates(pipeline_id)[0]["cause"] == "USER_ACTION"


def test_a_reset_forgets_pipelines(api: Api, control: Control) -> None:
    api.world.add_pipeline()
    control("POST", "reset").raise_for_status()
    assert api.world.pipelines == {}


MISTAKES: list[tuple[str, str, Any, dict[str, str], int]] = [
    ("POST", "pipelines", {"nmae": "x"}, {}, 400),
    ("POST", "pipelines", {"plan": {"outcome": "nonsense"}}, {}, 400),
    ("POST", "pipelines", ["x"], {}, 400),
    ("POST", "pipelines/nothing/start", {}, {}, 404),
    ("POST", "pipelines/held/start", {}, {}, 409),
    ("POST", "pipelines/nothing/events", {}, {}, 404),
    ("POST", "pipelines/held/events", {}, {"at": "soon"}, 400),
    ("PUT", "updates/nothing/plan", {}, {}, 404),
    ("PUT", "updates/{update}/plan", {"outcome": "nonsense"}, {}, 400),
    ("POST", "jobs", {"name": "x"}, {}, 404),
    ("PUT", "runs/5/plan", {}, {}, 404),
]


@pytest.mark.parametrize(("method", "path", "body", "params", "status"), MISTAKES)
def test_a_mistake_in_a_control_request_is_explained(
    api: Api, control: Control, method: str, path: str, body: Any, params: dict[str, str], status: int
) -> None:
    update_id = api.start(api.world.add_pipeline(id="held", plan=Plan(hold=True)))
    answer = control(method, f"databricks_pipelines/{path.format(update=update_id)}", body, **params)
    assert (answer.status_code, len(answer.json()["detail"]) > 10) == (status, True)


def test_a_file_is_not_read_for_another_process(api: Api, control: Control, tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text("[]")
    answer = control("POST", "databricks_pipelines/pipelines", {"events": str(path)})
    assert (answer.status_code, api.world.pipelines) == (400, {})
