"""A workflow group: one job, one run; each task watches its own, and a retry or a clear runs it again."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG

from airflow_provider_pipehooks.operators.databricks_jobs import (
    DatabricksNotebookOperator,
    DatabricksWorkflowTaskGroup,
)
from airflow_provider_pipehooks.standin import Plan, StandIn
from tests.dag_runs import Finished

pytestmark = pytest.mark.usefixtures("connections")
both = pytest.mark.parametrize("deferrable", [False, True], ids=["sync", "deferrable"])
FAST: dict[str, Any] = {"polling_period_seconds": 0.05, "databricks_retry_delay": 0.001}
CLUSTERS = [{"job_cluster_key": "small", "new_cluster": {"num_workers": 1}}]
_numbers = itertools.count()


def notebook(key: str, **given: Any) -> DatabricksNotebookOperator:
    return DatabricksNotebookOperator(
        **{
            "task_id": key,
            "notebook_path": f"/{key}",
            "source": "WORKSPACE",
            "databricks_task_key": key,
            "job_cluster_key": "small",
            **FAST,
            **given,
        }
    )


def group(**given: Any) -> DatabricksWorkflowTaskGroup:
    return DatabricksWorkflowTaskGroup(
        **{"group_id": "w", "databricks_conn_id": "databricks_default", "job_clusters": CLUSTERS, **given}
    )


def new_dag(**given: Any) -> DAG:
    return DAG(f"workflow_{next(_numbers)}", schedule=None, **given)


def five(deferrable: bool, **given: Any) -> DAG:
    """extract >> (load, check) >> report, and other on its own."""
    with new_dag() as dag, group():
        made = {
            key: notebook(key, deferrable=deferrable, **given)
            for key in ("extract", "load", "check", "report", "other")
        }
        made["extract"] >> [made["load"], made["check"]] >> made["report"]
    return dag


def the_job(standin: StandIn) -> Any:
    (job,) = standin.databricks_jobs.jobs.values()
    return job


def the_run(standin: StandIn) -> Any:
    (run,) = standin.databricks_jobs.runs.values()
    return run


@both
def test_five_tasks_are_one_run_and_each_ends_as_its_own(
    deferrable: bool, standin: StandIn, run_dag: Callable[..., Finished]
) -> None:
    dag = five(deferrable)
    standin.databricks_jobs.expect_job(
        f"{dag.dag_id}.w",
        tasks=[
            {"task_key": "load", "plan": Plan(outcome="failed", polls=4), "error": "KeyError: 'day'"},
            {"task_key": "check", "plan": Plan(polls=6)},
        ],
        plan=Plan(polls=2),
    )
    finished = run_dag(dag)
    assert finished.tasks == {
        "w.launch": "success",
        "w.extract": "success",
        "w.load": "failed",
        "w.check": "success",
        "w.report": "upstream_failed",
        "w.other": "success",
    }
    run = the_run(standin)
    assert finished.xcom("w.launch") == {
        "conn_id": "databricks_default",
        "job_id": the_job(standin).job_id,
        "run_id": run.run_id,
    }
    record = finished.xcom("w.load", "run")
    assert record["run_id"] == run.latest_tasks["load"].run_id
    assert [failure["message"] for failure in record["failures"]] == ["KeyError: 'day'"]
    page = finished.xcom("w.launch", "run_url")
    for task_id in ("w.launch", "w.load", "w.check"):
        assert finished.xcom(task_id, "databricks_job_run_link") == page
    assert finished.xcom("w.check", "run_url").endswith(str(run.latest_tasks["check"].run_id))
