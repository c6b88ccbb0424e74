"""Event hooks on a whole Airflow: the examples of Databricks' guide, on an operator and on sensors.

``python -m tests.handlers.event.live`` runs ``live_dags`` against the stand-in, with a receiver of its own
for the web hook. Prints a line for each task and exits with 1 when one is wrong.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests

import airflow_provider_pipehooks
from airflow_provider_pipehooks.demo.airflow import Airflow
from airflow_provider_pipehooks.demo.processes import folder, keep_to_this_machine
from airflow_provider_pipehooks.standin import Plan, StandIn

HOME = Path.cwd() / ".demo" / "event-hooks"
EXAMPLE = Path(airflow_provider_pipehooks.__file__).parents[1] / "dags" / "dlt_event_hooks.py"
TASKS = (
    "operator_sync",
    "operator_deferrable",
    "sensor_sync",
    "sensor_deferrable",
    "sensor_reschedule",
    "listener_sync",
    "listener_deferrable",
)
#: The task whose hook is switched on again by a person, who has mended nothing.
ENABLED = "operator_sync"
PATIENCE_S = 400.0
LOOK_S = 0.5
IS_OFF = "is switched off after 4 failures in a row"
STATES = ("WAITING_FOR_RESOURCES", "INITIALIZING", "SETTING_UP_TABLES", "RUNNING", "STOPPING", "COMPLETED")


@contextmanager
def receiver() -> Iterator[tuple[str, list[str]]]:
    """What the web hook posts to; gives its address and the texts that have come."""
    came: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            came.append(body["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", came
        server.shutdown()


def run(airflow: Airflow, standin: StandIn) -> dict[str, str]:
    """One DAG run of all tasks.

    :return: task -> its pipeline.
    """
    world = standin.databricks_pipelines
    plan = Plan(states=STATES, seconds=25)
    pipelines = {task: world.add_pipeline(task, plan=plan, flows=("orders", "items")) for task in TASKS}
    airflow.wait_for_dags({"live_event_hooks"})
    airflow.wait_until_healthy()
    for task in TASKS:
        if not task.startswith("operator"):
            world.start(pipelines[task])
    body = {"dag_run_id": "r", "logical_date": None, "conf": pipelines}
    airflow.client.call("POST", "dags/live_event_hooks/dagRuns", body)
    give_up, is_enabled = time.monotonic() + PATIENCE_S, False
    while state_of(airflow) not in ("success", "failed") and time.monotonic() < give_up:
        if not is_enabled and IS_OFF in log_of(ENABLED):
            is_enabled = enable(airflow)
        time.sleep(LOOK_S)
    return pipelines


def enable(airflow: Airflow) -> bool:
    """What a person types once the cause is mended."""
    command = [sys.executable, "-m", "airflow_provider_pipehooks", "hooks", "enable"]
    environment = {**os.environ, **airflow.environment}
    subprocess.run([*command, "live_event_hooks", "r", ENABLED], env=environment, check=True)
    return True


def log_of(task: str) -> str:
    files = HOME.glob(f"task-logs/**/task_id={task}/*.log")
    return "".join(file.read_text("utf-8", "replace") for file in files)


def state_of(airflow: Airflow) -> str | None:
    airflow.check()
    try:
        runs = airflow.client.dag_runs({"r"})
    except requests.RequestException:  # it waits for the lock
        return None
    return runs["r"].state if "r" in runs else None


def wrongs(airflow: Airflow, standin: StandIn, task: str, pipeline_id: str, came: list[str]) -> Iterator[str]:
    """What a task did otherwise than documented."""
    log = standin.databricks_pipelines.pipelines[pipeline_id].log.events
    (update_id,) = {event["origin"]["update_id"] for event in log if event["origin"].get("update_id")}
    stable = [event["id"] for event in log if event["maturity_level"] == "STABLE"]
    posted = [
        match[1] for text in came if pipeline_id in text and (match := re.search(r"'id': '(\S+)'", text))
    ]
    if posted != stable:
        yield f"{len(posted)} events were posted, not {len(stable)} in their order"
    path = f"dags/live_event_hooks/dagRuns/r/taskInstances/{task}"
    if (state := airflow.client.call("GET", path)["state"]) != "success":
        yield f"it ended as {state}"
    report = airflow.client.call("GET", f"{path}/xcomEntries/event_hooks?deserialize=true")["value"]
    expected: dict[str, Any] = {"handled": len(log), "not_handled": 0}
    if task != ENABLED:
        expected |= {"failures": 4, "disabled": ["fails"]}
    if {key: report[key] for key in expected} != expected:
        yield f"its report is {report}, not {expected}"
    logs = log_of(task)
    if (stops := logs.count("The update is stopping: ")) != 1:
        yield f"its log says {stops} times that the update stops"
    if task == ENABLED:
        if logs.count("Switched on, as asked for: fails") != 1 or report["failures"] <= 4:
            yield f"its hook failed {report['failures']} times, and was not switched on once"
    elif (off := logs.count(IS_OFF)) != 1:
        yield f"its log says {off} times that a hook is switched off"
    returned = airflow.client.call("GET", f"{path}/xcomEntries/return_value")["value"]
    if not task.startswith("listener") and update_id not in str(returned):
        yield f"it returned {returned}, not {update_id}"


def main() -> int:
    keep_to_this_machine(os.environ)
    with folder(HOME), StandIn() as standin, receiver() as (url, came):
        airflow = Airflow(HOME, Path(__file__).parent / "live_dags")
        airflow.logs.mkdir(exist_ok=True)
        airflow.start_database()
        conn = {"conn_type": "pipehooks_databricks", "host": standin.url, "password": "a-token"}
        settings: Mapping[str, str] = {
            "AIRFLOW_CONN_DATABRICKS_DEFAULT": json.dumps(conn),
            "AIRFLOW_VAR_DLT_WEBHOOK_URL": url,
            "EXAMPLE": str(EXAMPLE),
        }
        airflow.start(settings)
        pipelines = run(airflow, standin)
        found = {
            task: list(wrongs(airflow, standin, task, pipeline_id, came))
            for task, pipeline_id in pipelines.items()
        }
    for task, wrong in found.items():
        print(f"{'WRONG' if wrong else 'ok   '} {task:<20} {'; '.join(wrong)}")
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
