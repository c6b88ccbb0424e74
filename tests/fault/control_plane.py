"""Who did what, on a whole Airflow: scheduler, triggerer, API server, receivers named in its configuration.

``python -m tests.fault.control_plane`` does every operation of ``tests.plugins.operations`` as a user of the
REST API, and what is to be refused, and compares the events that reached a user's receiver. Control plane,
listener, rules and SNS alerts are all on. Prints a line for each and exits with 1 when one is wrong.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import requests
from moto.server import ThreadedMotoServer

from airflow_provider_pipehooks.demo.airflow import Airflow
from airflow_provider_pipehooks.demo.processes import folder, keep_to_this_machine
from airflow_provider_pipehooks.demo.rest import TIMEOUT_S, Client
from tests.aws import REGION, Topic, connection
from tests.plugins.operations import ANSWER, OPERATIONS, REFUSED, Operation, Request, filled, wrong

HOME = Path.cwd() / ".demo" / "control-plane"
EVENTS = HOME / "events.jsonl"
HERE = Path(__file__).parent
DAG_IDS = {"operated", "operated_too", "branched", "asking", "told", "marks"}
VIEWER_PASSWORD = "only-for-looking"
PATIENCE_S = 240.0
LOOK_S = 0.2
RULES = """
[[rule]]
transitions = ["up_for_retry", "failed", "run_failed"]
tags = ["critical"]
action = "written_events.act"
kwargs = { note = "critical" }

