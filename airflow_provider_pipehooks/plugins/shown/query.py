"""What a page is asked for by its address, and the addresses of other pages. Pure.

Whatever an address says, there is an answer: what is no choice counts as not said. All addresses are
relative, so that they hold below any path that Airflow is mounted at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from airflow_provider_pipehooks.hooks.registry import SERVICES

#: What a run may be looked for by, and the states that it means: None for one that is not known.
STATES: Mapping[str, tuple[str | None, ...]] = {
    "failed": ("ERROR",),
    "cancelled": ("CANCELLED",),
    "success": ("SUCCESS",),
    "going on": ("QUEUED", "STARTING", "RUNNING"),
    "unknown": (None,),
}
DAYS = (1, 7, 30, 90)
#: Seconds between two loads of a page; 0 for never.
REFRESHES = (0, 30, 60, 300)
#: The first page that nobody turns to by hand: each one further on costs the database more.
LAST_PAGE = 100
#: Of the view that Airflow's UI has of a page: in a frame, from which no link leads away.
IN_AIRFLOW = "airflow"
_LONGEST = 250


@dataclass(frozen=True, kw_only=True)
class Query:
    """A page's address, read.

    :param view: ``airflow`` inside Airflow's UI, else "".
    :param dag: only of this DAG.
    :param service: only of this service.
    :param state: a key of :data:`STATES`, or "" for all.
    :param days: of the last days only.
    :param page: from 1.
    :param refresh: seconds, a choice of :data:`REFRESHES`.
    :param run: a DAG run, ``task`` and ``map`` a task instance of it: of the page of one run.
    :param account: with ``job``, whose figures.
    """

    view: str = ""
    dag: str = ""
    service: str = ""
    state: str = ""
    days: int = 7
    page: int = 1
    refresh: int = 0
    run: str = ""
    task: str = ""
    map: int = -1
    account: str = ""
    job: str = ""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Query:
        """Read the parameters of an address."""
        texts = {name: given.get(name, "")[:_LONGEST] for name in ("dag", "run", "task", "account", "job")}
        return cls(
            **texts,
            view=_choice(given, "view", ("", IN_AIRFLOW)),
            service=_choice(given, "service", ("", *SERVICES)),
            state=_choice(given, "state", ("", *STATES)),
            days=_number(given, "days", DAYS, cls.days),
            refresh=_number(given, "refresh", REFRESHES, cls.refresh),
            page=_number(given, "page", range(1, LAST_PAGE + 1), cls.page),
            map=_number(given, "map", range(-1, 1_000_000), cls.map),
        )

    @property
    def in_airflow(self) -> bool:
        return self.view == IN_AIRFLOW

    def since(self, now: datetime) -> datetime:
        return now - timedelta(days=self.days)

    def link(self, path: str = "", **changes: object) -> str:
        """The address of a page, with what was chosen here but for the changes; ``.`` is the first page."""
        asked = replace(self, **changes)  # type: ignore[arg-type]
        said = {
            each.name: getattr(asked, each.name)
            for each in fields(asked)
            if getattr(asked, each.name) != each.default
        }
        return f"{path or '.'}?{urlencode(said)}" if said else path or "."

    def to(self, path: str, **changes: object) -> str:
        """The address of another part, with the choices that all parts have."""
        return Query(view=self.view, dag=self.dag, days=self.days).link(path, **changes)


def _choice(given: Mapping[str, str], name: str, known: tuple[str, ...]) -> str:
    return found if (found := given.get(name, "")) in known else ""


def _number(given: Mapping[str, str], name: str, known: range | tuple[int, ...], otherwise: int) -> int:
    text = given.get(name, "")
    # int() takes spaces, underscores and other digits, and needs long for very long texts.
    is_number = len(text) < 8 and text.removeprefix("-").isascii() and text.removeprefix("-").isdigit()
    return int(text) if is_number and int(text) in known else otherwise
