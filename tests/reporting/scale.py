"""Sixty days of forty jobs in the stand-in, and what a history of them has to be equal to."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.standin import PastRun, Plan, StandIn
from airflow_provider_pipehooks.standin.databricks_jobs import answers as databricks
from airflow_provider_pipehooks.standin.dbt_cloud import answers as dbt_cloud

DAY_S = 86_400
#: What changes with time though the run does not.
_VARIES = {
    "can_retry",
    "retry_not_supported_reason",
    "created_at_humanized",
    "finished_at_humanized",
    "duration",
    "duration_humanized",
    "run_duration",
    "run_duration_humanized",
}
_OUTCOMES = {
    "dbt_cloud": {"success": 88, "error": 9, "cancelled": 2, "timeout": 1},
    "databricks_jobs": {"success": 88, "failed": 8, "cancelled": 2, "timedout": 1, "cluster_error": 1},
}
#: Requests that tell runs.
_LISTS = {"dbt_cloud": "/runs", "databricks_jobs": "/jobs/runs/"}
PAGES = {"dbt_cloud": 100, "databricks_jobs": 25}


@dataclass
class Past:
    """The past of a service, and how it goes on.

    :param open_ids: runs that go on.
    """

    standin: StandIn
    service: str
    jobs: list[int] = field(default_factory=list)
    open_ids: list[int] = field(default_factory=list)

    @property
    def world(self) -> Any:
        return getattr(self.standin, self.service)

    def fill(self, runs: int, *, days: int = 60, jobs: int = 40, seed: int = 1) -> None:
        """Runs that have ended, and a few of the last ones that go on."""
        chance = random.Random(seed)
        several: dict[str, Any] = (
            {"one_at_a_time": False}
            if self.service == "dbt_cloud"
            else {"max_concurrent_runs": 1_000, "tasks": ["load", "build"]}
        )
        self.jobs = [self.world.add_job(f"job {number}", **several) for number in range(jobs)]
        now_s = time.time()
        outcomes, weights = zip(*_OUTCOMES[self.service].items(), strict=True)
        made_s = sorted(now_s - 120 - chance.random() * (days * DAY_S - 600) for _ in range(runs))
        going_on = max(1, runs // 2_000)
        self.world.add_past_runs(
            PastRun(
                job_id=chance.choice(self.jobs),
                made_at=made_at,
                queued_s=chance.choice((0, 0, 3, 20)),
                run_s=None if number >= runs - going_on else 20 + chance.random() * 60,
                outcome=(outcome := chance.choices(outcomes, weights)[0]),
                message=None if outcome == "success" else f"table t{chance.randrange(50)} does not exist",
                started_by=chance.choice(("scheduled", "api", "ui")),
            )
            for number, made_at in enumerate(made_s)
        )
        known = self.world.known_runs if self.service == "dbt_cloud" else self.world.runs
        self.open_ids = sorted(known)[-going_on:]

    def go_on(self, new: int) -> None:
        """Most of what went on has ended, and there are new runs."""
        for run_id in self.open_ids[::2]:
            self.world.set_plan(run_id, Plan(outcome="error" if self.service == "dbt_cloud" else "failed"))
        for number in range(new):
            self.world.start(self.jobs[number % len(self.jobs)])

    def requests(self) -> int:
        """That told runs, since the stand-in's journal was cleared."""
        return self.standin.journal.count("GET", _LISTS[self.service])

    def raw(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every run as the API would tell it now, by its id."""
        if self.service == "dbt_cloud":
            for run in self.world.runs.values():
                yield str(run.id), dbt_cloud.run_json(run, self.world, {"trigger", "job"}, with_steps=False)
            return
        for run in list(self.world.runs.values()):
            yield str(run.run_id), databricks.run_json(self.world, run, self.world.look(run))

    def differences(self, history: History) -> list[str]:
        """Between the raw JSON and the rows; none is as it should be."""
        with history.open(self.service) as db:
            rows = {
                run_id: (json.loads(raw), made, started, ended)
                for run_id, raw, made, started, ended in db.execute(
                    "SELECT run_id, raw, created_at, started_at, ended_at FROM runs WHERE task_key = ''"
                ).fetchall()
            }
            tasks = dict(
                db.execute(
                    "SELECT run_id, list((task_key, state) ORDER BY task_key) FROM runs WHERE task_key != '' "
                    "GROUP BY 1"
                ).fetchall()
            )
        wrong = []
        for run_id, raw in self.raw():
            if run_id not in rows:
                wrong.append(f"{run_id} is missing")
                continue
            told, *times = rows.pop(run_id)
            expected = json.loads(json.dumps(raw))
            if differing := [
                key for key in told.keys() | expected.keys() if told.get(key) != expected.get(key)
            ]:
                wrong += [f"{run_id} differs in {key}" for key in differing if key not in _VARIES]
            if times != _times(raw):
                wrong.append(f"{run_id} has the times {times}, not {_times(raw)}")
            if len(tasks.get(run_id, ())) != len(raw.get("tasks", ())):
                wrong.append(f"{run_id} has the tasks {tasks.get(run_id)}")
        return [*wrong, *(f"{run_id} does not exist" for run_id in rows)]


def _times(raw: dict[str, Any]) -> list[datetime | None]:
    """When a run was made, started and ended, as its raw JSON tells it."""
    if "start_time" not in raw:
        return [
            datetime.fromisoformat(raw[name]) if raw[name] else None
            for name in ("created_at", "started_at", "finished_at")
        ]
    queued = raw["state"]["life_cycle_state"] == "QUEUED"
    made, ended = raw["start_time"], raw["end_time"]
    return [_from_ms(made), None if queued else _from_ms(made + raw["queue_duration"]), _from_ms(ended)]


def _from_ms(value: int) -> datetime | None:
    return datetime.fromtimestamp(value / 1000, timezone.utc) if value else None
