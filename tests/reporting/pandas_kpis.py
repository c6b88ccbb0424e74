"""The same figures a second time, by pandas from the raw JSON alone: what ours are held to.

Nothing of the package is imported here. What a word of a remote means is written down anew.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pandas as pd

ONE_TIME = "(one-time runs)"
#: By a Databricks result or code: how the run ended, and the class of its trouble.
DATABRICKS = {
    "SUCCESS": ("succeeded", None),
    "FAILED": ("failed", "user"),
    "RUN_EXECUTION_ERROR": ("failed", "user"),
    "INTERNAL_ERROR": ("failed", "platform"),
    "TIMEDOUT": ("failed", "timeout"),
    "CANCELED": ("cancelled", "cancelled_by_platform"),
    "USER_CANCELED": ("cancelled", "cancelled_by_person"),
    "SKIPPED": ("skipped", "skipped"),
    "MAXIMUM_CONCURRENT_RUNS_REACHED": ("skipped", "skipped"),
}
DBT = {10: ("succeeded", None), 20: ("failed", "user"), 30: ("cancelled", "cancelled")}
COLUMNS = [
    "account",
    "job",
    "name",
    "task",
    "outcome",
    "trouble",
    "message",
    "by",
    "url",
    "made",
    "started",
    "ended",
]


def runs_of(service: str, sightings: Iterable[tuple[str, datetime, dict[str, Any]]]) -> Any:
    """A row for each run, as it was seen last."""
    last: dict[Any, tuple[str, dict[str, Any]]] = {}
    for account, _, raw in sightings:
        last[account, raw["run_id" if service == "databricks_jobs" else "id"]] = (account, raw)
    frame = pd.json_normalize([raw for _, raw in last.values()])
    frame["account"] = [account for account, _ in last.values()]
    return _databricks(frame) if service == "databricks_jobs" else _dbt(frame)


def tries_of(runs: Any) -> Any:
    """A row for each try of each task in Databricks runs."""
    held = runs[runs.tasks.map(bool)]
    rows = [
        task | {"account": account, "job_id": job, "run": number}
        for number, account, job, tasks in zip(held.index, held.account, held.job, held.tasks, strict=True)
        for task in tasks
    ]
    frame = pd.json_normalize(rows)
    tries = _databricks(frame.assign(run_type="", queue_duration=0, run_name=frame.task_key, tasks=None))
    tries["task"], tries["run"], tries["number"] = frame.task_key, frame.run, frame.attempt_number
    names = runs.name.to_numpy()[frame.run.to_numpy()]
    return tries.assign(name=names, again=tries.took.where(tries.number > 0, 0.0))


def _column(frame: Any, name: str) -> Any:
    return frame[name] if name in frame else pd.Series(None, index=frame.index, dtype=object)


def _databricks(frame: Any) -> Any:
    life = _column(frame, "state.life_cycle_state")
    result = _column(frame, "state.result_state").where(~life.isin(["INTERNAL_ERROR", "SKIPPED"]), life)
    word = _column(frame, "status.termination_details.code").fillna(result).fillna(life)
    made = pd.to_datetime(frame.start_time, unit="ms", utc=True)
    message = _column(frame, "status.termination_details.message").fillna(
        _column(frame, "state.state_message")
    )
    # Without a message the words themselves are shown.
    message = message.where(message.map(bool), life.fillna("TERMINATED") + " " + word)
    runs = pd.DataFrame(
        {
            "account": frame.account,
            "job": frame.job_id.astype(str).where(frame.run_type != "SUBMIT_RUN", ONE_TIME),
            "name": frame.run_name,
            "task": "",
            "outcome": [DATABRICKS.get(each, (None, None))[0] for each in word],
            "trouble": [DATABRICKS.get(each, (None, None))[1] for each in word],
            "message": message,
            "by": _column(frame, "trigger"),
            "url": _column(frame, "run_page_url"),
            "made": made,
            "started": (made + pd.to_timedelta(frame.queue_duration, unit="ms")).where(life != "QUEUED"),
            "ended": pd.to_datetime(frame.end_time, unit="ms", utc=True).where(frame.end_time > 0),
            "tasks": _column(frame, "tasks").map(lambda each: each if isinstance(each, list) else []),
        }
    )
    spent = [_again_and_paused(tasks) for tasks in runs.tasks]
    runs["again"], runs["paused"] = [each for each, _ in spent], [each for _, each in spent]
    return _timed(runs)


def _dbt(frame: Any) -> Any:
    late = frame.status_message.str.contains("timed out", na=False)
    outcome = pd.Series([DBT.get(each, (None, None))[0] for each in frame.status])
    trouble = pd.Series([DBT.get(each, (None, None))[1] for each in frame.status])
    times = {
        key: pd.to_datetime(_column(frame, f"{column}_at"), utc=True, format="ISO8601")
        for key, column in (("made", "created"), ("started", "started"), ("ended", "finished"))
    }
    runs = pd.DataFrame(
        {
            "account": frame.account,
            "job": frame.job_definition_id.map(lambda each: ONE_TIME if pd.isna(each) else str(int(each))),
            "name": _column(frame, "job.name"),
            "task": "",
            "outcome": outcome.mask(late, "failed"),
            "trouble": trouble.mask(late, "timeout"),
            "message": frame.status_message.fillna(frame.status_humanized),
            "by": frame["trigger.cause_category"],
            "url": frame.href,
            **times,
            "tasks": [[] for _ in range(len(frame))],
            "paused": 0.0,
        }
    )
    runs = _timed(runs.assign(again=0.0))
    return runs.assign(again=runs.took.where(frame.retrying_run_id.notna(), 0.0))


def _timed(runs: Any) -> Any:
    took = (runs.ended - runs.started).dt.total_seconds() - runs.paused
    queued = (runs.started - runs.made).dt.total_seconds()
    return runs.assign(
        took=took.where(took >= 0),
        queued=queued.where((queued >= 0) & (runs.outcome != "skipped")),
        done=runs.ended.fillna(runs.made),
    )


def _again_and_paused(tasks: list[dict[str, Any]]) -> tuple[float, float]:
    """By a look at each stretch of time between two moments at which something began or ended."""
    spans = [
        (task["start_time"], task["end_time"], task["attempt_number"] > 0)
        for task in tasks
        if 0 < task["start_time"] < task["end_time"]
    ]
    moments = sorted({moment for begin, end, _ in spans for moment in (begin, end)})
    again = paused = 0
    for begin, end in pairwise(moments):
        running = [is_again for first, last, is_again in spans if first <= begin and end <= last]
        again += (end - begin) * any(running)
        if not running:
            paused += (end - begin) * any(is_again for first, _, is_again in spans if first == end)
    return again / 1000, paused / 1000


def in_window(runs: Any, begin: datetime, end: datetime) -> Any:
    return runs[(runs.made >= begin) & (runs.made < end)]


def figures(runs: Any, zone: str, tries: Any = None) -> dict[str, Any]:
    """Of some runs of one job or of several.

    :param tries: of a task: what its time is shared out of.
    """
    ended = runs[runs.outcome.notna()]
    counts = ended.outcome.value_counts()
    good = ended[ended.outcome == "succeeded"].took.dropna()
    queued = runs.queued.dropna()
    streaks = list(_streaks(runs))
    recoveries = [recovery for _, recovery in streaks if recovery is not None]
    spent = runs if tries is None else tries
    spent = spent[spent.outcome.notna() & spent.took.notna() & spent.again.notna()]
    return {
        "runs": len(runs),
        "ended": len(ended),
        "succeeded": int(counts.get("succeeded", 0)),
        "failed": int(counts.get("failed", 0)),
        "cancelled": int(counts.get("cancelled", 0)),
        "failure_rate": counts.get("failed", 0) / len(ended) if len(ended) else None,
        "cancel_rate": counts.get("cancelled", 0) / len(ended) if len(ended) else None,
        "run_p50_s": good.quantile(0.5) if len(good) else None,
        "run_p95_s": good.quantile(0.95) if len(good) else None,
        "queue_p50_s": queued.quantile(0.5) if len(queued) else None,
        "queue_p95_s": queued.quantile(0.95) if len(queued) else None,
        "recovery_p50_s": float(np.median(recoveries)) if recoveries else None,
        "longest_streak": max((length for length, _ in streaks), default=0),
        "again_share": _share(spent),
    }


def _share(spent: Any) -> float | None:
    total = spent.took.sum()
    return float(np.minimum(spent.again, spent.took).sum() / total) if total > 0 else None


def _streaks(runs: Any) -> Iterator[tuple[int, float | None]]:
    """Of each job in turn: how many failed runs followed each other, and seconds until one succeeded."""
    told = runs[runs.outcome.isin(["succeeded", "failed"]) & (runs.job != ONE_TIME)]
    for _, job in told.assign(bad=told.outcome == "failed").groupby(["account", "job", "task"]):
        length, first = 0, None
        for done, bad in job.sort_values(["done", "bad"])[["done", "bad"]].itertuples(index=False):
            if bad:
                length, first = length + 1, first if length else done
            elif length:
                yield length, (done - first).total_seconds()
                length = 0
        if length:
            yield length, None


def trend(runs: Any, zone: str) -> float | None:
    """Of one job: the slope of the logarithms of its daily medians, in twelfths of the days that it has."""
    good = runs[(runs.outcome == "succeeded") & runs.took.notna()]
    medians = good.groupby(good.made.dt.tz_convert(zone).dt.date).took.median()
    medians = medians[medians > 0]
    if len(medians) < 4 or runs.job.iloc[0] == ONE_TIME:
        return None
    days = np.array([day.toordinal() for day in medians.index])
    if days[-1] - days[0] < 6:
        return None
    size = int(np.ceil(len(days) / 12))
    logs = np.log(medians.to_numpy())
    points = [
        (days[at : at + size].mean(), np.median(logs[at : at + size])) for at in range(0, len(days), size)
    ]
    slope = np.median([(b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2)])
    return float(np.expm1(np.clip(slope * 30, -np.log(1000), np.log(1000))))


def name_of(runs: Any) -> str:
    """Of one job."""
    if runs.job.iloc[0] == ONE_TIME:
        return ONE_TIME
    named = runs[runs.name.notna()].sort_values("made")
    return str(named.name.iloc[-1]) if len(named) else ""


def days(runs: Any, zone: str) -> dict[Any, tuple[int, int, int, float | None]]:
    """Of one job."""
    told = pd.DataFrame(
        {
            "failed": runs.outcome == "failed",
            "cancelled": runs.outcome == "cancelled",
            "took": runs.took.where(runs.outcome == "succeeded"),
        }
    ).groupby(runs.made.dt.tz_convert(zone).dt.date)
    found = pd.concat([told.size(), told.failed.sum(), told.cancelled.sum(), told.took.median()], axis=1)
    return {
        day: (count, failed, cancelled, None if pd.isna(time) else time)
        for day, count, failed, cancelled, time in found.itertuples()
    }


def reasons(runs: Any) -> list[tuple[Any, ...]]:
    """Of one service: troubles by their class, and their words without numbers."""
    bad = runs[runs.outcome.isin(["failed", "cancelled"])]
    names = {key: name_of(job) or key[1] for key, job in runs.groupby(["account", "job"])}
    found = []
    for (trouble, _), its in bad.groupby(
        ["trouble", bad.message.map(lambda text: re.sub(r"\d+", "#", text))]
    ):
        met = {(account, job) for account, job in zip(its.account, its.job, strict=True)}
        last = its.sort_values("done").iloc[-1]
        jobs = tuple(sorted({names[key] for key in met})[:10])
        found.append(
            (len(its), trouble, jobs, len(met), its.done.min(), its.done.max(), last.message, last.url)
        )
    return sorted(found)
