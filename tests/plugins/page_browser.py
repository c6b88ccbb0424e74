"""What is clicked and looked at in Chromium; each check yields what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, FrameLocator, Page, sync_playwright

PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
PARTS = ("", "alerts", "hooks", "figures")
#: Of Airflow's own pages, which are not ours to mend.
_NOT_OURS = ("/static/", "/ui/", "/api/v2/")


@contextmanager
def browser(screens: Path) -> Iterator[Browser]:
    screens.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


class Stage:
    """Chromium, in which each user has a window of their own.

    :param url: of Airflow, without a slash at the end.
    """

    def __init__(self, chromium: Browser, url: str, screens: Path) -> None:
        self.chromium, self.url, self.screens = chromium, url, screens
        self._windows: dict[tuple[str, str], BrowserContext] = {}
        self._told: list[str] = []

    def window(self, user: str, scheme: Any = "light") -> BrowserContext:
        """Logged in, by Airflow's own form."""
        if (user, scheme) not in self._windows:
            context = self.chromium.new_context(color_scheme=scheme, viewport=DESK)  # type: ignore[arg-type]
            context.set_default_timeout(60_000)
            page = context.new_page()
            page.goto(f"{self.url}/auth/login")
            page.fill("input[name=username]", user)
            page.fill("input[name=password]", user)
            page.click("button[type=submit]")
            page.wait_for_url(lambda url: "/auth/login" not in url)
            page.close()
            self._windows[user, scheme] = context
        return self._windows[user, scheme]

    def page(self, user: str, scheme: str = "light") -> Page:
        page = self.window(user, scheme).new_page()
        page.on(
            "console", lambda message: self._note(message.type, message.text, message.location.get("url", ""))
        )
        page.on("pageerror", lambda error: self._note("error", str(error), page.url))
        return page

    def ours(self, user: str, path: str = "", scheme: str = "light") -> Page:
        page = self.page(user, scheme)
        answer = page.goto(f"{self.url}/pipehooks/{path}")
        assert answer is not None
        assert answer.ok, (path, answer.status)
        return page

    def _note(self, kind: str, text: str, where: str) -> None:
        # How Airflow embeds all views.
        if "An iframe which has both allow-scripts and allow-same-origin" in text:
            return
        if kind in ("error", "warning") and not any(part in where for part in _NOT_OURS):
            self._told.append(f"{kind}: {text} at {where}")

    def complaints(self) -> list[str]:
        told, self._told = self._told, []
        return told

    def shoot(self, page: Page, name: str, *, whole: bool = True) -> None:
        page.screenshot(path=self.screens / f"{name}.png", full_page=whole)

    def close(self) -> None:
        for context in self._windows.values():
            context.close()


def alone(stage: Stage) -> Iterator[str]:
    """By its address, a user sees the runs of their DAGs, as texts."""
    page = stage.ours("ann")
    text = page.inner_text("main")
    for told in (
        "nightly test",
        "<script>alert(1)</script>",
        "load[1]",
        "TABLE_OR_VIEW_NOT_FOUND",
        "running",
    ):
        if told not in text:
            yield f"{told!r} is not there"
    if "bob" in page.content():
        yield "bob's DAG is there"
    stage.shoot(page, "runs")
    if "bobs_own" not in stage.ours("bob").inner_text("main"):
        yield "bob does not see his own"


def not_logged_in(stage: Stage) -> Iterator[str]:
    """Nobody sees anything, and the way to log in leads back."""
    page = stage.chromium.new_context().new_page()
    for part in (*PARTS, "run", "page.css"):
        answer = page.goto(f"{stage.url}/pipehooks/{part}")
        if answer is None or answer.status != 401:
            yield f"{part} answered {answer and answer.status}"
    page.goto(f"{stage.url}/pipehooks/alerts?dag=ann_shops")
    stage.shoot(page, "refused")
    page.click("text=Log in >> nth=-1")
    page.fill("input[name=username]", "ann")
    page.fill("input[name=password]", "ann")
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/pipehooks/alerts" in url and "auth" not in url)
    if page.inner_text("h1") != "Alerts of ann_shops":
        yield f"one lands on {page.url}"
    page.context.close()


