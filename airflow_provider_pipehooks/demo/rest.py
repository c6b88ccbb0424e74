"""What the demo asks of Airflow, all of it over its REST API."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import requests

from airflow_provider_pipehooks.demo.scenarios import Scenario

#: Airflow answers in well under a second; while it starts, or waits for SQLite's one lock, it may be slower.
TIMEOUT_S = 60
NOT_STARTED = (None, "scheduled", "queued")


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task instance of a DAG run.

    :param map_index: -1 for a task that is not mapped.
    :param state: Airflow's word; None before the scheduler has looked at it.
    """

    run_id: str
    task_id: str
    map_index: int = -1
    state: str | None = None


@dataclass(frozen=True, kw_only=True)
class DagRun:
    """A DAG run; ``seconds`` is how long it took, None while it goes on."""

    run_id: str
    state: str
    seconds: float | None = None

    @property
    def has_ended(self) -> bool:
        return self.state in ("success", "failed")


class Client:
    """The REST API of one Airflow.

    :param url: of the API server, without a slash at the end.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._login = {"username": user, "password": password}
        self._session = requests.Session()
        # Neither a proxy nor a .netrc of the user has a say here.
        self._session.trust_env = False

    def is_up(self) -> bool:
        """Does the API server answer, and take the password?"""
        try:
            answer = self._session.post(f"{self.url}/auth/token", json=self._login, timeout=TIMEOUT_S)
        except requests.RequestException:
            return False
        if answer.status_code != 201:
            return False
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return True

    def dag_ids(self) -> set[str]:
        """The DAGs that were parsed and can be run."""
        return {dag["dag_id"] for dag in self.call("GET", "dags")["dags"]}

    def import_errors(self) -> list[str]:
        """``file: last line of the error`` for each DAG file that could not be read."""
        errors = self.call("GET", "importErrors")["import_errors"]
        return [f"{row['filename']}: {row['stack_trace'].strip().splitlines()[-1]}" for row in errors]

    def unhealthy(self) -> list[str]:
        """Components that do not run, or not yet."""
        health = self.call("GET", "monitor/health")
        return [name for name, row in health.items() if (row or {}).get("status") != "healthy"]

    def trigger(self, scenario: Scenario, number: int) -> None:
        """Start the DAG run of a scenario.

        :param number: makes the logical date unique, as Airflow asks for one DAG's runs.
        """
        date = datetime.now(timezone.utc) - timedelta(seconds=number)
        body = {
            "dag_run_id": scenario.run_id,
            "logical_date": date.isoformat(),
            "conf": dict(scenario.conf),
            "note": scenario.story,
        }
        self.call("POST", f"dags/{scenario.dag_id}/dagRuns", body)

    def dag_runs(self, run_ids: Collection[str]) -> dict[str, DagRun]:
        """The given DAG runs, whatever their DAG, by id."""
        # The routes for lists of ids write each question into Airflow's audit log, and wait for its lock.
        rows = self.call("GET", "dags/~/dagRuns?limit=100")["dag_runs"]
        runs = [
            DagRun(run_id=row["dag_run_id"], state=row["state"], seconds=row["duration"])
            for row in rows
            if row["dag_run_id"] in run_ids
        ]
        return {run.run_id: run for run in runs}

    def tasks(self, run_ids: Collection[str]) -> list[Task]:
        """All task instances of the given DAG runs, in the order in which they started."""
        found: list[Task] = []
        offset = 0
        while True:
            query = f"limit=100&offset={offset}&order_by=start_date"
            answer = self.call("GET", f"dags/~/dagRuns/~/taskInstances?{query}")
            rows = answer["task_instances"]
            found += [
                Task(
                    run_id=row["dag_run_id"],
                    task_id=row["task_id"],
                    map_index=row["map_index"],
                    state=row["state"],
                )
                for row in rows
                if row["dag_run_id"] in run_ids
            ]
            offset += len(rows)
            if not rows or offset >= answer["total_entries"]:
                # Those that have not started have no date, and come first.
                return sorted(found, key=lambda task: task.state in NOT_STARTED)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """One call below ``/api/v2``; gives the JSON of its answer.

        :raises requests.HTTPError: refused; with the words of the answer.
        """
        answer = self._session.request(method, f"{self.url}/api/v2/{path}", json=body, timeout=TIMEOUT_S)
        if not answer.ok:
            raise requests.HTTPError(f"{method} {path}: {answer.status_code} {answer.text}", response=answer)
        return answer.json() if answer.content else None
