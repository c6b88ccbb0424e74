"""A report in so many words: the subject and the text of a message, and what another task may go by. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from airflow_provider_pipehooks.reporting import views, words
from airflow_provider_pipehooks.reporting.figures import Figures, Job, Kpis

#: So many of each are told: all that is worse is in the report.
_MOST = 5
#: Services, or accounts of them.
_MOST_SERVICES = 20
_NAMES = 3


def subject(kpis: Kpis) -> str:
    """One line: how many failed, and what fails most."""
    told = views.headline(kpis)
    if not told.runs:
        return f"Airflow: no runs in {words.long(kpis.window)}"
    most = _worst(kpis)[:1]
    of = f", worst {words.name(most[0].job)}" if most else ""
    return (
        f"Airflow: {words.number(told.failed)} of {words.count(told.ended, 'run')} failed in "
        f"{words.long(kpis.window)}{of}"
    )


def body(kpis: Kpis, where: str) -> str:
    """The whole message as plain text.

    :param where: the report lies.
    """
    parts = [
        [f"Runs of {words.span(kpis.window)}."],
        list(_services(kpis)),
        _titled("Fail most", [_failing(each) for each in _worst(kpis)]),
        _titled("Commonest reasons", list(_reasons(kpis))),
        _titled("Became slower", list(_slower(kpis))),
        [f"Report: {where}"],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def as_json(kpis: Kpis) -> dict[str, Any]:
    """The figures of each service, and the worst of each kind: a few kilobytes, however many runs there are.

    :return: ``{"window": {"begin", "end", "zone"}, "services": [...], "jobs": [...], "reasons": [...],
        "slower": [...]}``, the items as ``Kpis.to_json`` has them.
    """
    reasons = [
        {
            "service": each.service,
            "class": each.trouble,
            "fingerprint": each.fingerprint,
            "count": each.count,
            "example": words.text(each.example),
            "jobs": each.job_count,
        }
        for each in views.commonest(kpis, _MOST)
    ]
    slower = [
        {**_job(each.job), "since": each.since.isoformat(), "ratio": each.ratio}
        for each in views.slowest(kpis, _MOST)
    ]
    window = {"begin": kpis.window.begin.isoformat(), "end": kpis.window.end.isoformat()}
    return {
        "window": {**window, "zone": kpis.window.zone},
        "services": [_figures(each) for each in kpis.services[:_MOST_SERVICES]],
        "jobs": [_figures(each) for each in _worst(kpis)],
        "reasons": reasons,
        "slower": slower,
    }


def _figures(of: Figures) -> dict[str, Any]:
    return {**_job(of.job), **{name: value for name, value in asdict(of).items() if name != "job"}}


def _job(job: Job) -> dict[str, str]:
    told = {"service": job.service, "account": job.account, "job_id": job.job_id, "job_name": job.job_name}
    return {name: words.text(value, words.NAME_CHARS) for name, value in told.items() if value}


def _worst(kpis: Kpis) -> list[Figures]:
    return views.worst(views.failing(kpis.jobs), _MOST)


def _services(kpis: Kpis) -> Iterator[str]:
    if not views.headline(kpis).runs:
        yield "No runs: the history has none in this span of time."
        return
    for each in kpis.services[:_MOST_SERVICES]:
        rate = f", {words.percent(each.failure_rate)} failed" if each.failure_rate is not None else ""
        times = f"; run time p50 {words.duration(each.run_p50_s)}, p95 {words.duration(each.run_p95_s)}"
        shown = times if each.run_p50_s is not None else ""
        yield f"{words.service(each.job.service)}: {words.count(each.runs, 'run')}{rate}{shown}"


def _failing(of: Figures) -> str:
    rate = words.percent(of.failure_rate)
    return f"{of.failed:>8,} of {of.ended:<7,} {rate:>7}  {_whose(of.job)}"


def _reasons(kpis: Kpis) -> Iterator[str]:
    for each in views.commonest(kpis, _MOST):
        names = ", ".join(words.text(name, 60) for name in each.jobs[:_NAMES])
        more = f" and {each.job_count - _NAMES:,} more" if each.job_count > _NAMES else ""
        yield f"{each.count:>8,}  {each.trouble.replace('_', ' ')}: {words.text(each.example, 200)}"
        yield f"{'':>8}  {names}{more}"


def _slower(kpis: Kpis) -> Iterator[str]:
    for each in views.slowest(kpis, _MOST):
        since = words.moment(each.since, kpis.window.zone)[:10]
        yield (
            f"{words.change(each.ratio - 1):>8}  {_whose(each.job)}: "
            f"{words.duration(each.before_s)} before {since}, {words.duration(each.after_s)} since then"
        )


def _whose(job: Job) -> str:
    return f"{words.name(job)}, {words.service(job.service)}"


def _titled(title: str, lines: list[str]) -> list[str]:
    return [f"{title}:", *lines] if lines else []
