"""Whose history is seen: by whoever may read all DAGs and connections all of it, else one's own jobs."""

from __future__ import annotations

import sys
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from threading import Event
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.plugins.shown import figures as module
from airflow_provider_pipehooks.plugins.shown.figures import Known, only
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
from tests.plugins.page_world import NOW, Database, run_of
from tests.reporting.made_up import kpis_of as made_up

Get = Callable[..., Any]
DBT = Job(service="dbt_cloud", account="1", job_id="7", job_name="ann_nightly")
OTHER = Job(service="dbt_cloud", account="1", job_id="8", job_name="bob_nightly")
SAME_ID = Job(service="dbt_cloud", account="2", job_id="7", job_name="of_another_account")
BRICKS = Job(
    service="databricks_jobs", account="adb-1.azuredatabricks.net", job_id="7", job_name="ann_bricks"
)


def kpis_of(*jobs: Job) -> Kpis:
    each = [
        Figures(job=job, runs=10, ended=10, succeeded=8, failed=2, failure_rate=0.2, run_p50_s=90.0)
        for job in jobs
    ]
    reason: dict[str, Any] = {
        "fingerprint": "1",
        "trouble": "user",
        "count": 4,
        "url": "https://h/1",
        "job_count": 2,
    }
    return Kpis(
        window=Window.last(7, datetime.now(timezone.utc)),
        services=(Figures(job=Job(service="dbt_cloud"), runs=30),),
        jobs=tuple(each),
        tasks=tuple(each),
        days=tuple(Day(job=job, day=NOW.date(), runs=1, failed=1, cancelled=0) for job in jobs),
        slower=tuple(Slower(job=job, since=NOW, ratio=2.0, before_s=60.0, after_s=120.0) for job in jobs),
        reasons=(
            Reason(
                service="dbt_cloud",
                example="the example",
                jobs=tuple(job.job_name for job in jobs),
                first_at=NOW,
                last_at=NOW,
                **reason,
            ),
        ),
        started=(Started(service="dbt_cloud", by="scheduled", runs=3),),
    )


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """A history of four jobs; gives what was asked of it."""
    asked: list[Any] = []

    def made(window: Window, service: str | None, job_id: str | None) -> Kpis:
        asked.append((window, service, job_id))
        jobs = [job for job in (DBT, OTHER, SAME_ID, BRICKS) if job_id in (None, job.job_id)]
        return kpis_of(*(job for job in jobs if service in (None, job.service)))

    monkeypatch.setattr(module, "made", made)
    monkeypatch.setattr(module, "pictures_of", lambda kpis: ())
    module._kept.clear()
    yield asked
    module._kept.clear()


def test_whoever_reads_all_dags_and_connections_sees_the_whole_history(get: Get, history: list[Any]) -> None:
    text = get("root", "figures", role="op").text
    for told in (
        "Of the whole history",
        "ann_nightly",
        "bob_nightly",
        "Services",
        "the example",
        "20.0 %",
        "1.5 min",
    ):
        assert told in text


@pytest.mark.parametrize("role", ["viewer", "user"])
def test_all_others_see_the_jobs_of_their_dags(
    role: str, get: Get, database: Database, history: list[Any]
) -> None:
    """By account, too: an id of a job is not the same in another workspace."""
    database.leave("ann_shops", run_of(job_id=7, url="https://cloud.getdbt.com/deploy/1/projects/2/runs/3"))
    database.leave("bob_shops", run_of(job_id=8, url="https://cloud.getdbt.com/deploy/1/projects/2/runs/4"))
    text = get("ann", "figures", role=role).text
    assert "ann_nightly" in text
    assert ("bob_nightly" in text) is (role == "user"), "who may read bob's DAG, too"
    for hidden in ("of_another_account", "ann_bricks", "Services", "the example", "Of the whole history"):
        assert hidden not in text


def test_whoever_has_no_runs_sees_no_jobs(get: Get, database: Database, history: list[Any]) -> None:
    database.leave("bob_shops", run_of(job_id=8))
    text = get("ann", "figures").text
    assert "has no run of such a job" in text
    assert "nightly" not in text


def test_whoever_may_not_read_xcoms_sees_no_jobs(get: Get, database: Database, history: list[Any]) -> None:
    database.leave("ann_shops", run_of(job_id=7))
    assert "nightly" not in get("blind", "figures", role="user").text


def test_reasons_are_seen_of_a_job_of_ones_own(get: Get, database: Database, history: list[Any]) -> None:
    database.leave(
        "ann_shops",
        run_of(service="databricks_jobs", job_id=7, url="https://adb-1.azuredatabricks.net/?o=1#job/7/run/2"),
    )
    assert "the example" in get("ann", "figures?service=databricks_jobs&job=7").text
    assert "the example" not in get("ann", "figures?service=dbt_cloud&job=8").text
    assert "the example" not in get("ann", "figures?job=7").text, "one of another account has that id, too"


def test_of_a_dag_its_jobs_are_seen_whoever_looks(get: Get, database: Database, history: list[Any]) -> None:
    database.leave("ann_shops", run_of(job_id=7))
    text = get("root", "figures?dag=ann_shops", role="admin").text
    assert "ann_nightly" in text
    assert "bob_nightly" not in text
    assert "bob_nightly" not in get("root", "figures?dag=bob_shops", role="admin").text


