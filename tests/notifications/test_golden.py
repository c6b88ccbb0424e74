"""Each kind of message as a person reads it: the files in ``golden/`` are to be read, too."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_pipehooks.core.pipeline_event import PipelineEvent
from airflow_provider_pipehooks.core.run import Failure, Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.notifications import pipeline_event
from airflow_provider_pipehooks.notifications.digest import Message, message_alone, message_of, still_failing
from airflow_provider_pipehooks.notifications.forms import written
from airflow_provider_pipehooks.notifications.message import Alert, FailedTask, body, subject
from airflow_provider_pipehooks.notifications.outbox import Notice
from airflow_provider_pipehooks.notifications.sending import attributes_of, labels_of, words_of
from airflow_provider_pipehooks.notifications.storm import Group
from airflow_provider_pipehooks.reporting import summary
from airflow_provider_pipehooks.reporting.figures import Kpis, Window
from tests.notifications.golden import golden, text_of
from tests.reporting.made_up import kpis_of

WHEN = datetime(2026, 1, 1, 6, 30, tzinfo=timezone.utc)
TOPIC = {
    "arn": "arn:aws:sns:eu-central-1:123456789012:alerts",
    "aws_conn_id": "aws",
    "region": "eu-central-1",
}
RUN = Run(
    service="databricks_jobs",
    run_id=455,
    state=RunState.ERROR,
    status="TERMINATED FAILED",
    kind="user",
    name="load the shops",
    url="https://adb-1.azuredatabricks.net/?o=1#job/9/run/455",
    message="Task load failed with message: Workload failed, see run output for details.",
    failures=(Failure(name="load", message="AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] raw.shop is gone"),),
    failed=1,
)
NO_FAILURE: dict[str, Any] = {"failures": (), "failed": 0}
LOAD = FailedTask(task_id="load", try_number=2, max_tries=3, run=RUN, log_url="http://HOST/log")
CRASH = FailedTask(task_id="clean", map_index=3, try_number=1, max_tries=1, exception="KeyError: 'shop_id'")


def alert(*tasks: FailedTask, **given: object) -> Alert:
    known = {"dag_id": "sales", "dag_run_id": "scheduled__2026-01-01", "when": WHEN, "url": "http://HOST/run"}
    return Alert(**{**known, "tasks": tasks, **given})  # type: ignore[arg-type]


@dataclass
class Sent:
    subject: str
    text: str


ALERTS = {
    "task": alert(LOAD),
    "task_with_history": alert(
        replace(
            LOAD, known="Fails 3 % of its runs (60 days); seen 4 times; a retry mends it in 6 min (median)."
        )
    ),
    "task_without_run": alert(CRASH),
    "task_that_will_retry": alert(replace(LOAD, state="up_for_retry"), happened="will retry"),
    "several_tasks": alert(LOAD, CRASH, FailedTask(task_id="report", state="upstream_failed"), unfinished=2),
    "dag": alert(CRASH, reason="task_failure", logical_date=WHEN),
    "deadline": alert(happened="missed its deadline"),
    "ended_by_airflow": alert(
        replace(LOAD, run=replace(RUN, state=RunState.RUNNING, kind=None, message=None, **NO_FAILURE)),
    ),
    "cancelled": alert(
        replace(LOAD, run=replace(RUN, state=RunState.CANCELLED, cancelled_by="ann", **NO_FAILURE))
    ),
}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert(name: str) -> None:
    words = words_of(ALERTS[name])
    text = text_of(Sent(words["subject"], words["body"]))
    assert text == golden(f"{name}.txt", text)


def notices(count: int) -> list[Notice]:
    return [notice(alert(LOAD, dag_id=f"dag_{n % 3}"), at=n) for n in range(count)]


def notice(told: Alert, at: float = 0.0, *, is_failure: bool = True, form: str = "text") -> Notice:
    # Not its own: that changes with the rules by which fingerprints are made.
    labels = {**labels_of(told), "fingerprint": "0123456789ab"}
    return Notice(
        alert_id=told.alert_id,
        at=(told.when + timedelta(seconds=at)).timestamp(),
        member=f"{told.dag_id}.load",
        group=labels["fingerprint"],
        target={**TOPIC, "form": form, "labels": {"fingerprint": labels["fingerprint"]}},
        title=subject(told),
        text=body(told),
        is_failure=is_failure,
        recovers=True,
        labels=labels,
        attributes=attributes_of(labels, {}),
        url=told.url or "",
    )


FIRING = Group(
    firing={"dag_0.load": WHEN.timestamp(), "dag_1.load": WHEN.timestamp()}, number=2, target=TOPIC
)
RECOVERED = [
    notice(alert(dag_id=f"dag_{n}", happened="succeeded"), 600 + n, is_failure=False) for n in (0, 1)
]
MESSAGES: dict[str, Callable[[], Message]] = {
    "many_failures": lambda: message_of("firing", "g", notices(120), Group(), replace(FIRING, number=1)),
    "more_failures": lambda: message_of("firing", "g", notices(2), FIRING, FIRING),
    "still_failing": lambda: still_failing("g", FIRING, WHEN.timestamp()),
    "recovered": lambda: message_of("resolved", "g", RECOVERED, FIRING, FIRING),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_about_many(name: str) -> None:
    message = MESSAGES[name]()
    text = text_of(Sent(message.title, message.text))
    assert text == golden(f"{name}.txt", text)


def test_what_somebody_did() -> None:
    data = {"dag_id": "sales", "run_id": "r", "task_id": "load", "map_index": -1, "state": "failed"}
    data |= {"user": "ann", "when": WHEN.isoformat()}
    event = PipelineEvent(event_type="post_forced_fail_activity", data=data)
    text = text_of(Sent(pipeline_event.subject(event), pipeline_event.body(event)))
    assert text == golden("event.txt", text)


def as_json(message: Message) -> str:
    return json.dumps(json.loads(written(message)), indent=2) + "\n"


REPORTS = {
    "run_report": kpis_of(40),
    "run_report_one_job": kpis_of(1, 7),
    "run_report_no_runs": Kpis(window=Window.last(7, WHEN, "Europe/Berlin")),
}


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_in_short(name: str) -> None:
    kpis = REPORTS[name]
    text = text_of(Sent(summary.subject(kpis), summary.body(kpis, "s3://bucket/reports/weekly.html")))
    assert text == golden(f"{name}.txt", text)


def test_json_for_programs() -> None:
    """A failure, and the recovery that ends it: PagerDuty's key and Alertmanager's labels are the same."""
    failed = message_alone(notice(alert(LOAD), form="json"))
    text = text_of(Sent(failed.title, as_json(failed)))
    assert text == golden("failure_json.txt", text)
    over = replace(notice(alert(LOAD), form="json"), at=600 + WHEN.timestamp(), is_failure=False)
    recovered = message_of("resolved", failed.group, [over], FIRING, FIRING)
    text = text_of(Sent(recovered.title, as_json(recovered)))
    assert text == golden("recovery_json.txt", text)
    first, last = json.loads(as_json(failed)), json.loads(as_json(recovered))
    assert [each["pagerduty"]["event_action"] for each in (first, last)] == ["trigger", "resolve"]
    assert first["pagerduty"]["dedup_key"] == last["pagerduty"]["dedup_key"]
    assert first["alertmanager"][0]["labels"] == last["alertmanager"][0]["labels"]
    assert "endsAt" in last["alertmanager"][0]


def test_json_stays_json_however_long_the_text_is() -> None:
    told = replace(message_alone(notice(alert(LOAD), form="json")), text="\N{PILE OF POO}\n\"'" * 300_000)
    text = written(told)
    assert json.loads(text)["alertmanager"][0]["annotations"]["description"].endswith("too long for SNS]")
    assert len(json.dumps({"default": text})) < 262_144 - 20_000
