"""The report as a browser shows it; ``python -m tests.reporting.browser`` leaves pictures to look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.reporting.browser import VIEWS, browser, chromium, look, pages

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(chromium() is None, reason="no Chromium here; CHROMIUM=PATH says where one is"),
]


@pytest.fixture(scope="module")
def opened() -> Iterator[Browser]:
    path = chromium()
    assert path is not None
    with browser(path) as started:
        yield started


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", pages())
def test_a_report_is_readable(opened: Browser, name: str, view: str, tmp_path: Path) -> None:
    assert look(opened, pages()[name], name, view, tmp_path) == []
