"""The report as a task: what it writes, what it sends, and that a wrong argument never starts anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import html5lib
import pytest
from airflow.sdk import DAG, BaseNotifier, ObjectStoragePath

from airflow_provider_pipehooks.core.errors import ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.notifications.outbox import Outbox
from airflow_provider_pipehooks.operators.run_report import RunReportOperator
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.sync import sync_history
from airflow_provider_pipehooks.standin import Fault, Plan, StandIn
from tests.aws import Topic, moto_url, topic
from tests.dag_runs import Finished
from tests.notifications.conftest import outbox
from tests.task_context import Try

__all__ = ["moto_url", "outbox", "topic"]

pytestmark = pytest.mark.usefixtures("connections")

REPORT: Any = RunReportOperator


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The folder that the option names; nothing is in it."""
    folder = str(tmp_path / "history")
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__HISTORY", folder)
    return folder


@pytest.fixture
def ran(standin: StandIn) -> None:
    """A run of each service, one of which failed."""
    world = standin.databricks_jobs
    world.start(world.add_job("load_shops", plan=Plan(outcome="failed"), tasks=["load"]))
    standin.dbt_cloud.start(standin.dbt_cloud.add_job("nightly"))


@pytest.mark.usefixtures("ran", "outbox")
def test_it_syncs_writes_and_sends(topic: Topic, history: str, tmp_path: Path) -> None:
    paths = [f"{tmp_path}/report.{form}" for form in ("html", "csv")]
    task = REPORT(task_id="t", out=paths, sync=True, target_arn=topic.arn)
    told = task.execute(Try())
    assert "load_shops" in Path(paths[0]).read_text()
    html5lib.HTMLParser(strict=True).parse(Path(paths[0]).read_text())
    assert Path(paths[1]).read_text().count("\n") > 4
    message = topic.only()
    assert message.subject == "Airflow: 1 of 2 runs failed in 60 days, worst load_shops"
    assert f"Report: {paths[0]}, {paths[1]}\nAlert id: " in message.text
    assert message.attributes["severity"]["Value"] == "info"
    assert told["reports"] == paths
    assert {each["service"]: each["failed"] for each in told["services"]} == {
        "databricks_jobs": 1,
        "dbt_cloud": 0,
    }
    assert [each["job_name"] for each in told["jobs"]] == ["load_shops"]


@pytest.mark.usefixtures("outbox")
def test_what_it_returns_is_small_however_many_jobs_there_are(
    topic: Topic, history: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_pipehooks.reporting import kpis
    from tests.reporting.made_up import kpis_of

    monkeypatch.setattr(kpis, "kpis", lambda *_, **__: kpis_of(200))
    told = REPORT(task_id="t", target_arn=topic.arn).execute(Try())
    assert len(json.dumps(told)) < 10_000
    assert len(told["jobs"]) == 5


@pytest.mark.usefixtures("outbox")
def test_a_next_try_does_not_send_again_but_a_cleared_task_does(topic: Topic, history: str) -> None:
    task, first = REPORT(task_id="t", target_arn=topic.arn), Try()
    task.execute(first)
    task.execute(first.next())
    assert len(topic.sent()) == 1
    task.execute(first.next(cleared=4))
    assert len(topic.sent()) == 2


@pytest.mark.usefixtures("outbox")
def test_without_a_summary_nothing_is_sent(topic: Topic, history: str) -> None:
    told = REPORT(task_id="t", summary=False).execute(Try())
    assert Path(told["reports"][0]).exists()
    assert told["reports"][0].startswith(f"{history}/reports/dag-")
    assert topic.sent() == []


def test_a_summary_that_cannot_be_sent_lies_in_the_outbox_and_the_report_is_there(
    topic: Topic, outbox: Outbox, history: str, tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    with pytest.raises(ConfigurationError, match="has no topic"):
        REPORT(task_id="t", out=str(out), target_arn=f"{topic.arn}-gone").execute(Try())
    assert out.exists()
    assert len(outbox.new.names()) == 1


def test_another_notifier_sends_it_its_way(history: str) -> None:
    sent: list[Any] = []

    class Notes(BaseNotifier):
        template_fields = ("text",)

        def __init__(self) -> None:
            super().__init__()
            self.text = "{{ subject }} | {{ reports[0] }}"

        def notify(self, context: Any) -> None:
            sent.append((self.text, context["body"]))

    told = REPORT(task_id="t", notifier=Notes).execute(Try())
    ((text, body),) = sent
    assert text == f"Airflow: no runs in 60 days | {told['reports'][0]}"
    assert "Alert id: " in body


@pytest.mark.usefixtures("ran")
def test_a_report_about_one_service_syncs_that_one(standin: StandIn, history: str) -> None:
    REPORT(task_id="t", service="dbt_cloud", sync=True, summary=False).execute(Try())
    assert {entry.path.split("/")[2] for entry in standin.journal.entries} == {"v2"}


@pytest.mark.usefixtures("ran")
def test_a_remote_that_refuses_fails_the_task(standin: StandIn, history: str) -> None:
    standin.faults.add(Fault(path="/runs/", status=403))
    with pytest.raises(RemoteCallError):
        REPORT(task_id="t", sync={"dbt_cloud": None}, summary=False).execute(Try())


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"window": "soon"}, "window of task 't' must be a span of at most ten years such as '60d'"),
    ({"window": "60"}, "not '60'"),
    ({"window": "0d"}, "not '0d'"),
    ({"window": timedelta(days=-1)}, "window of task 't'"),
    ({"window": 60}, "not 60"),
    (
        {"out": "report.pdf"},
        "out of task 't' must end with one of .html, .png, .json, .csv, not 'report.pdf'",
    ),
    ({"out": "report"}, "not 'report'"),
    ({"out": ["a.html", "b.xls"]}, "not 'b.xls'"),
    ({"out": ObjectStoragePath("file:///a/b.txt")}, "b.txt"),
    ({"out": ""}, "out of task 't' must not be empty"),
    ({"service": "snowflake"}, "service of task 't' must be 'dbt_cloud' or 'databricks_jobs'"),
    ({"time_zone": "Mars/Base"}, "time_zone of task 't' must be the name of a time zone"),
    ({"time_zone": "../passwd"}, "time_zone of task 't'"),
    ({"sync": {"snowflake": "x"}}, "a service in sync of task 't'"),
    ({"sync": {"dbt_cloud": ""}}, "sync of task 't'['dbt_cloud'] must not be empty"),
    ({"sync": "all"}, "sync of task 't' must be an object"),
    ({"sync": {"dbt_cloud": "a"}, "service": "databricks_jobs"}, "leaves out 'databricks_jobs'"),
    ({"severity": "bad"}, "severity must be one of"),
    ({"form": "xml"}, "form must be one of"),
]


