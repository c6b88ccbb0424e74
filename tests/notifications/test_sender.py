"""The sender: one message of many failures, none lost and none counted twice, whenever it dies."""

from __future__ import annotations

import errno
import json
import os
import platform
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.notifications.digest import Message
from airflow_provider_pipehooks.notifications.outbox import Notice, Outbox
from airflow_provider_pipehooks.notifications.sender import MOST_A_SECOND, Sender
from airflow_provider_pipehooks.notifications.storm import Pace

TOPIC = {
    "arn": "arn:aws:sns:eu-central-1:123456789012:alerts",
    "aws_conn_id": "aws",
    "region": "eu-central-1",
}
OTHER = {**TOPIC, "arn": f"{TOPIC['arn']}-other"}


class Clock:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Inbox(list[tuple[float, Message]]):
    """What people get, and when."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.refuses: Callable[[Message], bool] = lambda message: False

    def __call__(self, message: Message) -> None:
        if self.refuses(message):
            raise RemoteCallError("SNS is away", retryable=True)
        self.append((self.clock(), message))

    @property
    def titles(self) -> list[str]:
        return [message.title for _, message in self]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(str(tmp_path / "outbox"))


@pytest.fixture
def inbox(clock: Clock) -> Inbox:
    return Inbox(clock)


def sender(outbox: Outbox, inbox: Callable[[Message], object], clock: Clock, **pace: float) -> Sender:
    outbox.root.delete("sender.json")  # whoever was there before is gone
    return Sender(outbox, Pace(**pace), inbox, clock=clock, sleep=clock.sleep)


def notice(clock: Clock, member: str = "sales.load", group: str = "g", **given: Any) -> Notice:
    settings: dict[str, Any] = {
        "alert_id": f"{member}@{clock():.3f}",
        "at": clock(),
        "member": member,
        "group": group,
        "target": TOPIC,
        "title": f"Airflow: {member} failed",
        "text": f"The text of {member}.\n",
        "labels": {"dag_id": member.partition(".")[0], "cause": "no such table", "class": "user"},
        "attributes": {"dag_id": member.partition(".")[0], "class": "user"},
    }
    return Notice(**{**settings, **given})


def run_for(one: Sender, clock: Clock, seconds: float) -> None:
    """Looks every second for two minutes, then every ten: nothing is decided more finely there."""
    until, fine = clock() + seconds, clock() + 120
    while clock() < until:
        one.look()
        clock.sleep(1 if clock() < fine else 10)


def test_one_failure_is_told_in_its_own_words(outbox: Outbox, inbox: Inbox, clock: Clock) -> None:
    outbox.put(notice(clock))
    run_for(sender(outbox, inbox, clock), clock, 60)
    ((at, message),) = inbox
    assert at - 1_000_000 <= 30
    assert (message.title, message.text) == ("Airflow: sales.load failed", "The text of sales.load.\n")
    assert message.alert_id == "sales.load@1000000.000"
    assert outbox.new.names() == outbox.sending.names() == []


def test_many_failures_of_one_cause_are_one_message(outbox: Outbox, inbox: Inbox, clock: Clock) -> None:
    for number in range(500):
        outbox.put(notice(clock, f"dag_{number % 40}.task_{number}"))
        clock.sleep(0.01)
    run_for(sender(outbox, inbox, clock), clock, 400)
    ((_, message),) = inbox
    assert message.title == "Airflow: 500 failures in 40 DAGs: no such table"
    assert "dag_0.task_0" in message.text
    assert "and 480 other tasks" in message.text
    assert "The text of dag_0.task_0." in message.text
    assert message.attributes == {"class": "user", "state": "firing"}


def test_a_recovery_is_told_once_and_only_of_what_was_told(
    outbox: Outbox, inbox: Inbox, clock: Clock
) -> None:
    one = sender(outbox, inbox, clock)
    for member in ("a.x", "b.y"):
        outbox.put(notice(clock, member, recovers=True))
    run_for(one, clock, 60)
    for member in ("a.x", "b.y"):
        outbox.put(notice(clock, member, is_failure=False))
        run_for(one, clock, 400)
    outbox.put(notice(clock, "c.z", group="brief", recovers=True))
    clock.sleep(5)
    outbox.put(notice(clock, "c.z", group="brief", is_failure=False))
    run_for(one, clock, 3_000)
    assert inbox.titles == [
        "Airflow: 2 failures in 2 DAGs: no such table",
        "Airflow: recovered: b.y",
    ]
    assert "after it had failed at" in inbox[1][1].text
    assert outbox.groups.names() == outbox.firing.names() == []


def test_what_still_fails_is_said_again(outbox: Outbox, inbox: Inbox, clock: Clock) -> None:
    outbox.put(notice(clock, recovers=True))
    run_for(sender(outbox, inbox, clock, repeat_interval=1_000), clock, 2_200)
    assert inbox.titles == ["Airflow: sales.load failed"] + 2 * ["Airflow: still failing: sales.load"]
    assert len({message.alert_id for _, message in inbox}) == 3


def test_a_topic_gets_no_more_than_five_messages_a_second(outbox: Outbox, inbox: Inbox, clock: Clock) -> None:
    for number in range(100):
        outbox.put(notice(clock, group=f"cause {number}"))
    run_for(sender(outbox, inbox, clock), clock, 90)
    times = [at for at, _ in inbox]
    assert len(times) == 100
    assert min(later - at for at, later in pairwise(times)) >= 1 / MOST_A_SECOND - 1e-6


def test_a_topic_that_is_away_is_asked_less_and_less_and_holds_up_no_other(
    outbox: Outbox, inbox: Inbox, clock: Clock
) -> None:
    asked: list[float] = []

    def refuses(message: Message) -> bool:
        if message.target["arn"] != TOPIC["arn"] or clock() > 1_001_000:
            return False
        asked.append(clock())
        return True

    inbox.refuses = refuses
    outbox.put(notice(clock))
    outbox.put(notice(clock, target=OTHER))
    run_for(sender(outbox, inbox, clock), clock, 1_600)
    assert [message.target["arn"] for _, message in inbox] == [OTHER["arn"], TOPIC["arn"]]
    assert len(asked) <= 15
    assert outbox.new.names() == []


class Killed(BaseException):
    """The sender's process dies here."""


