"""``dags/weekly_report.py`` as it stands, run by Airflow's task runner; ``live`` has a scheduler start it."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import html5lib
import pytest

from airflow_provider_pipehooks.standin import Plan, StandIn
from tests.aws import Topic, moto_url, topic
from tests.dag_runs import Finished

__all__ = ["moto_url", "topic"]

FILE = Path(__file__).parents[2] / "dags" / "weekly_report.py"


@pytest.mark.usefixtures("connections")
def test_it_syncs_both_services_writes_a_page_and_tells_the_topic(
    standin: StandIn,
    topic: Topic,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    run_dag: Callable[..., Finished],
) -> None:
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__HISTORY", str(tmp_path / "history"))
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__OUTBOX", str(tmp_path / "outbox"))
    monkeypatch.setenv("AIRFLOW_VAR_SNS_ARN", topic.arn)
    world = standin.databricks_jobs
    world.start(world.add_job("load_shops", plan=Plan(outcome="failed"), tasks=["load"]))
    standin.dbt_cloud.start(standin.dbt_cloud.add_job("nightly"))
    done = run_dag(runpy.run_path(str(FILE))["dag"])
    assert done.state == "success"
    (report,) = (tmp_path / "history" / "reports").iterdir()
    html5lib.HTMLParser(strict=True).parse(report.read_text())
    assert "load_shops" in report.read_text()
    assert str(report) in topic.only().text
    assert done.xcom("report")["reports"] == [str(report)]
    assert {each["service"]: each["runs"] for each in done.xcom("report")["services"]} == {
        "databricks_jobs": 1,
        "dbt_cloud": 1,
    }
