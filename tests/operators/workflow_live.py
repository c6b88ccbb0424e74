"""A workflow group on a whole Airflow: scheduler, workers, triggerer, and clears by a person.

``python -m tests.operators.workflow_live`` runs ``live_dags`` against the stand-in. Prints a line for each
thing that has to hold and exits with 1 when one does not.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from airflow_provider_pipehooks.demo.airflow import Airflow
from airflow_provider_pipehooks.demo.processes import folder, keep_to_this_machine
from airflow_provider_pipehooks.standin import Plan, StandIn

HOME = Path.cwd() / ".demo" / "workflow"
PATIENCE_S = 300.0
LOOK_S = 0.5
RUN = "dags/shop/dagRuns/r"
GOOD = dict.fromkeys(("launch", "extract", "inner.load", "inner.check", "report", "other"), "success")
FAILED = {**GOOD, "inner.load": "failed", "report": "upstream_failed"}


class Lane:
    """What is done, and what was seen."""

    def __init__(self, airflow: Airflow, standin: StandIn) -> None:
        self.airflow, self.world = airflow, standin.databricks_jobs
        self.standin = standin
        self.wrong = 0

    def holds(self, what: str, seen: Any, expected: Any) -> None:
        right = seen == expected
        self.wrong += not right
        print(f"{'ok   ' if right else 'WRONG'} {what}: {seen}{'' if right else f', not {expected}'}")

    def states(self) -> dict[str, str | None]:
        found = self.airflow.client.call("GET", f"{RUN}/taskInstances")["task_instances"]
        return {each["task_id"].removeprefix("flow."): each["state"] for each in found}

    def ended(self) -> str:
        give_up = time.monotonic() + PATIENCE_S
        while time.monotonic() < give_up:
            state: str = self.airflow.client.call("GET", RUN)["state"]
            if state in ("success", "failed"):
                return state
            time.sleep(LOOK_S)
        return "not over"

    def clear(self, **which: Any) -> None:
        body = {"dry_run": False, "dag_run_id": "r", "reset_dag_runs": True, **which}
        self.airflow.client.call("POST", "dags/shop/clearTaskInstances", body)

    def attempts(self, run: Any) -> dict[str, int]:
        keys = [task.task_key for task in run.tasks]
        return {key: keys.count(key) for key in dict.fromkeys(keys)}

    def xcom(self, task_id: str, key: str) -> Any:
        path = f"{RUN}/taskInstances/flow.{task_id}/xcomEntries/{key}?deserialize=true"
        return self.airflow.client.call("GET", path)["value"]

    def run(self) -> None:
        self.airflow.wait_for_dags({"shop"})
        self.airflow.wait_until_healthy()
        self.airflow.client.call("POST", "dags/shop/dagRuns", {"dag_run_id": "r", "logical_date": None})
        self.holds("the DAG run ends", self.ended(), "failed")
        self.holds("its tasks", self.states(), FAILED)
        (first,) = self.world.runs.values()
        self.holds("attempts", self.attempts(first), dict.fromkeys(self.attempts(first), 1))
        self.holds("what a notebook returned", self.xcom("other", "notebook_output")["result"], "42")

        self.clear(only_failed=True, task_ids=["flow.inner.load"], include_downstream=True)
        self.holds("cleared after the failure, it ends", self.ended(), "success")
        self.holds("its tasks then", self.states(), GOOD)
        self.holds("Databricks runs", len(self.world.runs), 1)
        again = {**dict.fromkeys(self.attempts(first), 1), "load": 2, "report": 2}
        self.holds("attempts then", self.attempts(first), again)
        self.holds("repairs", [len(first.rounds) - 1], [1])

        self.clear(only_failed=False, task_ids=["flow.launch"], include_downstream=True)
        # Of another run, in which the same task fails at first.
        self.holds("cleared from its beginning, it ends", self.ended(), "failed")
        self.holds("its tasks after that", self.states(), FAILED)
        self.holds("Databricks jobs and runs", (len(self.world.jobs), len(self.world.runs)), (1, 2))
        self.holds("repairs by then", self.standin.journal.count("POST", "repair"), 1)
        second = self.world.runs[max(self.world.runs)]
        self.holds("attempts in the new run", self.attempts(second), dict.fromkeys(self.attempts(second), 1))
        page = self.xcom("other", "databricks_job_run_link")
        self.holds("the link leads to the new run", page.endswith(f"/run/{second.run_id}"), True)


def main() -> int:
    keep_to_this_machine(os.environ)
    with folder(HOME), StandIn() as standin:
        # A run lasts so long that its tasks are watched, not only found over.
        standin.databricks_jobs.expect_job(
            "shop.flow",
            tasks=[
                {"task_key": "load", "plans": [Plan(outcome="failed", seconds=6), Plan(seconds=4)]},
                {"task_key": "check", "plan": Plan(seconds=8)},
            ],
            plan=Plan(seconds=4, details={"result": "42"}),
        )
        airflow = Airflow(HOME, Path(__file__).parent / "live_dags")
        airflow.logs.mkdir()
        airflow.start_database()
        connection = {"conn_type": "pipehooks_databricks", "host": standin.url, "password": "dapi"}
        airflow.start({"AIRFLOW_CONN_DATABRICKS_DEFAULT": json.dumps(connection)})
        lane = Lane(airflow, standin)
        lane.run()
    return 1 if lane.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
