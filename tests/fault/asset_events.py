"""Asset events on a real Airflow: one DAG run for each finished run, while triggerers come and go.

``python -m tests.fault.asset_events [--runs 30] [--restarts TERM KILL]`` lets remote runs finish one after
another, restarts the triggerer in between, prints a table and exits with 1 when a DAG that goes by its own
runs has not started exactly once for each.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from airflow_provider_pipehooks.demo.processes import folder, keep_to_this_machine
from airflow_provider_pipehooks.standin import Plan, StandIn
from tests.fault.lane import FaultyAirflow

HOME = Path.cwd() / ".demo" / "asset_events"
#: DAG -> the service whose runs start it. The last one goes by time: it may start twice, and is only shown.
DAGS = {
    "after_dbt_cloud": "dbt_cloud",
    "after_databricks_jobs": "databricks_jobs",
    "after_dbt_cloud_by_time": "dbt_cloud",
}
SHOWN_ONLY = "after_dbt_cloud_by_time"
LONGEST_S = 600.0
#: No DAG run has come for so long: no more will.
QUIET_S = 45.0
LOOK_S = 1.0


@dataclass(frozen=True)
class Row:
    """What came of one DAG.

    :param told: how often its DAG runs told of a finished run, one entry for each.
    """

    dag_id: str
    finished: int
    dag_runs: int
    told: tuple[int, ...]

    @property
    def is_good(self) -> bool:
        once = self.dag_runs == self.finished == len(self.told)
        return all(self.told) and (once or self.dag_id == SHOWN_ONLY)

    def __str__(self) -> str:
        lost, again = self.told.count(0), sum(count > 1 for count in self.told)
        return f"{self.dag_id:<28}{self.finished:>9}{self.dag_runs:>9}{lost:>6}{again:>12}"


HEAD = f"{'DAG':<28}{'finished':>9}{'DAG runs':>9}{'lost':>6}{'told again':>12}"


class Lane:
    """One Airflow, one stand-in, and the runs that finish on it."""

    def __init__(self, airflow: FaultyAirflow, standin: StandIn) -> None:
        self.airflow, self.standin = airflow, standin
        self.random = random.Random(1)
        self.worlds: dict[str, Any] = {name: getattr(standin, name) for name in set(DAGS.values())}
        self.jobs = {
            "dbt_cloud": standin.dbt_cloud.add_job("nightly", plan=Plan(hold=True), one_at_a_time=False),
            "databricks_jobs": standin.databricks_jobs.add_job(
                "load", plan=Plan(hold=True), max_concurrent_runs=1000
            ),
        }

    def begin(self) -> None:
        """Wait until every watcher has looked for the first time."""
        wait_until(lambda: self._stored_cursors() == len(DAGS), "every watcher has stored where it stands")

    def _stored_cursors(self) -> int:
        assets = self.airflow.client.call("GET", "assets?limit=100")["assets"]
        return sum(self._has_cursor(asset["id"]) for asset in assets)

    def _has_cursor(self, asset_id: int) -> bool:
        rows = self.airflow.client.call("GET", f"assets/{asset_id}/state-store")
        return bool(rows["asset_state_store"])

    def finish_runs(self, count: int) -> None:
        """Let runs of each service finish one after another; some go on for long."""
        for _ in range(count):
            for service, world in self.worlds.items():
                run_id = world.start(self.jobs[service])
                world.set_plan(run_id, Plan(seconds=self.random.choice((0.1, 2, 20, 40))))
            time.sleep(self.random.uniform(0.5, 3.5))  # the pace of the world, not a wait

    def restart_triggerer(self, how: str) -> None:
        """End it one way or the other, let runs finish without it, and start another."""
        print(f"  the triggerer gets SIG{how}", flush=True)
        (self.airflow.kill if how == "KILL" else self.airflow.stop_component)("triggerer")
        self.finish_runs(3)
        self.airflow.start_component("triggerer")

    def rows(self) -> list[Row]:
        return [self._row(dag_id, service) for dag_id, service in DAGS.items()]

    def _row(self, dag_id: str, service: str) -> Row:
        finished = set(self.worlds[service].runs)
        told: Counter[int] = Counter()
        dag_runs = self.dag_runs(dag_id)
        for dag_run in dag_runs:
            path = f"dags/{dag_id}/dagRuns/{dag_run}/upstreamAssetEvents"
            for event in self.airflow.client.call("GET", path)["asset_events"]:
                told[event["extra"]["payload"]["run_id"]] += 1
        return Row(dag_id, len(finished), len(dag_runs), tuple(told[run_id] for run_id in sorted(finished)))

    def dag_runs(self, dag_id: str) -> list[str]:
        found: list[str] = []
        while True:
            path = f"dags/{dag_id}/dagRuns?limit=100&order_by=id&offset={len(found)}"
            page = self.airflow.client.call("GET", path)["dag_runs"]
            found += [row["dag_run_id"] for row in page]
            if len(page) < 100:
                return found

    def wait_until_quiet(self) -> None:
        """Return when no DAG run has been added for a while, so that a second one would have been seen."""
        last, since = 0, time.monotonic()

        def is_quiet() -> bool:
            nonlocal last, since
            self.airflow.check()
            now = sum(len(self.dag_runs(dag_id)) for dag_id in DAGS)
            if now != last:
                last, since = now, time.monotonic()
            return time.monotonic() - since > QUIET_S

        wait_until(is_quiet, "no more DAG runs come")

    def blocked(self) -> list[str]:
        """What the triggerers' log says of an event loop that had to wait."""
        log = (self.airflow.logs / "triggerer.log").read_text("utf-8", "replace")
        return [line for line in log.splitlines() if "blocked" in line or "deadlocked" in line]


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    give_up = time.monotonic() + LONGEST_S
    while True:
        try:
            if is_so():
                return
        except requests.RequestException as err:
            print(f"    asking again: {err}", file=sys.stderr, flush=True)
        if time.monotonic() > give_up:
            raise TimeoutError(f"Waited {LONGEST_S:.0f} s in vain: {what}.")
        time.sleep(LOOK_S)


