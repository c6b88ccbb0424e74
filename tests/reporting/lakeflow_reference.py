"""What each of the published queries has to find, counted in plain Python from what the API told."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from math import floor
from statistics import mean, median
from typing import Any

from tests.reporting.workspace import NOW, Json, ended

HOUR = timedelta(hours=1)
WORKSPACE = "1234567890123456"
WORDS = {
    "SUCCESS": "SUCCEEDED",
    "SUCCESS_WITH_FAILURES": "SUCCEEDED",
    "FAILED": "FAILED",
    "TIMEDOUT": "TIMED_OUT",
    "CANCELED": "CANCELLED",
    "UPSTREAM_FAILED": "BLOCKED",
    "MAXIMUM_CONCURRENT_RUNS_REACHED": "SKIPPED",
}
#: What a run says that has only the newer field.
CODES = {
    "SUCCESS": "SUCCEEDED",
    "SUCCESS_WITH_FAILURES": "SUCCEEDED",
    "RUN_EXECUTION_ERROR": "FAILED",
    "LIBRARY_INSTALLATION_ERROR": "FAILED",
    # A time limit is no word there: it says that the platform cancelled.
    "CANCELED": "CANCELLED",
    "USER_CANCELED": "CANCELLED",
    "MAX_CONCURRENT_RUNS_EXCEEDED": "SKIPPED",
    "SKIPPED": "SKIPPED",
    "DRIVER_ERROR": "ERROR",
}
TRIGGERS = {"ONE_TIME": "ONETIME", "RETRY": "ONETIME_RETRY", "CONTINUOUS_RESTART": "CONTINUOUS"}
FAILURES = ("ERROR", "FAILED", "TIMED_OUT")


@dataclass(frozen=True)
class Part:
    """A row of a timeline."""

    begin: datetime
    end: datetime
    result: str | None


def time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, tz=timezone.utc)


def result(told: Json) -> str | None:
    state = told.get("state")
    if state is None:
        return CODES[told["status"]["termination_details"]["code"]]
    if state["life_cycle_state"] == "RUNNING":
        return None
    if state["life_cycle_state"] in ("SKIPPED", "INTERNAL_ERROR"):
        return {"SKIPPED": "SKIPPED", "INTERNAL_ERROR": "ERROR"}[state["life_cycle_state"]]
    return WORDS[state["result_state"]]


def cut(begin: datetime, end: datetime, word: str | None) -> Iterator[Part]:
    """By the full hours of the clock; what goes on has only hours that are over."""
    at = begin
    while True:
        border = at.replace(minute=0, second=0, microsecond=0) + HOUR
        if word is None and border > NOW:
            return
        if border >= end and word is not None:
            yield Part(at, end, word)
            return
        yield Part(at, border, None)
        at = border


def parts(run: Json) -> list[Part]:
    rounds = run.get("repair_history") or [run]
    found: list[Part] = []
    for at, each in enumerate(rounds):
        last = at == len(rounds) - 1
        word = result(run) if last else result(each)
        end = run["end_time"] if last else each["end_time"]
        found += cut(time(each["start_time"]), time(end) if end else NOW, word)
    return found


def task_parts(run: Json) -> Iterator[tuple[Json, Part]]:
    for task in run["tasks"]:
        end = time(task["end_time"]) if task["end_time"] else NOW
        for part in cut(time(task["start_time"]) if task["start_time"] else end, end, result(task)):
            yield task, part


def seconds(found: list[Part]) -> int:
    return floor(sum((part.end - part.begin).total_seconds() for part in found))


def percentile(values: list[int], share: float) -> float:
    """With a value between two neighbours where it falls between them."""
    values = sorted(values)
    place = share * (len(values) - 1)
    below = floor(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + (values[above] - values[below]) * (place - below)


def since(found: list[Part], days: float) -> list[Part]:
    return [part for part in found if part.begin > NOW - timedelta(days=days)]


def midnight(days: int) -> datetime:
    return NOW.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days)


def _grouped(pairs: Iterator[tuple[Any, Any]]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return found


def daily_runs(runs: list[Json], updates: list[Json]) -> list[Any]:
    days = _grouped((part.begin.date(), run["run_id"]) for run in runs for part in since(parts(run), 7))
    return [(WORKSPACE, day, len(set(ids))) for day, ids in sorted(days.items())]


def daily_results(runs: list[Json], updates: list[Json]) -> list[Any]:
    found = _grouped(
        ((part.begin.date(), part.result), run["run_id"])
        for run in runs
        for part in since(parts(run), 7)
        if part.result
    )
    return [(WORKSPACE, day, word, len(set(ids))) for (day, word), ids in sorted(found.items())]


def run_times_by_job(runs: list[Json], updates: list[Json]) -> list[Any]:
    found = _grouped((run["job_id"], seconds(kept)) for run in runs if (kept := since(parts(run), 7)))
    rows = [
        (WORKSPACE, str(job_id), len(values), mean(values), percentile(values, 0.9), percentile(values, 0.95))
        for job_id, values in found.items()
    ]
    return sorted(rows, key=lambda row: (-row[3], row[1]))[:100]


def submitted_runs(runs: list[Json], updates: list[Json]) -> list[Any]:
    rows = []
    for run in runs:
        if run["run_type"] == "SUBMIT_RUN" and run["run_name"] == "it's" and (kept := since(parts(run), 60)):
            total = sum((part.end - part.begin for part in kept), timedelta())
            rows.append((WORKSPACE, str(run["run_id"]), min(part.begin for part in kept), total))
    return sorted(rows, key=lambda row: row[2])


def repaired_runs(runs: list[Json], updates: list[Json]) -> list[Any]:
    rows = [
        (WORKSPACE, str(run["job_id"]), str(run["run_id"]), sum(1 for part in parts(run) if part.result) - 1)
        for run in runs
    ]
    return sorted((row for row in rows if row[3] > 0), key=lambda row: (-row[3], row[2]))[:10]


def latest_jobs(runs: list[Json], updates: list[Json]) -> list[Any]:
    rows = {}
    known: dict[int, tuple[str, Any]] = {}
    for run in runs:
        if run["run_type"] != "JOB_RUN":
            continue
        before = known.get(run["job_id"])
        now = (run["run_name"], run.get("schedule") or (before[1] if before else None))
        if now != before:
            rows[run["job_id"]] = (str(run["job_id"]), run["run_name"], time(run["start_time"]))
        known[run["job_id"]] = now
    return [(WORKSPACE, *row, 1) for _, row in sorted(rows.items())]


def failing_jobs(runs: list[Json], updates: list[Json]) -> list[Any]:
    names = {row[1]: row[2] for row in latest_jobs(runs, updates)}
    ends = _grouped(
        (str(run["job_id"]), part)
        for run in runs
        for part in parts(run)
        if part.result and part.end >= midnight(30)
    )
    rows = []
    for job_id, found in ends.items():
        failures = sum(part.result in FAILURES for part in found)
        good = (1 - failures / len(found)) * 100
        last = max(part.end for part in found)
        rows.append((names.get(job_id), WORKSPACE, job_id, len(found), failures, good, last))
    return sorted(rows, key=lambda row: (-row[4], row[2]))[:100]


def longest_runs(runs: list[Json], updates: list[Json]) -> list[Any]:
    rows = []
    for run in runs:
        if not (kept := since(parts(run), 30)):
            continue
        begin, end = min(part.begin for part in kept), max(part.end for part in kept)
        # a part without a result is not looked at
        word = max(((part.end, part.result) for part in kept if part.result), default=(None, None))[1]
        whole = floor((end - begin).total_seconds())
        rows.append((WORKSPACE, str(run["job_id"]), str(run["run_id"]), word, whole))
    return sorted(rows, key=lambda row: (-row[4], row[2]))[:10]


def run_time_trend(runs: list[Json], updates: list[Json]) -> list[Any]:
    def monday(day: date) -> date:
        return day - timedelta(days=day.weekday())

    found = _grouped(
        ((str(run["job_id"]), monday(min(part.begin for part in kept).date())), seconds(kept))
        for run in runs
        # the greatest word, as in the query
        if (kept := parts(run)) and max(part.result or "" for part in kept) == "SUCCEEDED"
    )
    return [
        (WORKSPACE, job_id, week, len(all_), median(all_)) for (job_id, week), all_ in sorted(found.items())
    ]


def failing_tasks(runs: list[Json], updates: list[Json]) -> list[Any]:
    ends = _grouped(
        ((str(run["job_id"]), task["task_key"]), (run["run_id"], task, part))
        for run in runs
        for task, part in task_parts(run)
        if part.result and part.end >= midnight(30)
    )
    rows = []
    for (job_id, key), found in ends.items():
        bad = [
            task["status"]["termination_details"]["code"]
            for _, task, part in found
            if part.result in FAILURES
        ]
        codes = ", ".join(sorted({"CANCELLED" if code == "CANCELED" else code for code in bad}))
        if bad:
            rows.append((WORKSPACE, job_id, key, len(bad), len({run_id for run_id, _, _ in found}), codes))
    return sorted(rows, key=lambda row: (-row[3], row[1], row[2]))


def runs_by_trigger(runs: list[Json], updates: list[Json]) -> list[Any]:
    all_: dict[tuple[str, str], set[int]] = defaultdict(set)
    failed: dict[tuple[str, str], set[int]] = defaultdict(set)
    for run in runs:
        told: str = run["trigger"]
        word = "CRON" if "schedule" in run else TRIGGERS.get(told, told)
        for part in parts(run):
            if part.begin >= midnight(30):
                all_[word, str(run["run_type"])].add(run["run_id"])
                if part.result == "FAILED":
                    failed[word, str(run["run_type"])].add(run["run_id"])
    rows = [(*key, len(ids), len(failed[key])) for key, ids in all_.items()]
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))


def pipeline_results(runs: list[Json], updates: list[Json]) -> list[Any]:
    counted: dict[tuple[str, str], set[str]] = defaultdict(set)
    for update in updates:
        end = ended(update)
        if end is None:
            continue
        *_, last = cut(time(update["creation_time"]), end, update["state"])
        if last.begin >= midnight(30):
            counted[update["pipeline_id"], update["state"]].add(update["update_id"])
    return [(key[0], f"name of {key[0]}", key[1], len(ids)) for key, ids in sorted(counted.items())]


def shared_compute(runs: list[Json], updates: list[Json]) -> list[Any]:
    used: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for run in runs:
        for task, part in task_parts(run):
            instance = task.get("cluster_instance", {}).get("cluster_id")
            compute = instance or task.get("sql_task", {}).get("warehouse_id")
            if part.begin >= midnight(30) and compute and task["start_time"]:
                used[compute].add((run["job_id"], run["run_id"]))
    rows = [
        (WORKSPACE, compute, len({job for job, _ in pairs}), len(pairs))
        for compute, pairs in used.items()
        if len(pairs) > 1
    ]
    return sorted(rows, key=lambda row: (-row[3], row[1]))


REFERENCES: dict[str, Callable[[list[Json], list[Json]], list[Any]]] = {
    function.__name__: function
    for function in (
        daily_runs,
        daily_results,
        run_times_by_job,
        submitted_runs,
        repaired_runs,
        latest_jobs,
        failing_jobs,
        longest_runs,
        run_time_trend,
        failing_tasks,
        runs_by_trigger,
        pipeline_results,
        shared_compute,
    )
}
