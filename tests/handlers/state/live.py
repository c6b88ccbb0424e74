"""State handlers on a whole Airflow: scheduler, workers that die, triggerer, DAG processor.

``python -m tests.handlers.state.live`` runs ``live_dags`` and compares the lines that handlers wrote. Prints
a line for each task and exits with 1 when one is wrong.
"""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from airflow_provider_pipehooks.demo.airflow import Airflow
from airflow_provider_pipehooks.demo.processes import folder, keep_to_this_machine

HOME = Path.cwd() / ".demo" / "state-handlers"
TOLD = HOME / "told.txt"
PATIENCE_S = 300.0
LOOK_S = 0.5

#: The DAG processor tells of the lost worker in its own time, maybe when the next try is over: in any order.
IN_ANY_ORDER = ("own dies", "own observed_dies", "own mapped")
LOST = [
    "Pending -> Running",
    "State -> Failed",
    "Failed -> Retrying",
    "Retrying -> Running",
    "Running -> Success",
]
#: By handler and whose transitions they are.
EXPECTED = {
    "own granted": [
        "Pending -> Running",
        "Running -> Failed",
        "Retrying -> Running",
        "Running -> Failed",
        "Retrying -> Running",
        "Running -> Failed",
    ],
    "own waits": ["Pending -> Running", "Running -> Deferred", "Deferred -> Running", "Running -> Success"],
    "own dies": sorted(LOST),
    "own observed_dies": sorted(LOST),
    "own after_decides": ["Pending -> TriggerFailed"],
    "own after_observes": ["Pending -> TriggerFailed"],
    "dag after_decides": ["Pending -> TriggerFailed"],
    "dag after_observes": ["Pending -> TriggerFailed"],
    "own after_skip": ["Pending -> Skipped"],
    "dag after_skip": ["Pending -> Skipped"],
    "own mapped": sorted(["Pending -> Running", "Running -> Success"] * 2),
    "own decides_to_skip": ["Pending -> Running", "Running -> Success"],
    "node_finish hooked": [""],
    "own empty": ["Pending -> Running", "Running -> Success"],
    "dag dag": ["Scheduled -> Running", "Running -> Failed"],
    "own killed": ["Pending -> Running", "Running -> Cancelling", "Cancelling -> Cancelled"],
    "on_kill killed": [""],
}


def told() -> dict[str, list[str]]:
    lines = defaultdict(list)
    for line in TOLD.read_text().splitlines():
        who, _, what = line.partition(": ")
        lines[who].append(what)
    return {who: sorted(what) if who in IN_ANY_ORDER else what for who, what in lines.items()}


def wait_until(is_done: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not is_done() and time.monotonic() < give_up:
        time.sleep(LOOK_S)


def run(airflow: Airflow) -> None:
    airflow.wait_for_dags({"told", "marked"})
    airflow.wait_until_healthy()
    for dag_id in ("told", "marked"):
        airflow.client.call("POST", f"dags/{dag_id}/dagRuns", {"dag_run_id": "r", "logical_date": None})
    wait_until(lambda: "Pending -> Running" in told().get("own killed", ()))
    path = "dags/marked/dagRuns/r/taskInstances/killed"
    airflow.client.call("PATCH", path, {"new_state": "failed"})
    wait_until(lambda: "on_kill killed" in told() and len(told().get("dag dag", ())) == 2)
    # A line too many would come at once, with those of the same callback.
    wait_until(lambda: told() == EXPECTED)


def main() -> int:
    keep_to_this_machine(os.environ)
    with folder(HOME):
        airflow = Airflow(HOME, Path(__file__).parent / "live_dags")
        airflow.logs.mkdir()
        TOLD.touch()
        airflow.start_database()
        airflow.start({"TOLD": str(TOLD)})
        run(airflow)
        seen = told()
    for who in sorted(EXPECTED.keys() | seen.keys()):
        right = EXPECTED.get(who) == seen.get(who)
        print(f"{'ok   ' if right else 'WRONG'} {who:<22} {', '.join(seen.get(who, ['nothing']))}")
    return 0 if seen == EXPECTED else 1


if __name__ == "__main__":
    sys.exit(main())
