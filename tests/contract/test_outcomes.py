"""Every service, every way to wait, every way to end, through the public door: a DAG that Airflow runs."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSensorTimeout

from airflow_provider_pipehooks.core.errors import RunCancelled, RunFailed, RunTimedOut, WaitTimedOut
from airflow_provider_pipehooks.standin import StandIn
from tests.contract.cases import SERVICES, ServiceCase
from tests.dag_runs import Finished

START = datetime(2026, 1, 1)
_numbers = itertools.count()

#: Outcome -> Airflow's task state, the run's state, the exception.
ENDS: dict[str, tuple[str, str, type[Exception] | None]] = {
    "success": ("success", "SUCCESS", None),
    "error": ("failed", "ERROR", RunFailed),
    "cancel": ("failed", "CANCELLED", RunCancelled),
    "timeout": ("failed", "", RunTimedOut),
    "unknown": ("failed", "CANCELLED", WaitTimedOut),
}


@dataclass
class Told:
    """The exceptions Airflow gave to failure callbacks, by task."""

    exceptions: dict[str, BaseException]

    def __call__(self, context: Any) -> None:
        self.exceptions[context["ti"].task_id] = context["exception"]


@pytest.fixture(params=SERVICES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> ServiceCase:
    return request.param


@pytest.fixture
def told() -> Told:
    return Told({})


def new_dag(told: Told) -> DAG:
    return DAG(
        f"contract_{next(_numbers)}",
        schedule=None,
        start_date=START,
        default_args={"on_failure_callback": told},
    )


@pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])
def test_an_operator_ends_as_its_run_ends(
    case: ServiceCase,
    deferrable: bool,
    standin: StandIn,
    connections: Callable[..., None],
    run_dag: Callable[..., Finished],
    told: Told,
) -> None:
    jobs = {outcome: case.add_job(standin, outcome) for outcome in ENDS}
    with new_dag(told) as dag:
        for outcome, job_id in jobs.items():
            # A status nobody knows is not an end: only the time limit ends that wait.
            limit = {"timeout": 1} if outcome == "unknown" else {}
            case.operator(outcome, job_id, deferrable=deferrable, **limit)
    finished = run_dag(dag)

    for outcome, (task_state, run_state, error) in ENDS.items():
        assert finished.tasks[outcome] == task_state, outcome
        assert type(told.exceptions.get(outcome)) is (error or type(None)), outcome
        record = finished.xcom(outcome, "run")
        if outcome != "unknown":
            assert record["state"] == run_state or record["kind"] == outcome
        assert finished.xcom(outcome) == record["run_id"]
        assert finished.xcom(outcome, "run_url") == record["url"]
        assert case.official_keys <= finished.xcom_keys(outcome)
    remote = {run.job_id: run for run in case.world(standin).runs.values()}
    assert len(remote) == len(ENDS), "one remote run each"


@pytest.mark.parametrize("mode", ["poke", "reschedule", "deferrable"])
def test_a_sensor_ends_as_the_run_it_joined_ends(
    case: ServiceCase,
    mode: str,
    standin: StandIn,
    connections: Callable[..., None],
    run_dag: Callable[..., Finished],
    told: Told,
) -> None:
    waiting: dict[str, Any] = {"deferrable": True} if mode == "deferrable" else {"mode": mode}
    world = case.world(standin)
    runs = {outcome: world.start(case.add_job(standin, outcome)) for outcome in ENDS}
    with new_dag(told) as dag:
        for outcome, run_id in runs.items():
            limit = {"timeout": 1} if outcome == "unknown" else {}
            case.sensor(outcome, run_id, **waiting, **limit)
    finished = run_dag(dag)

    for outcome, (task_state, _, error) in ENDS.items():
        assert finished.tasks[outcome] == task_state, outcome
        expected = AirflowSensorTimeout if error is WaitTimedOut else error or type(None)
        assert type(told.exceptions.get(outcome)) is expected, outcome
        if outcome != "unknown":
            assert finished.xcom(outcome) == runs[outcome]
    assert not any("cancel" in entry.path for entry in standin.journal.entries), "a sensor never cancels"
    assert standin.journal.count(method="POST") == 0


def test_the_reason_is_in_the_exception_and_in_the_record(
    case: ServiceCase,
    standin: StandIn,
    connections: Callable[..., None],
    run_dag: Callable[..., Finished],
    told: Told,
) -> None:
    with new_dag(told) as dag:
        case.operator("failing", case.add_job(standin, "error"))
    finished = run_dag(dag)

    error = told.exceptions["failing"]
    assert isinstance(error, RunFailed)
    record = finished.xcom("failing", "run")
    assert [(change["old"], change["new"]) for change in record.pop("changes")] == [
        (None, "QUEUED"),
        ("QUEUED", "RUNNING"),
        ("RUNNING", "ERROR"),
    ]
    assert record.pop("try_number") == 1
    assert error.run.to_json() == record
    (first, *_) = error.run.failures
    assert first.name in str(error)
    assert first.message in str(error)
    assert str(error.run.url) in str(error)


def test_every_way_to_wait_records_the_same_changes(
    case: ServiceCase,
    standin: StandIn,
    connections: Callable[..., None],
    run_dag: Callable[..., Finished],
    told: Told,
) -> None:
    """Whoever sees a run, and however often: a worker, a sensor's pokes, the triggerer."""
    world = case.world(standin)
    with new_dag(told) as dag:
        for deferrable in (False, True):
            case.operator(f"starts_{deferrable}", case.add_job(standin, "success"), deferrable=deferrable)
        for mode in ("poke", "reschedule"):
            case.sensor(mode, world.start(case.add_job(standin, "success")), mode=mode)
        case.sensor("deferred", world.start(case.add_job(standin, "success")), deferrable=True)
    finished = run_dag(dag)

    for task_id in finished.tasks:
        record = finished.xcom(task_id, "run")
        assert [(each["run_id"], each["attempt"], each["new"]) for each in record["changes"]] == [
            (record["run_id"], 1, "QUEUED"),
            (record["run_id"], 1, "RUNNING"),
            (record["run_id"], 1, "SUCCESS"),
        ], task_id
        assert {each["source"] for each in record["changes"]} == {"remote"}, task_id
        times = [record["created_at"], record["started_at"], record["finished_at"]]
        assert [each["at"] for each in record["changes"]] == times, task_id