[[rule]]
transitions = ["running"]
dags = ["nothing_*"]
action = "written_events.act"
kwargs = { note = "never" }
"""

Row = dict[str, Any]


class TalkingAirflow(Airflow):
    """With everything of ours switched on, and a user who may only look."""

    def __init__(self, topic: Topic) -> None:
        super().__init__(HOME, HERE / "control_plane_dags")
        receivers = "written_events.write,airflow_provider_pipehooks.notifications.pipeline_event.tell_sns"
        options = {
            "enable_pipeline_event_signals": True,
            "enable_control_plane": True,
            "enable_listener": True,
            "pipeline_event_receivers": receivers,
            "listener_rules": HOME / "rules.toml",
        }
        self.environment |= {
            f"AIRFLOW__PIPEHOOKS__{key.upper()}": str(value) for key, value in options.items()
        }
        self.environment |= {
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(HERE / "control_plane_plugins"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,viewer:viewer",
            "WRITTEN_EVENTS": str(EVENTS),
            "AIRFLOW_CONN_AWS_DEFAULT": connection(topic.url),
            "AIRFLOW_VAR_SNS_ARN": topic.arn,
        }

    def start_database(self) -> None:
        super().start_database()
        passwords = {"admin": self.password, "viewer": VIEWER_PASSWORD}
        (self.home / "passwords.json").write_text(json.dumps(passwords))
        (self.home / "rules.toml").write_text(RULES)
        EVENTS.touch()


class Lane:
    """One Airflow, its users, and what its receivers have written."""

    def __init__(self, airflow: Airflow, topic: Topic) -> None:
        self.airflow = airflow
        self.topic = topic
        self.read = 0
        self.marks = 0
        viewer = Client(airflow.url, "viewer", VIEWER_PASSWORD)
        assert viewer.is_up()
        self.headers: dict[str, Any] = {
            "admin": airflow.client._session.headers,
            "viewer": viewer._session.headers,
            "nobody": {},
            "forger": {"Authorization": "Bearer a.b.c"},
        }

    def call(self, user: str, method: str, path: str, body: Any = None) -> requests.Response:
        session = requests.Session()
        session.trust_env = False
        url = f"{self.airflow.url}/api/v2/{path}"
        return session.request(method, url, json=body, headers=self.headers[user], timeout=TIMEOUT_S)

    def rows(self) -> list[Row]:
        """Everything that was told so far."""
        return [json.loads(line) for line in EVENTS.read_text().splitlines()]

    def new_rows(self) -> list[Row]:
        """What people were told to have done since the last look, once all of it has arrived."""
        self.marks += 1
        # One queue, in order: when this is told, so is all that was done before.
        body = {"dag_run_id": f"mark_{self.marks}", "logical_date": None}
        assert self.call("admin", "POST", "dags/marks/dagRuns", body).ok
        self.wait_until(lambda: self._marked() == 2 * self.marks, "the mark is told")
        rows, read = self.rows(), self.read
        self.read = len(rows)
        return [row for row in rows[read:] if row["data"].get("user") and not _is_mark(row)]

    def _marked(self) -> int:
        return sum(map(_is_mark, self.rows()))

    def pause(self, dag_id: str, is_paused: bool = True) -> None:
        answer = self.call("admin", "PATCH", f"dags/{dag_id}", {"is_paused": is_paused})
        assert answer.ok, answer.text

    def prepare(self, runs: dict[str, str]) -> None:
        """Begin a DAG run for each name, and wait until all of them have come to rest.

        Requests of people and of workers must not meet: Airflow 3.3 writes its audit log in the event loop,
        which the other request needs to give SQLite's one lock back. Both then wait until they time out.
        """
        for dag_id in DAG_IDS:
            self.pause(dag_id)
        for run, dag_id in runs.items():
            body = {"dag_run_id": run, "logical_date": None}
            answer = self.call("admin", "POST", f"dags/{dag_id}/dagRuns", body)
            assert answer.ok, answer.text
        everything = "dags?dag_id_pattern=~"
        assert self.call("admin", "PATCH", everything, {"is_paused": False}).ok
        for run, dag_id in runs.items():
            self.wait_until(partial(self._rests, dag_id, run), f"{run} rests")
        assert self.call("admin", "PATCH", everything, {"is_paused": True}).ok
        self.new_rows()

    def _rests(self, dag_id: str, run: str) -> bool:
        if dag_id == "asking":
            path = f"dags/asking/dagRuns/{run}/taskInstances/ask"
            return self.call("admin", "GET", path).json()["state"] in ("awaiting_input", "deferred")
        return self._ended(dag_id, run)

    def _ended(self, dag_id: str, run: str) -> bool:
        state = self.call("admin", "GET", f"dags/{dag_id}/dagRuns/{run}").json()["state"]
        return state in ("success", "failed")

    def operate(self, operation: Operation, run: str) -> list[str]:
        """Do it; what is wrong with its events."""
        for request in operation.first:
            self.call("admin", *filled(request, run))
        self.new_rows()
        answer = self.call("admin", *filled(operation.request, run))
        if not answer.ok:
            return [f"answered {answer.status_code} {answer.text}"]
        return wrong(operation, self.new_rows(), run, "admin")

    def refuse(self, user: str, request: Request, status: int, run: str) -> list[str]:
        """Ask for it; what is wrong: another answer, or any event."""
        answer = self.call(user, *filled(request, run))
        found = [] if answer.status_code == status else [f"answered {answer.status_code}, not {status}"]
        return found + [f"told {row['event_type']}" for row in self.new_rows()]

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        give_up = time.monotonic() + PATIENCE_S
        while not is_so():
            self.airflow.check()
            if time.monotonic() > give_up:
                raise TimeoutError(f"Waited {PATIENCE_S:.0f} s in vain: {what}.")
            time.sleep(LOOK_S)

    # What tasks and runs are told by

    def listened(self, run: str) -> list[str]:
        """What is wrong with what the listener and its rules told of a run of the DAG ``told``."""
        self.wait_until(
            lambda: any(_is(row, "pipeline_finish", run) for row in self.rows()), "its end is told"
        )
        rows = [row for row in self.rows() if row["data"].get("run_id") == run]
        events = [row for row in rows if "rule" not in row and not row["data"].get("user")]
        told = [
            (
                row["data"].get("task_id"),
                row["data"].get("try_number"),
                row["event_type"],
                row["data"].get("state"),
            )
            for row in events
        ]
        began, failed = ["node_enter", "pre_execute"], ["node_execute_exception", "node_execute_fail"]
        expected = [
            *(("succeed", 1, name, "running") for name in began),
            *(("succeed", 1, name, "success") for name in ("post_execute", "node_finish")),
            *(("fail", 1, name, "running") for name in began),
            *(("fail", 1, name, "up_for_retry") for name in failed),
            *(("fail", 2, name, "running") for name in began),
            *(("fail", 2, name, "failed") for name in failed),
            (None, None, "pipeline_finish", "failed"),
        ]
        rules = [(row["rule"], row["data"]["state"]) for row in rows if "rule" in row]
        wanted = [("critical", state) for state in ("up_for_retry", "failed", "failed")]
        return [*_differ("told", told, expected), *_differ("rules", rules, wanted)]

    def resumed(self, run: str) -> list[str]:
        """What is wrong with what was told of a task that waited for its answer, and now goes on."""
        self.pause("asking", False)
        self.wait_until(
            lambda: any(_is(row, "pipeline_finish", run) for row in self.rows()), "its end is told"
        )
        told = [
            row["event_type"]
            for row in self.rows()
            if row["data"].get("run_id") == run and row["data"].get("task_id") == "ask"
        ]
        before = ["node_enter", "pre_execute", "pre_callback", "post_callback"]
        return _differ("told", told, [*before, "pre_schedule", "post_schedule", "node_finish"])

    def begun_once(self) -> list[str]:
        """Runs whose beginning was told twice, or by nobody."""
        counts = Counter(
            row["data"]["run_id"] for row in self.rows() if row["event_type"] == "post_prepare_run_pipeline"
        )
        return [f"{run} was told {count} times" for run, count in counts.items() if count != 1]

    def alerted(self) -> list[str]:
        """Whether SNS has one alert for each thing that people did, and who paused the DAG."""
        done = sum(row["event_type"].startswith("post_") for row in self.rows() if row["data"].get("user"))
        self.wait_until(lambda: len(self.topic.sent()) >= done, f"{done} alerts are sent")
        sent = self.topic.sent()
        subjects = [each.subject for each in sent]
        found = [] if len(sent) == done else [f"{len(sent)} alerts for {done} things that people did"]
        asked = "Airflow: operated was paused by admin"
        return found + ([] if asked in subjects else [f"no {asked!r} among {sorted(set(subjects), key=str)}"])


def _is_mark(row: Row) -> bool:
    return str(row["data"].get("run_id")).startswith("mark_")


def _is(row: Row, event_type: str, run: str) -> bool:
    return (row["event_type"], row["data"].get("run_id")) == (event_type, run)


def _differ(what: str, found: Sequence[Any], expected: Sequence[Any]) -> list[str]:
    return [] if list(found) == list(expected) else [f"{what} {list(found)}, expected {list(expected)}"]


@contextmanager
def lane() -> Iterator[Lane]:
    """Start Airflow and SNS; end both, and everything they started."""
    import boto3

    keep_to_this_machine(os.environ)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    login = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
    arn = boto3.client("sns", endpoint_url=url, **login).create_topic(Name="alerts")["TopicArn"]
    try:
        with folder(HOME):
            airflow = TalkingAirflow(Topic(url, arn))
            airflow.start_database()
            airflow.start({})
            airflow.wait_for_dags(DAG_IDS)
            airflow.wait_until_healthy()
            yield Lane(airflow, Topic(url, arn))
    finally:
        server.stop()


def checks(lane: Lane) -> Iterator[tuple[str, list[str]]]:
    """Everything that is tried, with what was wrong."""
    runs = {f"op_{number}": operation for number, operation in enumerate(OPERATIONS)}
    dag_ids = {run: operation.dag_id for run, operation in runs.items()}
    lane.prepare({**dag_ids, "refused": "operated", "asked": "asking", "told": "told"})
    for run, operation in runs.items():
        yield operation.name, lane.operate(operation, run)
    lane.call("admin", "PATCH", "dags/operated/dagRuns/refused/taskInstances/load", {"new_state": "failed"})
    lane.new_rows()
    for what, user, request, status in REFUSED:
        yield f"refused: {what}", lane.refuse(user, request, status, "refused")
    yield ANSWER.name, lane.operate(ANSWER, "asked")
    yield "refused: a question that was answered", lane.refuse("admin", ANSWER.request, 409, "asked")
    yield "listener and rules", lane.listened("told")
    yield "listener and an answer", lane.resumed("asked")
    yield "every run began once", lane.begun_once()
    yield "who paused this DAG?", lane.alerted()


def main() -> int:
    """Try everything.

    :return: 0 when all is well.
    """
    failed = 0
    with lane() as running:
        for name, found in checks(running):
            failed += bool(found)
            print(f"{'WRONG' if found else 'ok':<6}{name}", *found, sep="\n    ", flush=True)
        print(f"{running.marks} marks, {len(running.rows())} lines were written", flush=True)
    print("all is well" if not failed else f"{failed} wrong")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
