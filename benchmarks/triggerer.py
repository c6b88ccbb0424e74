"""``make bench-triggerer``: a real Airflow with 1,000 deferred tasks, whose triggerer is killed.

``python -m benchmarks.triggerer [--tasks N]``. The scheduler needs most of the time, as each task is a
process, twice. Only a run with all 1,000 is written to RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from airflow_provider_pipehooks.demo.airflow import DATABASE
from airflow_provider_pipehooks.demo.processes import folder, keep_to_this_machine
from airflow_provider_pipehooks.standin import Plan, StandIn
from benchmarks.cases import SERVICES
from benchmarks.results import machine, table, write_section, yes_no
from tests.fault.lane import FaultyAirflow

HOME = Path.cwd() / ".demo" / "bench"
DAG_ID, ASLEEP = "deferred", "asleep"
#: As many as one triggerer takes by default; a DAG run has a hundred tasks.
ALL_TASKS, TASKS_OF_RUN = 1000, 100
WATCHED_S = 60.0
IDLE_S = 20.0
LOOK_S = 2.0
#: Without any task changing its state.
PATIENCE_S = 300.0
BLOCKED = re.compile(r"async thread was blocked for ([0-9.]+) seconds")
#: The runs end evenly over this time, as those of many jobs do.
ENDS_WITHIN_S = 120.0
HOW = """\
LocalExecutor, SQLite, one triggerer; half of the tasks wait for dbt Cloud, half for Databricks, all with a
poll interval of 5 s, over TLS, for runs that go on until told to end. CPU and memory are those of the
triggerer's two processes (supervisor and event loop), measured for a minute once all tasks were deferred,
beside the same processes before there was a task. Then the triggerer is killed with SIGKILL, another one is
started, and the runs end within two minutes. Remote runs are counted at the stand-in:
each task starts one. Asleep: the same story for as many tasks whose triggers only sleep, and log nothing."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """What the triggerer's processes and its requests came to, per minute."""

    cpu_s: float
    memory_mb: float
    requests: int
    connections: int


def main() -> None:
    """Run it, print the figures, and keep them if all tasks took part."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.triggerer", description=__doc__)
    parser.add_argument("--tasks", type=int, default=ALL_TASKS, help="how many hundreds, rounded down")
    runs = max(1, parser.parse_args().tasks // TASKS_OF_RUN)
    with bench() as running:
        asleep = blocks_asleep(running, runs)
    with bench() as running:
        text = "\n\n".join((machine(), HOW, report(running, runs, asleep)))
    print(f"\n{text}")
    if runs * TASKS_OF_RUN == ALL_TASKS:
        write_section("Triggerer", text)


Blocks = tuple[Sequence[float], Sequence[float]]


def blocks_asleep(bench: Bench, runs: int) -> Blocks:
    """How long Airflow's event loop is blocked without any of our triggers, before and after the kill."""
    up = HOME / "up"
    confs = [{"file": str(up), "then_s": number * ENDS_WITHIN_S / runs} for number in range(runs)]
    bench.defer(ASLEEP, confs)
    time.sleep(WATCHED_S)
    waiting = bench.blocks_s()
    bench.replace_triggerer()
    up.touch()
    bench.await_end(runs * TASKS_OF_RUN)
    return waiting, bench.blocks_s()[len(waiting) :]