@pytest.mark.parametrize(("given", "says"), WRONG)
def test_a_wrong_argument_ends_the_parsing(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        REPORT(task_id="t", **given)
    assert says in str(raised.value)


@pytest.mark.parametrize(("name", "wrong"), [("out", "report.pdf"), ("time_zone", "Mars"), ("window", "x")])
def test_a_template_that_turns_out_wrong_starts_nothing(
    name: str, wrong: str, standin: StandIn, history: str
) -> None:
    task = REPORT(task_id="t", sync=True, **{name: "{{ wrong }}"})
    setattr(task, name, wrong)
    with pytest.raises(ConfigurationError, match=f"{name} of task 't' must"):
        task.execute(Try())
    assert standin.journal.entries == []


@pytest.mark.usefixtures("ran", "outbox")
def test_templates_and_object_stores_in_a_real_dag_run(
    topic: Topic, history: str, tmp_path: Path, run_dag: Callable[..., Finished]
) -> None:
    with DAG("reports", schedule=None, params={"days": 7, "conn": "databricks_default"}) as dag:
        REPORT(
            task_id="report",
            window="{{ params.days }}d",
            out=ObjectStoragePath(f"file://{tmp_path}/{{{{ dag.dag_id }}}}/weekly.json"),
            sync={"databricks_jobs": "{{ params.conn }}"},
            target_arn=topic.arn,
        )
    done = run_dag(dag)
    assert done.state == "success"
    written = json.loads((tmp_path / "reports" / "weekly.json").read_text())
    assert [job["job"]["job_name"] for job in written["jobs"]] == ["load_shops"]
    assert done.xcom("report")["services"][0]["runs"] == 1
    assert "in 7 days" in str(topic.only().subject)


@pytest.mark.usefixtures("outbox")
def test_a_report_of_a_history_in_an_object_store_lies_beside_it(topic: Topic, tmp_path: Path) -> None:
    told = REPORT(task_id="t", history=f"file://{tmp_path}/h", target_arn=topic.arn).execute(Try())
    assert told["reports"] == [str(path) for path in (tmp_path / "h" / "reports").iterdir()]


@pytest.mark.usefixtures("ran")
def test_the_history_is_used_as_it_is_without_a_sync(standin: StandIn, history: str) -> None:
    sync_history("dbt_cloud", history=History(history))
    asked = len(standin.journal.entries)
    told = REPORT(task_id="t", summary=False).execute(Try())
    assert len(standin.journal.entries) == asked
    assert [each["service"] for each in told["services"]] == ["dbt_cloud"]
