"""A remote that sends anything, on a real Airflow: it may hurt its own wait, and no other.

``python -m tests.fault.hostile [--good 50] [--trials 1] [--postgres]`` lets many good runs be waited for
beside one of each text and body that a hostile remote could send, and beside a wait with an odd interval;
restarts the triggerer, lets the good runs end, and exits with 1 when one of them did not end right. With
``--beside`` the same good waits stand all trials, and their runs end after the last: a good wait that any of
the trials hurts does not.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from airflow_provider_pipehooks.demo.processes import folder, keep_to_this_machine
from airflow_provider_pipehooks.standin import Plan, StandIn
from tests.fault.asset_events import wait_until
from tests.fault.lane import FaultyAirflow
from tests.fault.postgres import postgres

HOME = Path.cwd() / ".demo" / "hostile"
#: What the end of a run says, over what it says of itself otherwise.
TEXTS: Mapping[str, Mapping[str, Any]] = {
    "a lone surrogate": {"status_message": "cut \ud83d here"},
    "a NUL": {"status_message": "nul \0 here"},
    "a NUL in a status word": {"status_humanized": "Err\0or"},
    "terminal codes and lines": {"status_message": "\x1b[31mred\x1b[0m\nTraceback (most recent call last):"},
    "two megabytes": {"status_message": "x" * 2**21},
    "an id beyond 64 bits": {"job_definition_id": 10**30},
    "a script for a link": {"href": "javascript:alert(1)"},
    "a surrogate in a link": {"href": "https://host/\ud83d"},
    "times of no calendar": {"finished_at": "9999-99-99", "started_at": -1, "created_at": {}},
    "a success with a surrogate": {"status": 10, "status_message": "fine \ud83d"},
}
#: What looks are answered with for a while.
BOMB = gzip.compress(b" " * 300 * 2**20)
BODIES: Mapping[str, tuple[int, Mapping[str, str], bytes]] = {
    "503 with a surrogate": (503, {}, b'{"status": {"user_message": "trouble \\ud83d \\u0000"}}'),
    "a gzip bomb": (200, {"Content-Encoding": "gzip"}, BOMB),
    "nested too deeply": (200, {}, b"[" * 200_000),
    "a redirect to a file": (302, {"Location": "file:///etc/passwd"}, b""),
    "Retry-After for ever": (429, {"Retry-After": "9" * 400}, b"{}"),
}
KINDS = (*TEXTS, *BODIES)
RUN_LASTS_S = 20.0
TROUBLE_S = 15.0


@dataclass
class Remote:
    """A dbt Cloud whose job number says what it sends: its place in ``KINDS``, from 1."""

    url: str = ""
    runs: dict[int, tuple[int, float, str]] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1001))

    def start(self, job: int, cause: str) -> dict[str, Any]:
        run_id = next(self.ids)
        self.runs[run_id] = (job, time.monotonic(), cause)
        return self.view(run_id)

    def view(self, run_id: int) -> dict[str, Any]:
        job, began, cause = self.runs[run_id]
        known = {"id": run_id, "job_definition_id": job, "trigger": {"cause": cause}, "run_steps": []}
        if time.monotonic() - began < RUN_LASTS_S:
            return {**known, "status": 3, "status_humanized": "Running"}
        ended = {**known, "status": 20, "status_humanized": "Error", "status_message": "failed"}
        return {**ended, **TEXTS.get(KINDS[job - 1], {"status": 10, "status_humanized": "Success"})}

    def trouble(self, run_ids: list[int]) -> tuple[int, Mapping[str, str], bytes] | None:
        """What a look at these runs gets instead of them."""
        for run_id in run_ids:
            job, began, _ = self.runs.get(run_id, (1, 0.0, ""))
            if (body := BODIES.get(KINDS[job - 1])) and 3 < time.monotonic() - began < TROUBLE_S:
                return body
        return None

    def listed(self, query: Mapping[str, list[str]]) -> list[dict[str, Any]]:
        rows = [self.view(run_id) for run_id in self.runs]
        if "pk__in" in query:
            wanted = json.loads(query["pk__in"][0])
            rows = [row for row in rows if row["id"] in wanted]
        if "job_definition_id" in query:
            job = int(query["job_definition_id"][0])
            rows = [row for row in rows if self.runs[row["id"]][0] == job]
        if "id__gt" in query:
            rows = [row for row in rows if row["id"] > int(query["id__gt"][0])]
        if "status__in" in query:
            rows = [row for row in rows if row["status"] in json.loads(query["status__in"][0])]
        rows.sort(key=lambda row: row["id"], reverse=query.get("order_by") == ["-id"])
        return rows[: int(query.get("limit", ["100"])[0])]


@contextmanager
def hostile() -> Iterator[Remote]:
    """Serve one, on loopback."""
    remote = Remote()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            job = re.search(r"/jobs/(\d+)/run/$", urlsplit(self.path).path)
            self.give(remote.start(int(job[1]), body.get("cause", "")) if job else {})

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            one = re.search(r"/runs/(\d+)/$", parts.path)
            ids = [int(one[1])] if one else json.loads(query.get("pk__in", ["[]"])[0])
            if trouble := remote.trouble(ids):
                self.send(*trouble)
            else:
                self.give(remote.view(int(one[1])) if one else remote.listed(query))

        def give(self, data: Any) -> None:
            self.send(200, {}, json.dumps({"data": data}).encode())

        def send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A killed triggerer leaves its connections in the middle of a request."""

    with Server(("127.0.0.1", 0), Handler) as server:
        remote.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield remote
        server.shutdown()


