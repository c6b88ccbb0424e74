"""How figures and foreign texts are shown."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_pipehooks.plugins.shown import rendering
from airflow_provider_pipehooks.plugins.shown.rendering import fit, render, safe_url, style


@pytest.mark.parametrize(
    ("url", "is_safe"),
    [
        ("https://cloud.getdbt.com/deploy/1/", True),
        ("http://127.0.0.1:8080/?o=1#job/1/run/2", True),
        ("javascript:alert(1)", False),
        ("javascript://host/%0aalert(1)", False),
        ("data://host/text/html,x", False),
        ("//host/path", False),
        ("/path", False),
        ("https://user:password@host/", False),
        ("https://host/a b", False),
        ("https://host/\u202egnp.exe", False),
        ("https://host/\x00", False),
        ("http://[", False),
        (None, False),
        (7, False),
    ],
)
def test_only_addresses_of_the_web_are_links(url: Any, is_safe: bool) -> None:
    assert safe_url(url) == (url if is_safe else None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b\x1b[31mc", "a\ufffdbc"),
        ("a\u202eb\u2066c", "abc"),
        ("Authorization: Bearer abcdefghijkl", "Authorization: Bearer ***"),
        ("a" * 10_001, "a" * 10_000 + " [...]"),
        ("two\nlines", "two\nlines"),
        (7, 7),
        (None, None),
    ],
)
def test_texts_of_others_are_made_fit(text: Any, shown: Any) -> None:
    assert fit(text) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (None, "–"),
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (45, "45 s"),
        (59.98, "1.0 min"),
        (5_400, "1.5 h"),
        (timedelta(days=2), "2.0 d"),
        (timedelta(seconds=-5), "0.0 s"),
    ],
)
def test_a_time_has_one_unit(seconds: Any, shown: str) -> None:
    assert rendering.duration(seconds) == shown


def test_what_is_not_known_is_no_zero() -> None:
    assert rendering.moment(None) == rendering.duration(None) == "–"


def test_moments_are_utc_whatever_zone_they_came_in() -> None:
    east = timezone(timedelta(hours=5))
    assert rendering.moment(datetime(2026, 11, 28, 3, tzinfo=east)) == "2026-11-27 22:00"
    assert rendering.moment(datetime(2026, 11, 28, 3)) == "2026-11-28 03:00"


def test_a_template_that_misses_something_says_so() -> None:
    from jinja2 import UndefinedError

    with pytest.raises(UndefinedError, match="login"):
        render("refused.html", status=401, detail="x")


def test_the_style_sheet_asks_nobody_for_anything() -> None:
    assert "url(" not in style()
    assert "@import" not in style()