@pytest.mark.parametrize("steps", range(1, 24))
def test_a_sender_that_dies_anywhere_loses_nothing_and_counts_nothing_twice(
    outbox: Outbox, inbox: Inbox, clock: Clock, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """It dies before its nth write, delete or message, and another one begins."""
    left = [steps]

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return call(*args)

        return wrapped

    for number in range(6):
        outbox.put(notice(clock, f"d.t{number}", group="ab"[number % 2]))
    with monkeypatch.context() as patch:
        for folder in (outbox.new, outbox.groups, outbox.sending):
            patch.setattr(folder, "write", dying(folder.write))
            patch.setattr(folder, "delete", dying(folder.delete))
        dies = sender(outbox, dying(inbox), clock)
        try:
            run_for(dies, clock, 45)
        except Killed:
            clock.sleep(1)
    run_for(sender(outbox, inbox, clock), clock, 400)
    texts = {message.alert_id: message for _, message in inbox}
    assert sorted(text.title for text in texts.values()) == 2 * [
        "Airflow: 3 failures in DAG d: no such table"
    ]
    assert outbox.new.names() == outbox.sending.names() == []


@pytest.mark.parametrize(("error", "told_after_s"), [
    (RemoteCallError("throttled", retryable=True), 63),
    (RemoteCallError("no such topic"), 0),
])  # fmt: skip
def test_what_is_refused_for_long_or_for_good_goes_another_way_once(
    outbox: Outbox, inbox: Inbox, clock: Clock, error: Exception, told_after_s: float
) -> None:
    otherwise: list[tuple[float, str]] = []

    def another_way(message: Message, because: Exception) -> bool:
        assert because is error
        otherwise.append((clock() - 1_000_030, message.title))
        return True

    def refuse(message: Message) -> None:
        if clock() < 1_000_600:
            raise error
        inbox(message)

    outbox.put(notice(clock))
    one = Sender(outbox, Pace(), refuse, otherwise=another_way, clock=clock, sleep=clock.sleep)
    run_for(one, clock, 1_200)
    ((after_s, title),) = otherwise
    assert title == "Airflow: sales.load failed"
    assert abs(after_s - told_after_s) < 15
    assert inbox.titles == [title]


def test_two_senders_do_not_send_twice(outbox: Outbox, inbox: Inbox, clock: Clock) -> None:
    first = sender(outbox, inbox, clock)
    first.look()
    second = Sender(outbox, Pace(), inbox, clock=clock, sleep=clock.sleep)
    outbox.put(notice(clock))
    for _ in range(40):
        assert second.look() == 0
        first.look()
        clock.sleep(1)
    assert len(inbox) == 1


@pytest.mark.parametrize("error", [KeyError("arn"), ValueError("no such connection"), RuntimeError("x")])
def test_whatever_goes_wrong_with_one_message_the_others_are_sent(
    outbox: Outbox, inbox: Inbox, clock: Clock, error: Exception
) -> None:
    def publish(message: Message) -> None:
        if message.target == OTHER:
            raise error
        inbox(message)

    outbox.put(notice(clock, "a.x", target=OTHER))
    outbox.put(notice(clock, "b.y"))
    run_for(sender(outbox, publish, clock), clock, 60)
    assert inbox.titles == ["Airflow: b.y failed"]
    assert len(outbox.sending.names()) == 1


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"message": {"target": 1}}', b'{"message": {}, "names": 5}'])
def test_a_note_that_cannot_be_read_stops_nothing_and_is_decided_anew(
    outbox: Outbox, inbox: Inbox, clock: Clock, data: bytes
) -> None:
    outbox.put(notice(clock))
    dies = sender(outbox, inbox, clock)
    inbox.refuses = lambda message: True
    run_for(dies, clock, 40)
    (name,) = outbox.sending.names()
    outbox.sending.write(name, data)
    inbox.refuses = lambda message: False
    run_for(sender(outbox, inbox, clock), clock, 60)
    assert inbox.titles == ["Airflow: sales.load failed"]
    assert outbox.unreadable.names() == [name]


