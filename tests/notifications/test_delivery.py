"""Bad days of SNS: an alert that it did not take stays, and comes when it is back; see also the lane."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
from botocore.exceptions import ClientError

from airflow_provider_pipehooks.core.errors import PipehooksError
from airflow_provider_pipehooks.demo.processes import free_port
from airflow_provider_pipehooks.notifications.message import CUT_MARK, Alert, FailedTask
from airflow_provider_pipehooks.notifications.outbox import Outbox
from airflow_provider_pipehooks.notifications.sender import Sender, ToSns
from airflow_provider_pipehooks.notifications.sending import send
from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget
from airflow_provider_pipehooks.notifications.storm import Pace
from tests.aws import Topic, client, connection
from tests.notifications.delivery_lane import BAD_TITLE, EMOJI
from tests.notifications.faulty_sns import LOST_ANSWERS, Fault, FaultySns

ONCE = {"retries": {"mode": "standard", "total_max_attempts": 1}}


@pytest.fixture
def sns(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultySns]:
    """SNS, before moto; the connection leads to it."""
    with FaultySns(topic.url, free_port()) as server:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(server.url, config_kwargs=ONCE))
        yield server


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = datetime.now(timezone.utc).timestamp()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def alert() -> Alert:
    task = FailedTask(task_id="load", exception="ValueError: x")
    return Alert(dag_id="sales", dag_run_id="r", when=datetime.now(timezone.utc), tasks=(task,))


def tell(topic: Topic, outbox: Outbox, **words: str) -> str:
    return send(SnsTarget(topic.arn, pauses_s=()), alert(), outbox=outbox, **words)


def look_for(outbox: Outbox, seconds: int) -> None:
    """A sender comes, and stays for so long."""
    clock = Clock()
    sender = Sender(outbox, Pace(group_wait=0), ToSns(), clock=clock, sleep=clock.sleep)
    for _ in range(seconds):
        sender.look()
        clock.sleep(1)
    outbox.release(sender.owner)


REFUSING = [Fault.DOWN, Fault.THROTTLED, Fault.KMS_THROTTLED, Fault.GONE, Fault.UNAVAILABLE, Fault.GARBLED]


@pytest.mark.parametrize("fault", REFUSING)
def test_what_was_refused_stays_and_comes_once_when_sns_is_back(
    topic: Topic, sns: FaultySns, outbox: Outbox, fault: Fault
) -> None:
    sns.fault = fault
    with pytest.raises(PipehooksError):
        tell(topic, outbox)
    look_for(outbox, 10)
    assert topic.sent() == []
    assert len(outbox.new.names()) == 1
    sns.fault = Fault.NONE
    look_for(outbox, 10)
    assert topic.only().attributes["alert_id"]["Value"] == alert().alert_id
    assert outbox.new.names() == outbox.sending.names() == []


def test_who_renews_an_expired_credential_need_not_start_anything_again(
    topic: Topic, sns: FaultySns, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    sns.expired.add("test")
    with pytest.raises(PipehooksError, match="ExpiredToken"):
        tell(topic, outbox)
    clock = Clock()
    sender = Sender(outbox, Pace(group_wait=0), ToSns(), clock=clock, sleep=clock.sleep)
    assert sender.look() == 0
    renewed = connection(sns.url, config_kwargs=ONCE).replace('"login": "test"', '"login": "new"')
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", renewed)
    clock.sleep(60)
    assert sender.look() == 1
    assert topic.only()


def test_a_message_whose_answer_was_lost_comes_again_with_the_same_id(
    topic: Topic, sns: FaultySns, outbox: Outbox
) -> None:
    sns.fault = Fault.ANSWER_LOST
    with pytest.raises(PipehooksError):
        tell(topic, outbox)
    look_for(outbox, 10)
    ids = [message.attributes["alert_id"]["Value"] for message in topic.sent()]
    assert ids == (LOST_ANSWERS + 1) * [alert().alert_id]
    assert outbox.new.names() == outbox.sending.names() == []


def test_sns_takes_a_megabyte_of_emoji_and_a_subject_that_is_none(
    topic: Topic, sns: FaultySns, outbox: Outbox
) -> None:
    tell(topic, outbox, text=EMOJI, title=BAD_TITLE)
    message = topic.only()
    assert message.text.endswith(CUT_MARK)
    assert (message.subject or "").startswith("Airflow: a red Bcc: x@example.com long long")


@pytest.mark.parametrize(
    ("message", "subject", "told"),
    [
        ("x", "a\nb", "control characters"),
        ("x", "a" * 100, "100 characters"),
        ("\u00fc" * 131_073, "a", "262146 bytes"),
    ],
)
def test_the_double_refuses_what_moto_lets_pass_and_sns_does_not(
    topic: Topic, sns: FaultySns, message: str, subject: str, told: str
) -> None:
    with pytest.raises(ClientError, match=told):
        client("sns", sns.url).publish(TopicArn=topic.arn, Message=message, Subject=subject)
    assert topic.sent() == []
