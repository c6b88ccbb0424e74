"""The fault lane: a real Airflow, real kills, a stand-in with faults; counts remote runs per intent.

``python -m tests.fault.lane [--trials 20] [--case NAME ...]`` prints a table and exits with 1 when any row
has a second run, a wrong outcome or a run left behind. With ``--pipelines`` the tasks update pipelines
instead of starting jobs. Then an update of somebody else begins as soon as one of ours is over, and may not
be stopped; each event of ours has to be told, and none twice but the one in hand. With ``--postgres`` Airflow
has a server of its own: on SQLite its API server may stop for a minute when a person changes something.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import requests

from airflow_provider_pipehooks.demo.airflow import DATABASE, Airflow
from airflow_provider_pipehooks.demo.processes import folder, keep_to_this_machine
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from tests.fault.cases import CASES, LOOK, NO_FAULT, PIPELINE_CASES, Case
from tests.fault.pipelines import PipelineRuns
from tests.fault.postgres import postgres

HOME = Path.cwd() / ".demo" / "faults"
JOBS, PIPELINES = ("dbt_cloud", "databricks_jobs"), ("databricks_pipelines",)
LONGEST_S = 600.0
BATCH = 4
LOOK_S = 1.0
OLD_TOKEN, NEW_TOKEN = "old-token-1", "new-token-2"


@dataclass
class Row:
    """What came of one case.

    :param struck: requests that a fault hit, or processes that were killed: a case that struck nothing
        proves nothing.
    """

    name: str
    trials: int = 0
    struck: int = 0
    intents: int = 0
    runs: int = 0
    expected: int = 0
    wrong: int = 0
    left_over: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)

    def add(self, other: Row) -> None:
        """Count another batch in."""
        for key in (
            "trials",
            "struck",
            "intents",
            "runs",
            "expected",
            "wrong",
            "left_over",
            "seconds",
            "notes",
        ):
            setattr(self, key, getattr(self, key) + getattr(other, key))

    @property
    def is_good(self) -> bool:
        bad = self.wrong or self.left_over
        return self.runs == self.expected and not bad and (self.struck > 0 or self.name == NO_FAULT)


class Lane:
    """One Airflow and one stand-in for all cases.

    :param services: those whose runs are started.
    """

    def __init__(self, airflow: FaultyAirflow, standin: StandIn, services: Sequence[str]) -> None:
        self.airflow = airflow
        self.standin = standin
        self.tasks = tuple(f"{service}_{mode}" for service in services for mode in ("sync", "deferrable"))
        self.worlds: dict[str, Any] = {service: getattr(standin, service) for service in services}
        self.pipelines: PipelineRuns | None = None
        if tuple(services) == PIPELINES:
            self.worlds["databricks_pipelines"] = self.pipelines = PipelineRuns(standin, HOME / "told")
        self.number = 0
        self.struck = 0
        self.case = CASES[0]
        self.jobs: dict[str, dict[str, Any]] = {}

    @property
    def dag_id(self) -> str:
        return f"{self.case.dag_id}_pipelines" if self.pipelines else self.case.dag_id

    def run(self, case: Case, trials: int) -> Row:
        """Try a case, a few DAG runs at a time: SQLite has one lock, and it is not what is tried here.

        :param trials: DAG runs, each with one task per service and way to wait.
        """
        total = Row(case.name)
        for first in range(0, trials, BATCH):
            total.add(self._run_batch(case, min(BATCH, trials - first)))
        return total

    def _run_batch(self, case: Case, trials: int) -> Row:
        began = time.monotonic()
        self.standin.reset()
        self.airflow.clock_off_by(0)
        self.struck = 0
        self.connect(OLD_TOKEN)
        jobs = {f"trial_{self.number}_{index}": self._add_jobs(case) for index in range(trials)}
        self.number += 1
        for fault in case.faults:
            self.standin.faults.add(fault)
        self.case, self.jobs = case, jobs
        with self.pipelines.somebody_else() if self.pipelines else nullcontext():
            self._go_through(case)
        row = self._judge(case, jobs)
        row.struck += self.struck + sum(armed.hits for armed in self.standin.faults.armed)
        row.seconds = time.monotonic() - began
        return row

    def _go_through(self, case: Case) -> None:
        self._trigger()
        if case.meanwhile:
            wanted = sum(len(conf) for conf in self.jobs.values())
            self._wait_until(lambda: self._started() == wanted, "every task has a remote run")
            self._wait_until(self._all_waiting, "every task waits for its run")
            getattr(self, case.meanwhile)()
            if "cancelled" not in case.remote:
                self._release()
        self._wait_until(self._all_ended, "all DAG runs have ended")
        self._wait_until(self._over, "all remote runs have ended", patience_s=60)

    def _trigger(self) -> None:
        for run_id, conf in self.jobs.items():
            body = {
                "dag_run_id": run_id,
                "logical_date": None,
                "conf": {"kill_at": self.case.kill_at, **conf},
            }
            self.airflow.client.call("POST", f"dags/{self.dag_id}/dagRuns", body)

    def _add_jobs(self, case: Case) -> dict[str, Any]:
        first = Plan(hold=True) if case.meanwhile else Plan(outcome=case.outcome, seconds=3)
        plans = (first, Plan(seconds=3))
        tasks = (*self.tasks, "dbt_cloud_fails") if case.dag_id == "fail_fast" else self.tasks
        jobs = {
            task: self.worlds[task.rsplit("_", 1)[0]].add_job(name=f"{task} {self.number}", plans=plans)
            for task in tasks
        }
        if "dbt_cloud_fails" in jobs:
            jobs["fails"] = jobs.pop("dbt_cloud_fails")
        return jobs

    def _worlds(self) -> Iterator[Any]:
        yield from self.worlds.values()

    def _started(self) -> int:
        return sum(len(world.runs) for world in self._worlds())

    def _release(self) -> None:
        for world in self._worlds():
            for run_id, run in list(world.runs.items()):
                if _end_of(run) is None:
                    world.set_plan(run_id, Plan(seconds=1))

    def _all_waiting(self) -> bool:
        """Deferred tasks are deferred, and sync ones run: nothing is between the start and the wait."""
        states = [task["state"] for run_id in self.jobs for task in self._tasks(run_id)]
        if not all(state in ("deferred", "running") for state in states):
            return False
        # A deferred task waits only once its trigger has begun to look.
        looks = Counter(
            re.findall(r"[0-9a-f-]{36}|\d{6,}", f"{entry.path} {entry.query}")[-1]
            for entry in self.standin.journal.entries
            if entry.method == "GET" and re.search(LOOK, f"{entry.path}?")
        )
        alone = sum(looks[str(run_id)] >= 3 for world in self._worlds() for run_id in world.runs)
        sync = sum(task.endswith("sync") for conf in self.jobs.values() for task in conf)
        # The others are deferred, and the triggerer looks at their runs together.
        entries = self.standin.journal.entries
        together = [sum(_is_batch(name, entry) for entry in entries) for name in self.worlds]
        return alone >= sync and min(together) >= 3

    def _tasks(self, run_id: str) -> list[dict[str, Any]]:
        path = f"dags/{self.dag_id}/dagRuns/{run_id}/taskInstances"
        try:
            rows: list[dict[str, Any]] = self.airflow.client.call("GET", path)["task_instances"]
        except requests.HTTPError as err:
            if err.response is not None and err.response.status_code == 404:
                return []
            raise
        return rows

    def _over(self) -> bool:
        return all(_end_of(run) is not None for world in self._worlds() for run in world.runs.values())

    def _all_ended(self) -> bool:
        self.airflow.check()
        rows = self.airflow.client.call("GET", f"dags/{self.dag_id}/dagRuns?limit=100&order_by=-run_after")
        ended = {row["dag_run_id"] for row in rows["dag_runs"] if row["state"] in ("success", "failed")}
        known = {row["dag_run_id"] for row in rows["dag_runs"]}
        return all(run_id in ended or run_id not in known for run_id in self.jobs)

    def _judge(self, case: Case, jobs: Mapping[str, Mapping[str, int]]) -> Row:
        row = Row(case.name, trials=len(jobs), intents=len(jobs) * len(self.tasks))
        row.expected = row.intents * len(case.remote)
        again = case.kill_at is not None or case.outcome != "success"
        ends: dict[Any, list[str | None]] = {}
        for world in self._worlds():
            for run in list(world.runs.values()):
                ends.setdefault(run.job_id, []).append(_end_of(run))
        if self.pipelines:
            row.notes += (wrongs := self.pipelines.wrongs(jobs))
            row.wrong += len(wrongs)
        for run_id, conf in jobs.items():
            tasks = {task["task_id"]: task for task in self._tasks(run_id)}
            for task in self.tasks:
                mine, told = ends.get(conf[task], []), tasks.get(task, {})
                row.runs += len(mine)
                row.left_over += mine.count(None)
                row.struck += again and told["try_number"] > 1
                if tuple(mine) != case.remote or case.state not in (None, told.get("state")):
                    row.wrong += 1
                    row.notes.append(f"{run_id} {task}: {told.get('state')}, remote {mine}")
        return row

    def connect(self, token: str) -> None:
        """Store both connections in Airflow's database, where a rotated token is read from."""
        host = self.standin.url
        for conn_id, fields in {
            "dbt_cloud_default": {"conn_type": "pipehooks_dbt_cloud", "login": "1"},
            "databricks_default": {"conn_type": "pipehooks_databricks"},
        }.items():
            body = {"connection_id": conn_id, "host": host, "password": token, **fields}
            known = self.airflow.client.call("GET", "connections?limit=100")["connections"]
            if any(conn["connection_id"] == conn_id for conn in known):
                self.airflow.client.call("PATCH", f"connections/{conn_id}", body)
            else:
                self.airflow.client.call("POST", "connections", body)
        self.standin.dbt_cloud.tokens = self.standin.databricks_jobs.tokens = {token}

    # What happens meanwhile

    def replace_triggerer(self) -> None:
        self.struck = 1
        self.airflow.kill("triggerer")
        self.airflow.start_component("triggerer")

    def move_triggers(self) -> None:
        """Give every waiting trigger to the other triggerer while the first one is alive and well."""
        self.airflow.start_component("triggerer", "triggerer-2")
        with closing(sqlite3.connect(self.airflow.home / DATABASE, timeout=60)) as database:
            self._wait_until(lambda: len(_triggerers(database)) == 2, "a second triggerer is at work")
            first, second = _triggerers(database)
            database.execute("UPDATE trigger SET triggerer_id = ? WHERE triggerer_id = ?", (second, first))
            database.commit()
            # Both have had time to notice: the one that lost its triggers, and the one that got them.
            beats = _heartbeats(database)
            self._wait_until(
                lambda: all(_heartbeats(database).get(key, "") > beat for key, beat in beats.items()),
                "both triggerers have looked at their triggers again",
            )
            moved = database.execute("SELECT count(*) FROM trigger WHERE triggerer_id = ?", (second,))
            self.struck = moved.fetchone()[0]
        self.airflow.stop_component("triggerer-2")

    def restart_api_server(self) -> None:
        self.struck = 1
        self.airflow.kill("api-server")
        self.airflow.start_component("api-server")
        self._wait_until(self.airflow.client.is_up, "the API server answers again")

    def too_many_requests(self) -> None:
        armed = self.standin.faults.add(Fault(path="/api/", status=429, retry_after=5))
        self._for_a_while(60)
        self.struck = armed.hits
        self.standin.faults.clear()

    def outage(self) -> None:
        self.struck = 1
        self.standin.stop()
        self._for_a_while(30)
        self.standin.start()

    def set_the_clock_back(self) -> None:
        """By an hour, for the triggerer, while every wait goes on; nothing sets it right again."""
        self.struck = self._started() // 2
        self.airflow.clock_off_by(-3600)
        self._for_a_while(5)

    def rotate_tokens(self) -> None:
        self.connect(NEW_TOKEN)
        # Every sync wait was refused with the old token and goes on. So were the deferred ones; where they
        # are looked at one by one the first refusal spares the others theirs.
        least = self._started() // 2 + 1
        self._wait_until(lambda: self._refused() >= least, "the waits have been refused the old token")
        self.struck = self._refused()

    def _refused(self) -> int:
        """How many waits were refused; a batch stands for a quarter, the deferred ones of its service."""
        refused = [entry for entry in self.standin.journal.entries if entry.status in (401, 403)]
        batches = [entry for name in self.worlds for entry in refused if _is_batch(name, entry)]
        alone = {entry.path + str(entry.query) for entry in refused if entry not in batches}
        together = sum(any(_is_batch(name, entry) for entry in batches) for name in self.worlds)
        return len(alone) + together * self._started() // len(self.tasks)

    # Exits: a person, a limit or a signal ends the task while its run goes on

    def _mark(self, state: str, tasks: Sequence[str] | None = None) -> None:
        for run_id in self.jobs:
            for task in tasks or self.tasks:
                path = f"dags/{self.dag_id}/dagRuns/{run_id}/taskInstances/{task}"
                self._change("PATCH", path, {"new_state": state})
                self.struck += 1

    def mark_failed(self) -> None:
        self._mark("failed")

    def mark_success(self) -> None:
        self._mark("success")

    def delete_dag_runs(self) -> None:
        """A running one cannot be deleted, so it is marked failed first; nobody waits in between."""
        for run_id in self.jobs:
            path = f"dags/{self.dag_id}/dagRuns/{run_id}"
            self._change("PATCH", path, {"state": "failed"})
            self._change("DELETE", path)
            self.struck += 1

    def await_the_end(self) -> None:
        self.struck = 1

    def fail_one(self) -> None:
        jobs = {conf["fails"] for conf in self.jobs.values()}
        for run_id, run in self.standin.dbt_cloud.runs.items():
            if run.job_id in jobs:
                self.standin.dbt_cloud.set_plan(run_id, Plan(outcome="error"))
                self.struck += 1

    # Cut off: nobody has ended the task, but its process is to end, or believes so

    def terminate_tasks(self) -> None:
        """SIGTERM to every process that runs a task, as when a worker is shut down."""
        for process in _task_processes():
            process.terminate()
            self.struck += 1

    def freeze_workers(self) -> None:
        """Stop those who run a task, and let them go on once the next try of each has begun."""
        frozen = [process for task in _task_processes() for process in (task, task.parent()) if process]
        for process in frozen:
            process.suspend()
        self._wait_until(lambda: self._tries() >= 2, "the next try of every sync task runs")
        for process in frozen:
            process.resume()
            self.struck += 1
        # What was frozen is told now that it is not the try that counts, and ends.
        self._wait_until(
            lambda: not any(process.is_running() for process in frozen[::2]), "the old tries end"
        )

    def _tries(self) -> int:
        """The lowest try number of the sync tasks that run."""
        sync = [
            task for run_id in self.jobs for task in self._tasks(run_id) if task["task_id"].endswith("sync")
        ]
        return min(task["try_number"] if task["state"] == "running" else 0 for task in sync)

    def take_the_api_server_away(self) -> None:
        self.struck = 1
        self.airflow.kill("api-server")
        self._for_a_while(90)
        self.airflow.start_component("api-server")
        self._wait_until(self.airflow.client.is_up, "the API server answers again")
        self._wait_until(self._all_at_work, "every task waits again")

    def _all_at_work(self) -> bool:
        states = [task["state"] for run_id in self.jobs for task in self._tasks(run_id)]
        return all(state in ("deferred", "running") for state in states)

    def _clear(self) -> None:
        for run_id in self.jobs:
            which = {"dag_run_id": run_id, "task_ids": list(self.tasks)}
            body = {"dry_run": False, "only_failed": False, **which}
            self._change("POST", f"dags/{self.dag_id}/clearTaskInstances", body)
            self.struck += len(self.tasks)

    def clear(self) -> None:
        self._clear()

    def finish_and_clear(self) -> None:
        self._release()
        self._wait_until(self._all_ended, "all DAG runs have ended once")
        self._clear()

    def make_anew(self) -> None:
        """Delete each DAG run once it is over, and trigger one with the same id."""
        self._release()
        self._wait_until(self._all_ended, "all DAG runs have ended once")
        for run_id in self.jobs:
            self._change("DELETE", f"dags/{self.dag_id}/dagRuns/{run_id}")
            self.struck += 1
        self._trigger()
        self._wait_until(self._is_known, "all DAG runs are there again")

    def _is_known(self) -> bool:
        return all(self._tasks(run_id) for run_id in self.jobs)

    def _for_a_while(self, seconds: float) -> None:
        """The fault itself lasts this long; nothing is raced."""
        until = time.monotonic() + seconds
        self._wait_until(lambda: time.monotonic() > until, f"{seconds} s have passed")

    def _asked(self, is_so: Callable[[], bool]) -> bool:
        """An API server that is restarted, or waits for the lock, has not said no."""
        try:
            return is_so()
        except requests.RequestException as err:
            print(f"    asking again: {err}", file=sys.stderr, flush=True)
            return False

    def _change(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        """Change something; on SQLite, Airflow's API server has to be done with it before the next one comes.

        It answers before it closes its transaction, for which it needs its event loop; there it writes its
        audit log for the next request, and waits a minute for the lock that the first one holds (3.3.2).
        """

        def done() -> bool:
            try:
                self.airflow.client.call(method, path, body)
            except requests.HTTPError as err:
                gone = method == "DELETE" and err.response.status_code == 404
                if not gone and err.response.status_code < 500:
                    raise AssertionError(str(err)) from err
                return gone
            return True

        self._wait_until(lambda: self._asked(done), f"{method} {path}")
        self._wait_until(self.airflow.client.is_up, "the API server answers again")

    def _wait_until(self, is_so: Callable[[], bool], what: str, *, patience_s: float | None = None) -> None:
        """Look until it is so.

        :param patience_s: go on without it after so long; the table will show what is amiss.
        """
        give_up = time.monotonic() + (patience_s or LONGEST_S)
        while not self._asked(is_so):
            if time.monotonic() > give_up:
                if patience_s:
                    return
                raise TimeoutError(f"Waited {LONGEST_S:.0f} s in vain: {what}.")
            time.sleep(LOOK_S)


def _task_processes() -> list[psutil.Process]:
    """Who runs a task; the parent of each is its supervisor."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        title = " ".join(process.info["cmdline"] or ())
        if title.startswith("airflow worker -- ") and "LocalExecutor" not in title:
            found.append(process)
    return found


_ENDS = {10: "success", 20: "error", 30: "cancelled", "SUCCESS": "success", "CANCELED": "cancelled"}


#: These look into Airflow's database by themselves.
SQLITE_ONLY = ("move_triggers",)
#: How the triggerer asks for many runs of a service at once.
BATCHES = {
    "dbt_cloud": "pk__in",
    "databricks_jobs": "/runs/list",
    "databricks_pipelines": "/api/2.0/pipelines {",
}


def _is_batch(service: str, entry: Any) -> bool:
    return entry.method == "GET" and BATCHES[service] in f"{entry.path} {entry.query}"


def _end_of(run: Any) -> str | None:
    """How a run of either world ended; None while it goes on."""
    if hasattr(run, "end"):
        end: str | None = run.end
        return end
    if hasattr(run, "round"):
        outcome = run.round.outcome
        return None if outcome is None else _ENDS.get(outcome.result_state, "error")
    return _ENDS.get(run.status)


#: A killed triggerer's row says "running" for ever; only its heart tells.
_ALIVE = (
    "FROM job WHERE job_type = 'TriggererJob' AND state = 'running' "
    "AND latest_heartbeat > datetime('now', '-8 seconds') ORDER BY id"
)


def _triggerers(database: sqlite3.Connection) -> list[int]:
    return [row[0] for row in database.execute(f"SELECT id {_ALIVE}")]


def _heartbeats(database: sqlite3.Connection) -> dict[int, str]:
    return dict(database.execute(f"SELECT id, latest_heartbeat {_ALIVE}").fetchall())


class FaultyAirflow(Airflow):
    """An Airflow whose parts can be killed and started again."""

    def __init__(self, home: Path, dags: Path) -> None:
        super().__init__(home, dags)
        self.environment |= {
            "AIRFLOW__CORE__PARALLELISM": "16",
            "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "1000",
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
            # With the usual 5 s each deferral takes that much longer.
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "10",
            "AIRFLOW__SCHEDULER__MAX_DAGRUNS_TO_CREATE_PER_LOOP": "100",
            # How soon a worker that was cut off is taken for dead; 300 s unless set.
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "40",
            "PYTHONPATH": str(Path(__file__).parent / "clock"),
            "PIPEHOOKS_CLOCK_OFF_BY": str(home / "clock"),
            "AIRFLOW__SCHEDULER__MAX_DAGRUNS_PER_LOOP_TO_SCHEDULE": "100",
        }

    def clock_off_by(self, seconds: float) -> None:
        """Have the triggerer's clock be wrong."""
        (self.home / "clock").write_text(str(seconds))

    def configure(self, **variables: str) -> None:
        """Set environment variables for what is started from now on."""
        self.environment |= variables

    def kill(self, name: str) -> None:
        """SIGKILL, to the whole group."""
        process = self._processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop_component(self, name: str) -> None:
        process = self._processes.pop(name)
        process.terminate()
        process.wait(timeout=60)

    def start_component(self, component: str, name: str | None = None) -> None:
        from airflow_provider_pipehooks.demo.airflow import COMPONENTS

        self._start(name or component, COMPONENTS[component])


@contextmanager
def lane(services: Sequence[str] = JOBS, *, on_postgres: bool = False) -> Iterator[Lane]:
    """Start Airflow and the stand-in; end both, and everything they started."""
    keep_to_this_machine(os.environ)
    with ExitStack() as stack:
        stack.enter_context(folder(HOME))
        standin = stack.enter_context(StandIn())
        airflow = FaultyAirflow(HOME, Path(__file__).parent / "dags")
        if on_postgres:
            place = stack.enter_context(tempfile.TemporaryDirectory(prefix="pipehooks-"))
            url = stack.enter_context(postgres(Path(place)))
            airflow.configure(AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=url)
        airflow.start_database()
        airflow.start({})
        airflow.wait_for_dags({f"{case.dag_id}_pipelines" for case in CASES})
        airflow.wait_until_healthy()
        yield Lane(airflow, standin, services)


HEAD = (
    f"{'case':<36}{'trials':>7}{'struck':>7}{'intents':>8}{'runs':>6}{'runs/intent':>12}{'wrong':>6}"
    f"{'left':>6}{'s':>6}"
)


def line(row: Row) -> str:
    per_intent = f"{row.runs / row.intents:.3f}"
    return (
        f"{row.name:<36}{row.trials:>7}{row.struck:>7}{row.intents:>8}{row.runs:>6}{per_intent:>12}{row.wrong:>6}"
        f"{row.left_over:>6}{row.seconds:>6.0f}"
    )


def main(argv: list[str]) -> int:
    """Run the cases and print the table.

    :return: 0 when every row is good.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=20)
    known = {case.name: case for case in (*CASES, *PIPELINE_CASES)}
    parser.add_argument("--case", action="append", choices=known)
    parser.add_argument("--pipelines", action="store_true", help="updates of pipelines instead of jobs' runs")
    parser.add_argument("--postgres", action="store_true", help="a server of its own instead of SQLite")
    parser.add_argument("--json", type=Path, help="also write the rows there")
    options = parser.parse_args(argv)
    rows: list[Row] = []
    services = PIPELINES if options.pipelines else JOBS
    with lane(services, on_postgres=options.postgres) as running:
        print(HEAD, flush=True)
        for case in PIPELINE_CASES if options.pipelines else CASES:
            if options.postgres and case.meanwhile in SQLITE_ONLY:
                print(f"{case.name:<36} (on SQLite only)", flush=True)
            elif not options.case or case.name in options.case:
                rows.append(running.run(case, options.trials))
                print(line(rows[-1]), *rows[-1].notes[:10], sep="\n    ", flush=True)
    if options.json:
        options.json.write_text(json.dumps([vars(row) for row in rows], indent=1))
    bad = [row.name for row in rows if not row.is_good]
    print(f"{len(rows) - len(bad)} passed, {len(bad)} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
