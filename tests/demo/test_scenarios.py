"""What the demo expects, and how it judges what came."""

from __future__ import annotations

from itertools import combinations

import pytest

from airflow_provider_pipehooks.demo.scenarios import SCENARIOS, Scenario, judge
from airflow_provider_pipehooks.demo.services import Alert, alert_of

FAILS = Scenario(key="bad", dag_id="a_dag", story="", ends="failed", alert_says=("load", "no such table"))
PASSES = Scenario(key="good", dag_id="a_dag", story="", ends="success")
GOOD_ALERT = Alert(subject="a_dag failed: load", body="no such table")


def test_all_as_it_should_be_is_no_complaint() -> None:
    assert judge(FAILS, "failed", [GOOD_ALERT]) == []
    assert judge(PASSES, "success", []) == []


@pytest.mark.parametrize(
    ("scenario", "state", "alerts", "complaint"),
    [
        (PASSES, "failed", [], "should have ended in 'success', but is 'failed'"),
        (FAILS, "running", [GOOD_ALERT], "should have ended in 'failed', but is 'running'"),
        (PASSES, "success", [GOOD_ALERT], "0 alerts should have come, not 1"),
        (FAILS, "failed", [], "1 alert should have come, not 0"),
        (FAILS, "failed", [GOOD_ALERT, GOOD_ALERT], "1 alert should have come, not 2"),
        (FAILS, "failed", [Alert(subject="load", body="")], "does not say 'no such table'"),
    ],
)
def test_each_deviation_is_told(scenario: Scenario, state: str, alerts: list[Alert], complaint: str) -> None:
    [said] = judge(scenario, state, alerts)
    assert complaint in said


def test_no_remote_job_belongs_to_two_scenarios() -> None:
    """The view finds a remote run's DAG run by its job."""
    for one, other in combinations(SCENARIOS, 2):
        assert not one.job_ids & other.job_ids


def test_dag_runs_have_ids_of_their_own() -> None:
    assert len({scenario.run_id for scenario in SCENARIOS}) == len(SCENARIOS)


def test_an_alert_knows_its_dag_run() -> None:
    alert = alert_of({"Subject": "S", "Message": "DAG x failed.\n\nDAG run:  demo_x\nPage: y\n"})
    assert alert == Alert(subject="S", body="DAG x failed.\n\nDAG run:  demo_x\nPage: y\n", run_id="demo_x")


def test_any_other_message_of_the_topic_is_an_alert_without_a_dag_run() -> None:
    assert alert_of({"Message": "hello"}) == Alert(subject="", body="hello", run_id=None)
