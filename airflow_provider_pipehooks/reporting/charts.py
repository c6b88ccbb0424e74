"""The charts of a report: figures in, SVG out, without script or inline style.

Vega-Lite draws them, in colours that ``templates/report.css`` exchanges in the dark. Each costs 0.07 s and
the first one 0.4 s, so there are few of them; a page asks for those that it shows.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.reporting import views, words
from airflow_provider_pipehooks.reporting.figures import Job, Kpis, Slower, Window

#: A phone's width: on a wider page there are several in a row, and no text becomes too small to read.
WIDTH, HEIGHT = 360, 190
#: No more bars than can be told apart; each is then about several days.
_MOST_BARS = 120
_MOST_STARTS = 8
#: ``report.css`` knows them.
FAILED, CANCELLED, NOTHING, PLAIN = "#b42318", "#8a8f98", "#e6e6ea", "#3b6ea8"
INK, SOFT, LINE = "#18181b", "#52525b", "#dcdce0"
_AXIS = {
    "labelColor": SOFT,
    "titleColor": SOFT,
    "gridColor": LINE,
    "domainColor": LINE,
    "tickColor": LINE,
    "labelFontSize": 11,
    "titleFontSize": 11,
    "titleFontWeight": "normal",
    "labelLimit": 150,
}
_CONFIG: Mapping[str, Any] = {
    # Nothing is drawn behind it.
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": _AXIS,
    "legend": {"labelColor": SOFT, "labelFontSize": 11, "orient": "top", "title": None, "offset": 4},
    "title": {"color": INK, "subtitleColor": SOFT, "fontSize": 13, "anchor": "start", "offset": 8},
}
#: Of the parts of a chart, which would be told one by one: the whole has one text alternative.
_ROLES = re.compile(r' (?:role|aria-[a-z]+)="[^"<>]*"')


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart.

    :param title: what it shows, with its unit.
    :param told: what a reader who does not see it has to know.
    :param layers: of Vega-Lite.
    """

    title: str
    told: str
    layers: tuple[Mapping[str, Any], ...]
    height: int = HEIGHT

    @cached_property
    def svg(self) -> str:
        """:raises ConfigurationError: vl-convert-python is not installed."""
        spec = {
            "width": WIDTH,
            "height": self.height,
            "autosize": {"type": "fit", "contains": "padding"},
            # The fonts of a browser may be wider than those that it was measured with.
            "padding": {"left": 12, "right": 18, "top": 5, "bottom": 5},
            "config": _CONFIG,
            "layer": self.layers,
        }
        drawn: str = _ROLES.sub("", _vl_convert().vegalite_to_svg(spec))
        return drawn.replace("<svg ", f'<svg role="img" aria-label="{escape(self.told)}" ', 1)


def as_png(charts: Sequence[Chart], title: str, subtitle: str) -> bytes:
    """Charts as one picture, two in a row.

    :raises ConfigurationError: vl-convert-python is not installed.
    """
    each = [{"title": c.title, "width": WIDTH, "height": c.height, "layer": c.layers} for c in charts]
    # There has to be something to draw.
    each = each or [{"title": "No runs", "data": {"values": []}, "mark": "point", "encoding": {}}]
    spec = {
        "title": {"text": title, "subtitle": subtitle, "fontSize": 17},
        "config": {**_CONFIG, "background": "#ffffff"},
        "padding": 20,
        "columns": 2,
        "spacing": 32,
        "concat": each,
        "resolve": {"scale": {"color": "independent"}},
    }
    drawn: bytes = _vl_convert().vegalite_to_png(spec, scale=2)
    return drawn


