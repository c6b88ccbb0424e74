"""How much of a run's time went into trying again, as far as the service tells. Pure.

Databricks repeats tasks inside a run: at once, by a task's ``max_retries``, or days later, when a person
repairs the run. A list of runs has no ``repair_history``, but each try of a task with its times: that is
enough, and the same for both. dbt Cloud and pipelines make a new run instead, and say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.services.reading import objects, time_from_ms

#: ``run_type`` of Databricks: made for one run, with a ``job_id`` that no other run will have.
_ONE_TIME = ("SUBMIT_RUN", "WORKFLOW_RUN")
#: A number without bound is more than a column can take.
_MOST_TRIES = 100_000
_Span = tuple[datetime, datetime, bool]


def is_one_time(raw: Mapping[str, Any]) -> bool:
    """Whether a run belongs to no job that could run again."""
    return raw.get("run_type") in _ONE_TIME


def try_of(raw: Mapping[str, Any]) -> int:
    """Which try of a task it is: 1 for the first, whose ``attempt_number`` is 0."""
    number = raw.get("attempt_number")
    return 1 + min(max(number, 0), _MOST_TRIES) if isinstance(number, int) else 1


def again_and_paused(run: Run, raw: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Seconds in which a task was tried again, and seconds in which nothing ran before such a try.

    A whole run that repeats another has no time but that. Tries at the same time count once.

    :param raw: as the service told it, with its tasks.
    :return: 0 where nothing was repeated; None for the first, if all of a run was and its times are unknown.
    """
    if _repeats_another(raw):
        return _took(run), 0.0
    # Of those that begin together a later try comes first: it is what the pause before them was for.
    spans = sorted(_spans(raw), key=lambda span: (span[0], not span[2]))
    if not any(is_again for _, _, is_again in spans):
        return 0.0, 0.0
    again = [(begin, end) for begin, end, is_again in spans if is_again]
    return sum(_lengths(again)), sum(_pauses(spans))


def _repeats_another(raw: Mapping[str, Any]) -> bool:
    """dbt Cloud's retry; a pipeline's; a run of a Databricks job that is itself a task, tried again."""
    return bool(raw.get("retrying_run_id") or raw.get("cause") == "RETRY_ON_FAILURE" or try_of(raw) > 1)


def _took(run: Run) -> float | None:
    if run.started_at is None or run.finished_at is None or run.finished_at < run.started_at:
        return None
    return (run.finished_at - run.started_at).total_seconds()


def _spans(raw: Mapping[str, Any]) -> Iterator[_Span]:
    """When each try of each task ran, and whether it was a later one."""
    for task in objects(raw.get("tasks")):
        begin, end = time_from_ms(task.get("start_time")), time_from_ms(task.get("end_time"))
        if begin is not None and end is not None and begin < end:
            yield begin, end, try_of(task) > 1


def _lengths(spans: list[tuple[datetime, datetime]]) -> Iterator[float]:
    """Of sorted spans, what each adds to those before it."""
    until = None
    for begin, end in spans:
        begin = begin if until is None else max(begin, until)
        if begin < end:
            yield (end - begin).total_seconds()
            until = end


def _pauses(spans: list[_Span]) -> Iterator[float]:
    """The gaps of sorted spans that a later try ends."""
    until = spans[0][1]
    for begin, end, is_again in spans:
        if begin > until and is_again:
            yield (begin - until).total_seconds()
        until = max(until, end)
