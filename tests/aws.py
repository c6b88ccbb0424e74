"""SNS for tests: moto's real server, the ``aws_default`` connection to it, and what was sent to a topic."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"


@dataclass(frozen=True)
class Message:
    """One message as moto keeps it: the text out of its JSON wrapping."""

    message_id: str
    text: str
    subject: str | None
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Topic:
    """A topic of the moto server."""

    url: str
    arn: str

    def sent(self) -> list[Message]:
        """What was published to it, oldest first."""
        data = requests.get(f"{self.url}/moto-api/data.json", timeout=5).json()
        topics = [topic for topic in data["sns"]["Topic"] if topic["arn"] == self.arn]
        return [
            Message(row[0], json.loads(row[1])["default"], row[2], row[3])
            for row in topics[0]["sent_notifications"]
        ]

    def only(self) -> Message:
        """The one message that was sent."""
        sent = self.sent()
        assert len(sent) == 1, sent
        return sent[0]


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def topic(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Topic:
    """A fresh topic, and the connection that leads to it."""
    requests.post(f"{moto_url}/moto-api/reset", timeout=5)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", connection(moto_url))
    sns = client("sns", moto_url)
    return Topic(url=moto_url, arn=sns.create_topic(Name="alerts")["TopicArn"])


def connection(moto_url: str, **extra: Any) -> str:
    """An ``aws`` connection to the moto server, as its environment variable holds it."""
    return json.dumps(
        {
            "conn_type": "aws",
            "login": "test",
            "password": "a-secret-access-key",
            "extra": {"endpoint_url": moto_url, **extra},
        }
    )


@dataclass(frozen=True)
class Queue:
    """A queue that subscribes to the topic, as one of a subscriber's."""

    client: Any
    url: str

    def take(self) -> list[Message]:
        """What has arrived, oldest first; it is gone from the queue."""
        found: list[Message] = []
        while got := self.client.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages"):
            for one in got:
                body = json.loads(one["Body"])
                message = (body["MessageId"], body["Message"], body.get("Subject"))
                found.append(Message(*message, body.get("MessageAttributes", {})))
                self.client.delete_message(QueueUrl=self.url, ReceiptHandle=one["ReceiptHandle"])
        return found


@pytest.fixture
def queue(topic: Topic) -> Queue:
    """A queue of the moto server that subscribes to the topic."""
    sqs, sns = client("sqs", topic.url), client("sns", topic.url)
    url = sqs.create_queue(QueueName="alerts")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=topic.arn, Protocol="sqs", Endpoint=arn)
    return Queue(sqs, url)


def client(service: str, url: str) -> Any:
    """A client of the moto server's."""
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, endpoint_url=url, region_name=REGION, **keys)
