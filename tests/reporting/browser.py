"""The report in a real Chromium: on a desk, in the dark, on a phone, on paper; axe says what hinders people.

``python -m tests.reporting.browser [FOLDER]`` prints a line for each, puts pictures into the folder, to be
looked at, and exits with 1 when something is wrong, with 2 where there is no Chromium.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from airflow_provider_pipehooks.reporting.figures import Kpis
from airflow_provider_pipehooks.reporting.report import render_report
from tests.reporting.made_up import kpis_of
from tests.reporting.test_report import hostile, one_run

#: How a page is looked at.
VIEWS: Mapping[str, Mapping[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "device_scale_factor": 2},
    "phone_dark": {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "color_scheme": "dark"},
}
#: axe's words for what may not be.
GRAVE = ("serious", "critical")
#: How far what is drawn in a chart may reach beyond it: fonts differ.
_BEYOND_PX = 14


def pages() -> dict[str, Kpis]:
    return {
        "many": kpis_of(400),
        "one": one_run(),
        "none": Kpis(window=one_run().window),
        "hostile": hostile(),
    }


def chromium() -> str | None:
    """Where it is: ``CHROMIUM`` in the environment, or on the path."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def browser(path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield started
        finally:
            started.close()


def troubles(page: Page, said: list[str]) -> Iterator[str]:
    """What is wrong with an open page.

    :param said: what the browser wrote to its console: a refused style or script is told there.
    """
    yield from (f"the console says: {each}" for each in said)
    for violation in Axe().run(page).response["violations"]:
        if violation["impact"] in GRAVE:
            where = violation["nodes"][0]["target"]
            yield f"axe: {violation['impact']}: {violation['help']} at {where}"
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        yield "the page is wider than the screen"
    if cut := page.evaluate(_CUT, _BEYOND_PX):
        yield f"charts are cut off: {cut}"
    if page.evaluate("document.scripts.length"):
        yield "it has a script"


#: Texts of charts that reach beyond what holds the chart.
_CUT = """beyond => [...document.querySelectorAll('figure')].flatMap(figure => {
    const holds = figure.getBoundingClientRect();
    return [...figure.querySelectorAll('svg text')].filter(text => {
        const box = text.getBoundingClientRect();
        return box.left < holds.left - beyond || box.right > holds.right + beyond;
    }).map(text => text.textContent);
})"""


def look(opened: Browser, kpis: Kpis, name: str, view: str, folder: Path) -> list[str]:
    """Open a report, take its picture, and say what is wrong."""
    file = folder / f"{name}.html"
    file.write_bytes(render_report(kpis))
    context = opened.new_context(**VIEWS[view])
    try:
        page, said = context.new_page(), list[str]()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda err: said.append(str(err)))
        page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
        page.goto(file.as_uri())
        page.screenshot(path=folder / f"{name}_{view}.png", full_page=True)
        if view == "light":
            page.pdf(path=folder / f"{name}.pdf", prefer_css_page_size=True, print_background=True)
        return list(troubles(page, said))
    finally:
        context.close()


def main(argv: list[str]) -> int:
    if (path := chromium()) is None:
        print("There is no Chromium on this machine: install it, or say where it is with CHROMIUM=PATH.")
        return 2
    folder = Path(argv[0] if argv else tempfile.mkdtemp(prefix="pipehooks-report-"))
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with browser(path) as opened:
        for name, kpis in pages().items():
            for view in VIEWS:
                found = look(opened, kpis, name, view, folder)
                count += len(found)
                print(f"{'WRONG' if found else 'ok   '} {name:<8} {view:<11} {'; '.join(found)}", flush=True)
    print(f"The pictures are in {folder}.")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
