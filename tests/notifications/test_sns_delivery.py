"""Delivery to SNS: the region, the room for the text, the retries and the errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from botocore.stub import Stubber

from airflow_provider_pipehooks.core.errors import AccessDenied, ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.notifications.message import CUT_MARK
from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget
from tests.aws import REGION, Topic, connection


def publish(arn: str | None, text: str = "text", **options: Any) -> str:
    pauses: list[float] = options.pop("pauses", [])
    target = SnsTarget(arn, sleep=pauses.append, **options)
    return target.publish(text, alert_id="a1")


def test_a_message_arrives_with_its_alert_id(topic: Topic) -> None:
    target = SnsTarget(topic.arn)
    message_id = target.publish(
        "naïve\n", alert_id="a1", title="one\ntwo", attributes={"urgent": True, "n": 3}
    )
    message = topic.only()
    assert (message.message_id, message.text, message.subject) == (message_id, "naïve\n", "one two")
    assert message.attributes == {
        "alert_id": {"Type": "String", "Value": "a1"},
        "urgent": {"Type": "String", "Value": "true"},
        "n": {"Type": "Number", "Value": "3"},
    }


def test_attributes_and_subject_are_taken_off_the_room_for_the_text(topic: Topic) -> None:
    """SNS counts body and attributes together; moto does not, so the sum is counted here."""
    attributes = {"note": "x" * 50_000}
    SnsTarget(topic.arn).publish("😀" * 30_000, alert_id="a1", title="t", attributes=attributes)
    message = topic.only()
    assert message.text.endswith(CUT_MARK)
    emoji = message.text.removesuffix(CUT_MARK)
    assert 210_000 < 12 * len(emoji) < 262_144 - 50_000


def test_a_topic_is_where_its_arn_says_whatever_the_connection_has_for_others(
    topic: Topic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(topic.url, region_name="us-east-1"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    publish(topic.arn)
    publish(topic.arn, region_name=REGION)
    assert len(topic.sent()) == 2


def test_no_alert_is_lost_because_of_an_attribute(topic: Topic, caplog: pytest.LogCaptureFixture) -> None:
    attributes = {"team": "", "data owner": "Übermut", "long": "x" * 300_000, "at": date(2026, 1, 2)}
    SnsTarget(topic.arn).publish("text", alert_id="a1", attributes=attributes)
    assert {name: value["Value"] for name, value in topic.only().attributes.items()} == {
        "alert_id": "a1",
        "data_owner": "Übermut",
        "at": "2026-01-02",
    }
    for told in ("without the attribute 'team'", "'data owner' is sent as 'data_owner'", "'long': too long"):
        assert told in caplog.text


@pytest.mark.parametrize(
    ("arn", "options", "told"),
    [
        ("alerts", {}, "'alerts' is not the ARN of an SNS topic"),
        ("arn:aws:sqs:eu-central-1:1:q", {}, "is not the ARN"),
        ("arn:aws:sns:eu-central-1:1:t", {"region_name": "us-east-1"}, "region_name is 'us-east-1'"),
        (None, {}, "give target_arn, or set the Variable 'sns_arn'"),
        (
            "arn:aws:sns:eu-central-1:123456789012:gone",
            {},
            "gone' in account 123456789012, region eu-central-1",
        ),
    ],
)
def test_a_wrong_target_is_named(
    arn: str | None, options: dict[str, Any], told: str, topic: Topic, airflow_db: None
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        publish(arn, **options)


@contextmanager
def answers(target: SnsTarget, *codes: tuple[str, int]) -> Iterator[None]:
    """SNS answers with these errors, then takes the message: what moto never does."""
    with Stubber(target.hook.get_conn()) as stub:
        for code, status in codes:
            stub.add_client_error("publish", code, "why", http_status_code=status)
        stub.add_response("publish", {"MessageId": "m1"})
        yield


@pytest.mark.parametrize("code", ["KMSThrottling", "Throttled", "Throttling"])
def test_a_throttled_alert_is_sent_again(topic: Topic, code: str) -> None:
    pauses: list[float] = []
    target = SnsTarget(topic.arn, sleep=pauses.append)
    with answers(target, (code, 400), (code, 400)):
        assert target.publish("text", alert_id="a1") == "m1"
    assert pauses == [1.0, 2.0]


def test_throttling_without_end_is_an_error_that_can_be_retried(topic: Topic) -> None:
    target = SnsTarget(topic.arn, sleep=lambda _: None)
    with answers(target, *[("KMSThrottling", 400)] * 4), pytest.raises(RemoteCallError) as caught:
        target.publish("text", alert_id="a1")
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("code", "status", "error", "retryable"),
    [
        ("AuthorizationError", 403, AccessDenied, False),
        ("ExpiredToken", 403, AccessDenied, False),
        ("InvalidParameter", 400, RemoteCallError, False),
        ("KMSAccessDenied", 400, RemoteCallError, False),
        ("InternalError", 500, RemoteCallError, True),
    ],
)
def test_other_answers_are_not_asked_again(
    topic: Topic, code: str, status: int, error: type[RemoteCallError], retryable: bool
) -> None:
    """After a 500 the message may have been taken: sending again is for the task's own retry to decide."""
    pauses: list[float] = []
    target = SnsTarget(topic.arn, sleep=pauses.append)
    with answers(target, (code, status)), pytest.raises(error, match=f"{code}: why") as caught:
        target.publish("text", alert_id="a1")
    assert (caught.value.retryable, caught.value.status_code, pauses) == (retryable, status, [])


def test_an_unreachable_sns_is_named(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = connection("http://127.0.0.1:9", config_kwargs={"retries": {"max_attempts": 0}})
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", closed)
    with pytest.raises(RemoteCallError, match=r"Could not send the alert to .*127\.0\.0\.1:9") as caught:
        publish(topic.arn)
    assert caught.value.retryable


def test_no_credentials_are_a_matter_of_settings(topic: Topic) -> None:
    class NoLogin:
        def publish_to_target(self, **message: Any) -> None:
            raise NoCredentialsError

    target = SnsTarget(topic.arn)
    target.__dict__["hook"] = NoLogin()
    with pytest.raises(ConfigurationError, match="No AWS credentials"):
        target.publish("text", alert_id="a1")


def test_a_fifo_topic_gets_its_group_and_drops_repeats(topic: Topic) -> None:
    target = SnsTarget(topic.arn + ".fifo")
    seen: list[dict[str, Any]] = []

    class Recording:
        def publish_to_target(self, **message: Any) -> dict[str, str]:
            seen.append(message)
            return {"MessageId": "m1"}

    target.__dict__["hook"] = Recording()
    target.publish("text", alert_id="a1")
    assert (seen[0]["message_group_id"], seen[0]["message_deduplication_id"]) == ("pipehooks", "a1")


def test_what_airflow_masks_in_logs_is_masked_in_alerts(topic: Topic) -> None:
    from airflow.sdk.log import mask_secret

    mask_secret("open-sesame-42")
    SnsTarget(topic.arn).publish("say open-sesame-42", alert_id="a1", title="open-sesame-42!")
    assert (topic.only().text, topic.only().subject) == ("say ***", "***!")
