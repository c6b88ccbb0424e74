"""Runs of a workspace as the Jobs API tells them, of every kind, at times that are always the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.rows import row_of
from airflow_provider_pipehooks.services.databricks_jobs import DatabricksJobs
from airflow_provider_pipehooks.services.databricks_pipelines import parse_update

Json = dict[str, Any]

NOW = datetime(2026, 11, 28, 10, 30, 17, tzinfo=timezone.utc)
HOST = "dbc-a1b2.cloud.databricks.com"
JOBS = {101: "load", 102: "marts", 103: "export", 104: "never failed"}
#: life cycle, result, code, type; weighted by how often they stand here.
ENDINGS = [
    *[("TERMINATED", "SUCCESS", "SUCCESS", "SUCCESS")] * 8,
    *[("TERMINATED", "FAILED", "RUN_EXECUTION_ERROR", "CLIENT_ERROR")] * 3,
    ("TERMINATED", "FAILED", "LIBRARY_INSTALLATION_ERROR", "CLIENT_ERROR"),
    ("TERMINATED", "TIMEDOUT", "CANCELED", "CLIENT_ERROR"),
    ("TERMINATED", "CANCELED", "USER_CANCELED", "CLIENT_ERROR"),
    ("TERMINATED", "SUCCESS_WITH_FAILURES", "SUCCESS_WITH_FAILURES", "SUCCESS"),
    ("TERMINATED", "MAXIMUM_CONCURRENT_RUNS_REACHED", "MAX_CONCURRENT_RUNS_EXCEEDED", "CLIENT_ERROR"),
    ("INTERNAL_ERROR", "FAILED", "DRIVER_ERROR", "INTERNAL_ERROR"),
    ("SKIPPED", None, "SKIPPED", "SUCCESS"),
]
SECONDS = [0, 5, 90, 2_400, 3_599, 3_600, 7_213, 11_400, 93_784]
TRIGGERS = ["PERIODIC", "ONE_TIME", "RETRY", "FILE_ARRIVAL", "RUN_JOB_TASK", "CONTINUOUS_RESTART"]


def ms(when: datetime) -> int:
    return int(when.timestamp() * 1000)


def states(ending: tuple[str, str | None, str, str], dialect: int = 0) -> Json:
    """Both dialects, or one of them."""
    life, result, code, kind = ending
    old = {"life_cycle_state": life, "state_message": "", **({"result_state": result} if result else {})}
    new = {"state": "TERMINATED", "termination_details": {"code": code, "type": kind, "message": ""}}
    told: list[Json] = [{"state": old, "status": new}, {"state": old}, {"status": new}]
    return told[dialect]


def runs(count: int = 300) -> list[Json]:
    """One run every four hours and some, the last ones still going on."""
    random = Random(11)
    return [_run(number, random, NOW - timedelta(hours=4.21 * (count - number))) for number in range(count)]


def _run(number: int, random: Random, begun: datetime) -> Json:
    job_id, run_type = random.choice(list(JOBS)), "JOB_RUN"
    name = JOBS[job_id] + (" 2" if job_id == 102 and number > 150 else "")
    if number % 10 == 0:
        job_id, run_type, name = 900 + number, "SUBMIT_RUN", random.choice(["backfill", "it's"])
    trigger = random.choice(TRIGGERS)
    rounds = list(_rounds(number, random, begun, 1 + (number % 17 == 0) + (number % 34 == 0)))
    if job_id == 104:
        rounds = [(start, end, ENDINGS[0]) for start, end, _ in rounds]
    _, last_end, ending = rounds[-1]
    going_on = last_end > NOW
    told = {"state": {"life_cycle_state": "RUNNING"}} if going_on else states(ending, number % 3)
    raw: Json = {
        "job_id": job_id,
        "run_id": 7_000_000 + number,
        "run_name": name,
        "run_type": run_type,
        "run_page_url": f"https://{HOST}/?o=1234567890123456#job/{job_id}/run/{7_000_000 + number}",
        "trigger": trigger,
        "start_time": ms(begun),
        "end_time": 0 if going_on else ms(last_end),
        "run_duration": 0 if going_on else ms(last_end) - ms(begun),
        "queue_duration": 1_500 * (number % 3),
        "setup_duration": 0,
        "execution_duration": 0,
        "cleanup_duration": 0,
        **told,
        "tasks": list(_tasks(number, random, rounds)),
        "job_parameters": [{"name": "day", "default": "today", "value": f"{begun:%Y-%m-%d}"}],
    }
    if trigger == "PERIODIC" and job_id != 103:
        raw["schedule"] = {
            "quartz_cron_expression": f"0 0 {job_id % 24} * * ?",
            "timezone_id": "UTC",
            "pause_status": "UNPAUSED",
        }
    if len(rounds) > 1:
        raw["repair_history"] = [
            {
                "type": "REPAIR" if at else "ORIGINAL",
                "start_time": ms(start),
                "end_time": 0 if end > NOW else ms(end),
                **({"state": {"life_cycle_state": "RUNNING"}} if end > NOW else states(how)),
            }
            for at, (start, end, how) in enumerate(rounds)
        ]
    return raw


def _rounds(
    number: int, random: Random, begun: datetime, count: int
) -> Iterator[tuple[datetime, datetime, tuple[str, str | None, str, str]]]:
    for at in range(count):
        seconds = random.choice(SECONDS)
        if number % 7 == 0:
            # ends at a full hour of the clock
            end = begun.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1 + number % 3)
        else:
            end = begun + timedelta(seconds=seconds)
        ending = random.choice(ENDINGS)
        yield begun, end, ENDINGS[8] if at < count - 1 and ending[1] == "SUCCESS" else ending
        begun = end + timedelta(seconds=700)


def _tasks(number: int, random: Random, rounds: list[Any]) -> Iterator[Json]:
    keys = ["extract", "transform", "publish"][: 1 + number % 3]
    for attempt, (start, end, ending) in enumerate(rounds):
        for at, key in enumerate(keys):
            over = end <= NOW
            failed = over and ending[1] == "FAILED"
            how = ENDINGS[0] if failed and at < len(keys) - 1 else ending
            never = failed and at == len(keys) - 1 and number % 5 == 0
            if never:
                how = ("TERMINATED", "UPSTREAM_FAILED", "SKIPPED", "CLIENT_ERROR")
            yield {
                "task_key": key,
                "run_id": 8_000_000 + 100 * number + 10 * attempt + at,
                "attempt_number": attempt,
                "start_time": 0 if never else ms(start),
                "end_time": ms(end) if over else 0,
                "setup_duration": 1_000,
                "execution_duration": (ms(end) - ms(start)) if over else 0,
                "cleanup_duration": 0,
                "depends_on": [{"task_key": keys[at - 1]}] if at else [],
                "timeout_seconds": 3600 if number > 200 else 0,
                **(states(how) if over else {"state": {"life_cycle_state": "RUNNING"}}),
                **_compute(number, random),
            }


def _compute(number: int, random: Random) -> Json:
    if number % 3 == 0:
        return {"sql_task": {"warehouse_id": "w1"}}
    if number % 3 == 1:
        return {"existing_cluster_id": "shared", "cluster_instance": {"cluster_id": "shared"}}
    return {"cluster_instance": {"cluster_id": f"job-{number}-{random.randrange(3)}"}}


def updates() -> list[Json]:
    """Updates of two pipelines; one goes on."""
    found = []
    for number in range(30):
        begun = NOW - timedelta(hours=20 * (29 - number) + 0.7)
        state = "RUNNING" if number == 29 else ("COMPLETED", "COMPLETED", "FAILED", "CANCELED")[number % 4]
        found.append(
            {
                "pipeline_id": f"pipeline-{number % 2}",
                "update_id": f"update-{number:02}",
                "state": state,
                "cause": ("JOB_TASK", "API_CALL", "RETRY_ON_FAILURE")[number % 3],
                "creation_time": ms(begun),
                "cluster_id": f"c{number}",
                "full_refresh_selection": ["main.shop.orders", "orders"] if number == 4 else [],
                "config": {"development": number > 20, "continuous": False, "configuration": {"a": "b"}},
            }
        )
    return found


def ended(update: Json) -> datetime | None:
    """An update does not tell when it ended; its events do."""
    number = int(update["update_id"][-2:])
    begun = datetime.fromtimestamp(update["creation_time"] / 1000, tz=timezone.utc)
    return None if update["state"] == "RUNNING" else begun + timedelta(minutes=25 * (1 + number % 5))


def fill(history: History, told: list[Json], pipelines: list[Json]) -> None:
    """What a sync would have written, seen now."""
    about: dict[str, Any] = {"account": HOST, "seen_at": NOW}
    rows = [row_of(DatabricksJobs().parse(raw), **about, raw=raw) for raw in told]
    for raw in pipelines:
        row = row_of(parse_update(raw, name=f"name of {raw['pipeline_id']}"), **about, raw=raw)
        end = ended(raw)
        rows.append({**row, "ended_at": end.isoformat() if end else None})
    history.append(rows)
