"""ALERT on pipeline events: a ready-made receiver that tells who did what, by SNS or any notifier.

Named in the options, ``pipeline_event_receivers = ....notifications.pipeline_event.tell_sns`` answers "who
paused this DAG?" on the topic of the Variable ``sns_arn``; :class:`EventAlert` makes others.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_pipehooks.core.pipeline_event import PipelineEvent
from airflow_provider_pipehooks.notifications.message import safe_subject
from airflow_provider_pipehooks.notifications.outbox import Notice
from airflow_provider_pipehooks.notifications.sending import send_notice, target_of
from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier

#: What each event says happened, after "DAG sales, task load". Only the second event of each pair is told,
#: and of those that only a person causes.
HAPPENED: Mapping[str, str] = {
    "post_pause_pipeline": "was paused",
    "post_resume_pipeline": "was resumed",
    "post_prepare_run_pipeline": "was triggered",
    "post_revoke_pipeline": "was ended by hand",
    "post_delete_pipeline": "was deleted",
    "post_retry_node": "was cleared",
    "post_retry_subprocess": "was cleared as a group",
    "post_skip_node": "was skipped by hand",
    "post_skip_exclusive_gateway": "was skipped by hand",
    "post_forced_fail_activity": "was failed by hand",
    "post_callback": "was answered",
    "post_unread_operation": "was operated on",
}
#: How an alert names its parts: key of the payload, label.
_PARTS = (
    ("dag_id", "DAG"),
    ("run_id", "DAG run"),
    ("task_id", "Task"),
    ("map_index", "Map index"),
    ("state", "State"),
    ("user", "By"),
    ("when", "At"),
)


class EventAlert:
    """A receiver that sends an alert for each event of the given types that a person caused.

    :param target_arn: the SNS topic; None takes the Variable ``sns_arn``, read when sending.
    :param notifier: makes another notifier instead, a new one for each event; its templates know ``event``,
        ``subject``, ``body`` and the keys of the payload.
    :param event_types: None takes all of :data:`HAPPENED`.
    :raises ValueError: an event type that has no words here.
    """

    def __init__(
        self,
        target_arn: str | None = None,
        *,
        notifier: Callable[[], BaseNotifier] | None = None,
        event_types: Collection[str] | None = None,
        aws_conn_id: str | None = "aws_default",
    ) -> None:
        self.event_types = frozenset(HAPPENED if event_types is None else event_types)
        if unknown := self.event_types - set(HAPPENED):
            raise ValueError(f"{sorted(unknown)[0]!r} is not alerted on. Known are {', '.join(HAPPENED)}.")
        self.target_arn = target_arn
        self.notifier = notifier
        self.aws_conn_id = aws_conn_id

    def __call__(self, sender: object, event: PipelineEvent) -> None:
        # The scheduler tells of runs that nobody has triggered; those are no news.
        if event.event_type not in self.event_types or not event.data.get("user"):
            return
        if self.notifier is not None:
            context: dict[str, Any] = {"event": event, "subject": subject(event), "body": body(event)}
            self.notifier()({**event.data, **context})
        else:
            target = SnsTarget(self.target_arn, aws_conn_id=self.aws_conn_id)
            send_notice(notice_of(event, target), target)


def notice_of(event: PipelineEvent, target: SnsTarget) -> Notice:
    """The event as it lies in the outbox. Each is a message of its own, and waits for no other."""
    told, dag_id = alert_id(event), str(event.data["dag_id"])
    return Notice(
        alert_id=told,
        at=time.time(),
        member=dag_id,
        group=told,
        target=target_of(target),
        title=subject(event),
        text=body(event),
        waits=False,
        labels={"dag_id": dag_id, "severity": "info"},
        attributes={"dag_id": dag_id, "event_type": event.event_type},
    )


def subject(event: PipelineEvent) -> str:
    """One line that SNS takes: what it is about, what happened, and who did it."""
    data = event.data
    about = " ".join(str(data[key]) for key in ("dag_id", "task_id") if data.get(key))
    text = f"Airflow: {about} {HAPPENED[event.event_type]} by {data.get('user')}"
    return safe_subject(text) or "Airflow: somebody did something"


def body(event: PipelineEvent) -> str:
    """The same as plain text, with all ids."""
    parts = [(label, event.data[key]) for key, label in _PARTS if event.data.get(key) not in (None, -1)]
    lines = [f"{label + ':':<11}{value}" for label, value in parts]
    return "\n".join([subject(event) + ".", "", *lines, f"Event:     {event.event_type}"]) + "\n"


def alert_id(event: PipelineEvent) -> str:
    """The same for the same event, and another for each one, since each has its time."""
    told = json.dumps(event.as_dict(), sort_keys=True, default=str)
    return hashlib.sha256(told.encode()).hexdigest()[:16]


#: For ``[pipehooks] pipeline_event_receivers``.
tell_sns = EventAlert()
