"""A storm of failures: ``python -m tests.notifications.storm_lane [--failures 10000]``, about seven minutes.

Eight processes lay failures of fifty DAGs and ten causes into the outbox within a minute; one of them, or the
sender, is killed every three seconds, and SNS is away for thirty. Counts what people get: at most twenty
messages, five in any second, the first within 30 s, each failure in exactly one of them, by alert id. Exits
with 1 if it is otherwise.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

import boto3
import requests
from moto.server import ThreadedMotoServer

from airflow_provider_pipehooks.demo.processes import free_port
from tests.aws import REGION

PROCESSES = 8
DAGS = 50
CAUSES = 10
KILL_EVERY_S = 3.0
STORM_S = 60.0
AWAY_S = (35.0, 65.0)
#: Two messages about each cause: the first ones after group_wait, the others after group_interval.
PATIENCE_S = 900.0
MOST_MESSAGES, MOST_A_SECOND, FIRST_WITHIN_S = 20, 5, 30.0


def fail(number: int, count: int, folder: Path) -> None:
    """A process of tasks that fail: writes down what it is about to tell, and what it has told."""
    from airflow_provider_pipehooks.notifications.message import Alert, FailedTask
    from airflow_provider_pipehooks.notifications.sending import send
    from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget

    target, rng = SnsTarget(os.environ["TOPIC"]), random.Random(f"{number} {os.getpid()}")
    done = sum(1 for _ in (folder / f"{number}.begun").open()) if (folder / f"{number}.begun").exists() else 0
    with (folder / f"{number}.begun").open("a") as begun, (folder / f"{number}.told").open("a") as told:
        for each in range(done, count):
            began_s = time.monotonic()
            cause = rng.randrange(CAUSES)
            error = f"ValueError: {'abcdefghij'[cause]} trouble in row {rng.randrange(10**6)}"
            task = FailedTask(task_id=f"t{number}_{each}", exception=error)
            alert = Alert(
                dag_id=f"dag_{rng.randrange(DAGS)}",
                dag_run_id="r",
                when=datetime.now(timezone.utc),
                tasks=(task,),
            )
            print(each, file=begun, flush=True)
            send(target, alert)
            print(each, file=told, flush=True)
            time.sleep(max(0.0, STORM_S / count - (time.monotonic() - began_s)))


class Storm:
    """The processes, and what kills them."""

    def __init__(self, folder: Path, failures: int, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.count = failures // PROCESSES
        self.kills = 0
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        if name == "sender":
            command = [sys.executable, "-m", "airflow_provider_pipehooks", "outbox", "send"]
        else:
            command = [sys.executable, "-m", "tests.notifications.storm_lane", "--fail", name]
            command += ["--failures", str(self.count), "--folder", str(self.folder)]
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    def kill_one(self) -> None:
        """Kill one that is at work, and start it again."""
        at_work = [name for name, process in self._running.items() if process.poll() is None]
        name = random.choice(at_work)
        self._running[name].send_signal(signal.SIGKILL)
        self._running[name].wait()
        self.start(name)
        self.kills += 1

    def __enter__(self) -> Storm:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running.values():
            process.terminate()
            process.wait()

    @property
    def is_over(self) -> bool:
        return all(process.poll() == 0 for name, process in self._running.items() if name != "sender")

    def lines(self, kind: str) -> int:
        return sum(len(path.read_text().splitlines()) for path in self.folder.glob(f"*.{kind}"))


@contextmanager
def sns(port: int) -> Iterator[ThreadedMotoServer]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    yield server
    server.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--failures", type=int, default=10_000)
    parser.add_argument("--fail", type=int)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.fail is not None:
        fail(given.fail, given.failures, given.folder)
        return 0
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    # A port of its own: it has to come back there.
    with tempfile.TemporaryDirectory() as folder, sns(free_port()) as server:
        return _storm(Path(folder), given.failures, server)


def _storm(folder: Path, failures: int, server: ThreadedMotoServer) -> int:
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x"}
    topic = boto3.client("sns", region_name=REGION, endpoint_url=url, **keys).create_topic(Name="storm")[
        "TopicArn"
    ]
    aws = {"conn_type": "aws", "login": "x", "password": "x", "extra": json.dumps({"endpoint_url": url})}
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__PIPEHOOKS__OUTBOX": str(folder / "outbox"),
        "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(aws),
        "TOPIC": topic,
    }
    with Storm(folder, failures, environment) as storm:
        arrived = _watch(storm, folder, server, url, topic)
        messages = {alert_id: count for _, alert_id, count in sent(url, topic)}
        return _judge(storm, arrived, messages, _lying(folder))


def _watch(storm: Storm, folder: Path, server: ThreadedMotoServer, url: str, topic: str) -> dict[str, float]:
    """Let it storm.

    :return: when each message came, in seconds since the first failure.
    """
    storm.start("sender")
    while not (folder / "outbox" / "sender.json").exists():
        time.sleep(0.1)
    for number in range(PROCESSES):
        storm.start(str(number))
    while not storm.lines("begun"):
        time.sleep(0.02)
    began_s, killed_s, is_away = time.monotonic(), time.monotonic(), False
    arrived: dict[str, float] = {}
    while (passed_s := time.monotonic() - began_s) < PATIENCE_S:
        if passed_s < STORM_S and time.monotonic() - killed_s >= KILL_EVERY_S:
            storm.kill_one()
            killed_s = time.monotonic()
        if is_away is not (AWAY_S[0] <= passed_s < AWAY_S[1]):
            is_away = not is_away
            server.stop() if is_away else server.start()
        if not is_away:
            for message_id, *_ in sent(url, topic):
                arrived.setdefault(message_id, time.monotonic() - began_s)
            if storm.is_over and not _lying(folder):
                break
        time.sleep(0.2)
    return arrived


def _lying(folder: Path) -> int:
    """How many notices lie in the outbox; one whose writer was killed while it wrote is none."""
    return len(list((folder / "outbox" / "new").glob("*.json")))


def sent(url: str, topic: str) -> list[tuple[str, str, int]]:
    """Of each message: its id, its alert id, and how many failures it tells."""
    data = requests.get(f"{url}/moto-api/data.json", timeout=10).json()
    (found,) = (each for each in data["sns"]["Topic"] if each["arn"] == topic)
    rows = []
    for message_id, _, subject, attributes, *_ in found["sent_notifications"]:
        count = re.match(r"Airflow: ([\d,]+) failures", subject)
        alert_id = attributes["alert_id"]["Value"]
        rows.append((message_id, alert_id, int(count[1].replace(",", "")) if count else 1))
    return rows


def _judge(storm: Storm, arrived: dict[str, float], messages: dict[str, int], left: int) -> int:
    times = sorted(arrived.values())
    begun, told, counted = storm.lines("begun"), storm.lines("told"), sum(messages.values())
    in_a_second = max((sum(at <= each < at + 1 for each in times) for at in times), default=0)
    first = times[0] if times else float("inf")
    print(
        f"{begun:,} failures begun, {told:,} laid down, {counted:,} counted in {len(messages)} alerts of "
        f"{len(times)} messages; {storm.kills} kills; first after {first:.1f} s, at most {in_a_second} in a "
        f"second; {left} left."
    )
    wrong = []
    if not told <= counted <= begun or left:
        wrong.append("failures were lost, or counted twice")
    if len(messages) > MOST_MESSAGES:
        wrong.append(f"more than {MOST_MESSAGES} messages")
    if in_a_second > MOST_A_SECOND:
        wrong.append("more than five messages in a second")
    if first > FIRST_WITHIN_S:
        wrong.append("the first message was late")
    print("\n".join(f"WRONG: {each}" for each in wrong) or "right")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
