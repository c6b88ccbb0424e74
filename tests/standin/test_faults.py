from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airflow_provider_pipehooks.standin import Fault, Plan, StandIn

if TYPE_CHECKING:
    from tests.standin.conftest import DbtApi

START = "jobs/101/run/"
CAUSE = {"cause": "test"}


@pytest.mark.parametrize("status", [401, 403, 429, 500, 502, 503])
def test_a_status_keeps_the_request_from_the_service(standin: StandIn, dbt: DbtApi, status: int) -> None:
    standin.faults.add(Fault(path="/run/", status=status, retry_after=7))
    answer = dbt.ask("POST", START, json=CAUSE)
    assert (answer.status_code, answer.headers["Retry-After"]) == (status, "7")
    assert answer.json()["status"]["code"] == status
    assert standin.dbt_cloud.runs == {}


def test_an_error_after_accept_has_started_the_run(standin: StandIn, dbt: DbtApi) -> None:
    standin.faults.add(Fault(path="/run/", status=503, after_accept=True))
    assert dbt.ask("POST", START, json=CAUSE).status_code == 503
    assert len(standin.dbt_cloud.runs) == 1


@pytest.mark.parametrize(("reset", "runs"), [("before", 0), ("after", 1)])
def test_a_reset_cuts_the_connection_before_or_after_the_run_starts(
    standin: StandIn, dbt: DbtApi, reset: str, runs: int
) -> None:
    standin.faults.add(Fault(path="/run/", reset=reset))
    with pytest.raises(requests.ConnectionError):
        dbt.ask("POST", START, json=CAUSE)
    assert len(standin.dbt_cloud.runs) == runs
    assert [entry.status for entry in standin.journal.entries] == [0]


def test_a_reset_leaves_other_connections_alone(standin: StandIn, dbt: DbtApi) -> None:
    standin.faults.add(Fault(reset="before", times=1))
    with pytest.raises(requests.ConnectionError):
        dbt.ids()
    assert dbt.ids() == []


def test_a_truncated_body_promises_more_than_it_sends(standin: StandIn, dbt: DbtApi) -> None:
    standin.faults.add(Fault(body="truncated"))
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        dbt.ask("GET", "runs/")


@pytest.mark.parametrize(("body", "media_type"), [("garbage", "application/json"), ("html", "text/html")])
def test_a_spoiled_body_is_not_json(standin: StandIn, dbt: DbtApi, body: str, media_type: str) -> None:
    standin.faults.add(Fault(body=body))
    answer = dbt.ask("GET", "runs/")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, media_type)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


def test_an_empty_body_can_come_with_a_success(standin: StandIn, dbt: DbtApi) -> None:
    standin.faults.add(Fault(path="/run/", body="empty"))
    answer = dbt.ask("POST", START, json=CAUSE)
    assert (answer.status_code, answer.content, len(standin.dbt_cloud.runs)) == (200, b"", 1)


def test_a_status_can_come_as_html_from_the_edge(standin: StandIn, dbt: DbtApi) -> None:
    standin.faults.add(Fault(status=502, body="html"))
    answer = dbt.ask("GET", "runs/")
    assert (answer.status_code, "Bad Gateway" in answer.text) == (502, True)


def test_a_delay_comes_before_the_answer(standin: StandIn, dbt: DbtApi) -> None:
    standin.faults.add(Fault(delay_s=5))
    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{standin.url}/api/v2/accounts/", timeout=0.05)


def outcomes(dbt: DbtApi, count: int) -> list[int]:
    return [dbt.ask("GET", "runs/").status_code for _ in range(count)]


def test_times_and_skip_say_which_requests_are_hit(standin: StandIn, dbt: DbtApi) -> None:
    armed = standin.faults.add(Fault(status=500, times=2, skip=1))
    assert outcomes(dbt, 5) == [200, 500, 500, 200, 200]
    assert (armed.met, armed.hits) == (5, 2)


def test_a_rate_hits_the_same_requests_in_every_run(standin: StandIn, dbt: DbtApi) -> None:
    standin.faults.add(Fault(status=500, rate=0.5))
    first = outcomes(dbt, 40)
    standin.faults.clear()
    standin.faults.add(Fault(status=500, rate=0.5))
    assert outcomes(dbt, 40) == first
    assert 10 < first.count(500) < 30


MEANT = [
    (Fault(status=500, path="/runs/"), 500),
    (Fault(status=500, path=r"accounts/\d+/runs/$"), 500),
    (Fault(status=500, path="/jobs/"), 200),
    (Fault(status=500, method="get"), 500),
    (Fault(status=500, method="POST"), 200),
    (Fault(status=500, service="dbt_cloud"), 500),
    (Fault(status=500, service="databricks_jobs"), 200),
    (Fault(status=500, path="pk__in"), 200),
]


@pytest.mark.parametrize(("fault", "status"), MEANT, ids=str)
def test_a_fault_hits_only_the_requests_it_means(
    standin: StandIn, dbt: DbtApi, fault: Fault, status: int
) -> None:
    standin.faults.add(fault)
    assert dbt.ask("GET", "runs/").status_code == status


def test_an_error_speaks_the_language_of_the_service(standin: StandIn) -> None:
    standin.faults.add(Fault(status=429))
    answer = requests.get(f"{standin.url}/api/2.2/jobs/list", timeout=10)
    assert answer.json()["error_code"] == "REQUEST_LIMIT_EXCEEDED"


