"""The one way out: into the outbox, and to people at once where no sender is at work."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.core.run import Failure, Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.notifications import command
from airflow_provider_pipehooks.notifications.message import Alert, FailedTask
from airflow_provider_pipehooks.notifications.outbox import Outbox
from airflow_provider_pipehooks.notifications.sender import Sender, ToSns
from airflow_provider_pipehooks.notifications.sending import resolve, send
from airflow_provider_pipehooks.notifications.sns import sns_on_failure
from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget
from airflow_provider_pipehooks.notifications.storm import Pace
from airflow_provider_pipehooks.operators.sns_alert import notify_if_one_failed
from tests.aws import Topic

RUN = Run(
    service="databricks_jobs",
    run_id=7,
    state=RunState.ERROR,
    status="TERMINATED FAILED",
    kind="user",
    failures=(Failure(name="load", message="[TABLE_OR_VIEW_NOT_FOUND] `a` is gone"),),
    failed=1,
)
GONE = "arn:aws:sns:eu-central-1:123456789012:gone"


def alert(dag_id: str = "sales", **given: Any) -> Alert:
    task = FailedTask(task_id="load", run=RUN, try_number=1)
    return Alert(
        dag_id=dag_id, dag_run_id="r", when=datetime.now(timezone.utc), **{"tasks": (task,), **given}
    )


def flush(outbox: Outbox) -> int:
    """What a sender does with what is there now."""
    sender = Sender(outbox, Pace(group_wait=0, group_interval=0), ToSns())
    sent = sender.look()
    outbox.release(sender.owner)
    return sent


def test_without_a_sender_an_alert_is_sent_at_once(topic: Topic, outbox: Outbox) -> None:
    sent = send(SnsTarget(topic.arn), alert(), attributes={"team": "data"}, send_resolved=True)
    assert sent == topic.only().message_id
    # As a sender would send it, and nothing is left: only a sender tells of recoveries.
    attributes = {name: each["Value"] for name, each in topic.only().attributes.items()}
    named = ["alert_id", "class", "dag_id", "fingerprint", "service", "severity", "state", "team"]
    assert sorted(attributes) == named
    assert (attributes["class"], attributes["service"]) == ("user", "databricks_jobs")
    assert outbox.new.names() == outbox.firing.names() == []


def test_what_could_not_be_sent_stays_for_a_sender(topic: Topic, outbox: Outbox) -> None:
    with pytest.raises(ConfigurationError, match="SNS has no topic"):
        send(SnsTarget(GONE), alert())
    (found,) = outbox.notices({}).values()
    assert found.text.startswith("DAG sales failed: 1 task.")
    assert found.labels["class"] == "user"


def test_where_a_sender_is_at_work_the_alert_is_left_to_it(topic: Topic, outbox: Outbox) -> None:
    sender = Sender(outbox, Pace(group_wait=0.1, group_interval=0), ToSns())
    sender.look()
    for dag_id in ("sales", "stock"):
        assert send(SnsTarget(topic.arn), alert(dag_id)) == ""
    assert topic.sent() == []
    sender.look()
    assert (
        topic.only().subject == "Airflow: 2 failures in 2 DAGs: load: [TABLE_OR_VIEW_NOT_FOUND] `a` is gone"
    )
    assert topic.only().attributes["class"]["Value"] == "user"
    assert "DAG sales failed: 1 task." in topic.only().text


def test_an_outbox_that_cannot_be_written_keeps_no_alert_back(
    topic: Topic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__OUTBOX", str(tmp_path / "file" / "outbox"))
    send(SnsTarget(topic.arn), alert())
    assert topic.only()


def test_a_recovery_is_told_of_what_was_told_to_fail(topic: Topic, outbox: Outbox) -> None:
    target = SnsTarget(topic.arn)
    succeeded = alert(tasks=(FailedTask(task_id="load", state="success"),), happened="succeeded")
    assert not resolve(target, succeeded)
    outbox.lease("somebody")
    send(target, alert(), send_resolved=True)
    outbox.release("somebody")
    assert flush(outbox) == 1
    assert resolve(target, succeeded)
    assert not resolve(target, succeeded)
    assert flush(outbox) == 1
    failure, recovery = topic.sent()
    assert recovery.subject == "Airflow: recovered: sales.load"
    # A subscription that filters for one gets the other.
    kept = [
        {k: v for k, v in sent.attributes.items() if k not in ("state", "alert_id")}
        for sent in (failure, recovery)
    ]
    assert kept[0] == kept[1]
    assert recovery.attributes["state"]["Value"] == "resolved"


@pytest.mark.parametrize(
    "path", ["nosuchstore://bucket/alerts", "s3://no_such_connection@bucket/alerts", "/dev/null/alerts"]
)
def test_an_outbox_that_cannot_be_keeps_no_alert_back(
    topic: Topic, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Whatever a store raises: a package that is not there, a connection that is not known."""
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__OUTBOX", path)
    send(SnsTarget(topic.arn), alert(), send_resolved=True)
    assert topic.only()
    assert not resolve(SnsTarget(topic.arn), alert(happened="succeeded"))


