"""The outbox and its sender on a whole Airflow: as a watcher's trigger, as a task, and without one.

``python -m tests.notifications.live`` lets the DAGs of ``live_dags`` fail and recover, with moto as SNS.
Prints a line for each way to send, and exits with 1 when one is wrong.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests
from moto.server import ThreadedMotoServer

from airflow_provider_pipehooks.demo.airflow import Airflow
from airflow_provider_pipehooks.demo.processes import folder, keep_to_this_machine
from airflow_provider_pipehooks.notifications.outbox import Outbox
from airflow_provider_pipehooks.notifications.sweep import UNTOLD
from tests.aws import Topic, client, connection

HOME = Path.cwd() / ".demo" / "alerts"
FAILING = ("shops", "stock")
PATIENCE_S = 300.0
LOOK_S = 0.5
OPTIONS = {"GROUP_WAIT": "12", "GROUP_INTERVAL": "15", "REPEAT_INTERVAL": "3600"}


class World:
    """An Airflow, its topic and its outbox."""

    def __init__(self, airflow: Airflow, topic: Topic) -> None:
        self.airflow, self.topic = airflow, topic
        self.outbox = Outbox(str(HOME / "outbox"))

    def run(self, dag_id: str, run_id: str, *, fails: bool) -> str:
        """:return: how it ended."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": {"fails": fails}}
        self.airflow.client.call("POST", f"dags/{dag_id}/dagRuns", body)
        return run_id

    def end_of(self, dag_id: str, run_id: str) -> str:
        path = f"dags/{dag_id}/dagRuns/{run_id}"
        self.until(lambda: self.airflow.client.call("GET", path)["state"] in ("success", "failed"), run_id)
        return str(self.airflow.client.call("GET", path)["state"])

    def until(self, is_so: Callable[[], bool], what: str) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while True:
            self.airflow.check()
            try:
                if is_so():
                    return
            except requests.RequestException:
                pass  # SQLite has one lock
            if time.monotonic() > give_up:
                raise SystemExit(f"WRONG: waited {PATIENCE_S:.0f} s for {what}")
            time.sleep(LOOK_S)

    def subjects(self) -> list[str]:
        return [str(message.subject) for message in self.topic.sent()]


def with_a_sender(world: World) -> Iterator[str]:
    """Sixteen failures of two DAGs are one message, and so is their recovery."""
    world.until(lambda: world.outbox.has_sender, "a sender at work")
    for fails, run_id in ((True, "first"), (False, "second")):
        for dag_id in FAILING:
            world.run(dag_id, run_id, fails=fails)
        ends = {world.end_of(dag_id, run_id) for dag_id in FAILING}
        if ends != {"failed" if fails else "success"}:
            yield f"the DAG runs ended as {ends}"
        world.until(lambda: not world.outbox.new.names(), "an empty outbox")
    failed = sum(" failures in " in subject or " failed: " in subject for subject in world.subjects())
    told = [message for message in world.topic.sent() if "recovered" not in str(message.subject)]
    tasks = sum(count_in(message.text) for message in told)
    if tasks != 16 or failed > 2:
        yield f"{tasks} failures were told in {failed} messages"
    if sum("recovered" in subject for subject in world.subjects()) != 1:
        yield f"the recovery was not told once: {world.subjects()}"
    if not world.outbox.has_sender:
        yield "the sender is gone"


def count_in(text: str) -> int:
    """How many failures a message tells."""
    first = text.split(maxsplit=1)[0]
    return int(first) if first.isdigit() else 1


def without_a_sender(world: World) -> Iterator[str]:
    """Each failure is told at once; a teardown is green when its alert is out, and the run is red."""
    world.run("with_alert_task", "first", fails=True)
    if (end := world.end_of("with_alert_task", "first")) != "failed":
        yield f"the DAG run ended as {end}"
    path = "dags/with_alert_task/dagRuns/first/taskInstances/notify_if_one_failed"
    if (state := world.airflow.client.call("GET", path)["state"]) != "success":
        yield f"the alert task ended as {state}"
    if world.subjects() != ["Airflow: with_alert_task failed: load"]:
        yield f"told was {world.subjects()}"
    if world.outbox.new.names():
        yield "the alert still lies in the outbox"


def with_a_sweep(world: World) -> Iterator[str]:
    """A task whose callback was killed is told all the same, and none besides."""
    command = [sys.executable, "-m", "airflow_provider_pipehooks", "outbox", "send"]
    command += ["--sweep-to", world.topic.arn, "--sweep-after", "10"]
    with subprocess.Popen(command, env={**os.environ, **world.airflow.environment}) as sender:
        world.until(lambda: world.outbox.is_swept, "a first sweep")
        for dag_id in ("killed", "shops"):
            world.run(dag_id, "first", fails=True)
            world.end_of(dag_id, "first")
        world.until(lambda: len(world.subjects()) >= 2, "two messages")
        world.until(lambda: not world.outbox.new.names(), "an empty outbox")
        # Two more sweeps find nothing more.
        swept_at = world.outbox.swept()["swept_at"]
        world.until(lambda: world.outbox.swept()["swept_at"] > swept_at + 31, "two more sweeps")
        sender.terminate()
    told = sorted(world.subjects())
    if len(told) != 2 or not told[0].startswith("Airflow: 8 failures in DAG shops"):
        yield f"told was {told}"
    elif told[1] != "Airflow: killed failed: load" or UNTOLD not in world.topic.sent()[-1].text:
        yield f"told was {told}, {world.topic.sent()[-1].text}"


WAYS: dict[str, Callable[[World], Iterator[str]]] = {
    "trigger": with_a_sender,
    "task": with_a_sender,
    "none": without_a_sender,
    "sweep": with_a_sweep,
}


def try_one(way: str, url: str) -> list[str]:
    requests.post(f"{url}/moto-api/reset", timeout=5)
    topic = Topic(url=url, arn=client("sns", url).create_topic(Name="alerts")["TopicArn"])
    with folder(HOME):
        airflow = Airflow(HOME, Path(__file__).parent / "live_dags")
        airflow.logs.mkdir(exist_ok=True)
        airflow.environment |= {"SENDER": way, "AIRFLOW__PIPEHOOKS__OUTBOX": str(HOME / "outbox")}
        # The demo's Airflow starts nothing by itself; here a DAG always runs.
        airflow.environment["AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE"] = "True"
        airflow.environment |= {f"AIRFLOW__PIPEHOOKS__ALERT_{name}": value for name, value in OPTIONS.items()}
        airflow.start_database()
        airflow.start({"AIRFLOW_CONN_AWS_DEFAULT": connection(url), "AIRFLOW_VAR_SNS_ARN": topic.arn})
        dags = {*FAILING, "with_alert_task", "killed", *(("sender",) if way in ("trigger", "task") else ())}
        airflow.wait_for_dags(dags)
        airflow.wait_until_healthy()
        return list(WAYS[way](World(airflow, topic)))


def main(argv: list[str] | None = None) -> int:
    keep_to_this_machine(os.environ)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    found: dict[str, Any] = {}
    for way in argv or WAYS:
        found[way] = try_one(way, f"http://{host}:{port}")
        print(f"{'WRONG' if found[way] else 'ok   '} {way:<8} {'; '.join(found[way])}", flush=True)
    server.stop()
    return 1 if any(found.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
