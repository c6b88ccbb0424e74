"""Runs as Databricks and dbt Cloud tell them, made up: of all kinds that a history may hold, from a seed.

Each run comes as its sightings, the raw objects in the order in which they were seen.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

Raw = dict[str, Any]
#: What the remote answered, for an account, when it was asked.
Sighting = tuple[str, datetime, Raw]

ACCOUNTS = {
    "databricks_jobs": ("adb-1.azuredatabricks.net", "adb-2.azuredatabricks.net"),
    "dbt_cloud": ("11", "22"),
}
TROUBLES = (
    "Table sales.orders of run {} not found",
    "Out of memory after {} rows",
    "<script>alert({})</script>",
    "Permission denied on 'x{}'; '; DROP TABLE runs; --",
)
TASKS = ("load", "clean", "publish")


@dataclass
class Runs:
    """A world of jobs that were run for some days.

    :param count: of runs, of all jobs and accounts.
    """

    service: str
    seed: int
    count: int
    jobs: int = 12
    days: int = 60
    begin: datetime = datetime(2026, 9, 15, tzinfo=timezone.utc)
    random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(f"{self.service} {self.seed}")
        self._ids = iter(range(70_403_110_257_794, 2**62))

    def sightings(self) -> Iterator[Sighting]:
        """In the order in which they were seen."""
        seen: list[Sighting] = []
        for _ in range(self.count):
            made = self.begin + timedelta(milliseconds=self.random.randrange(self.days * 86_400_000))
            account = self.random.choice(ACCOUNTS[self.service])
            raws = self._databricks(made) if self.service == "databricks_jobs" else self._dbt(made)
            for number, raw in enumerate(raws):
                seen.append((account, made + timedelta(days=number, hours=1), raw))
        return iter(sorted(seen, key=lambda each: each[1]))

    def _chance(self, percent: float) -> bool:
        return self.random.random() * 100 < percent

    def _job(self, made: datetime) -> tuple[int, str]:
        number = self.random.randrange(self.jobs)
        renamed = number == 0 and made > self.begin + timedelta(days=self.days / 2)
        # Two jobs have one name.
        return 1000 + number, "renamed" if renamed else f"job {min(number, self.jobs - 2)}"

    def _took_ms(self) -> int:
        took = 60_000 * self.random.lognormvariate(0, 0.4)
        return round(took * (20 if self._chance(2) else 1))

    # Databricks

    def _databricks(self, made: datetime) -> list[Raw]:
        start = int(made.timestamp() * 1000)
        job_id, name = self._job(made)
        raw: Raw = {
            "job_id": job_id,
            "run_id": next(self._ids),
            "run_name": name,
            "run_type": "JOB_RUN",
            "trigger": self.random.choice(("PERIODIC", "ONE_TIME", None)),
            "start_time": start,
            "end_time": 0,
            "queue_duration": self.random.choice((0, 0, 1500, 90_000)),
            "run_page_url": f"https://{self.random.randrange(10**6)}.example/run",
            "number_in_job": 1,
        }
        if self._chance(5):
            raw |= {"job_id": next(self._ids), "run_type": "SUBMIT_RUN", "run_name": "Untitled"}
        if self._chance(2):
            return [raw | _old("QUEUED")]
        going = raw | _old("RUNNING")
        if self._chance(2):
            return [going]
        ended = self._with_tasks(
            raw | {"end_time": start + raw["queue_duration"] + self._took_ms()} | self._end()
        )
        if self._chance(1):
            ended["end_time"] = self.random.choice((0, start - 5_000))
        seen = [going, ended] if self._chance(20) else [ended]
        if "FAILED" in str(ended) and ended.get("tasks") and self._chance(50):
            seen.append(self._repaired(ended))
        if self._chance(3):
            seen.append(seen[-1])
        return seen

    def _end(self) -> Raw:
        trouble = self.random.choice(TROUBLES).format(self.random.randrange(10**6))
        kinds: list[tuple[int, Raw]] = [
            (70, _old("TERMINATED", "SUCCESS")),
            (8, _new("SUCCESS")),
            (8, _old("TERMINATED", "FAILED", trouble)),
            (4, _new("RUN_EXECUTION_ERROR", trouble)),
            (2, _old("INTERNAL_ERROR", "FAILED", trouble)),
            (2, _old("TERMINATED", "TIMEDOUT", "Run timed out.")),
            (2, _old("TERMINATED", "CANCELED", "Run cancelled.")),
            (2, _new("USER_CANCELED", "Cancelled by user.")),
            (1, _old("SKIPPED", None, "Another run is active.")),
            (1, _old("TERMINATED", "MAXIMUM_CONCURRENT_RUNS_REACHED")),
            (1, _old("HIBERNATING")),
        ]
        return self.random.choices([raw for _, raw in kinds], [weight for weight, _ in kinds])[0]

    def _with_tasks(self, raw: Raw) -> Raw:
        if self._chance(10):
            return raw
        tasks = []
        begin = raw["start_time"] + raw["queue_duration"]
        for key in self.random.sample(TASKS, self.random.randrange(1, 4)):
            end = begin + self._took_ms()
            if self._chance(8):
                tasks.append(self._task(key, 0, begin, end, _old("TERMINATED", "FAILED", "Task failed.")))
                begin, end = end + self.random.choice((0, 30_000)), end + 45_000
                tasks.append(self._task(key, 1, begin, end, _old("TERMINATED", "SUCCESS")))
            else:
                tasks.append(self._task(key, 0, begin, end, self._end()))
            # Some at once, some one after the other.
            begin = self.random.choice((begin, end, end + 2_000))
        return raw | {"tasks": tasks}

    def _task(self, key: str, number: int, begin: int, end: int, state: Raw) -> Raw:
        about = {"run_id": next(self._ids), "task_key": key, "attempt_number": number}
        return about | {"start_time": begin, "end_time": end if not self._chance(1) else 0} | state

    def _repaired(self, raw: Raw) -> Raw:
        begin = max(task["end_time"] for task in raw["tasks"]) + self.random.choice((60_000, 40_000_000))
        end = begin + self._took_ms()
        key, number = max((task["task_key"], task["attempt_number"]) for task in raw["tasks"])
        state = _old("TERMINATED", self.random.choice(("SUCCESS", "SUCCESS", "FAILED")))
        # A single run has its history, a list of runs has none.
        history = {"repair_history": [{"type": "ORIGINAL"}, {"type": "REPAIR", "id": 1}]}
        return {
            **{key: value for key, value in raw.items() if key not in ("state", "status")},
            **state,
            "end_time": end,
            "tasks": [*raw["tasks"], self._task(key, number + 1, begin, end, state)],
            **(history if self._chance(50) else {}),
        }

    # dbt Cloud

    def _dbt(self, made: datetime) -> list[Raw]:
        job_id, name = self._job(made)
        raw: Raw = {
            "id": next(self._ids),
            "job_definition_id": job_id if not self._chance(2) else None,
            "job": {"name": name} if not self._chance(10) else None,
            "trigger": {"cause_category": self.random.choice(("scheduled", "api", "job completion"))},
            "status": 1,
            "status_humanized": "Queued",
            "status_message": None,
            "created_at": _text(made),
            "started_at": None,
            "finished_at": None,
            "retrying_run_id": next(self._ids) if self._chance(3) else None,
            "href": f"https://cloud.example/runs/{self.random.randrange(10**6)}/",
        }
        if self._chance(2):
            return [raw]
        # A clock may jump back.
        started = made + timedelta(microseconds=self.random.randrange(-1_000_000, 90_000_000))
        going = raw | {"started_at": _text(started), "status": 3, "status_humanized": "Running"}
        if self._chance(2):
            return [going]
        ended = going | self._dbt_end()
        finished = started + timedelta(milliseconds=self._took_ms(), microseconds=self.random.randrange(1000))
        ended["finished_at"] = _text(finished if not self._chance(1) else started - timedelta(seconds=3))
        if self._chance(1):
            ended["finished_at"] = None
        if self._chance(1):
            ended["started_at"] = None
        return [going, ended] if self._chance(20) else [ended]

    def _dbt_end(self) -> Raw:
        trouble = self.random.choice(TROUBLES).format(self.random.randrange(10**6))
        late = "This run timed out after running for 1 day."
        kinds = (
            (80, 10, "Success", None),
            (10, 20, "Error", trouble),
            (2, 20, "Error", None),
            (3, 30, "Cancelled", None),
            (2, 30, "Cancelled", late),
            (1, 77, "Hibernating", None),
        )
        _, status, word, message = self.random.choices(kinds, [weight for weight, *_ in kinds])[0]
        return {"status": status, "status_humanized": word, "status_message": message}


def _text(when: datetime) -> str:
    return when.isoformat(sep=" ")


def _old(life: str, result: str | None = None, message: str = "") -> Raw:
    state = {"life_cycle_state": life, "state_message": message}
    return {"state": state | ({"result_state": result} if result else {})}


def _new(code: str, message: str = "") -> Raw:
    return {"status": {"state": "TERMINATED", "termination_details": {"code": code, "message": message}}}