@pytest.mark.parametrize(
    ("account", "url", "is_known"),
    [
        ("1", "https://cloud.getdbt.com/deploy/1/projects/2/runs/3", True),
        ("1", "https://cloud.getdbt.com/#/accounts/1/projects/2/runs/3/", True),
        ("2", "https://cloud.getdbt.com/deploy/1/projects/2/runs/2/", False),
        ("2", "https://cloud.getdbt.com/deploy/1/x/deploy/2/", False),
        ("adb-1.azuredatabricks.net", "https://adb-1.azuredatabricks.net/?o=1#job/7/run/2", True),
        ("adb-1.azuredatabricks.net", "https://adb-12.azuredatabricks.net/?o=1#job/7/run/2", False),
        ("", "https://cloud.getdbt.com/", False),
        ("1", "", False),
        ("1", "http://[", False),
    ],
)
def test_an_account_is_told_by_the_page_of_a_run(account: str, url: str, is_known: bool) -> None:
    service = "databricks_jobs" if "azure" in account else "dbt_cloud"
    known = Known({(service, "7"): [url]})
    assert known.has(Job(service=service, account=account, job_id="7")) is is_known


def test_nothing_of_unknown_jobs_is_left() -> None:
    known = Known({("dbt_cloud", "7"): ["https://cloud.getdbt.com/deploy/1/runs/3"]})
    left = only(kpis_of(DBT, OTHER), known)
    assert OTHER.job_name not in repr(left)
    assert DBT.job_name in repr(left)
    assert (left.services, left.reasons, left.started) == ((), (), ())


def test_what_has_no_history_or_no_duckdb_is_told_in_a_sentence(
    get: Get, history: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> Kpis:
        raise ConfigurationError("The history of runs needs DuckDB: pip install 'x[report]'.")

    monkeypatch.setattr(module, "made", refuse)
    assert "needs DuckDB" in get("ann", "figures").text

    def fail(*_: Any) -> Kpis:
        raise PermissionError("/secret/place")

    monkeypatch.setattr(module, "made", fail)
    text = get("ann", "figures").text
    assert "cannot read the history" in text
    assert "/secret/place" not in text
    assert "/secret/place" in get("root", "figures", role="admin").text


def test_figures_are_made_once_for_all_who_ask_within_a_minute(get: Get, history: list[Any]) -> None:
    for _ in range(3):
        get("ann", "figures")
        get("root", "figures", role="admin")
    assert len(history) == 1
    get("ann", "figures?days=30")
    assert [(window.end - window.begin) // timedelta(days=1) for window, *_ in history] == [7, 30]


def test_old_figures_are_made_anew(get: Get, history: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    get("ann", "figures")
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + module.FRESH_S + 1)
    get("ann", "figures")
    assert len(history) == 2


def test_many_who_ask_at_once_do_not_all_wait(monkeypatch: pytest.MonkeyPatch, history: list[Any]) -> None:
    """Threads of the API server are few, and all its requests need them."""
    from airflow_provider_pipehooks.compat.access import Reader
    from airflow_provider_pipehooks.plugins.shown.query import Query

    begun, end = Event(), Event()

    def slow(*_: Any) -> Kpis:
        begun.set()
        end.wait(60)
        return kpis_of()

    monkeypatch.setattr(module, "made", slow)
    monkeypatch.setattr(module, "PATIENCE_S", 0.0)
    ask = lambda: module.figures_for(Reader(), Query(), NOW, lambda: Known({}))  # noqa: E731
    with ThreadPoolExecutor(1) as others:
        first = others.submit(ask)
        assert begun.wait(60)
        assert "being made for somebody else" in ask().trouble
        end.set()
        assert first.result().kpis is not None


def test_kept_figures_are_few(history: list[Any]) -> None:
    from airflow_provider_pipehooks.plugins.shown.query import Query

    for number in range(50):
        module._fresh(Query(job=str(number)), NOW)
    assert len(module._kept) <= module._MOST_KEPT


def test_more_jobs_than_a_page_lists_are_counted(
    get: Get, history: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = [replace(DBT, job_id=str(number), job_name=f"job_{number:03d}") for number in range(60)]
    monkeypatch.setattr(module, "made", lambda *_: kpis_of(*jobs))
    text = get("root", "figures", role="admin").text
    assert "And 10 more jobs" in text
    assert "job_059" not in text


def test_charts_are_images_without_script_that_say_what_they_show() -> None:
    drawn = module.pictures_of(made_up())
    assert len(drawn) > 2
    for picture in drawn:
        svg = b64decode(picture.data).decode()
        assert svg.startswith("<svg")
        assert "<script" not in svg
        assert picture.title
        assert picture.told


def test_charts_that_nothing_can_draw_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    assert module.pictures_of(made_up(jobs=5)) == ()


def test_the_figures_of_a_history_that_is_empty_are_told_as_such(get: Get) -> None:
    """By DuckDB itself, on a folder that is not there."""
    module._kept.clear()
    assert "The history has no run of any job in this time" in get("root", "figures", role="admin").text
    module._kept.clear()
