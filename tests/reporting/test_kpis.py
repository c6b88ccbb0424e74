"""Figures are what pandas makes of the raw JSON, to the last run."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_pipehooks.hooks.registry import calls_of
from airflow_provider_pipehooks.reporting.figures import Figures, Kpis, Window
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.known import Known
from airflow_provider_pipehooks.reporting.kpis import kpis
from airflow_provider_pipehooks.reporting.listing import Clock, Lister
from airflow_provider_pipehooks.reporting.rows import Row
from tests.reporting import pandas_kpis as reference
from tests.reporting.raw_runs import ACCOUNTS, Runs, Sighting

SERVICES = sorted(ACCOUNTS)
BEGIN = datetime(2026, 9, 20, 5, 30, tzinfo=timezone.utc)
#: Summer time ends in it.
BERLIN = Window(begin=BEGIN, end=BEGIN + timedelta(days=50, hours=7), zone="Europe/Berlin")


def remember(history: History, service: str, sightings: Iterable[Sighting], syncs: int = 5) -> None:
    """Write runs as a sync does, some at a time."""
    sightings = list(sightings)
    size = -(-len(sightings) // syncs)
    for at in range(0, len(sightings), size):
        rows: list[Row] = []
        for account, seen_at, raw in sightings[at : at + size]:
            hook: Any = SimpleNamespace(
                target=SimpleNamespace(account_id=None, base_url=f"https://{account}")
            )
            about = (service, hook, calls_of(service), history, Known(), Clock(seen_at, None))
            lister, told = Lister(*about), json.loads(json.dumps(raw))
            run = lister._parsed(told)
            assert run is not None
            rows += lister._rows(run, told)
        history.append(rows)


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float) and theirs is not None:
        return math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9)
    return bool(ours == theirs)


def differing(ours: Figures, theirs: dict[str, Any]) -> dict[str, Any]:
    return {
        key: (getattr(ours, key), value)
        for key, value in theirs.items()
        if not same(getattr(ours, key), value)
    }


def check(found: Kpis, service: str, sightings: list[Sighting], window: Window) -> None:
    everything = reference.runs_of(service, sightings)
    runs = reference.in_window(everything, window.begin, window.end)
    (of_service,) = found.services
    trends = []
    jobs = {(each.job.account, each.job.job_id): each for each in found.jobs}
    assert len(jobs) == len(found.jobs)
    by_job = dict(iter(runs.groupby(["account", "job"])))
    assert jobs.keys() == by_job.keys()
    days: Any = defaultdict(dict)
    for day in found.days:
        days[day.job.account, day.job.job_id][day.day] = (day.runs, day.failed, day.cancelled, day.run_p50_s)
    for key, its in by_job.items():
        assert differing(jobs[key], reference.figures(its, window.zone)) == {}
        assert jobs[key].job.job_name == reference.name_of(its)
        theirs = reference.days(its, window.zone)
        assert days[key].keys() == theirs.keys()
        assert all(all(map(same, days[key][day], theirs[day])) for day in theirs)
        growth = reference.trend(its, window.zone)
        assert same(jobs[key].run_trend, growth)
        trends += [growth] if growth is not None else []
    assert differing(of_service, reference.figures(runs, window.zone)) == {}
    assert same(of_service.run_trend, median(trends) if trends else None)
    ours = sorted(
        (
            each.count,
            each.trouble,
            each.jobs,
            each.job_count,
            each.first_at,
            each.last_at,
            each.example,
            each.url,
        )
        for each in found.reasons
    )
    assert ours == reference.reasons(runs)
    assert len({each.fingerprint for each in found.reasons}) == len(found.reasons)
    started = runs.by.fillna("(not told)").value_counts()
    assert {each.by: each.runs for each in found.started} == dict(started)
    tasks = {(each.job.account, each.job.job_id, each.job.task_key): each for each in found.tasks}
    if service == "dbt_cloud":
        assert tasks == {}
        return
    tries = reference.in_window(reference.tries_of(everything), window.begin, window.end)
    by_task = dict(iter(tries.groupby(["account", "job", "task"])))
    assert tasks.keys() == by_task.keys()
    for key, its in by_task.items():
        last = its.sort_values("number").groupby("run").tail(1)
        assert differing(tasks[key], reference.figures(last, window.zone, its)) == {}
        assert same(tasks[key].run_trend, reference.trend(last, window.zone))


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("service", SERVICES)
def test_every_figure_is_that_of_pandas(tmp_path: Path, service: str, seed: int) -> None:
    sightings = list(Runs(service, seed, count=2_000, jobs=6).sightings())
    history = History(str(tmp_path))
    remember(history, service, sightings)
    check(kpis(history, BERLIN), service, sightings, BERLIN)


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
def test_every_figure_of_100_000_runs_is_that_of_pandas(tmp_path: Path, service: str) -> None:
    """Of 40 jobs in 60 days."""
    runs = Runs(service, 7, count=100_000, jobs=20)
    sightings = list(runs.sightings())
    history = History(str(tmp_path))
    remember(history, service, sightings, syncs=2)
    window = Window(begin=runs.begin, end=runs.begin + timedelta(days=runs.days), zone="Europe/Berlin")
    check(kpis(history, window), service, sightings, window)
