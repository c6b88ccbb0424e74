"""The report: valid, without script, the same for hostile names, and "no data" is not 0."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any
from xml.etree import ElementTree

import html5lib
import pytest

from airflow_provider_pipehooks.reporting import views
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
from airflow_provider_pipehooks.reporting.report import environment, render_report, write_report
from tests.reporting.made_up import END, kpis_of

HTML = "{http://www.w3.org/1999/xhtml}"
SVG = "{http://www.w3.org/2000/svg}"
WINDOW = Window.last(60, END)
JOB = Job(service="dbt_cloud", account="1", job_id="7", job_name="nightly")
#: What a job may be called.
HOSTILE = [
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    '" style="position:fixed',
    "{{ 7 * 7 }}{% raw %}",
    "\N{RIGHT-TO-LEFT OVERRIDE}gnp.sboj\N{POP DIRECTIONAL ISOLATE}",
    "a\x00b\x1b[31mc\x85d\ufffe\ufdd0\U0010ffff",
    "\ud800 alone",
    "]]>&lt;!--",
    "x" * 10_000,
    "javascript:alert(1)",
    "",
    " \n\t ",
]


def parsed(text: str) -> ElementTree.Element:
    """By a parser that refuses what is not valid."""
    root: ElementTree.Element = html5lib.HTMLParser(strict=True).parse(text)
    return root


def page(kpis: Kpis) -> ElementTree.Element:
    return parsed(render_report(kpis).decode())


@pytest.fixture(scope="module")
def whole() -> ElementTree.Element:
    """A report with all that it can have."""
    return page(kpis_of(50))


def texts(root: ElementTree.Element) -> str:
    return " ".join("".join(root.itertext()).split())


def one_run(job: Job = JOB, **given: Any) -> Kpis:
    """A run that failed."""
    counted: dict[str, Any] = {"runs": 1, "ended": 1, "failed": 1, "failure_rate": 1.0, "longest_streak": 1}
    reason = Reason(
        service=job.service,
        fingerprint="0123456789ab",
        trouble="user",
        count=1,
        example=job.job_name,
        url="https://cloud.getdbt.com/run/1",
        jobs=(job.job_name,),
        job_count=1,
        first_at=END,
        last_at=END,
    )
    kpis = Kpis(
        window=WINDOW,
        services=(Figures(job=Job(service=job.service), **counted),),
        jobs=(Figures(job=job, **counted),),
        tasks=(Figures(job=replace(job, task_key=job.job_name or "t"), **counted),),
        days=(Day(job=job, day=END.date(), runs=1, failed=1, cancelled=0, run_p50_s=3.0),),
        reasons=(reason,),
        slower=(Slower(job=job, since=END - timedelta(days=5), ratio=1.5, before_s=10, after_s=15),),
        started=(Started(service=job.service, by=job.job_name, runs=1),),
    )
    return replace(kpis, **given)


# --- safe -------------------------------------------------------------------------------------------------

#: Elements that run, load, embed or send something.
ACTIVE = {
    "script",
    "iframe",
    "object",
    "embed",
    "form",
    "link",
    "base",
    "img",
    "foreignObject",
    "use",
    "image",
}


def check_harmless(root: ElementTree.Element) -> None:
    names = [element.tag.rpartition("}")[2] for element in root.iter() if isinstance(element.tag, str)]
    assert set(names) & ACTIVE == set()
    assert names.count("style") == 1
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not name.lower().startswith("on"), (name, value)
            assert name != "style", value
            if name.rpartition("}")[2] in ("href", "src"):
                assert re.match(r"https?://", value), value
            assert "url(" not in value, value


def test_it_is_valid_and_harmless(whole: ElementTree.Element) -> None:
    check_harmless(whole)
    for kpis in (one_run(), Kpis(window=WINDOW)):
        check_harmless(page(kpis))


def hostile() -> Kpis:
    """Whatever has a name has one of these."""
    each = [
        one_run(Job(service=name, account=name, job_id=name, job_name=name, task_key="")) for name in HOSTILE
    ]
    parts: dict[str, Any] = {
        part: tuple(item for one in each for item in getattr(one, part))
        for part in ("services", "jobs", "tasks", "days", "reasons", "slower", "started")
    }
    return Kpis(window=WINDOW, **parts)


def test_whatever_a_job_is_called_it_is_text() -> None:
    kpis = hostile()
    text = render_report(kpis).decode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufffe]", text)
    assert len(text) < 300_000
    root = parsed(text)
    check_harmless(root)
    assert len(cells(root, "Jobs,")) == len(HOSTILE)
    for name in (HOSTILE[0], HOSTILE[4]):
        assert name in texts(root)
    for form in ("json", "csv", "png"):
        assert render_report(kpis, form)


@pytest.mark.parametrize(
    ("url", "is_followed"),
    [
        ("https://a.example/run/1?o=1#job/2", True),
        ("http://127.0.0.1:8080/", True),
        ("javascript:alert(1)", False),
        ("JaVaScRiPt:alert(1)", False),
        ("data:text/html,<script>", False),
        ("//a.example/", False),
        ("https://", False),
        ("https://ann:secret@a.example/", False),
        ("https://a.example/\x00", False),
        ("https://[", False),
        ("https://a.example/" + "x" * 5_000, False),
        ("", False),
        (None, False),
    ],
)
def test_only_addresses_of_the_web_are_links(url: str | None, *, is_followed: bool) -> None:
    kpis = one_run()
    root = page(replace(kpis, reasons=(replace(kpis.reasons[0], url=url),)))
    assert [a.attrib["href"] for a in root.iter(f"{HTML}a")] == ([url] if is_followed else [])


@pytest.mark.parametrize("form", ["html", "json", "csv"])
def test_a_token_in_a_message_is_hidden(form: str) -> None:
    kpis = one_run()
    told = "refused: Authorization: Bearer dapi0123456789abcdef"
    data = render_report(replace(kpis, reasons=(replace(kpis.reasons[0], example=told),)), form)
    assert b"dapi0123" not in data


def test_a_browser_takes_our_style_and_nothing_else() -> None:
    import base64
    import hashlib

    root = page(one_run())
    (style,) = root.iter(f"{HTML}style")
    (policy,) = [m.attrib["content"] for m in root.iter(f"{HTML}meta") if "http-equiv" in m.attrib]
    digest = base64.b64encode(hashlib.sha256((style.text or "").encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'"


# --- what it says -----------------------------------------------------------------------------------------


def cells(root: ElementTree.Element, title: str) -> list[list[str]]:
    """The rows of the table in the section with a title."""
    (section,) = [s for s in root.iter(f"{HTML}section") if title in "".join(s.find(f"{HTML}h2").itertext())]  # type: ignore[union-attr]
    (body,) = section.iter(f"{HTML}tbody")
    return [[" ".join("".join(cell.itertext()).split()) for cell in row] for row in body]


def test_no_data_is_not_0() -> None:
    quiet = Figures(job=JOB, runs=1)
    kpis = Kpis(window=WINDOW, services=(quiet,), jobs=(quiet,), days=())
    (row,) = cells(page(kpis), "Jobs,")
    assert row == ["nightly", "1", "0", "–", "0", "–", "–", "–", "–", "–", "–", "0", "–"]
    told = [e for e in page(kpis).iter(f"{HTML}span") if e.attrib.get("aria-label") == "no data"]
    assert len(told) > 8
    good = replace(quiet, ended=1, succeeded=1, failure_rate=0.0, run_trend=0.0, again_share=0.0)
    (row,) = cells(page(replace(kpis, jobs=(good,))), "Jobs,")
    assert (row[3], row[7], row[12]) == ("0.0 %", "0 %", "0.0 %")


def test_a_day_without_runs_is_empty_and_one_without_failures_is_0() -> None:
    day = END.date() - timedelta(days=1)
    kpis = one_run(days=(Day(job=JOB, day=day, runs=3, failed=0, cancelled=1),))
    (row,) = cells(page(kpis), "day by day")
    assert row[0] == "nightly"
    assert row[-3:] == ["", "0", ""]
    assert len(row) == 1 + len(WINDOW.days)


def test_a_history_without_runs_says_so() -> None:
    root = page(Kpis(window=WINDOW))
    assert "No runs in this span of time" in texts(root)
    assert list(root.iter(f"{HTML}table")) == list(root.iter(f"{SVG}svg")) == []


def test_the_worst_come_first_and_the_others_are_counted(whole: ElementTree.Element) -> None:
    kpis, root = kpis_of(50), whole
    failed = [int(row[2].replace(",", "")) for row in cells(root, "Jobs,")]
    assert len(failed) == views.JOBS
    assert failed == sorted((each.failed for each in kpis.jobs), reverse=True)[: views.JOBS]
    assert "And 10 more jobs in the CSV." in texts(root)
    assert [row[0] for row in cells(root, "day by day")] == [
        re.sub(" (dbt Cloud|Databricks Jobs)$", "", row[0]) for row in cells(root, "Jobs,")
    ]


def test_a_window_longer_than_the_table_says_what_is_left_out() -> None:
    kpis = one_run(window=Window.last(365, END))
    root = page(kpis)
    (row,) = cells(root, "day by day")
    assert len(row) == 1 + views.MATRIX_DAYS
    assert "What was before 2026-09-29 is in the CSV." in texts(root)


def test_days_and_times_are_those_of_the_time_zone() -> None:
    window = Window(begin=datetime(2026, 11, 1, 23, 30, tzinfo=timezone.utc), end=END, zone="Europe/Berlin")
    slower = replace(one_run().slower[0], since=datetime(2026, 11, 22, 23, 30, tzinfo=timezone.utc))
    root = page(one_run(window=window, slower=(slower,)))
    assert "from 2026-11-02 00:30" in texts(root)
    assert (
        "10 s before 2026-11-23 and 15 s since then" in list(root.iter(f"{SVG}svg"))[-1].attrib["aria-label"]
    )
    assert len(cells(root, "day by day")[0]) == 1 + 27
    assert cells(root, "Commonest reasons")[0][-1] == "2026-11-28 13:00"


def test_every_chart_has_a_title_and_says_what_it_shows(whole: ElementTree.Element) -> None:
    figures = list(whole.iter(f"{HTML}figure"))
    assert len(figures) == 3 + min(3, len(kpis_of(50).slower))
    for figure in figures:
        caption, svg = figure.find(f"{HTML}figcaption"), figure.find(f"{SVG}svg")
        assert caption is not None
        assert svg is not None
        assert svg.attrib["role"] == "img"
        assert len(svg.attrib["aria-label"]) > 20
        assert texts(caption)


def test_what_is_left_out_of_the_reasons_is_a_bar_of_its_own() -> None:
    kpis = one_run()
    more = replace(kpis.services[0], failed=10, cancelled=2, ended=12)
    told = [svg.attrib["aria-label"] for svg in page(replace(kpis, services=(more,))).iter(f"{SVG}svg")]
    assert "Failed and cancelled runs by class of trouble: user 1; rarer, or not told 11." in told


def test_tables_have_headers_that_name_their_rows_and_columns(whole: ElementTree.Element) -> None:
    headers = list(whole.iter(f"{HTML}th"))
    assert headers
    assert [h for h in headers if h.attrib.get("scope") not in ("row", "col", "colgroup")] == []


# --- the pieces for other pages ---------------------------------------------------------------------------


def test_another_page_uses_the_same_pieces() -> None:
    source = '{% import "parts.html" as parts %}{{ parts.figures(kpis.jobs, "Job") }}'
    html = environment().from_string(source).render(kpis=one_run(replace(JOB, job_name="<b>")))
    assert "&lt;b&gt;" in html
    assert "<b>" not in html


# --- for programs -----------------------------------------------------------------------------------------


def table(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


def test_csv_and_json_have_all() -> None:
    kpis = kpis_of(50)
    rows = table(render_report(kpis, "csv"))
    counted = {
        about: sum(row["about"] == about for row in rows) for about in ("service", "job", "task", "day")
    }
    wanted = {"service": len(kpis.services), "job": 50, "task": len(kpis.tasks), "day": len(kpis.days)}
    assert counted == wanted
    told = json.loads(render_report(kpis, "json"))
    assert (len(told["jobs"]), len(told["days"])) == (50, len(kpis.days))
    assert told == json.loads(json.dumps(kpis.to_json()))


def test_what_is_not_known_is_an_empty_cell() -> None:
    kpis = one_run(jobs=(Figures(job=JOB, runs=1, failure_rate=0.0),), days=(), tasks=())
    (row,) = [row for row in table(render_report(kpis, "csv")) if row["about"] == "job"]
    assert (row["failed"], row["failure_rate"], row["run_p50_s"]) == ("0", "0.0", "")


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_no_name_is_a_formula(name: str) -> None:
    rows = table(render_report(one_run(replace(JOB, job_name=name)), "csv"))
    assert {row["job_name"][:1] for row in rows if row["about"] == "job"} == {"'"}


def test_a_png_is_one() -> None:
    for kpis in (one_run(), Kpis(window=WINDOW)):
        assert render_report(kpis, "png").startswith(b"\x89PNG")


# --- files ------------------------------------------------------------------------------------------------


def test_a_report_is_written_whole_where_it_is_wanted(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write_report(f"{tmp_path}/new/folder/report.html", b"data")
    assert (tmp_path / "new" / "folder" / "report.html").read_bytes() == b"data"
    monkeypatch.chdir(tmp_path)
    write_report("here.csv", b"more")
    assert (tmp_path / "here.csv").read_bytes() == b"more"


def test_months_have_as_many_columns_as_days() -> None:
    found = views.matrix(one_run(), [JOB])
    assert sum(count for _, count in found.months) == len(found.days)
    assert found.days[0] == date(2026, 9, 29)