def filters(stage: Stage) -> Iterator[str]:
    """The form leads to an address that says what was chosen."""
    page = stage.ours("ann")
    page.select_option("select[name=state]", "failed")
    page.select_option("select[name=service]", "dbt_cloud")
    page.fill("input[name=dag]", "ann_shops")
    page.click("text=Show")
    page.wait_for_load_state()
    asked = parse_qs(urlsplit(page.url).query)
    if (asked.get("state"), asked.get("service"), asked.get("dag")) != (
        ["failed"],
        ["dbt_cloud"],
        ["ann_shops"],
    ):
        yield f"the address is {page.url}"
    states = page.locator("tbody .state").all_inner_texts()
    if states != ["error"]:
        yield f"the states are {states}"


def parts(stage: Stage) -> Iterator[str]:
    """Alerts, hooks and figures are there, for who may see them."""
    expected = {
        "alerts": ("ann_shops.hostile", "No sender is at work"),
        "hooks": (
            "Counting.node_finish",
            "count_rows",
            "pipehooks hooks enable ann_streams first update --hook count_rows",
        ),
        "figures": ("nightly test", "load another"),
    }
    for part, texts in expected.items():
        page = stage.ours("ann", part)
        stage.shoot(page, part)
        text = page.inner_text("main")
        yield from (f"{part}: {told!r} is not there" for told in texts if told not in text)
        if "bob" in text:
            yield f"{part}: something of bob's is there"
    page = stage.ours("root", "figures")
    stage.shoot(page, "figures_of_all")
    if "bob's own" not in page.inner_text("main"):
        yield "the whole history does not have bob's job"


def links_alone(stage: Stage) -> Iterator[str]:
    """Each kind of link lands where it says."""
    page = stage.ours("ann")
    page.click("td a:has-text('run ') >> nth=0")
    page.wait_for_load_state()
    stage.shoot(page, "run")
    with page.expect_popup() as opened:
        page.click("dd a[target=_blank]")
    if urlsplit(opened.value.url).port == urlsplit(stage.url).port or opened.value.url == "about:blank":
        yield f"the run's page is {opened.value.url}"
    opened.value.close()
    page.click("dd a:has-text('the task')")
    page.wait_for_selector("text=first")
    if "/runs/first/tasks/" not in page.url or not page.url.startswith(stage.url):
        yield f"the task's page is {page.url}"
    page.go_back()
    page.click("main p a >> nth=0")
    page.wait_for_load_state()
    if "Runs of ann" not in page.inner_text("h1"):
        yield f"the way back leads to {page.url}"
    for name in ("Alerts", "Hooks", "Figures", "Runs"):
        page.click(f"header nav >> text={name}")
        page.wait_for_load_state()
        if not page.inner_text("h1").startswith(name) or "dag=ann" not in page.url:
            yield f"{name} leads to {page.url}"


def nav_view(stage: Stage) -> Iterator[str]:
    """By Airflow's menu: the page is a part of its UI, and its links stay in it."""
    page = stage.page("ann")
    page.goto(f"{stage.url}/")
    page.get_by_role("button", name="Browse").or_(page.get_by_text("Browse", exact=True)).first.click()
    page.get_by_text("pipehooks", exact=True).first.click()
    frame = page.frame_locator("iframe")
    frame.locator("h1").wait_for()
    stage.shoot(page, "nav_view", whole=False)
    yield from in_frame(stage, page, frame)
    # Airflow keeps the frame's address in its own, so that it can be loaded again.
    page.reload()
    page.frame_locator("iframe").locator("h1").wait_for()
    if "run" not in page.frame_locator("iframe").locator("h1").inner_text():
        yield f"loaded again, {page.url} shows something else"


def dag_view(stage: Stage) -> Iterator[str]:
    """On a DAG's page: what is of this DAG."""
    page = stage.page("ann")
    page.goto(f"{stage.url}/dags/ann_shops")
    page.get_by_role("link", name="pipehooks").first.click()
    frame = page.frame_locator("iframe")
    frame.locator("h1").wait_for()
    if frame.locator("h1").inner_text() != "Runs of ann_shops":
        yield f"it is headed {frame.locator('h1').inner_text()}"
    stage.shoot(page, "dag_view", whole=False)
    yield from in_frame(stage, page, frame)