def test_what_fails_for_two_reasons_recovers_from_both(outbox: Outbox, inbox: Inbox, clock: Clock) -> None:
    one = sender(outbox, inbox, clock)
    for group in ("disk", "table"):
        outbox.put(notice(clock, group=group, recovers=True))
    run_for(one, clock, 60)
    failing = outbox.groups_failing("sales.load")
    assert sorted(mark["group"] for mark in failing) == ["disk", "table"]
    assert failing[0]["target"] == TOPIC
    for mark in failing:
        outbox.put(notice(clock, group=mark["group"], is_failure=False))
    run_for(one, clock, 400)
    assert inbox.titles == 2 * ["Airflow: sales.load failed"] + 2 * ["Airflow: recovered: sales.load"]
    assert outbox.firing.names() == []


@pytest.mark.parametrize(("process", "waits"), [
    ({"host": platform.node(), "pid": 2**22 + 1}, False),
    ({"host": platform.node(), "pid": os.getpid()}, True),
    ({"host": "another machine", "pid": 2**22 + 1}, True),
    ({"host": platform.node(), "pid": "soon"}, True),
    ({"host": platform.node(), "pid": 2**80}, True),
    ({}, True),
])  # fmt: skip
def test_nobody_waits_for_a_sender_that_was_killed_on_this_machine(
    outbox: Outbox, inbox: Inbox, clock: Clock, process: dict[str, Any], waits: bool
) -> None:
    held = {"owner": "killed", "until": time.time() + 60, **process}
    outbox.root.write("sender.json", json.dumps(held).encode())
    assert outbox.lease("next") is not waits


def test_a_sender_says_that_it_is_at_work_while_it_sends_for_minutes(
    outbox: Outbox, inbox: Inbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", clock)
    at_work: list[bool] = []

    def publish(message: Message) -> None:
        clock.sleep(45)
        at_work.append(outbox.has_sender)

    for number in range(5):
        outbox.put(notice(clock, group=f"cause {number}"))
    one = sender(outbox, publish, clock)
    clock.sleep(30)
    one.look()
    assert at_work == 5 * [True]


def test_a_file_that_is_no_notice_is_put_aside(outbox: Outbox, inbox: Inbox, clock: Clock) -> None:
    outbox.new.write("0-x.json", b'{"at": "soon"}')
    outbox.new.write("0-y.json", b"\xff")
    outbox.put(notice(clock))
    run_for(sender(outbox, inbox, clock), clock, 40)
    assert len(inbox) == 1
    assert outbox.unreadable.names() == ["0-x.json", "0-y.json"]


def test_a_notice_whose_writer_was_killed_before_it_had_its_name_is_told(
    outbox: Outbox, inbox: Inbox, clock: Clock
) -> None:
    for member, cut in (("whole.load", None), ("half.load", -20)):
        name = outbox.put(notice(clock, member))
        data = outbox.new.read(name) or b""
        outbox.new.delete(name)
        left = Path(str(outbox.new)) / f"{name}.0123abcd.unfinished"
        left.write_bytes(data[:cut])
        os.utime(left, (clock(), clock()))
    one = sender(outbox, inbox, clock)
    run_for(one, clock, 50)
    assert inbox.titles == [], "its writer may still be at work"
    run_for(one, clock, 100)
    assert inbox.titles == ["Airflow: whole.load failed"]
    assert os.listdir(str(outbox.new)) == []


@pytest.mark.parametrize("part", ["told", "groups", "new"])
def test_a_message_that_is_out_is_not_sent_again_while_the_disk_is_full(
    outbox: Outbox, inbox: Inbox, clock: Clock, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    outbox.put(notice(clock, tells=["instance"]))
    one = sender(outbox, inbox, clock)
    with monkeypatch.context() as patched:
        patched.setattr(getattr(outbox, part), "delete" if part == "new" else "write", full)
        for _ in range(60):
            one.look_or_log()
            clock.sleep(1)
    assert len(inbox) == 1
    run_for(one, clock, 60)
    assert len(inbox) == 1
    assert outbox.new.names() == outbox.sending.names() == []