@contextmanager
def lane() -> Iterator[Lane]:
    """Start Airflow and the stand-in; end both, and everything they started."""
    keep_to_this_machine(os.environ)
    with folder(HOME), StandIn() as standin:
        airflow = FaultyAirflow(HOME, Path(__file__).parent / "asset_dags")
        airflow.start_database()
        form = '{"conn_type": "pipehooks_%s", "host": "%s", "login": "%s", "password": "a-token"}'
        airflow.start(
            {
                # The demo's Airflow starts nothing by itself; here it has to.
                "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "True",
                "AIRFLOW_CONN_DBT_CLOUD_DEFAULT": form % ("dbt_cloud", standin.url, "1"),
                "AIRFLOW_CONN_DATABRICKS_DEFAULT": form % ("databricks", standin.url, ""),
            }
        )
        airflow.wait_for_dags(set(DAGS))
        airflow.wait_until_healthy()
        yield Lane(airflow, standin)


def main(argv: list[str]) -> int:
    """Run the lane and print the table.

    :return: 0 when every DAG that goes by its own runs has started once for each finished run.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=12, help="of each service, before, between and after")
    parser.add_argument("--restarts", nargs="*", choices=("TERM", "KILL"), default=["TERM", "KILL"])
    options = parser.parse_args(argv)
    with lane() as running:
        running.begin()
        running.finish_runs(options.runs)
        for how in options.restarts:
            running.restart_triggerer(how)
            running.finish_runs(options.runs)
        running.wait_until_quiet()
        rows, blocked = running.rows(), running.blocked()
    print(HEAD, *rows, sep="\n")
    print(f"blocked event loop: {len(blocked)} warnings", *blocked[:5], sep="\n  ")
    return 0 if all(row.is_good for row in rows) and not blocked else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
