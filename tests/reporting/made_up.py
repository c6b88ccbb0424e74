"""Figures as a history might give them, made up: the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from airflow_provider_pipehooks.reporting.figures import (
    Day,
    Figures,
    Job,
    Kpis,
    Reason,
    Slower,
    Started,
    Window,
)

END = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
SERVICES = ("databricks_jobs", "dbt_cloud")
_SUBJECTS = ("orders", "shops", "stock", "customers", "payments", "returns", "prices", "campaigns")
_VERBS = ("load", "clean", "build", "test", "export", "sync")
_TROUBLES = (
    (
        "user",
        "AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] The table or view `raw`.`shop_07` cannot be found.",
    ),
    ("platform", "Unexpected failure while waiting for the cluster 1128-100000-abcdefgh to be ready."),
    ("quota", "AZURE_QUOTA_EXCEEDED_EXCEPTION(CLIENT_ERROR): The operation could not be completed."),
    ("user", "Database Error in model orders (models/marts/orders.sql): division by zero"),
    ("timeout", "Run exceeded its time limit of 3600 seconds."),
    ("cancelled_by_person", "Run cancelled by ann@example.com."),
)


def kpis_of(jobs: int = 30, days: int = 60, *, runs_a_day: int = 41, seed: int = 7) -> Kpis:
    """The figures of jobs of two services, some of which fail, become slower, or pause at weekends."""
    luck = random.Random(seed)
    window = Window.last(days, END)
    figures, each_day, slower = [], [], []
    for n in range(jobs):
        job = job_of(n)
        often = luck.betavariate(0.3, 12) if n % 4 else 0.0
        seconds = luck.choice((22.0, 190.0, 640.0, 3_900.0)) * luck.uniform(0.7, 1.4)
        since = luck.randrange(10, 50) if n % 11 == 3 else None
        rows = list(_days(luck, job, window, runs_a_day, often, seconds, since))
        each_day += rows
        figures.append(_figures(luck, job, rows, seconds))
        if since is not None and since < len(window.days):
            at = datetime.combine(window.days[since], datetime.min.time(), timezone.utc)
            slower.append(Slower(job=job, since=at, ratio=1.4, before_s=seconds, after_s=1.4 * seconds))
    return Kpis(
        window=window,
        services=tuple(_sum(service, figures) for service in SERVICES),
        jobs=tuple(figures),
        tasks=tuple(_task(each) for each in figures if each.failed and each.job.service == SERVICES[0]),
        days=tuple(each_day),
        reasons=_reasons(figures),
        slower=tuple(slower),
        started=tuple(
            Started(service=service, by=by, runs=runs)
            for service in SERVICES
            for by, runs in (("PERIODIC", 31_234), ("ONE_TIME", 512), ("RETRY", 77))
        ),
    )


def job_of(number: int) -> Job:
    service = SERVICES[number % 2]
    account = "adb-984752964297111.11.azuredatabricks.net" if number % 2 == 0 else "12345"
    name = f"{_VERBS[number % 6]}_{_SUBJECTS[number % 8]}_{number:03d}"
    return Job(service=service, account=account, job_id=str(1_000 + number), job_name=name)


def _days(
    luck: random.Random,
    job: Job,
    window: Window,
    runs: int,
    often: float,
    seconds: float,
    since: int | None,
) -> Iterator[Day]:
    rests, born = luck.random() < 0.2, luck.choice((0, 0, 0, 0, 25))
    broken = (
        range(begin := luck.randrange(len(window.days)), begin + luck.randrange(4)) if often > 0.01 else ()
    )
    for at, day in enumerate(window.days):
        if (rests and day.weekday() >= 5) or at < born:
            continue
        failed = sum(luck.random() < (0.7 if at in broken else often) for _ in range(runs))
        slow = 1.4 if since is not None and at >= since else 1.0
        yield Day(
            job=job,
            day=day,
            runs=runs,
            failed=failed,
            cancelled=int(luck.random() < 0.05 and failed < runs),
            run_p50_s=None if failed == runs else seconds * slow * luck.uniform(0.9, 1.1),
        )


def _figures(luck: random.Random, job: Job, rows: list[Day], seconds: float) -> Figures:
    runs, failed = sum(row.runs for row in rows), sum(row.failed for row in rows)
    cancelled = sum(row.cancelled for row in rows)
    return Figures(
        job=job,
        runs=runs,
        ended=runs,
        succeeded=runs - failed - cancelled,
        failed=failed,
        cancelled=cancelled,
        failure_rate=failed / runs if runs else None,
        cancel_rate=cancelled / runs if runs else None,
        run_p50_s=seconds if runs else None,
        run_p95_s=seconds * 1.8 if runs else None,
        run_trend=luck.uniform(-0.1, 0.3) if runs else None,
        queue_p50_s=luck.uniform(1, 40) if runs else None,
        queue_p95_s=luck.uniform(40, 200) if runs else None,
        recovery_p50_s=luck.uniform(600, 90_000) if failed else None,
        longest_streak=min(failed, luck.randrange(1, 9)),
        again_share=luck.uniform(0, 0.1) if runs else None,
    )


def _sum(service: str, figures: list[Figures]) -> Figures:
    mine = [each for each in figures if each.job.service == service]
    runs, failed, cancelled = (
        sum(getattr(each, word) for each in mine) for word in ("runs", "failed", "cancelled")
    )
    return Figures(
        job=Job(service=service),
        runs=runs,
        ended=runs,
        succeeded=runs - failed - cancelled,
        failed=failed,
        cancelled=cancelled,
        failure_rate=failed / runs if runs else None,
        cancel_rate=cancelled / runs if runs else None,
        run_p50_s=210.0 if runs else None,
        run_p95_s=4_100.0 if runs else None,
        run_trend=0.04 if runs else None,
        queue_p50_s=6.0 if runs else None,
        queue_p95_s=131.0 if runs else None,
        recovery_p50_s=5_400.0 if failed else None,
        longest_streak=max((each.longest_streak for each in mine), default=0),
        again_share=0.021 if runs else None,
    )


def _task(of: Figures) -> Figures:
    job = Job(**{**vars(of.job), "task_key": "load"})
    return Figures(**{**vars(of), "job": job})


def _reasons(figures: list[Figures]) -> tuple[Reason, ...]:
    failed = sum(each.failed for each in figures)
    names = sorted(each.job.job_name for each in figures if each.failed)
    return tuple(
        Reason(
            service=SERVICES[at % 2],
            fingerprint=f"{at:012x}",
            trouble=trouble,
            count=failed // 2 ** (at + 1),
            example=example,
            url="https://adb-984752964297111.11.azuredatabricks.net/?o=1#job/1000/run/455",
            jobs=tuple(names[:10]),
            job_count=len(names),
            first_at=END - timedelta(days=40 - at),
            last_at=END - timedelta(hours=3 * at + 1),
        )
        for at, (trouble, example) in enumerate(_TROUBLES)
        if failed // 2 ** (at + 1)
    )
