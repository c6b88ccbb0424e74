"""A whole Airflow for one demo: SQLite and LocalExecutor, on loopback, in a folder that is thrown away.

`airflow standalone` does the same, but its scheduler and triggerer also serve their logs on every address
of the machine, and no setting keeps them from it; the commands themselves have an option. Nothing is lost:
the API server reads the logs from disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import requests

from airflow_provider_pipehooks.demo.processes import CannotStart, free_port, start
from airflow_provider_pipehooks.demo.rest import Client
from airflow_provider_pipehooks.standin.server import LOOPBACK

USER = "admin"
DATABASE = "airflow.db"
COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "api-server": ("api-server",),
    "dag-processor": ("dag-processor",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
#: Two slow cores need a minute; beyond this something is wrong.
START_WITHIN_S = 150
LOOK_EVERY_S = 0.5
SHOWN_LOG_LINES = 15


class AirflowDied(CannotStart):
    """A process of Airflow has ended although it should go on."""


class Airflow:
    """The processes of Airflow and how to reach them.

    :param home: its folder; logs go to ``home/logs``.
    :param dags: the folder of the DAG files.
    """

    def __init__(self, home: Path, dags: Path) -> None:
        self.home = home
        self.logs = home / "logs"
        self.password = secrets.token_urlsafe(9)
        self.url = f"http://{LOOPBACK}:{free_port()}"
        self.client = Client(self.url, USER, self.password)
        #: Variables for its processes, and for commands beside them.
        self.environment = settings(home, dags, self.url)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start_database(self) -> None:
        """Begin to make the database; other things can be done meanwhile."""
        passwords = self.home / "passwords.json"
        passwords.write_text(json.dumps({USER: self.password}))
        passwords.chmod(0o600)
        self._start("database", ("db", "migrate"))

    def start(self, connections: Mapping[str, str]) -> None:
        """Start everything, once the database is made.

        :param connections: environment variables with connections and Variables.
        :raises AirflowDied: the database could not be made.
        """
        database = self._processes.pop("database")
        if database.wait(timeout=START_WITHIN_S) != 0:
            raise AirflowDied(self._explain("database", database.returncode))
        let_readers_through(self.home / DATABASE)
        self.environment |= connections
        for name, command in COMPONENTS.items():
            self._start(name, command)

    def wait_for_dags(self, dag_ids: set[str]) -> None:
        """Return when the API answers and the DAGs can be run.

        :raises CannotStart: it takes too long, a DAG file cannot be read, or a process has ended.
        """
        self._wait_until(self.client.is_up, "The API server does not answer", log="api-server")
        self._wait_until(lambda: self._has_parsed(dag_ids), "The DAGs were not read", log="dag-processor")

    def wait_until_healthy(self) -> None:
        """Return when the scheduler and the triggerer are at work, too.

        :raises CannotStart: it takes too long, or a process has ended.
        """
        self._wait_until(lambda: not self.client.unhealthy(), "A component does not start", log="scheduler")

    def check(self) -> None:
        """Make sure that nothing has died.

        :raises AirflowDied: with the last lines of its log.
        """
        for name, process in self._processes.items():
            if (code := process.poll()) is not None:
                raise AirflowDied(self._explain(name, code))

    def _start(self, name: str, command: tuple[str, ...]) -> None:
        log = self.logs / f"{name}.log"
        airflow = (sys.executable, "-m", "airflow", *command)
        self._processes[name] = start(self.home, airflow, self.environment, log)

    def _has_parsed(self, dag_ids: set[str]) -> bool:
        if dag_ids <= self.client.dag_ids():
            return True
        if errors := self.client.import_errors():
            raise CannotStart("A DAG file cannot be read:\n  " + "\n  ".join(errors))
        return False

    def _wait_until(self, is_done: Callable[[], bool], trouble: str, *, log: str) -> None:
        give_up = time.monotonic() + START_WITHIN_S
        while True:
            self.check()
            try:
                if is_done():
                    return
            except requests.RequestException as err:
                trouble = f"{trouble} ({err})" if "(" not in trouble else trouble
            if time.monotonic() > give_up:
                raise CannotStart(f"{trouble} within {START_WITHIN_S} s.\n{self._last_lines(log)}")
            time.sleep(LOOK_EVERY_S)

    def _explain(self, name: str, code: int) -> str:
        return f"Airflow's {name} ended with code {code}.\n{self._last_lines(name)}"

    def _last_lines(self, name: str) -> str:
        log = self.logs / f"{name}.log"
        lines = log.read_text("utf-8", "replace").splitlines()[-SHOWN_LOG_LINES:] if log.is_file() else []
        shown = "\n".join(f"  | {line}" for line in lines)
        return f"The last lines of {log}:\n{shown}\nMend what they say and run the demo again."


def let_readers_through(database: Path) -> None:
    """Switch the database to a write-ahead log: readers and the writer then do not wait for each other."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def settings(home: Path, dags: Path, url: str) -> dict[str, str]:
    """Airflow's configuration, as environment variables."""
    port = url.rsplit(":", 1)[1]
    sections: dict[str, dict[str, object]] = {
        "core": {
            "dags_folder": dags,
            "executor": "LocalExecutor",
            # Two cores: more at once would only wait for each other.
            "parallelism": 4,
            "load_examples": False,
            "dags_are_paused_at_creation": False,
            "execution_api_server_url": f"{url}/execution/",
            "fernet_key": "",
            "simple_auth_manager_users": f"{USER}:admin",
            "simple_auth_manager_passwords_file": home / "passwords.json",
        },
        # Writers queue for SQLite's one lock; with the usual 5 s some would give up on a busy machine.
        "database": {"sql_alchemy_conn": f"sqlite:///{home / DATABASE}?timeout=60"},
        "api": {
            "host": LOOPBACK,
            "port": port,
            "base_url": url,
            "workers": 1,
            "secret_key": secrets.token_urlsafe(32),
        },
        "api_auth": {"jwt_secret": secrets.token_urlsafe(32)},
        # Only the demo's own runs: a DAG with a schedule would else begin with its last one by itself.
        "scheduler": {"use_job_schedule": False, "scheduler_idle_sleep_time": 0.5},
        "dag_processor": {
            "refresh_interval": 5,
            "parsing_processes": 1,
            "dag_bundle_storage_path": home / "bundles",
        },
        "logging": {"base_log_folder": home / "task-logs"},
        "usage_data_collection": {"enabled": False},
    }
    variables = {
        f"AIRFLOW__{section}__{key}".upper(): str(value)
        for section, options in sections.items()
        for key, value in options.items()
    }
    # Airflow starts some of its own commands by name.
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}"
    return {"AIRFLOW_HOME": str(home), "PATH": path, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", **variables}
