"""Figures and foreign texts as people read them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.reporting import words
from airflow_provider_pipehooks.reporting.asked import as_window, as_zone, format_of
from airflow_provider_pipehooks.reporting.figures import Job, Window

END = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        (words.number(0), "0"),
        (words.number(1_234_567), "1,234,567"),
        (words.percent(0.0), "0.0 %"),
        (words.percent(0.0001), "<0.1 %"),
        (words.percent(0.031), "3.1 %"),
        (words.percent(1.0), "100.0 %"),
        (words.change(0.0), "0 %"),
        (words.change(-0.004), "0 %"),
        (words.change(-0.25), "\N{MINUS SIGN}25 %"),
        (words.change(12.0), "+1,200 %"),
        (words.duration(0.0), "0.0 s"),
        (words.duration(9.94), "9.9 s"),
        (words.duration(59.4), "59 s"),
        (words.duration(59.98), "1.0 min"),
        (words.duration(3_599.9), "1.0 h"),
        (words.duration(5_400), "1.5 h"),
        (words.duration(200_000), "2.3 d"),
        (words.count(1, "job"), "1 job"),
        (words.count(1_200, "job"), "1,200 jobs"),
    ],
)
def test_a_figure(shown: str, told: str) -> None:
    assert shown == told


@pytest.mark.parametrize("show", [words.number, words.percent, words.change, words.duration])
def test_what_is_not_known_looks_like_no_figure(show: Any) -> None:
    assert show(None) == words.NO_DATA
    assert show(0) != words.NO_DATA


def test_a_text_is_one_short_line_without_what_turns_it_around() -> None:
    assert words.text("a\n\tb\u2029c") == "a b c"
    assert words.text("\N{RIGHT-TO-LEFT OVERRIDE}abc\N{RIGHT-TO-LEFT MARK}") == "abc"
    assert len(words.text("x" * 1_000_000)) == words.TEXT_CHARS
    assert words.text("שלום") == "שלום"


def test_a_job_without_a_name_has_its_id() -> None:
    assert words.name(Job(service="dbt_cloud", job_id="7")) == "7"
    assert words.name(Job(service="dbt_cloud", job_id="7", job_name="\x00 \n")) == "\ufffd"
    assert words.name(Job(service="dbt_cloud", job_name=" ")) == "(no name)"


@pytest.mark.parametrize(
    ("days", "told"), [(60, "60 days"), (1, "1 day"), (1.5, "36 hours"), (1 / 24, "1 hour")]
)
def test_a_span_of_time(days: float, told: str) -> None:
    assert words.long(Window.last(days, END)) == told
    assert (
        words.span(Window.last(days, END, "Europe/Berlin"))
        == f"{told} until 2026-11-28 13:00 (Europe/Berlin)"
    )


@pytest.mark.parametrize(
    ("given", "days"), [("60d", 60), (" 8w ", 56), ("36 h", 1.5), (timedelta(days=3), 3), ("3660d", 3_660)]
)
def test_a_window_is_read(given: Any, days: float) -> None:
    assert as_window(given, "window") == timedelta(days=days)


@pytest.mark.parametrize(
    "given", ["", "d", "60", "-1d", "0d", "1.5d", "99999w", "60m", "６d", None, 60, True, []]
)
def test_what_is_no_window_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="window must be a span"):
        as_window(given, "window")


@pytest.mark.parametrize(
    "given", ["", "Mars", "../../etc/passwd", "/etc/passwd", "Europe", "a\x00b", None, 5]
)
def test_what_is_no_time_zone_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="zone must be the name"):
        as_zone(given, "zone")


def test_an_ending_says_the_format() -> None:
    assert format_of("s3://a.b/c.d/report.HTML", "out") == "html"
    for path in ("report", "html", "a.html/b", "a.html.gz", ""):
        with pytest.raises(ConfigurationError, match="out must end"):
            format_of(path, "out")