def test_no_token_lies_in_the_outbox(outbox: Outbox) -> None:
    outbox.lease("somebody")
    told = alert(
        tasks=(FailedTask(task_id="t", exception="ValueError: Authorization: Bearer abcdefgh12345"),)
    )
    send(SnsTarget(GONE), told)
    (name,) = outbox.new.names()
    assert b"abcdefgh12345" not in (outbox.new.read(name) or b"")


def test_sns_gets_no_more_attributes_than_it_delivers(topic: Topic, outbox: Outbox) -> None:
    send(SnsTarget(topic.arn), alert(), attributes={f"own_{n}": "x" for n in range(7)})
    names = set(topic.only().attributes)
    assert names == {"alert_id", "state", "dag_id", *(f"own_{n}" for n in range(7))}


def test_a_notifier_refuses_a_label_that_no_alert_has() -> None:
    with pytest.raises(ConfigurationError, match="not 'colour'"):
        sns_on_failure(group_by=["colour"])
    with pytest.raises(ConfigurationError, match="not 'dag_id'"):
        sns_on_failure(group_by="dag_id")


def test_the_command_sends_what_is_there(
    topic: Topic, outbox: Outbox, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run(["list"]) == 0
    outbox.lease("somebody")
    send(SnsTarget(topic.arn), alert())
    assert command.run(["list"]) == 0
    outbox.release("somebody")
    assert command.run(["send", "--once"]) == 0
    assert topic.only()
    assert command.run(["list"]) == 0
    printed = capsys.readouterr().out
    assert "0 to be told; no sender is at work" in printed
    assert "1 to be told, the oldest 0 s old; a sender is at work" in printed
    assert "1 messages sent." in printed


def test_the_command_leaves_a_sender_at_work_alone(
    outbox: Outbox, capsys: pytest.CaptureFixture[str]
) -> None:
    outbox.lease("somebody")
    assert command.run(["send", "--once"]) == 1
    assert "A sender is at work" in capsys.readouterr().err
    assert outbox.has_sender


def test_a_sender_that_is_silent_for_a_minute_is_gone(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outbox.lease("first")
    assert not outbox.lease("second")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert not outbox.has_sender
    assert outbox.lease("second")


FELL_BACK: list[dict[str, str]] = []


def by_mail(**told: str) -> None:
    FELL_BACK.append(told)


def by_nothing(**told: str) -> None:
    raise OSError("no mail server")


def test_what_sns_does_not_take_goes_another_way(
    topic: Topic, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__ALERT_FALLBACK", f"{__name__}.by_mail")
    FELL_BACK.clear()
    assert send(SnsTarget(GONE), alert()) == ""
    (told,) = FELL_BACK
    assert told["subject"] == "Airflow: sales failed: load"
    assert told["alert_id"] == alert().alert_id
    assert "Amazon SNS did not take this alert: SNS has no topic" in told["body"]
    # And stays: who mends the topic gets it there, too.
    assert len(outbox.new.names()) == 1


@pytest.mark.parametrize("path", [f"{__name__}.by_nothing", f"{__name__}.by_nobody", "nowhere"])
def test_another_way_that_fails_hides_nothing(
    topic: Topic, outbox: Outbox, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__ALERT_FALLBACK", path)
    with pytest.raises(ConfigurationError, match="SNS has no topic"):
        send(SnsTarget(GONE), alert())


def test_a_program_gets_json(topic: Topic, outbox: Outbox) -> None:
    send(SnsTarget(topic.arn), alert(), form="json", severity="critical")
    event = json.loads(topic.only().text)["pagerduty"]
    assert (event["event_action"], event["payload"]["severity"]) == ("trigger", "critical")
    assert topic.only().attributes["severity"]["Value"] == "critical"


@pytest.mark.parametrize(("given", "wrong"), [({"severity": "loud"}, "severity"), ({"form": "xml"}, "form")])
def test_a_word_that_is_not_known_is_refused_when_the_dag_is_parsed(
    given: dict[str, Any], wrong: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"{wrong} must be one of"):
        sns_on_failure(**given)
    with pytest.raises(ConfigurationError, match=f"{wrong} must be one of"):
        notify_if_one_failed(**given)