def report(bench: Bench, runs: int, asleep: Blocks) -> str:
    """Go through the story and put its figures into a table."""
    tasks = runs * TASKS_OF_RUN
    idle = bench.load(IDLE_S)
    defer_s = bench.defer(DAG_ID, [bench.add_jobs()] * runs)
    busy, waiting = bench.load(WATCHED_S), bench.blocks_s()
    bench.replace_triggerer()
    bench.end_runs()
    end_s = bench.await_end(tasks)
    taking_over, states = bench.blocks_s()[len(waiting) :], bench.states()
    started = {service: len(world.runs) for service, world in bench.worlds().items()}
    rows = (
        ("tasks deferred at once", f"{tasks:,}", ""),
        ("CPU s per minute, before / with all waits", f"{idle.cpu_s:.1f} / {busy.cpu_s:.1f}", ""),
        ("memory MB, before / with all waits", f"{idle.memory_mb:.0f} / {busy.memory_mb:.0f}", ""),
        ("requests per minute", f"{busy.requests:,} over {busy.connections} connections", ""),
        ("tasks that succeeded, after the triggerer was killed", states.get("success", 0), tasks),
        ("remote runs", ", ".join(f"{name} {count}" for name, count in started.items()), tasks // 2),
        ("blocked-event-loop warnings until then, longest s", shown(waiting), 0),
        ("the same after the kill", shown(taking_over), 0),
        ("asleep: blocked-event-loop warnings until then, longest s", shown(asleep[0]), ""),
        ("asleep: the same after the kill", shown(asleep[1]), ""),
        ("until all were deferred / until all had ended, s", f"{defer_s:.0f} / {end_s:.0f}", ""),
    )
    good = states == {"success": tasks} and set(started.values()) == {tasks // 2}
    quiet = not waiting and not taking_over
    head = ("what", "measured", "must be")
    found = f"No wait lost, no run started twice: {yes_no(good)}. No blocked event loop: {yes_no(quiet)}."
    return f"{table(head, rows)}\n\n{found}"


def shown(blocks_s: Sequence[float]) -> str:
    return f"{len(blocks_s)}, {max(blocks_s):.1f}" if blocks_s else "0"


class Bench:
    """One Airflow and one stand-in."""

    def __init__(self, airflow: BenchAirflow, standin: StandIn) -> None:
        self.airflow = airflow
        self.standin = standin

    def worlds(self) -> Mapping[str, Any]:
        return {service: getattr(self.standin, service) for service in SERVICES}

    def add_jobs(self) -> Mapping[str, int]:
        """A job of each service whose runs go on until told to end."""
        held = Plan(hold=True)
        return {
            "dbt_cloud": self.standin.dbt_cloud.add_job("held", plan=held, one_at_a_time=False),
            "databricks_jobs": self.standin.databricks_jobs.add_job(
                "held", plan=held, max_concurrent_runs=ALL_TASKS
            ),
        }

    def defer(self, dag_id: str, confs: Sequence[Mapping[str, Any]]) -> float:
        """Start the DAG runs one after the other, and wait until a triggerer has all their triggers.

        :return: how long it took, in seconds.
        """
        began = time.monotonic()
        for number, conf in enumerate(confs, 1):
            body = {"dag_run_id": f"bench_{number}", "logical_date": None, "conf": conf}
            self.airflow.client.call("POST", f"dags/{dag_id}/dagRuns", body)
            self.await_watched(number * TASKS_OF_RUN)
        return time.monotonic() - began

    def load(self, seconds: float) -> Load:
        """Watch the triggerer for a while."""
        processes = self.triggerer()
        self.standin.journal.clear()
        before_s = sum(cpu_s(process) for process in processes)
        time.sleep(seconds)
        per_minute = 60 / seconds
        return Load(
            cpu_s=per_minute * (sum(cpu_s(process) for process in processes) - before_s),
            memory_mb=sum(process.memory_info().rss for process in processes) / 1024**2,
            requests=round(per_minute * self.standin.journal.count("GET")),
            connections=self.standin.journal.connections,
        )

    def triggerer(self) -> list[psutil.Process]:
        main = psutil.Process(self.airflow.pid("triggerer"))
        return [main, *main.children(recursive=True)]

    def replace_triggerer(self) -> None:
        """SIGKILL; another one takes the triggers over once the first has missed its heartbeats."""
        self.airflow.kill("triggerer")
        self.airflow.start_component("triggerer")

    def end_runs(self) -> None:
        for world in self.worlds().values():
            run_ids = list(world.runs)
            for number, run_id in enumerate(run_ids, 1):
                world.set_plan(run_id, Plan(seconds=ENDS_WITHIN_S * number / len(run_ids)))

    def await_end(self, tasks: int) -> float:
        """Wait until no task can change any more.

        :return: how long it took, in seconds.
        """
        began = time.monotonic()
        over = ("success", "failed", "upstream_failed", "skipped")
        self.wait_until(lambda: sum(self.states().get(word, 0) for word in over) == tasks, "all tasks ended")
        return time.monotonic() - began

    def states(self) -> dict[str, int]:
        """How many task instances are in which state."""
        return dict(self.ask("SELECT coalesce(state, 'none'), count(*) FROM task_instance GROUP BY state"))

    def await_watched(self, wanted: int) -> None:
        """Wait until so many triggers were taken by a triggerer."""
        query = "SELECT count(*) FROM trigger WHERE triggerer_id IS NOT NULL"
        self.wait_until(lambda: bool(self.ask(query)[0][0] >= wanted), f"{wanted} tasks wait")

    def ask(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.airflow.home / DATABASE, timeout=60)) as database:
            return database.execute(query).fetchall()

    def blocks_s(self) -> list[float]:
        """How long the event loop was blocked, each time that Airflow's watchdog complained of it."""
        text = (self.airflow.logs / "triggerer.log").read_text("utf-8", "replace")
        return [float(seconds) for seconds in BLOCKED.findall(text)]

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        """Look until it is so.

        :raises TimeoutError: nothing moves any more.
        """
        seen, since = None, time.monotonic()
        while not is_so():
            self.airflow.check()
            if (now := self.states()) != seen:
                seen, since = now, time.monotonic()
                print(f"\r{what}: {now}", end="          ", flush=True)
            if time.monotonic() - since > PATIENCE_S:
                raise TimeoutError(f"Nothing has changed for {PATIENCE_S:.0f} s, still not so: {what}.")
            time.sleep(LOOK_S)
        print(f"\r{what}: {self.states()}", flush=True)


class BenchAirflow(FaultyAirflow):
    """Airflow as it comes, but for what a killed triggerer needs to be replaced within seconds."""

    def pid(self, name: str) -> int:
        return self._processes[name].pid


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def bench() -> Iterator[Bench]:
    """Start Airflow and the stand-in; end both, and everything they started."""
    keep_to_this_machine(os.environ)
    with folder(HOME), StandIn(tls=True) as standin:
        airflow = BenchAirflow(HOME, Path(__file__).parent / "dags")
        airflow.start_database()
        airflow.start(connections(standin))
        airflow.wait_for_dags({DAG_ID, ASLEEP})
        airflow.wait_until_healthy()
        yield Bench(airflow, standin)


def connections(standin: StandIn) -> dict[str, str]:
    """Environment variables: both connections, and the certificate to trust."""
    shared = {"host": standin.url, "password": "token"}
    return {
        "AIRFLOW_CONN_DBT_CLOUD_DEFAULT": json.dumps(
            {"conn_type": "pipehooks_dbt_cloud", "login": "1", **shared}
        ),
        "AIRFLOW_CONN_DATABRICKS_DEFAULT": json.dumps({"conn_type": "pipehooks_databricks", **shared}),
        "REQUESTS_CA_BUNDLE": str(standin.ca_file),
        "SSL_CERT_FILE": str(standin.ca_file),
    }


if __name__ == "__main__":
    main()