@pytest.mark.parametrize("wrong", [{"reset": "during"}, {"body": "nonsense"}])
def test_a_fault_that_does_not_exist_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="Use "):
        Fault(**wrong)


def test_the_control_routes_work_from_another_process(standin: StandIn, dbt: DbtApi) -> None:
    control = f"{standin.url}/_standin"
    assert requests.get(f"{control}/health", timeout=10).json()["status"] == "ok"
    body = {"name": "slow", "plan": {"hold": True}}
    job_id = requests.post(f"{control}/dbt_cloud/jobs", json=body, timeout=10).json()["job_id"]
    run_id = dbt.start(job_id)
    assert dbt.status(run_id) == 3
    plan = {"outcome": "error"}
    requests.put(f"{control}/dbt_cloud/runs/{run_id}/plan", json=plan, timeout=10).raise_for_status()
    assert dbt.status(run_id) == 20
    (run,) = requests.get(f"{control}/dbt_cloud/runs", timeout=10).json()
    assert (run["id"], run["status"], run["trigger"]["cause"]) == (run_id, 20, "test")


def test_faults_can_be_controlled_from_another_process(standin: StandIn, dbt: DbtApi) -> None:
    faults = f"{standin.url}/_standin/faults"
    requests.post(faults, json={"status": 500, "times": 1}, timeout=10).raise_for_status()
    assert outcomes(dbt, 2) == [500, 200]
    assert [each["hits"] for each in requests.get(faults, timeout=10).json()] == [1]
    requests.delete(faults, timeout=10).raise_for_status()
    assert requests.get(faults, timeout=10).json() == []


BAD_CONTROLS = [
    ("POST", "faults", {"stats": 500}, 400),
    ("POST", "dbt_cloud/jobs", {"name": "x", "plan": {"outcome": "nonsense"}}, 400),
    ("POST", "nothing/jobs", {"name": "x"}, 404),
    ("PUT", "dbt_cloud/runs/5/plan", {}, 404),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), BAD_CONTROLS)
def test_a_mistake_in_a_control_request_is_explained(
    standin: StandIn, method: str, path: str, body: dict[str, Any], status: int
) -> None:
    answer = requests.request(method, f"{standin.url}/_standin/{path}", json=body, timeout=10)
    assert (answer.status_code, len(answer.json()["detail"]) > 10) == (status, True)


def test_reset_forgets_everything_but_the_default_jobs(standin: StandIn, dbt: DbtApi) -> None:
    standin.dbt_cloud.add_job("mine", plan=Plan(hold=True))
    standin.dbt_cloud.tokens = {"right"}
    standin.faults.add(Fault(status=500))
    dbt.ask("GET", "runs/")
    requests.post(f"{standin.url}/_standin/reset", timeout=10).raise_for_status()
    assert standin.journal.entries == []
    assert [job["id"] for job in dbt.get("jobs/")] == [101, 102]


def test_it_listens_again_on_its_port_and_remembers() -> None:
    standin = StandIn()
    with standin:
        port, run_id = standin.port, standin.dbt_cloud.start(101)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{port}/", timeout=5)
    with standin:
        assert (standin.port, list(standin.dbt_cloud.runs)) == (port, [run_id])
        assert requests.get(f"{standin.url}/", timeout=5).status_code == 200


def test_stopping_does_not_wait_for_a_slow_answer() -> None:
    began = time.monotonic()
    with StandIn() as standin:
        standin.faults.add(Fault(delay_s=60))
        with pytest.raises(requests.ReadTimeout):
            requests.get(f"{standin.url}/", timeout=0.05)
    assert time.monotonic() - began < 10


def test_a_port_that_is_taken_is_named(standin: StandIn) -> None:
    with pytest.raises(OSError, match=f"Port {standin.port} of 127.0.0.1 is taken"):
        StandIn(port=standin.port).start()


def test_tls_is_trusted_by_its_own_authority_only() -> None:
    with StandIn(tls=True) as standin:
        assert standin.url == f"https://localhost:{standin.port}"
        assert requests.get(standin.url, verify=str(standin.ca_file), timeout=10).status_code == 200
        by_number = f"https://127.0.0.1:{standin.port}/"
        assert requests.get(by_number, verify=str(standin.ca_file), timeout=10).status_code == 200
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(standin.url, timeout=10)


def test_a_reset_works_over_tls_too() -> None:
    with StandIn(tls=True) as standin:
        standin.faults.add(Fault(reset="before"))
        with pytest.raises(requests.ConnectionError):
            requests.get(standin.url, verify=str(standin.ca_file), timeout=10)


def test_each_counts_separately_for_each_thing_it_finds(standin: StandIn, dbt: DbtApi) -> None:
    first, second = dbt.start(101), dbt.start(102)
    armed = standin.faults.add(Fault(path="/runs/", status=404, times=2, each=r"/runs/(\d+)/"))

    answers = [[dbt.ask("GET", f"runs/{run}/").status_code for _ in range(3)] for run in (first, second)]

    assert answers == [[404, 404, 200], [404, 404, 200]]
    assert dbt.ask("GET", "runs/").status_code == 200, "without what it looks for, a request passes"
    assert armed.hits == 4


def test_each_may_look_into_the_body(standin: StandIn, dbt: DbtApi) -> None:
    standin.faults.add(Fault(path="/run/", status=503, times=1, each=r"mark-(\w+)"))
    answers = [
        dbt.ask("POST", "jobs/101/run/", json={"cause": f"mark-{mark}"}).status_code
        for mark in ("a", "b", "a")
    ]
    assert answers == [503, 503, 200]
