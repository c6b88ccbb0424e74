"""A Databricks job by its name: created once, reset where it exists."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_pipehooks.core.errors import ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.operators.databricks_definitions import DatabricksCreateJobsOperator
from airflow_provider_pipehooks.standin import Fault, StandIn
from tests.task_context import Try, run

pytestmark = pytest.mark.usefixtures("connections")
TASKS = [{"task_key": "a", "notebook_task": {"notebook_path": "/a"}}]


def define(**given: Any) -> DatabricksCreateJobsOperator:
    return DatabricksCreateJobsOperator(
        **{"task_id": "t", "name": "nightly", "tasks": TASKS, "databricks_retry_delay": 0.001, **given}
    )


def test_a_job_is_created_and_then_reset(standin: StandIn) -> None:
    job_id = run(define(tags={"team": 7}), Try())
    assert standin.databricks_jobs.jobs[job_id].settings["tags"] == {"team": "7"}
    assert run(define(json={"timeout_seconds": 60}), Try()) == job_id
    assert list(standin.databricks_jobs.jobs) == [job_id]
    assert "tags" not in standin.databricks_jobs.jobs[job_id].settings
    assert standin.databricks_jobs.jobs[job_id].settings["timeout_seconds"] == 60


def test_upper_and_lower_case_are_two_jobs(standin: StandIn) -> None:
    assert run(define(), Try()) != run(define(name="Nightly"), Try())


def test_permissions_come_with_both(standin: StandIn) -> None:
    one, two = ({"user_name": name, "permission_level": "CAN_VIEW"} for name in ("a", "b"))
    job_id = run(define(access_control_list=[one]), Try())
    run(define(access_control_list=[two]), Try())
    (created,) = standin.journal.find("POST", "jobs/create")
    assert created.body["access_control_list"] == [one]
    assert standin.databricks_workspace.rights_of(job_id)[("user_name", "b")] == "CAN_VIEW"


@pytest.mark.parametrize(
    "how", [{"reset": "after"}, {"status": 503, "after_accept": True}, {"body": "empty"}]
)
def test_a_lost_answer_makes_no_second_job(how: Any, standin: StandIn) -> None:
    standin.faults.add(Fault(path="jobs/create", times=1, **how))
    job_id = run(define(), Try())
    assert list(standin.databricks_jobs.jobs) == [job_id]


def test_a_create_that_did_not_arrive_is_sent_again(standin: StandIn) -> None:
    standin.faults.add(Fault(path="jobs/create", times=1, reset="before"))
    assert run(define(), Try()) in standin.databricks_jobs.jobs


def test_a_refusal_is_not_sent_again(standin: StandIn) -> None:
    with pytest.raises(RemoteCallError, match="exactly one task type"):
        run(define(tasks=[{"task_key": "a"}]), Try())
    assert standin.journal.count("POST", "create") == 1


def test_two_jobs_of_the_name_are_refused(standin: StandIn) -> None:
    ids = [standin.databricks_jobs.add_job("nightly") for _ in range(2)]
    with pytest.raises(ConfigurationError, match=f"{ids[1]}, {ids[0]}"):
        run(define(), Try())


@pytest.mark.parametrize(
    ("given", "parameters"),
    [
        ({}, [{"name": "day", "default": "7"}]),
        ({"json": {"parameters": [{"name": "own", "default": "1"}]}}, [{"name": "own", "default": "1"}]),
    ],
)
def test_dag_params_become_parameters_of_a_job_that_has_none(
    given: dict[str, Any], parameters: Any, standin: StandIn
) -> None:
    with DAG("d", schedule=None, params={"day": 7, "nothing": None}):
        operator = define(**given)
    job_id = run(operator, Try())
    assert standin.databricks_jobs.jobs[job_id].settings["parameters"] == parameters


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"name": None}, "needs a name"),
        ({"tasks": ["a"]}, r"tasks of task 't'\[0\]"),
        ({"json": "["}, "json of task 't'"),
        ({"max_concurrent_runs": "many"}, "max_concurrent_runs of task 't'"),
    ],
)
def test_a_wrong_literal_is_refused_when_the_dag_is_parsed(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        define(**given)