def failures_by_day(kpis: Kpis) -> Chart | None:
    """Failed and cancelled runs, and the days without any run; None where there are no runs at all.

    Of a long window a bar is about several days.
    """
    if not kpis.days:
        return None
    days = kpis.window.days
    step = math.ceil(len(days) / _MOST_BARS)
    sums: dict[int, Counter[str]] = defaultdict(Counter)
    for day in kpis.days:
        at = (day.day - days[0]).days // step
        sums[at].update(runs=day.runs, failed=day.failed, cancelled=day.cancelled)
    bars: list[dict[str, Any]] = []
    gaps: list[dict[str, str]] = []
    for at in range(math.ceil(len(days) / step)):
        span = _span(days[0] + timedelta(days=at * step), step)
        if not sums[at]["runs"]:
            begins = gaps.pop()["begin"] if gaps and gaps[-1]["end"] == span["begin"] else span["begin"]
            gaps.append({"begin": begins, "end": span["end"], "what": "no runs"})
        low = 0
        for what in ("failed", "cancelled"):
            bars.append({**span, "what": what, "low": low, "high": low + sums[at][what]})
            low += sums[at][what]
    per = "day" if step == 1 else f"{step} days"
    kinds = {"failed": FAILED, "cancelled": CANCELLED, **({"no runs": NOTHING} if gaps else {})}
    colour = {"field": "what", "scale": {"domain": list(kinds), "range": list(kinds.values())}}
    when = {
        "x": _time_axis("begin"),
        "x2": {"field": "end"},
        "color": {**colour, "type": "nominal"},
    }
    # No half runs.
    ticks = min(5, max(bar["high"] for bar in bars))
    height = {"y": _axis("low", f"runs per {per}", tickCount=ticks), "y2": {"field": "high"}}
    return Chart(
        title=f"Failed and cancelled runs per {per}",
        told=_told_of_days(sums, days, step),
        layers=(
            {"data": {"values": gaps}, "mark": "rect", "encoding": when},
            {"data": {"values": bars}, "mark": "rect", "encoding": {**when, **height}},
        ),
    )


def failures_by_trouble(kpis: Kpis) -> Chart | None:
    """How many runs failed, or were cancelled, of which class of trouble: who has to act."""
    counts = Counter[str]()
    for reason in kpis.reasons:
        counts[words.text(reason.trouble, 40).replace("_", " ")] += reason.count
    shown = counts.most_common()
    # The rarest reasons are not listed, and some runs have none.
    told = views.headline(kpis)
    if shown and (rest := told.failed + told.cancelled - sum(counts.values())) > 0:
        shown.append(("rarer, or not told", rest))
    return _bars("Failed and cancelled runs by class of trouble", shown, FAILED)


def runs_by_start(kpis: Kpis) -> Chart | None:
    """How many runs were started by what, the commonest ones."""
    counts = Counter[str]()
    several = len({each.service for each in kpis.started}) > 1
    for each in kpis.started:
        by = words.text(each.by or "not told", 40).lower().replace("_", " ")
        counts[f"{by}, {words.service(each.service)}" if several else by] += each.runs
    shown = counts.most_common(_MOST_STARTS)
    if (rest := sum(counts.values()) - sum(runs for _, runs in shown)) > 0:
        shown.append((f"{len(counts) - _MOST_STARTS} others", rest))
    return _bars("Runs by what started them", shown, PLAIN)


def run_times(kpis: Kpis, most: int) -> list[Chart]:
    """The run times of the jobs that became slower, the worst first: day by day, and before and after.

    :param most: so many charts.
    """
    shown = views.slowest(kpis, most)
    medians: dict[Job, dict[date, float | None]] = {each.job: {} for each in shown}
    for day in kpis.days:
        if day.job in medians:
            medians[day.job][day.day] = day.run_p50_s
    p95 = {each.job: each.run_p95_s for each in kpis.jobs if each.job in medians}
    return [_run_time(each, kpis.window, medians[each.job], p95.get(each.job)) for each in shown]