def test_a_run_is_known_before_its_end_is_waited_for(
    case: ServiceCase,
    standin: StandIn,
    connections: Callable[..., None],
    run_dag: Callable[..., Finished],
    told: Told,
) -> None:
    """The id and the URL are there for an alert even if nothing after the start works."""
    with new_dag(told) as dag:
        case.operator("started", case.add_job(standin, "unknown"), wait_for_termination=False)
    finished = run_dag(dag)

    assert finished.tasks["started"] == "success"
    (run_id,) = case.world(standin).runs
    assert finished.xcom("started") == run_id
    assert str(run_id) in finished.xcom("started", "run_url")
    assert finished.xcom("started", "run")["state"] in ("QUEUED", "STARTING", "RUNNING", None)


def test_mapped_tasks_each_have_their_own_run(
    case: ServiceCase,
    standin: StandIn,
    connections: Callable[..., None],
    run_dag: Callable[..., Finished],
    told: Told,
) -> None:
    jobs = [case.add_job(standin, outcome) for outcome in ("success", "error", "success")]
    operator = type(case.operator("probe", 1))
    with new_dag(told) as dag:
        operator.partial(task_id="each", deferrable=True, **case.fast).expand(job_id=jobs)
    finished = run_dag(dag)

    assert [finished.tasks[f"each[{index}]"] for index in range(3)] == ["success", "failed", "success"]
    ids = {finished.xcom("each", map_index=index) for index in range(3)}
    assert ids == set(case.world(standin).runs)
