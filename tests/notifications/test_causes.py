"""Grouping by cause: one trouble of five hundred tasks is one message, two troubles are two."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.notifications.digest import Message
from airflow_provider_pipehooks.notifications.message import FailedTask
from airflow_provider_pipehooks.notifications.outbox import Outbox
from airflow_provider_pipehooks.notifications.reasons import cause_of, class_of, fingerprint
from airflow_provider_pipehooks.notifications.sender import Sender
from airflow_provider_pipehooks.notifications.sending import send
from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget
from airflow_provider_pipehooks.notifications.storm import Pace
from tests.notifications import causes, held_out_causes, other_causes
from tests.notifications.cause_pairs import APART, TOGETHER
from tests.notifications.causes import BEGAN, CAUSES, Maker, pairs

EACH = 500
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alerts"


def grouped(makers: Mapping[str, Maker], seed: int = 13) -> list[tuple[str, str]]:
    """The label and the group of five hundred alerts of each trouble."""
    rng = random.Random(seed)
    return [(label, fingerprint(make(rng))) for label, make in makers.items() for _ in range(EACH)]


def test_the_measure_is_of_pairs() -> None:
    assert pairs([("a", "1"), ("a", "1"), ("b", "2")]) == (1.0, 1.0)
    assert pairs([("a", "1"), ("a", "1"), ("b", "1"), ("b", "2")]) == (1 / 3, 0.5)


@pytest.mark.parametrize("makers", [CAUSES, other_causes.CAUSES], ids=["the ten", "others"])
def test_what_is_together_has_one_trouble_and_one_trouble_is_together(makers: Mapping[str, Maker]) -> None:
    precision, recall = pairs(grouped(makers))
    assert precision >= 0.95
    assert recall >= 0.95


def test_texts_that_were_written_after_the_rules_are_grouped_as_well() -> None:
    """At first one of the ten was four messages: the missing macro has had a rule of its own since."""
    precision, recall = pairs(grouped(held_out_causes.CAUSES))
    assert precision >= 0.95
    assert recall >= 0.95


def test_thirty_troubles_at_once_are_not_taken_for_each_other() -> None:
    together = grouped(CAUSES) + grouped(other_causes.CAUSES) + grouped(held_out_causes.CAUSES)
    precision, recall = pairs(together)
    assert precision >= 0.95
    assert recall >= 0.95


@pytest.mark.parametrize("pair", APART)
def test_two_troubles_are_two_messages(pair: str) -> None:
    one, other = APART[pair]
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize("pair", TOGETHER)
def test_one_trouble_is_one_message_however_it_looks(pair: str) -> None:
    one, other = TOGETHER[pair]
    assert fingerprint(one) == fingerprint(other)


GOING_ON = Run(service="dbt_cloud", run_id=1, state=RunState.RUNNING, status="Running", message="In run")
OVER = Run(service="dbt_cloud", run_id=1, state=RunState.SUCCESS, status="Success")


@pytest.mark.parametrize(
    ("exception", "run", "kind", "cause"),
    [
        ("AccessDenied: GET x answered 401", GOING_ON, "configuration", "AccessDenied: GET x answered 401"),
        ("ValueError: in a hook of mine", GOING_ON, "user", "ValueError: in a hook of mine"),
        ("ValueError: in a hook of mine", OVER, "user", "ValueError: in a hook of mine"),
        (None, GOING_ON, "ended_by_airflow", "In run"),
        ("TaskDeferralTimeout: too long", GOING_ON, "ended_by_airflow", "TaskDeferralTimeout: too long"),
    ],
)
def test_a_run_that_did_not_fail_is_not_why_its_task_did(
    exception: str | None, run: Run, kind: str, cause: str
) -> None:
    task = FailedTask(task_id="t", exception=exception, run=run)
    assert (class_of(task), cause_of(task)) == (kind, cause)


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = BEGAN.timestamp()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_ten_troubles_of_five_hundred_tasks_are_ten_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the outbox and the sender: every failure is counted, in the message about its trouble."""
    monkeypatch.setattr(os, "fsync", lambda file: None)  # ten thousand files, of which no crash is tried here
    outbox, clock, rng, inbox = Outbox(str(tmp_path / "outbox")), Clock(), random.Random(13), list[Message]()
    outbox.lease("somebody")  # else each would be sent at once
    alerts = [(label, make(rng)) for label, make in CAUSES.items() for _ in range(EACH)]
    rng.shuffle(alerts)
    for _, alert in alerts:
        send(SnsTarget(TOPIC), alert, outbox=outbox)
    outbox.release("somebody")
    sender = Sender(outbox, Pace(), inbox.append, clock=clock, sleep=clock.sleep)
    while clock() < BEGAN.timestamp() + causes.WITHIN_S + 400:
        sender.look()
        clock.sleep(5)
    assert [counted(message) for message in inbox] == len(CAUSES) * [EACH]
    assert outbox.new.names() == outbox.sending.names() == []
    # Each of the ten has one.
    told = {fingerprint(alert): label for label, alert in alerts}
    assert sorted(told[message.attributes["fingerprint"]] for message in inbox) == sorted(CAUSES)


def counted(message: Message) -> int:
    found = re.match(r"Airflow: ([\d,]+) failures in \d+ DAGs: ", message.title)
    assert found, message.title
    return int(found[1].replace(",", ""))
