"""Failures that nobody told of: found in Airflow's database, told once, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.sdk import DAG, task

from airflow_provider_pipehooks.compat.failures import FailedInstance, failed_between
from airflow_provider_pipehooks.notifications.message import Alert, FailedTask
from airflow_provider_pipehooks.notifications.outbox import REACH_S, Outbox
from airflow_provider_pipehooks.notifications.sender import Sender
from airflow_provider_pipehooks.notifications.sending import notice_of, send, tell
from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget
from airflow_provider_pipehooks.notifications.storm import Pace
from airflow_provider_pipehooks.notifications.sweep import ALERT_TYPES, GRACE_S, UNTOLD, Sweep
from airflow_provider_pipehooks.operators.sns_alert import notify_if_one_failed
from tests.aws import Topic
from tests.dag_runs import Finished
from tests.notifications.test_sender import Clock, Inbox

TARGET = SnsTarget("arn:aws:sns:eu-central-1:123456789012:alerts")
RunDag = Callable[..., Finished]


def failed(clock: Clock, task_id: str = "load", **given: Any) -> FailedInstance:
    known = {"dag_id": "sales", "run_id": "r", "map_index": -1, "try_number": 1, "max_tries": 1}
    return FailedInstance(**{**known, "task_id": task_id, "began": clock(), **given})


class Airflow(list[FailedInstance]):
    """What has failed, each a second after it began."""

    def between(self, begin: float, end: float, types: Sequence[str]) -> Iterator[FailedInstance]:
        assert types == ALERT_TYPES
        yield from (one for one in self if begin <= one.began + 1 <= end)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def airflow() -> Airflow:
    return Airflow()


@pytest.fixture
def inbox(clock: Clock) -> Inbox:
    return Inbox(clock)


def sweeping(outbox: Outbox, clock: Clock, airflow: Airflow, inbox: Inbox, **given: Any) -> Sender:
    outbox.root.delete("sender.json")
    one = Sender(outbox, Pace(), inbox, clock=clock, sleep=clock.sleep)
    one.sweep = Sweep(outbox, TARGET, airflow.between, clock, **given)
    return one


def run_for(one: Sender, clock: Clock, seconds: float) -> None:
    until = clock() + seconds
    while clock() < until:
        one.look()
        clock.sleep(10)


def told(clock: Clock, task_id: str = "load") -> Alert:
    when = datetime.fromtimestamp(clock() + 1, timezone.utc)
    return Alert(
        dag_id="sales", dag_run_id="r", when=when, tasks=(FailedTask(task_id=task_id, try_number=1),)
    )


def test_what_nobody_told_is_told_once(outbox: Outbox, clock: Clock, airflow: Airflow, inbox: Inbox) -> None:
    one = sweeping(outbox, clock, airflow, inbox)
    run_for(one, clock, 60)
    airflow += [failed(clock, "killed"), failed(clock, "killed too")]
    run_for(one, clock, GRACE_S + 400)
    run_for(sweeping(outbox, clock, airflow, inbox), clock, 2_000)
    ((_, message),) = inbox
    assert message.title == f"Airflow: 2 failures in DAG sales: {UNTOLD}"
    assert "sales.killed too" in message.text


def test_what_was_told_is_not_told_again(
    outbox: Outbox, clock: Clock, airflow: Airflow, inbox: Inbox
) -> None:
    one = sweeping(outbox, clock, airflow, inbox)
    run_for(one, clock, 60)
    airflow.append(failed(clock))
    outbox.put(notice_of(told(clock), TARGET))
    run_for(one, clock, 1_000)
    # Cleared, and killed this time.
    airflow[0] = failed(clock)
    run_for(one, clock, 1_000)
    assert [UNTOLD in message.text for _, message in inbox] == [False, True]


def test_what_waits_for_sns_is_not_told_twice(
    outbox: Outbox, clock: Clock, airflow: Airflow, inbox: Inbox
) -> None:
    one = sweeping(outbox, clock, airflow, inbox)
    run_for(one, clock, 60)
    inbox.refuses = lambda message: True
    airflow.append(failed(clock))
    outbox.put(notice_of(told(clock), TARGET))
    run_for(one, clock, 1_000)
    inbox.refuses = lambda message: False
    run_for(one, clock, 1_000)
    assert len(inbox) == 1


def test_what_failed_before_the_first_sweep_is_not_looked_at(
    outbox: Outbox, clock: Clock, airflow: Airflow, inbox: Inbox
) -> None:
    airflow.append(failed(clock))
    clock.sleep(10)
    run_for(sweeping(outbox, clock, airflow, inbox), clock, 60)
    # Nor what failed while nobody swept for more than a day.
    clock.sleep(REACH_S + 100)
    airflow.append(failed(clock, "long after"))
    clock.sleep(10)
    run_for(sweeping(outbox, clock, airflow, inbox), clock, 1_000)
    assert inbox == []


def test_what_a_task_sent_itself_while_no_sender_was_at_work_is_known(
    outbox: Outbox,
    clock: Clock,
    airflow: Airflow,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    topic: Topic,
) -> None:
    monkeypatch.setattr(time, "time", clock)
    run_for(sweeping(outbox, clock, airflow, inbox), clock, 60)
    outbox.root.delete("sender.json")
    clock.sleep(200)
    airflow += [failed(clock), failed(clock, "by another notifier"), failed(clock, "killed")]
    send(SnsTarget(topic.arn), told(clock))
    tell(lambda: print, {}, told(clock, "by another notifier"))  # type: ignore[arg-type, return-value]
    assert topic.only()
    clock.sleep(3_600)
    run_for(sweeping(outbox, clock, airflow, inbox), clock, 1_000)
    assert [message.title for _, message in inbox] == ["Airflow: sales failed: killed"]


def test_a_sender_that_is_started_anew_at_once_goes_on(
    outbox: Outbox, clock: Clock, airflow: Airflow, inbox: Inbox
) -> None:
    run_for(sweeping(outbox, clock, airflow, inbox), clock, 60)
    airflow.append(failed(clock))
    clock.sleep(20)
    run_for(sweeping(outbox, clock, airflow, inbox), clock, 1_000)
    assert len(inbox) == 1


def test_only_the_dags_that_are_asked_for(
    outbox: Outbox, clock: Clock, airflow: Airflow, inbox: Inbox
) -> None:
    one = sweeping(outbox, clock, airflow, inbox, dags=["sal*"])
    run_for(one, clock, 60)
    airflow += [failed(clock, dag_id="stock"), failed(clock)]
    run_for(one, clock, 1_000)
    assert [message.title for _, message in inbox] == ["Airflow: sales failed: load"]


def test_what_was_told_is_forgotten_after_two_days(outbox: Outbox, clock: Clock) -> None:
    outbox.remember_told("x", {"a": clock()})
    (found,) = outbox.told_since(clock() - 2 * REACH_S, {}).values()
    assert found == {"a": clock()}
    assert outbox.told_since(clock() + 1, {}) == {}
    assert outbox.told.names() == []
    outbox.told.write("9-x.json", b'{"a": "soon"}')
    assert outbox.told_since(0, {}) == {}


@task
def work() -> None:
    raise ValueError("no")


@task
def mapped(number: int) -> None:
    raise ValueError(number)


def silent(context: Any) -> None:
    """A callback that tells nobody."""


def test_airflows_database_says_who_should_have_been_told(run_dag: RunDag, topic: Topic) -> None:
    begin = time.time()
    start: dict[str, Any] = {"schedule": None, "start_date": datetime(2026, 1, 1, tzinfo=timezone.utc)}
    with DAG("sweep_callback", **start) as callback:
        work.override(on_failure_callback=silent)()
        work.override(task_id="untold")()
        mapped.override(on_failure_callback=silent).expand(number=[1, 2])
    with DAG("sweep_alert_task", **start) as alert_task:
        work() >> notify_if_one_failed(target_arn=topic.arn)
    with DAG("sweep_dag_callback", on_failure_callback=silent, **start) as dag_callback:
        work()
    with DAG("sweep_nobody", **start) as nobody:
        work()
    for dag in (callback, alert_task, dag_callback, nobody):
        assert run_dag(dag).state == "failed"
    ended = failed_between(begin, time.time() + 1, ALERT_TYPES)
    found = [one for one in ended if one.dag_id.startswith("sweep_")]
    assert sorted((one.dag_id, one.task_id, one.map_index) for one in found) == [
        ("sweep_alert_task", "work", -1),
        ("sweep_callback", "mapped", 0),
        ("sweep_callback", "mapped", 1),
        ("sweep_callback", "work", -1),
        ("sweep_dag_callback", "work", -1),
    ]
    assert {(one.try_number, one.max_tries) for one in found} == {(1, 1)}
    before = failed_between(begin - 100, begin, ALERT_TYPES)
    assert not [one for one in before if one.dag_id.startswith("sweep_")]