class Lane:
    """One Airflow, a stand-in for the good runs, and the hostile remote."""

    def __init__(self, airflow: FaultyAirflow, standin: StandIn) -> None:
        self.airflow, self.standin = airflow, standin

    def run(self, number: int, good: int) -> dict[str, Counter[str]]:
        """One DAG run.

        :return: kind of task -> how many ended in each state.
        """
        run_id = f"hostile_{number}"
        jobs = self._start(run_id, good=good, odd=1, evil=len(KINDS))
        if good:
            self._wait_for_deferred(run_id, good)
        wait_until(
            lambda: self._have_ended(run_id, "evil", len(KINDS)), "what the remote sent has come through"
        )
        self.airflow.check()
        # What was stored of it is read again.
        self.airflow.kill("triggerer")
        self.airflow.start_component("triggerer")
        self._let_end(jobs)
        if good:
            self._wait_for_the_end(run_id, good)
        wait_until(lambda: self._have_ended(run_id, "odd", 1), "the odd one has ended")
        self.airflow.check()
        kinds = ("good", "odd", "evil") if good else ("odd", "evil")
        return {kind: self._states(run_id, kind) for kind in kinds}

    def run_beside(self, trials: int, good: int) -> Iterator[dict[str, Counter[str]]]:
        """Trials without good tasks of their own, beside good ones that wait all the time; they come last."""
        jobs = self._start("good", good=good, odd=0, evil=0)
        self._wait_for_deferred("good", good)
        for number in range(trials):
            yield {**self.run(number, 0), "good": self._states("good", "good")}
        self._let_end(jobs)
        self._wait_for_the_end("good", good)
        yield {"good": self._states("good", "good")}

    def _start(self, run_id: str, *, good: int, odd: int, evil: int) -> list[int]:
        """Trigger a DAG run; its jobs' runs go on until they are let end."""
        add: Callable[[str], int] = lambda name: self.standin.dbt_cloud.add_job(name, plan=Plan(hold=True))  # noqa: E731
        conf = {
            "good": [add(f"good {index}") for index in range(good)],
            "odd": [add("odd") for _ in range(odd)],
            "evil": list(range(1, evil + 1)),
        }
        body = {"dag_run_id": run_id, "logical_date": None, "conf": conf}
        self.airflow.client.call("POST", "dags/hostile/dagRuns", body)
        return conf["good"] + conf["odd"]

    def _let_end(self, jobs: list[int]) -> None:
        for run_id, run in list(self.standin.dbt_cloud.runs.items()):
            if run.job_id in jobs:
                self.standin.dbt_cloud.set_plan(run_id, Plan(seconds=1))

    def _wait_for_deferred(self, run_id: str, good: int) -> None:
        wait_until(lambda: self._states(run_id, "good") == {"deferred": good}, "every good task waits")

    def _wait_for_the_end(self, run_id: str, good: int) -> None:
        wait_until(lambda: self._have_ended(run_id, "good", good), "every good task has ended")

    def _states(self, run_id: str, task_id: str) -> Counter[str]:
        path = f"dags/hostile/dagRuns/{run_id}/taskInstances/{task_id}/listMapped?limit=100"
        found: list[Any] = []
        while True:
            page = self.airflow.client.call("GET", f"{path}&offset={len(found)}")["task_instances"]
            found += page
            if len(page) < 100:
                return Counter(str(row["state"]) for row in found)

    def _have_ended(self, run_id: str, task_id: str, count: int) -> bool:
        states = self._states(run_id, task_id)
        return states["success"] + states["failed"] == count


@contextmanager
def lane(*, on_postgres: bool) -> Iterator[Lane]:
    """Start all; end it, and everything it started."""
    keep_to_this_machine(os.environ)
    with ExitStack() as stack:
        stack.enter_context(folder(HOME))
        standin, remote = stack.enter_context(StandIn()), stack.enter_context(hostile())
        airflow = FaultyAirflow(HOME, Path(__file__).parent / "hostile_dags")
        form = '{"conn_type": "pipehooks_dbt_cloud", "host": "%s", "login": "1", "password": "a-token"}'
        airflow.configure(
            AIRFLOW_CONN_DBT_CLOUD_DEFAULT=form % standin.url, AIRFLOW_CONN_EVIL=form % remote.url
        )
        if on_postgres:
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix="pipehooks-"))
            url = stack.enter_context(postgres(Path(place)))
            airflow.configure(AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=url)
        airflow.start_database()
        airflow.start({})
        airflow.wait_for_dags({"hostile"})
        airflow.wait_until_healthy()
        yield Lane(airflow, standin)


def main(argv: list[str]) -> int:
    """Run the lane and print what came of each kind of task.

    :return: 0 when every good task has succeeded.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--good", type=int, default=50, help="good waits beside the hostile ones")
    parser.add_argument("--trials", type=int, default=1)
    parser.add_argument("--postgres", action="store_true", help="a server of its own instead of SQLite")
    parser.add_argument("--beside", action="store_true", help="the same good waits beside all trials")
    options = parser.parse_args(argv)
    where, bad, began = "Postgres" if options.postgres else "SQLite", 0, time.monotonic()
    with lane(on_postgres=options.postgres) as running:
        trials = (
            running.run_beside(options.trials, options.good)
            if options.beside
            else (running.run(number, options.good) for number in range(options.trials))
        )
        for number, ended in enumerate(trials, start=1):
            still = options.beside and number <= options.trials
            expected = {"good": {"deferred" if still else "success": options.good}, "odd": {"success": 1}}
            bad += any(ended.get(kind, states) != states for kind, states in expected.items())
            shown = "; ".join(f"{kind} {dict(states)}" for kind, states in ended.items())
            print(f"hostile remote on {where}: {shown} ({time.monotonic() - began:.0f} s)", flush=True)
            began = time.monotonic()
    print(f"{number - bad} right, {bad} wrong")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
