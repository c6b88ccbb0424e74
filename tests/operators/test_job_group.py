"""A start, a verification and one alert for each DAG, as one line for each job."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_pipehooks.operators.databricks_jobs import DatabricksRunNowOperator
from airflow_provider_pipehooks.operators.dbt_cloud import DbtCloudRunJobOperator
from airflow_provider_pipehooks.operators.job_group import job_group
from airflow_provider_pipehooks.sensors.databricks_jobs import DatabricksJobRunSensor
from airflow_provider_pipehooks.sensors.dbt_cloud import DbtCloudJobRunSensor
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from tests.dag_runs import Finished

SERVICES = [
    ("dbt_cloud", DbtCloudRunJobOperator, DbtCloudJobRunSensor),
    ("databricks_jobs", DatabricksRunNowOperator, DatabricksJobRunSensor),
]


@pytest.mark.parametrize(("service", "starter", "verifier"), SERVICES)
def test_a_group_starts_a_job_and_verifies_its_run(service: str, starter: type, verifier: type) -> None:
    with DAG("d", schedule=None) as dag:
        job_group("g", service=service, notify=None, job_id=1)
    start: Any = dag.get_task("g.start")
    verify: Any = dag.get_task("g.verify")
    assert (type(start), type(verify)) == (starter, verifier)
    assert set(dag.task_dict) == {"g.start", "g.verify"}
    assert verify.upstream_task_ids == {"g.start"}
    assert not start.wait_for_termination


def test_arguments_go_to_the_one_that_needs_them() -> None:
    with DAG("d", schedule=None) as dag:
        job_group(
            "g",
            notify=None,
            job_id=1,
            trigger_reason="why",
            retries=2,
            account_id=7,
            dbt_cloud_conn_id="c",
            poke_interval=9,
            timeout=90,
            mode="reschedule",
            soft_fail=True,
        )
    start: Any = dag.get_task("g.start")
    verify: Any = dag.get_task("g.verify")
    assert (start.trigger_reason, start.retries, start.account_id, start.dbt_cloud_conn_id) == (
        "why",
        2,
        7,
        "c",
    )
    assert (verify.poke_interval, verify.timeout, verify.mode, verify.soft_fail) == (
        9,
        90,
        "reschedule",
        True,
    )
    assert (verify.retries, verify.account_id, verify.dbt_cloud_conn_id) == (2, 7, "c")


def test_all_groups_of_a_dag_share_one_alert() -> None:
    with DAG("d", schedule=None) as dag:
        first = job_group("a", job_id=1, alert={"target_arn": "arn:aws:sns:eu-central-1:1:t"})
        second = job_group("b", job_id=2)
        first >> second
    alert = dag.get_task("notify_if_one_failed")
    assert alert.upstream_task_ids == {"a.verify", "b.verify"}
    assert dag.get_task("b.start").upstream_task_ids >= {"a.verify"}
    assert alert.trigger_rule == "one_failed"


@pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])
@pytest.mark.parametrize("service", [service for service, *_ in SERVICES])
def test_a_chain_stops_at_the_job_that_fails(
    service: str,
    deferrable: bool,
    standin: StandIn,
    connections: Callable[..., None],
    run_dag: Callable[..., Finished],
) -> None:
    world = getattr(standin, service)
    good, bad = world.add_job("good"), world.add_job("bad", plan=Plan(outcome="error", polls=2))
    waiting: dict[str, Any] = {
        "notify": None,
        "poke_interval": 0.05,
        "deferrable": deferrable,
    }
    with DAG(f"chain_{service}_{deferrable}", schedule=None) as dag:
        groups = [
            job_group(name, service=service, job_id=job, **waiting)
            for name, job in (("a", good), ("b", bad), ("c", good))
        ]
        groups[0] >> groups[1] >> groups[2]
    assert run_dag(dag).tasks == {
        "a.start": "success",
        "a.verify": "success",
        "b.start": "success",
        "b.verify": "failed",
        "c.start": "upstream_failed",
        "c.verify": "upstream_failed",
    }


def test_a_group_works_without_return_values(standin: StandIn, connections: Any, run_dag: Any) -> None:
    job_id = standin.dbt_cloud.add_job("good")
    with DAG("no_values", schedule=None, default_args={"do_xcom_push": False}) as dag:
        job_group("g", job_id=job_id, notify=None, poke_interval=0.05)
    assert run_dag(dag).tasks == {"g.start": "success", "g.verify": "success"}


@pytest.mark.parametrize(
    ("plan", "fault", "tries"),
    [
        (Plan(outcome="error"), None, 1),
        (Plan(outcome="cancelled"), None, 1),
        (Plan(), Fault(path=r"runs/[0-9]+/", status=400, times=1), 2),
    ],
    ids=["the run failed", "the run was cancelled", "the remote refused a look"],
)
def test_a_verification_is_made_again_unless_its_run_ended_badly(
    plan: Plan, fault: Fault | None, tries: int, standin: StandIn, connections: Any, run_dag: Any
) -> None:
    job_id = standin.dbt_cloud.add_job("job", plan=plan)
    if fault:
        standin.faults.add(fault)
    again = {"retries": 1, "retry_delay": timedelta(0)}
    with DAG(f"again_{plan.outcome}_{tries}", schedule=None, default_args=again) as dag:
        job_group("g", job_id=job_id, notify=None, poke_interval=0.05)
    done = run_dag(dag)
    (verify,) = [ti for ti in done.dag_run.get_task_instances() if ti.task_id == "g.verify"]
    assert verify.try_number == tries
    assert done.tasks["g.verify"] == ("success" if tries == 2 else "failed")
