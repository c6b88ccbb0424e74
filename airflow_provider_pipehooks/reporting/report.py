"""Figures as a file for people or programs: HTML, PNG, JSON, CSV."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_pipehooks.compat.masking import masked_text
from airflow_provider_pipehooks.compat.storage import Folder
from airflow_provider_pipehooks.reporting import charts, views, words
from airflow_provider_pipehooks.reporting.charts import Chart
from airflow_provider_pipehooks.reporting.exports import as_csv, as_json
from airflow_provider_pipehooks.reporting.figures import Kpis

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup


def render_report(kpis: Kpis, form: str = "html") -> bytes:
    """A report as the bytes of its file.

    :param form: ``html``: a page that needs nothing else; ``png``: its charts; ``json``, ``csv``: everything.
    :raises KeyError: no such form.
    :raises ConfigurationError: vl-convert-python is not installed, which draws charts.
    """
    return _RENDERERS[form](masked(kpis))


def masked(kpis: Kpis) -> Kpis:
    """Without what Airflow knows to be secret in the messages of runs, and what looks like it."""
    reasons = (replace(each, example=masked_text(each.example)) for each in kpis.reasons)
    return replace(kpis, reasons=tuple(reasons))


def write_report(path: str, data: bytes) -> None:
    """Write a report: whole, or not at all.

    :param path: or an address that ``airflow.sdk.ObjectStoragePath`` takes.
    :raises OSError: it cannot be written; of an object store other errors as well.
    """
    folder, slash, name = path.rpartition("/")
    Folder(folder or slash or ".").write(name, data)


def environment() -> jinja2.Environment:
    """Of our templates, for a page that shows the same tables and charts.

    ``parts.html`` has them as macros; ``report.css`` styles them, ``script`` and ``style=`` are in none.
    """
    import jinja2

    env = jinja2.Environment(
        loader=jinja2.PackageLoader("airflow_provider_pipehooks.reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update({each.__name__: each for each in _FILTERS}, breakable=breakable)
    env.globals["NO_DATA"] = words.NO_DATA
    return env


def breakable(name: str) -> Markup:
    """A name that a narrow column breaks between its words, ``load_shops`` after the line."""
    from markupsafe import Markup

    return Markup(re.sub(r"([_.-]+)", r"\1<wbr>", str(Markup.escape(name))))


def charts_of(kpis: Kpis) -> list[Chart]:
    """Those about all jobs; none where there is nothing to draw."""
    drawn = (charts.failures_by_day(kpis), charts.failures_by_trouble(kpis), charts.runs_by_start(kpis))
    return [chart for chart in drawn if chart is not None]


def _as_html(kpis: Kpis) -> bytes:
    env = environment()
    loader: Any = env.loader
    style = loader.get_source(env, "report.css")[0]
    jobs = views.worst(kpis.jobs, views.JOBS)
    failing_tasks = views.failing(kpis.tasks)
    page = env.get_template("report.html").render(
        kpis=kpis,
        style=style,
        # Of what stands between the tags: a browser then takes this style, no other one and no script.
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        headline=views.headline(kpis),
        jobs=jobs,
        matrix=views.matrix(kpis, [each.job for each in jobs]),
        tasks=views.worst(failing_tasks, views.TASKS),
        failing_tasks=len(failing_tasks),
        reasons=views.commonest(kpis),
        slower=views.slowest(kpis),
        charts=charts_of(kpis),
        slower_charts=charts.run_times(kpis, views.SLOWER_CHARTS),
    )
    return page.encode()


def _as_png(kpis: Kpis) -> bytes:
    told = views.headline(kpis)
    subtitle = (
        f"{words.count(told.runs, 'run')} of {words.count(told.jobs, 'job')}, "
        f"{words.percent(told.failure_rate)} of those that ended failed"
    )
    drawn = [*charts_of(kpis), *charts.run_times(kpis, views.SLOWER_CHARTS)]
    return charts.as_png(drawn, f"Runs, {words.span(kpis.window)}", subtitle)


_RENDERERS: Mapping[str, Callable[[Kpis], bytes]] = {
    "html": _as_html,
    "png": _as_png,
    "json": as_json,
    "csv": as_csv,
}
_FILTERS: tuple[Callable[..., object], ...] = (
    words.text,
    words.name,
    words.service,
    words.link,
    words.number,
    words.percent,
    words.change,
    words.duration,
    words.moment,
    words.count,
    words.span,
)
