"""The figures of a window of the history, counted by DuckDB: see ``figures`` for what each one means."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timezone
from statistics import median
from typing import TYPE_CHECKING

from airflow_provider_pipehooks.reporting.counted import (
    CANCELLED,
    FAILED,
    MARGIN,
    ONE_TIME,
    SUCCEEDED,
    Counted,
    bound,
)
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
from airflow_provider_pipehooks.reporting.slower import last_level, newest, slower
from airflow_provider_pipehooks.reporting.trend import trend
from airflow_provider_pipehooks.reporting.window_days import day_of, moment

if TYPE_CHECKING:
    from airflow_provider_pipehooks.reporting.history import History

#: What a million runs take; more of them go to a folder for a while.
_MEMORY = "180MB"
_MOST_NAMES = 10
#: The word for what started a run, where the service has none.
NOT_TOLD = "(not told)"
#: By owner: the number of a day -> its runs, failed, cancelled, and the median time.
_Days = Mapping[int, Mapping[int, tuple[int, int, int, float | None]]]
#: A service, and an owner in it; None for all of the service.
_Key = tuple[int, "int | None"]


def kpis(
    history: History,
    window: Window,
    *,
    service: str | None = None,
    job_id: str | None = None,
    most_reasons: int = 100,
) -> Kpis:
    """All figures of the runs that were made in a window.

    A run counts once, as it was seen last. A run that was repaired is one run, with its last end. Nothing is
    said of runs whose time of making nobody knows.

    :param service: only its runs.
    :param job_id: only this job's; ``(one-time runs)`` for those that have none.
    :param most_reasons: the commonest ones; all others are left out.
    :raises OSError: the history cannot be read.
    :raises ConfigurationError: DuckDB is not installed.
    """
    since = (window.begin - MARGIN).astimezone(timezone.utc).date()
    with history.open(service, since=since) as db, tempfile.TemporaryDirectory() as spare:
        bound(db, spare, _MEMORY, threads=1)
        counted = Counted(db, window, job_id=job_id)
        owners, days = counted.owners(), _days(counted, window)
        figures = _figures(counted, owners, days, _shares(counted))
        runs = Kpis(
            window=window,
            services=_sorted(each for (_, owner), each in figures.items() if owner is None),
            jobs=_sorted(each for (_, owner), each in figures.items() if owner is not None),
            days=tuple(_each_day(window, owners, days)),
            reasons=tuple(_reasons(counted, owners, most_reasons)),
            slower=tuple(_slower(counted, owners, window, days)),
            started=tuple(sorted(_started(counted), key=lambda each: (each.service, -each.runs, each.by))),
        )
        return replace(runs, tasks=_tasks(Counted(db, window, job_id=job_id, tasks=True), window))


def _tasks(counted: Counted, window: Window) -> tuple[Figures, ...]:
    shares = _shares(counted)
    counted.only_last_tries()
    figures = _figures(counted, counted.owners(), _days(counted, window), shares)
    return _sorted(each for (_, owner), each in figures.items() if owner is not None)


def _shares(counted: Counted) -> Mapping[_Key, float]:
    """What part of all time went into trying again; a time of before this was noted is left out."""
    return {
        (service, owner): again / took
        for service, owner, again, took in counted.ask(
            "SELECT service, owner, sum(least(again, took)), sum(took) FROM counted "
            "WHERE outcome IS NOT NULL AND again IS NOT NULL AND took IS NOT NULL "
            "GROUP BY GROUPING SETS ((service, owner), (service))"
        )
        if took > 0
    }


def _days(counted: Counted, window: Window) -> _Days:
    days: dict[int, dict[int, tuple[int, int, int, float | None]]] = {}
    for owner, day, *figures in counted.ask(
        f"""SELECT owner, {day_of("made", window)} AS day, count(*),
            count(*) FILTER (WHERE outcome = {FAILED}), count(*) FILTER (WHERE outcome = {CANCELLED}),
            median(took) FILTER (WHERE outcome = {SUCCEEDED})
        FROM counted GROUP BY owner, day ORDER BY owner, day"""
    ):
        days.setdefault(owner, {})[day] = tuple(figures)
    return days


def _recoveries(counted: Counted) -> Mapping[_Key, tuple[float | None, int]]:
    """The median time to recover, and the longest streak: failed runs in the order of their ends.

    Runs that were cancelled or skipped neither end a streak nor belong to it. Of the others only those that
    failed, and the first one after them, are sorted a second time.
    """
    counted.ask(
        f"""CREATE OR REPLACE TEMP TABLE broken AS SELECT * FROM (
            SELECT number, place, lag(place) OVER (PARTITION BY number ORDER BY place) AS before FROM (
                SELECT number, done * 2 + (outcome = {FAILED})::INT AS place
                FROM counted JOIN owners USING (owner)
                WHERE outcome IN ({SUCCEEDED}, {FAILED}) AND NOT is_one_time
            )
        ) WHERE place % 2 = 1 OR before % 2 = 1"""
    )
    rows = counted.ask(
        """WITH numbered AS (
            SELECT service, owner, place, sum((place % 2 = 1 AND coalesce(before % 2, 0) = 0)::INT)
                OVER (PARTITION BY owner ORDER BY place ROWS UNBOUNDED PRECEDING) AS streak
            FROM broken JOIN owners USING (number)
        ), streaks AS (
            SELECT service, owner, count(*) FILTER (WHERE place % 2 = 1) AS failed,
                (max(place // 2) FILTER (WHERE place % 2 = 0) - min(place // 2)) / 1e6 AS recovery
            FROM numbered GROUP BY service, owner, streak
        )
        SELECT service, owner, median(recovery), max(failed) FROM streaks
        GROUP BY GROUPING SETS ((service, owner), (service))"""
    )
    return {(service, owner): (recovery, failed) for service, owner, recovery, failed in rows}


def _figures(
    counted: Counted, owners: Mapping[int, Job], days: _Days, shares: Mapping[_Key, float]
) -> dict[_Key, Figures]:
    """Of each owner, and of each service under None."""
    recoveries = _recoveries(counted)
    trends = {
        owner: None if owners[owner].job_id == ONE_TIME else trend(_medians(each))
        for owner, each in days.items()
    }
    found = {}
    for service, owner, runs, ended, *counts, took, queued in counted.ask(
        f"""SELECT service, owner, count(*), count(outcome),
            count(*) FILTER (WHERE outcome = {SUCCEEDED}), count(*) FILTER (WHERE outcome = {FAILED}),
            count(*) FILTER (WHERE outcome = {CANCELLED}),
            quantile_cont(CASE WHEN outcome = {SUCCEEDED} THEN took END, [0.5, 0.95]),
            quantile_cont(queued, [0.5, 0.95])
        FROM counted GROUP BY GROUPING SETS ((service, owner), (service))"""
    ):
        succeeded, failed, cancelled = counts
        recovery, streak = recoveries.get((service, owner), (None, 0))
        known = [
            each
            for at, each in trends.items()
            if owners[at].service == counted.services[service] and each is not None
        ]
        found[service, owner] = Figures(
            job=Job(service=counted.services[service]) if owner is None else owners[owner],
            runs=runs,
            ended=ended,
            succeeded=succeeded,
            failed=failed,
            cancelled=cancelled,
            failure_rate=failed / ended if ended else None,
            cancel_rate=cancelled / ended if ended else None,
            run_p50_s=took[0] if took else None,
            run_p95_s=took[1] if took else None,
            run_trend=trends[owner] if owner is not None else median(known) if known else None,
            queue_p50_s=queued[0] if queued else None,
            queue_p95_s=queued[1] if queued else None,
            recovery_p50_s=recovery,
            longest_streak=streak,
            again_share=shares.get((service, owner)),
        )
    return found


def _medians(days: Mapping[int, tuple[int, int, int, float | None]]) -> dict[int, float]:
    return {day: time for day, (*_, time) in days.items() if time is not None}


def _sorted(figures: Iterable[Figures]) -> tuple[Figures, ...]:
    return tuple(sorted(figures, key=lambda each: _place(each.job)))


def _place(job: Job) -> tuple[str, ...]:
    return job.service, job.job_name, job.account, job.job_id, job.task_key


def _each_day(window: Window, owners: Mapping[int, Job], days: _Days) -> Iterator[Day]:
    dates = window.days
    for owner, each in sorted(days.items(), key=lambda item: _place(owners[item[0]])):
        for day, (runs, failed, cancelled, time) in each.items():
            yield Day(
                job=owners[owner],
                day=dates[day],
                runs=runs,
                failed=failed,
                cancelled=cancelled,
                run_p50_s=time,
            )


def _started(counted: Counted) -> Iterator[Started]:
    rows = counted.ask(
        "SELECT service, started_by, count(*), max(made) FROM counted GROUP BY service, started_by"
    )
    names = dict(counted.rows_made_at((made for *_, made in rows), "hash(started_by), started_by"))
    for service, number, runs, _ in rows:
        yield Started(service=counted.services[service], by=names.get(number) or NOT_TOLD, runs=runs)


def _reasons(counted: Counted, owners: Mapping[int, Job], most: int) -> Iterator[Reason]:
    """Of runs that failed or were cancelled. A text is read of one run for each, the last."""
    rows = counted.ask(
        f"""SELECT service, fingerprint, count(*), min(done), max(done), arg_max(made, done),
            list(DISTINCT owner)
        FROM counted WHERE outcome IN ({FAILED}, {CANCELLED}) AND fingerprint IS NOT NULL
        GROUP BY service, fingerprint ORDER BY count(*) DESC, max(done) DESC LIMIT {int(most)}"""
    )
    texts = {
        (service, number, made): text
        for service, number, made, *text in counted.rows_made_at(
            (row[5] for row in rows),
            "service, hash(fingerprint), epoch_us(created_at), fingerprint, class, message, status, url",
        )
    }
    for service, number, count, first, last, made, met_by in rows:
        fingerprint, trouble, message, status, url = texts[counted.services[service], number, made]
        jobs = sorted({owners[owner].job_name or owners[owner].job_id for owner in met_by})
        yield Reason(
            service=counted.services[service],
            fingerprint=fingerprint,
            trouble=trouble,
            count=count,
            example=message or status or "",
            url=url,
            jobs=tuple(jobs[:_MOST_NAMES]),
            job_count=len(met_by),
            first_at=moment(first),
            last_at=moment(last),
        )


def _slower(counted: Counted, owners: Mapping[int, Job], window: Window, days: _Days) -> Iterator[Slower]:
    """By the newest runs one by one; of a job with more runs than that, by its days, too."""
    succeeded = f"outcome = {SUCCEEDED} AND took > 0 AND NOT is_one_time"
    most = newest(len(owners))
    for owner, times, runs in counted.ask(
        f"SELECT owner, arg_max(took, done, {most}), count(*) FROM counted WHERE {succeeded} "
        "GROUP BY owner ORDER BY owner"
    ):
        its_own = f"SELECT {{}} FROM counted WHERE {succeeded} AND owner = {owner}"
        by_day = None
        if is_part := runs > most:
            medians = {day: time for day, time in _medians(days[owner]).items() if time > 0}
            by_day = slower(list(medians.values()))
            # Of before the last change that days show, runs would be a level that is gone.
            begin = list(medians)[last_level(list(medians.values()))]
            times = times[: sum(count for day, (count, *_) in days[owner].items() if day >= begin)]
        if change := slower(times[::-1], is_part=is_part):
            ((ends,),) = counted.ask(its_own.format(f"max(done, {len(times) - change.at})"))
            since = ends[-1]
        elif change := by_day:
            day = list(medians)[change.at]
            ((since,),) = counted.ask(f"{its_own.format('min(done)')} AND {day_of('made', window)} = {day}")
        else:
            continue
        yield Slower(
            job=owners[owner],
            since=moment(since),
            ratio=change.ratio,
            before_s=change.before_s,
            after_s=change.after_s,
        )
