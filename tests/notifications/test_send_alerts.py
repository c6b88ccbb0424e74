"""The sender in the triggerer and as a task."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.notifications.outbox import Outbox
from airflow_provider_pipehooks.notifications.pipeline_event import notice_of
from airflow_provider_pipehooks.notifications.sender_trigger import AlertSenderTrigger
from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget
from airflow_provider_pipehooks.operators.send_alerts import SendAlertsOperator
from tests.aws import Topic
from tests.notifications.test_pipeline_event import event

PATIENCE_S = 30


def put(outbox: Outbox, topic: Topic, number: int) -> None:
    outbox.put(notice_of(event(run_id=str(number)), SnsTarget(topic.arn)))


async def until_empty(outbox: Outbox) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while outbox.new.names():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.05)


def test_the_trigger_sends_until_it_is_cancelled(topic: Topic, outbox: Outbox) -> None:
    async def go() -> None:
        async def send() -> None:
            async for _ in AlertSenderTrigger().run():
                raise AssertionError("it fires no event")

        task = asyncio.create_task(send())
        for number in range(2):
            put(outbox, topic, number)
            await until_empty(outbox)
        assert outbox.has_sender
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(go())
    assert len(topic.sent()) == 2
    assert not outbox.has_sender


def test_equal_triggers_are_one_row() -> None:
    assert AlertSenderTrigger().serialize() == AlertSenderTrigger().serialize()
    path, arguments = AlertSenderTrigger("s3://b/a").serialize()
    assert path.endswith("notifications.sender_trigger.AlertSenderTrigger")
    assert AlertSenderTrigger(**arguments, newer=1).outbox == "s3://b/a"
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        AlertSenderTrigger(colour=1)


def test_a_task_sends_for_a_while_and_leaves_its_place_to_the_next(topic: Topic, outbox: Outbox) -> None:
    task: Any = SendAlertsOperator(task_id="send", send_for=timedelta(seconds=0.5))
    for number in range(2):
        put(outbox, topic, number)
        assert task.execute({}) == 1
        # Alerts between two runs are left to the next one.
        assert outbox.has_sender
    task.on_kill()
    assert not outbox.has_sender


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="send_for"):
        SendAlertsOperator(task_id="send", send_for="soon")
