"""All figures for programs: JSON, and CSV for a spreadsheet. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_pipehooks.core.texts import storable
from airflow_provider_pipehooks.reporting.figures import Day, Figures, Job, Kpis

_JOB = ("service", "account", "job_id", "job_name", "task_key")
_FIGURES = tuple(name for name in Figures.__dataclass_fields__ if name != "job")
_DAY = ("runs", "failed", "cancelled", "run_p50_s")
#: What a row is about: all runs of a service, a job, a task of one, or a job's runs of a day.
COLUMNS = ("about", *_JOB, "day", *_FIGURES)
#: A spreadsheet takes what begins so for a formula, and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def as_json(kpis: Kpis) -> bytes:
    """Everything, as ``Kpis.to_json`` gives it."""
    return json.dumps(kpis.to_json(), indent=1).encode()


def as_csv(kpis: Kpis) -> bytes:
    """A row for each service, job and task, and for each job and day with runs; what is not known is empty.

    UTF-8 with a mark, without which Excel takes it for something else.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    writer.writerows(_rows(kpis))
    return out.getvalue().encode("utf-8-sig")


def _rows(kpis: Kpis) -> Iterator[Mapping[str, Any]]:
    for about, each in (("service", kpis.services), ("job", kpis.jobs), ("task", kpis.tasks)):
        yield from (_row(about, figures.job, figures, _FIGURES) for figures in each)
    yield from ({**_row("day", day.job, day, _DAY), "day": day.day.isoformat()} for day in kpis.days)


def _row(about: str, job: Job, of: Figures | Day, names: tuple[str, ...]) -> dict[str, Any]:
    told = {name: _cell(getattr(job, name)) for name in _JOB}
    return {"about": about, **told, **{name: getattr(of, name) for name in names}}


def _cell(text: str) -> str:
    plain = storable(text)
    return f"'{plain}" if plain.startswith(_FORMULA) else plain
