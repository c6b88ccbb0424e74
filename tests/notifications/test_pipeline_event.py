"""The ready-made receiver: who did what, as an alert that SNS takes, or by any notifier."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import BaseNotifier

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.handlers import signals
from airflow_provider_pipehooks.handlers.signal.event_types import EVENT_TYPES
from airflow_provider_pipehooks.handlers.signals import PipelineEvent, pipeline_event, send
from airflow_provider_pipehooks.notifications.message import SUBJECT_CHARS
from airflow_provider_pipehooks.notifications.outbox import Outbox
from airflow_provider_pipehooks.notifications.pipeline_event import (
    HAPPENED,
    EventAlert,
    alert_id,
    body,
    subject,
    tell_sns,
)
from airflow_provider_pipehooks.notifications.sender import Sender, ToSns
from airflow_provider_pipehooks.notifications.storm import Pace
from airflow_provider_pipehooks.plugins.background import Background
from tests.aws import Topic


def event(event_type: str = "post_pause_pipeline", **data: Any) -> PipelineEvent:
    known = {"dag_id": "sales", "user": "ann", "when": "2026-11-22T01:00:00+00:00"}
    return PipelineEvent(event_type=event_type, data={**known, **data})


def test_sns_is_told_who_paused_the_dag(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_SNS_ARN", topic.arn)
    tell_sns("sales", event())
    sent = topic.only()
    assert sent.subject == "Airflow: sales was paused by ann"
    assert "By:        ann" in sent.text
    assert {key: value["Value"] for key, value in sent.attributes.items()} == {
        "state": "firing",
        "dag_id": "sales",
        "event_type": "post_pause_pipeline",
        "alert_id": alert_id(event()),
    }


def test_a_sender_tells_at_once_what_somebody_did(topic: Topic, outbox: Outbox) -> None:
    """Each event is a message of its own, which waits for no other."""
    outbox.lease("somebody")
    for number in range(2):
        EventAlert(topic.arn)("sales", event(run_id=str(number)))
    assert topic.sent() == []
    outbox.release("somebody")
    Sender(outbox, Pace(), ToSns()).look()
    assert [message.subject for message in topic.sent()] == 2 * ["Airflow: sales was paused by ann"]


def test_what_somebody_did_stays_in_the_outbox_while_sns_is_away(outbox: Outbox, topic: Topic) -> None:
    with pytest.raises(ConfigurationError, match="no topic"):
        EventAlert(f"{topic.arn}-gone")("sales", event())
    assert len(outbox.new.names()) == 1


def test_the_body_names_all_that_is_known() -> None:
    failed = event(
        "post_forced_fail_activity", run_id="r", task_id="load", map_index=3, try_number=1, state="failed"
    )
    assert body(failed) == (
        "Airflow: sales load was failed by hand by ann.\n\n"
        "DAG:       sales\nDAG run:   r\nTask:      load\nMap index: 3\nState:     failed\nBy:        ann\n"
        "At:        2026-11-22T01:00:00+00:00\nEvent:     post_forced_fail_activity\n"
    )


def test_a_subject_is_always_one_that_sns_takes() -> None:
    line = subject(event(dag_id="ü" * 300, user="a\nb"))
    assert len(line) <= SUBJECT_CHARS
    assert line.isascii()
    assert line.isprintable()


@pytest.mark.parametrize(
    "untold",
    [
        event("pre_pause_pipeline"),
        event("post_prepare_run_pipeline", user=None),
        event("node_finish"),
        event("pipeline_finish"),
    ],
)
def test_only_what_a_person_has_done_is_alerted(untold: PipelineEvent, topic: Topic) -> None:
    EventAlert(topic.arn)("sales", untold)
    assert topic.sent() == []


def test_event_types_may_be_chosen(topic: Topic) -> None:
    alert = EventAlert(topic.arn, event_types=["post_delete_pipeline"])
    for event_type in ("post_pause_pipeline", "post_delete_pipeline"):
        alert("sales", event(event_type, run_id="r"))
    assert topic.only().subject == "Airflow: sales was deleted by ann"


def test_an_event_type_without_words_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'node_enter' is not alerted on\. Known are"):
        EventAlert(event_types=["node_enter"])


def test_every_second_event_of_a_user_has_its_words() -> None:
    by_user = {
        name for name, kind in EVENT_TYPES.items() if kind.told_by == "user" and name.startswith("post_")
    }
    assert set(HAPPENED) == by_user | {"post_prepare_run_pipeline"}


class Noting(BaseNotifier):
    """Any notifier: its arguments are templates."""

    template_fields = ("text",)
    sent: list[str] = []  # noqa: RUF012

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def notify(self, context: Any) -> None:
        self.sent.append(self.text)


def test_any_notifier_is_rendered_anew_for_each_event() -> None:
    Noting.sent.clear()
    alert = EventAlert(notifier=lambda: Noting("{{ subject }} ({{ event.event_type }}, {{ dag_id }})"))
    for dag_id in ("sales", "stock"):
        alert(dag_id, event(dag_id=dag_id))
    assert Noting.sent == [
        "Airflow: sales was paused by ann (post_pause_pipeline, sales)",
        "Airflow: stock was paused by ann (post_pause_pipeline, stock)",
    ]


# Notifiers that misbehave; docs/signals.md has the same rows


class Raising(BaseNotifier):
    def notify(self, context: Any) -> None:
        raise ConnectionError("no way out")


class Garbage(BaseNotifier):
    def notify(self, context: Any) -> Any:
        return object()


class Unpicklable(BaseNotifier):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def notify(self, context: Any) -> None:
        Noting.sent.append("unpicklable")


def no_notifier() -> Any:
    return "text"


@pytest.mark.parametrize(
    ("notifier", "failure"),
    [
        (Raising, "ConnectionError: no way out"),
        (no_notifier, "TypeError"),
        (Garbage, None),
        (Unpicklable, None),
    ],
)
def test_a_notifier_that_misbehaves_is_recorded_and_the_next_receiver_is_told(
    notifier: Any, failure: str | None
) -> None:
    signals.recent_failures.clear()
    Noting.sent.clear()
    receivers = [EventAlert(notifier=notifier), EventAlert(notifier=lambda: Noting("next"))]
    for receiver in receivers:
        pipeline_event.connect(receiver)
    send(event(), "sales")
    assert Noting.sent[-1] == "next"
    assert [str(failure) in str(each) for each in signals.recent_failures] == [True] * (failure is not None)


def test_a_notifier_that_hangs_holds_up_only_later_events() -> None:
    Noting.sent.clear()
    go_on = threading.Event()

    class Hanging(BaseNotifier):
        def notify(self, context: Any) -> None:
            go_on.wait(60)
            Noting.sent.append(context["dag_id"])

    receiver, queue = EventAlert(notifier=Hanging), Background(10)
    for dag_id in ("sales", "stock"):
        queue.put(partial(receiver, dag_id, event(dag_id=dag_id)))
    assert Noting.sent == []
    go_on.set()
    assert queue.flush(10)
    assert Noting.sent == ["sales", "stock"]


def test_an_unreachable_sns_is_recorded(topic: Topic, monkeypatch: pytest.MonkeyPatch) -> None:
    signals.recent_failures.clear()
    receiver = EventAlert(topic.arn.replace("alerts", "gone"))
    pipeline_event.connect(receiver)
    send(event(), "sales")
    (failure,) = signals.recent_failures
    assert "SNS has no topic" in str(failure)


def test_the_dag_of_the_documentation_is_as_its_file_says(run_dag: Any) -> None:
    """Its text names options that exist, and a receiver that can be called."""
    from airflow.dag_processing.dagbag import BundleDagBag

    from airflow_provider_pipehooks.handlers.dotted import load
    from airflow_provider_pipehooks.options import OPTIONS

    path = Path(__file__).parents[2] / "dags" / "control_plane_alerts.py"
    bag = BundleDagBag(dag_folder=path, bundle_path=path.parent, bundle_name="dags-folder")
    dag = bag.dags["control_plane_alerts"]
    lines = map(str.strip, str(dag.doc_md).splitlines())
    settings = dict(line.split(" = ", 1) for line in lines if " = " in line)
    assert set(settings) <= set(OPTIONS)
    assert load(settings["pipeline_event_receivers"]) is tell_sns
    assert run_dag(dag).tasks == {"load_sales": "success"}