def in_frame(stage: Stage, page: Page, frame: FrameLocator) -> Iterator[str]:
    """Every link in the frame stays in it; addresses that lead away can be copied."""
    hosts = set()
    for link in frame.locator("a").all():
        href = link.get_attribute("href") or ""
        hosts |= {href} if "//" in href or "view=airflow" not in href else set()
    if hosts:
        yield f"links lead away: {sorted(hosts)}"
    for name in ("Alerts", "Hooks", "Figures", "Runs"):
        frame.locator(f"header nav >> text={name}").click()
        frame.locator(f"h1:has-text('{name}')").wait_for()
    frame.locator("select[name=state]").select_option("failed")
    frame.locator("text=Show").click()
    frame.locator("option[value=failed][selected]").wait_for(state="attached")
    frame.locator("td a:has-text('run ')").first.click()
    frame.locator("dl").wait_for()
    stage.shoot(page, f"in_frame_{urlsplit(page.url).path.split('/')[-1] or 'nav'}", whole=False)
    copied = frame.locator("dd code.address").all_inner_texts()
    if len(copied) != 2 or not copied[-1].startswith(f"{stage.url}/dags/ann"):
        yield f"the addresses are {copied}"
    if (there := frame.locator("footer code.address").inner_text()) and not there.startswith(
        f"{stage.url}/pipehooks/run?"
    ):
        yield f"the page's own address is {there}"
    # What is copied is a page, for this user.
    for address in (*copied[-1:], there):
        other = stage.window("ann").new_page()
        answer = other.goto(address)
        if answer is None or not answer.ok:
            yield f"{address} answered {answer and answer.status}"
        other.close()
    # One click takes the whole address.
    frame.locator("footer code.address").click()
    chosen = page.frames[-1].evaluate("getSelection().toString()").strip()
    if chosen != there:
        yield f"a click chose {chosen!r}"


def looks(stage: Stage) -> Iterator[str]:
    """Dark, and on a phone: nothing is wider than the window; axe finds nothing serious."""
    paths = [
        *PARTS,
        "run?dag=ann_shops&run=first&task=hostile",
        "run?dag=ann_shops&run=first&task=hostile&view=airflow",
    ]
    for scheme in ("light", "dark"):
        for path in paths:
            page = stage.ours("root" if path == "figures" else "ann", path, scheme)
            name = f"{path.split('?')[0] or 'runs'}_{scheme}"
            found = Axe().run(page).response["violations"]
            for each in found:
                if each["impact"] in ("serious", "critical"):
                    nodes = [node["html"][:120] for node in each["nodes"][:2]]
                    yield f"{name}: {each['id']} {nodes}"
            if scheme == "dark":
                stage.shoot(page, name)
            page.set_viewport_size(PHONE)  # type: ignore[arg-type]
            stage.shoot(page, f"{name}_phone")
            too_wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if too_wide > 0:
                yield f"{name}: {too_wide} pixels wider than a phone"
            page.close()


def without_script(stage: Stage) -> Iterator[str]:
    """No page has a script, and none needs one."""
    state: Any = stage.window("ann").storage_state()
    context = stage.chromium.new_context(java_script_enabled=False, storage_state=state)
    page = context.new_page()
    for part in PARTS:
        page.goto(f"{stage.url}/pipehooks/{part}")
        if page.locator("script").count() or not page.locator("h1").count():
            yield f"{part} has a script, or nothing"
    context.close()


CHECKS: dict[str, Callable[[Stage], Iterator[str]]] = {
    "alone": alone,
    "not logged in": not_logged_in,
    "filters": filters,
    "parts": parts,
    "links alone": links_alone,
    "view of the menu": nav_view,
    "view of a DAG": dag_view,
    "looks": looks,
    "without script": without_script,
}
#: Behind a path.
PREFIXED = {
    "prefixed: alone": alone,
    "prefixed: not logged in": not_logged_in,
    "prefixed: links alone": links_alone,
    "prefixed: view of the menu": nav_view,
    "prefixed: view of a DAG": dag_view,
}
