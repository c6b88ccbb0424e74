"""The process that is measured: one event loop with many triggers, as in a triggerer."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.cases import OFFICIAL, OURS, Case

#: As the triggerer's own watchdog does (``[triggerer] blocked_main_thread_warning_threshold``, 0.2 s).
TICK_S, WARN_AFTER_S = 0.1, 0.2
#: After the last run has ended, for triggers that stretched their pauses.
PATIENCE_S = 180.0


def wait(case: Case, pipe: Connection, remote: Mapping[str, Any]) -> None:
    """Warm up, say so, wait for the runs that are then named, and report.

    :param remote: the stand-in's ``port`` and ``ca_file``, and ``ended``, a run that is over.
    """
    with tempfile.TemporaryDirectory(prefix="pipehooks-bench-") as home:
        prepare(case, home, remote)
        make, state_of = triggers(case)
        # Imports, the first TLS context and the first connection are paid once per process, not per wait.
        asyncio.run(warm_up(make(remote["ended"])))
        gc.collect()
        pipe.send("ready")
        pipe.send(asyncio.run(Waits(case, make, state_of).all(pipe.recv())))


def prepare(case: Case, home: str, remote: Mapping[str, Any]) -> None:
    """Set the environment before anything imports Airflow or aiohttp, and log as a triggerer does."""
    os.environ.update(environment(case, home, remote))
    from airflow.sdk.log import configure_logging

    log = (Path(home) / "log").open("wb")
    configure_logging(json_output=True, output=log, sending_to_supervisor=True)


def environment(case: Case, home: str, remote: Mapping[str, Any]) -> dict[str, str]:
    ours = "pipehooks_" if case.provider == OURS else ""
    host, port = "localhost", remote["port"]
    connection = {
        "dbt_cloud": {"conn_type": f"{ours}dbt_cloud", "host": f"{host}:{port}", "login": "1"},
        "databricks_jobs": {"conn_type": f"{ours}databricks", "host": host, "port": port},
    }[case.service]
    return {
        "AIRFLOW_HOME": home,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW_CONN_BENCH": json.dumps({**connection, "password": "token"}),
        # Ours holds an event back for the first 6 s of a wait, because of a race of the real scheduler.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "0",
        "REQUESTS_CA_BUNDLE": remote["ca_file"],
        "SSL_CERT_FILE": remote["ca_file"],
        "NO_PROXY": "127.0.0.1,localhost",
    }


def triggers(case: Case) -> tuple[Callable[[int], Any], Callable[[Any], str]]:
    """How a trigger is made, and how the state of a run is read from its event."""
    return {
        (OFFICIAL, "dbt_cloud"): official_dbt_cloud,
        (OFFICIAL, "databricks_jobs"): official_databricks,
    }.get((case.provider, case.service), ours)(case)


def ours(case: Case) -> tuple[Callable[[int], Any], Callable[[Any], str]]:
    from airflow_provider_pipehooks.triggers.remote_run import RemoteRunTrigger

    def make(run_id: int) -> Any:
        return RemoteRunTrigger(case.service, "bench", run_id, poll_interval=case.interval_s)

    return make, lambda end: end["run"]["state"] if end["reason"] == "run_ended" else end["reason"]


def official_dbt_cloud(case: Case) -> tuple[Callable[[int], Any], Callable[[Any], str]]:
    from airflow.providers.dbt.cloud.triggers.dbt import DbtCloudRunJobTrigger

    def make(run_id: int) -> Any:
        give_up = time.time() + 86400
        return DbtCloudRunJobTrigger("bench", run_id, give_up, case.interval_s, account_id=None)

    return make, lambda end: str(end["status"]).upper()


def official_databricks(case: Case) -> tuple[Callable[[int], Any], Callable[[Any], str]]:
    from airflow.providers.databricks.triggers.databricks import DatabricksExecutionTrigger

    def make(run_id: int) -> Any:
        # Typed int, yet only slept on: fractions serve a shortened case.
        return DatabricksExecutionTrigger(run_id, "bench", case.interval_s)  # type: ignore[arg-type]

    return make, lambda end: json.loads(end["run_state"])["result_state"]


async def warm_up(trigger: Any) -> None:
    async for _ in trigger.run():
        await trigger.cleanup()


class Waits:
    """All triggers of a case in one loop, and what was seen of them."""

    def __init__(self, case: Case, make: Callable[[int], Any], state_of: Callable[[Any], str]) -> None:
        self.case = case
        self.make = make
        self.state_of = state_of
        self.events: list[tuple[int, float, str]] = []
        self.errors: list[str] = []
        self.blocks: list[tuple[float, float]] = []

    async def all(self, run_ids: list[int]) -> dict[str, Any]:
        """Wait for all runs, as far as the waits stay."""
        idle_mb = forget_peak_mb()
        began, cpu_s = time.monotonic(), time.process_time()
        watchdog = asyncio.create_task(self._watch())
        tasks = []
        for each in enumerate(run_ids):
            tasks.append(asyncio.create_task(self._wait(*each)))
            # As the triggerer does between two triggers.
            await asyncio.sleep(0)
        await asyncio.wait(tasks, timeout=self.case.lasts_s + PATIENCE_S)
        report = {
            "cpu_s": time.process_time() - cpu_s,
            "wall_s": time.monotonic() - began,
            "memory_mb": status_mb("VmHWM") - idle_mb,
        }
        watchdog.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, watchdog, return_exceptions=True)
        return {**report, "events": self.events, "blocks": self.blocks, "errors": self.errors}

    async def _wait(self, index: int, run_id: int) -> None:
        await asyncio.sleep(self.case.begins_after_s(index))
        # A wait that leaves is cancelled, as the triggerer does it.
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._run(index, run_id), self.case.leaves_after_s(index))

    async def _run(self, index: int, run_id: int) -> None:
        trigger = self.make(run_id)
        try:
            async for event in trigger.run():
                self.events.append((index, time.time(), self.state_of(event.payload)))
        except Exception as err:
            self.errors.append(f"run {run_id}: {err!r}")
        finally:
            with suppress(Exception):
                await trigger.cleanup()

    async def _watch(self) -> None:
        """Note how long the loop was blocked, and how much of that this process was at work itself."""
        while True:
            before_s, cpu_s = time.monotonic(), time.process_time()
            await asyncio.sleep(TICK_S)
            if (took_s := time.monotonic() - before_s) > WARN_AFTER_S:
                self.blocks.append((took_s, time.process_time() - cpu_s))


def forget_peak_mb() -> float:
    """Let Linux forget the peak of this process's memory.

    :return: what it has now, in MB.
    """
    Path("/proc/self/clear_refs").write_text("5")
    return status_mb("VmRSS")


def status_mb(name: str) -> float:
    """A line of /proc/self/status, which is in KiB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[name].split()[0]) / 1024
