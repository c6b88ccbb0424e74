"""Runs dbt for real: a triggered job of the stand-in becomes `dbt build` on a project on this machine."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from airflow_provider_pipehooks.standin.dbt_cloud.run import CANCELLED, ERROR, RUNNING, SUCCESS, Run, Step

WORKERS = 2
#: The console script's own entry point; `dbt` need not be on the PATH.
DBT = "import sys; from dbt.cli.main import cli; sys.argv[0] = 'dbt'; cli()"


class Ledger(Protocol):
    """Where a run's changes are written; the world of the stand-in."""

    def begin(self, run: Run) -> bool:
        """The run is at work now; False when it has been ended or forgotten."""

    def finish(self, run: Run, status: int, message: str | None = None) -> None:
        """The run has ended, unless it was ended otherwise before."""


@dataclass
class Work:
    """A run in the hands of a worker."""

    run: Run
    folder: Path
    process: subprocess.Popen[str] | None = None
    is_ended: bool = False


class DbtProject:
    """Executes the commands of runs in the background, in processes that end with it.

    :param project: the folder with ``dbt_project.yml`` and ``profiles.yml``.
    :param folder: where targets, logs and databases go; the project itself is not written to.
    :raises RuntimeError: dbt is not installed.
    :raises FileNotFoundError: the folder is no dbt project.
    """

    def __init__(self, project: Path, folder: Path, ledger: Ledger) -> None:
        if not is_installed():
            raise RuntimeError("dbt is not installed. Run: pip install 'airflow-provider-pipehooks[demo]'")
        if not (project / "dbt_project.yml").is_file():
            raise FileNotFoundError(f"{project} has no dbt_project.yml. Give the folder of a dbt project.")
        self.project = project.resolve()
        self.folder = folder
        self._ledger = ledger
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="pipehooks-standin-dbt")
        self._lock = threading.Lock()
        self._works: dict[int, Work] = {}
        self._numbers = itertools.count(1)
        # DuckDB allows one writer, and a cancelled run may still hold the file of the next one.
        self._databases: dict[int, threading.Lock] = {}

    def submit(self, run: Run) -> None:
        """Begin a run; returns at once."""
        # Run ids begin anew after a reset, folders must not.
        work = Work(run, self.folder / f"work-{next(self._numbers)}-run-{run.id}")
        with self._lock:
            self._works[run.id] = work
        self._pool.submit(self._execute, work)

    def cancel(self, run_id: int) -> None:
        """End the processes of a run, and do not start its next step."""
        with self._lock:
            work = self._works.get(run_id)
            if work is not None:
                end(work)

    def cancel_all(self) -> None:
        """End all processes."""
        with self._lock:
            for work in self._works.values():
                end(work)

    def close(self) -> None:
        """End all processes and start no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.cancel_all()
        self._pool.shutdown(wait=True)

    def _execute(self, work: Work) -> None:
        with self._lock:
            database = self._databases.setdefault(work.run.job_id, threading.Lock())
        with database:
            status, message = ERROR, None
            try:
                status = self._steps(work)
            except Exception as err:
                message = f"The stand-in could not run dbt: {err!r}"
            self._ledger.finish(work.run, status, message)

    def _steps(self, work: Work) -> int:
        """Run one command after the other until one fails."""
        run = work.run
        if work.is_ended or not self._ledger.begin(run):
            return CANCELLED
        run.steps = [
            finished(1, "Clone Git Repository", f"Using {self.project.name}, nothing to clone.\n"),
            finished(2, "Create Profile from Connection DuckDB", "Using the project's own profiles.yml.\n"),
        ]
        for command in run.commands:
            step = Step(len(run.steps) + 1, f"Invoke dbt with `{command}`", RUNNING, command=command)
            step.started_at = time.time()
            run.steps.append(step)
            self._invoke(work, step, command)
            if step.status != SUCCESS:
                return step.status
        return SUCCESS

    def _invoke(self, work: Work, step: Step, command: str) -> None:
        """Run one command and give the step its log, its files and its end."""
        step.target = work.folder / f"step-{step.index}"
        logs = work.folder / f"logs-{step.index}"
        step.target.mkdir(parents=True)
        process = self._spawn(work, command, step.target, logs)
        for line in process.stdout or ():
            step.logs += line
        code = process.wait()
        with self._lock:
            work.process = None
        debug_log = logs / "dbt.log"
        step.debug_logs = debug_log.read_text("utf-8", "replace") if debug_log.is_file() else step.logs
        step.finished_at = time.time()
        step.status = CANCELLED if work.is_ended else SUCCESS if code == 0 else ERROR

    def _spawn(self, work: Work, command: str, target: Path, logs: Path) -> subprocess.Popen[str]:
        # Under the lock: a cancel comes either before, and ends it below, or finds the process.
        with self._lock:
            work.process = subprocess.Popen(
                arguments(command, self.project, target, logs),
                cwd=self.project,
                env=environment(self.folder / f"job-{work.run.job_id}.duckdb"),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
                # Its own group: a cancel reaches dbt's children too, a Ctrl-C in the terminal does not.
                start_new_session=True,
            )
            process = work.process
            if work.is_ended:
                end(work)
            return process


def is_installed() -> bool:
    """Is dbt there, with its command line?"""
    try:
        return importlib.util.find_spec("dbt.cli") is not None
    except ModuleNotFoundError:
        return False


def finished(index: int, name: str, logs: str) -> Step:
    """A step of preparation, which takes no time here."""
    now = time.time()
    return Step(index, name, SUCCESS, logs=logs, debug_logs=logs, started_at=now, finished_at=now)


def arguments(command: str, project: Path, target: Path, logs: Path) -> list[str]:
    """What to execute for a command; one that is not dbt's fails with a clear text.

    The paths go last: dbt takes them after the name of any of its commands.
    """
    words = shlex.split(command)
    if words[:1] != ["dbt"]:
        text = f"Only dbt commands can be run, this is {command!r}."
        return [sys.executable, "-c", f"raise SystemExit({text!r})"]
    options = {"project-dir": project, "profiles-dir": project, "target-path": target, "log-path": logs}
    paths = [part for name, path in options.items() for part in (f"--{name}", str(path))]
    return [sys.executable, "-c", DBT, "--no-use-colors", *words[1:], *paths]


def environment(database: Path) -> dict[str, str]:
    """The environment of dbt: that of this process, without Airflow's, and nothing is sent anywhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "DBT_"))}
    return {
        **kept,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "0",
        "DBT_DUCKDB_PATH": str(database),
        "PYTHONUNBUFFERED": "1",
        "NO_COLOR": "1",
    }


def end(work: Work) -> None:
    """End the process of a run and its children, at once; call it with the lock held."""
    work.is_ended = True
    if work.process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(work.process.pid, signal.SIGKILL)