def _run_time(
    slower: Slower, window: Window, medians: Mapping[date, float | None], p95_s: float | None
) -> Chart:
    days, since = window.days, slower.since.astimezone(ZoneInfo(window.zone)).date()
    per, unit = words.unit_of(slower.after_s)
    # A day without a time is there all the same: it breaks the line.
    points = [{"day": day.isoformat(), "time": _in(per, medians.get(day))} for day in days]
    begin, end = days[0].isoformat(), (days[-1] + timedelta(days=1)).isoformat()
    levels = [
        {"begin": begin, "end": since.isoformat(), "time": slower.before_s / per},
        {"begin": since.isoformat(), "end": end, "time": slower.after_s / per},
    ]
    times = {"y": _axis("time", unit, tickCount=5)}
    across = {"x": _time_axis("begin"), "x2": {"field": "end"}, **times}
    line = {"type": "line", "color": PLAIN, "strokeWidth": 1, "point": {"size": 12, "color": PLAIN}}
    rule = {"type": "rule", "color": INK, "strokeWidth": 1.5}
    layers: list[Mapping[str, Any]] = [
        {"data": {"values": points}, "mark": line, "encoding": {"x": _time_axis("day"), **times}},
        {"data": {"values": levels}, "mark": rule, "encoding": across},
    ]
    told = (
        f"{words.name(slower.job)}: the median run time was {words.duration(slower.before_s)} before "
        f"{since} and {words.duration(slower.after_s)} since then, {words.change(slower.ratio - 1)}."
    )
    if p95_s is not None:
        level = {"begin": begin, "end": end, "time": p95_s / per}
        dashed = {"type": "rule", "color": SOFT, "strokeDash": [3, 3]}
        layers.append({"data": {"values": [level]}, "mark": dashed, "encoding": across})
        told += f" Of all its runs, 95 % took at most {words.duration(p95_s)}."
    return Chart(title=f"{words.name(slower.job)}: run time in {unit}", told=told, layers=tuple(layers))


def _in(per: float, seconds: float | None) -> float | None:
    return None if seconds is None else seconds / per


def _bars(title: str, counts: Sequence[tuple[str, int]], colour: str) -> Chart | None:
    """A bar for each, with its number."""
    if not counts:
        return None
    rows = [{"name": name, "runs": runs, "told": f"{runs:,}"} for name, runs in counts]
    name = {"field": "name", "type": "nominal", "sort": None, "title": None}
    runs = {**_axis("runs", "runs"), "axis": None}
    data, at = {"values": rows}, {"y": name, "x": runs}
    return Chart(
        title=title,
        told=f"{title}: " + "; ".join(f"{name} {runs:,}" for name, runs in counts) + ".",
        height=min(HEIGHT, 20 + 30 * len(counts)),
        layers=(
            {
                "data": data,
                "mark": {"type": "bar", "color": colour, "height": {"band": 0.65}},
                "encoding": at,
            },
            {
                "data": data,
                "mark": {"type": "text", "align": "left", "dx": 4, "color": SOFT},
                "encoding": {**at, "text": {"field": "told"}},
            },
        ),
    )


def _told_of_days(sums: Mapping[int, Counter[str]], days: Sequence[date], step: int) -> str:
    failed, cancelled = (sum(each[what] for each in sums.values()) for what in ("failed", "cancelled"))
    told = f"{words.count(failed, 'run')} failed and {cancelled:,} were cancelled in {len(days):,} days."
    if failed:
        worst = max(sums, key=lambda at: (sums[at]["failed"], -at))
        until = f" and the {step - 1} days after it" if step > 1 else ""
        told += f" Most failed on {days[0] + timedelta(days=worst * step)}{until}: "
        told += f"{sums[worst]['failed']:,} of {words.count(sums[worst]['runs'], 'run')}."
    if step == 1 and (idle := sum(not each["runs"] for each in sums.values())):
        told += f" There were no runs on {words.count(idle, 'day')}."
    return told


def _span(begin: date, days: int) -> dict[str, str]:
    return {"begin": begin.isoformat(), "end": (begin + timedelta(days=days)).isoformat()}


def _time_axis(field: str) -> dict[str, Any]:
    """Days are days of the window's zone: they are not to be moved to another one."""
    axis = {"format": "%-d %b", "tickCount": 6, "grid": False, "labelOverlap": True, "labelFlush": True}
    return {"field": field, "type": "temporal", "title": None, "scale": {"type": "utc"}, "axis": axis}


def _axis(field: str, title: str, **axis: Any) -> dict[str, Any]:
    return {"field": field, "type": "quantitative", "title": title, "axis": axis, "scale": {"zero": True}}


def _vl_convert() -> Any:
    try:
        import vl_convert
    except ImportError as err:
        raise ConfigurationError(
            "Charts need vl-convert-python: pip install 'airflow-provider-pipehooks[report]'."
        ) from err
    return vl_convert
