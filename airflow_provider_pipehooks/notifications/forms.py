"""A message as JSON that PagerDuty and Alertmanager take, so that they group, page and silence. Pure.

``{"pagerduty": {...}, "alertmanager": [{...}]}``: the first is an event of PagerDuty's Events API v2 (PD-CEF)
but for the ``routing_key``, the second the body of Alertmanager's ``POST /api/v2/alerts``. Whoever subscribes
to the topic passes on the part that is theirs.
"""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from airflow_provider_pipehooks.notifications.digest import Message
from airflow_provider_pipehooks.notifications.labels import SEVERITY
from airflow_provider_pipehooks.notifications.message import safe_body

#: PagerDuty takes no longer summary; and a text is in the JSON twice, whose escapes SNS counts twice.
_SUMMARY_CHARS = 1_024
_TEXT_BYTES = 48_000
#: Alertmanager takes an alert without an end for resolved after five minutes.
_LASTS_S = 86_400.0


def written(message: Message) -> str:
    """A message as its target wants it: its text, or JSON."""
    return json.dumps(as_json(message)) if message.target.get("form") == "json" else message.text


def as_json(message: Message) -> dict[str, Any]:
    """:return: ``{"pagerduty": {...}, "alertmanager": [{...}]}``."""
    text = safe_body(message.text, _TEXT_BYTES)
    is_over = message.attributes.get("state") == "resolved"
    return {
        "pagerduty": _event(message, text, is_over=is_over),
        "alertmanager": [_alert(message, text, is_over=is_over)],
    }


def _event(message: Message, text: str, *, is_over: bool) -> dict[str, Any]:
    labels = {**message.labels, **message.target.get("labels", {})}
    payload = {
        "summary": message.title[:_SUMMARY_CHARS],
        "source": labels.get("dag_id", "Airflow"),
        "severity": labels.get("severity", SEVERITY),
        "timestamp": _time(message.at),
        "component": labels.get("task_id"),
        "group": labels.get("service"),
        "class": labels.get("class"),
        "custom_details": {**labels, "alert_id": message.alert_id, "text": text},
    }
    return {
        "event_action": "resolve" if is_over else "trigger",
        "dedup_key": message.group,
        "client": "Airflow",
        **({"client_url": message.url, "links": [_link(message.url)]} if message.url else {}),
        "payload": {name: value for name, value in payload.items() if value is not None},
    }


def _alert(message: Message, text: str, *, is_over: bool) -> dict[str, Any]:
    """Its labels are those that make the group: the end of an alert has to have the same as its beginning."""
    return {
        "labels": {
            "alertname": "AirflowFailure",
            "dedup_key": message.group,
            **message.target.get("labels", {}),
        },
        "annotations": {"summary": message.title, "description": text, "alert_id": message.alert_id},
        **(
            {"endsAt": _time(message.at)}
            if is_over
            else {"startsAt": _time(message.at), "endsAt": _time(message.at + _LASTS_S)}
        ),
        **({"generatorURL": message.url} if message.url else {}),
    }


def _link(url: str) -> dict[str, str]:
    return {"href": url, "text": "DAG run in Airflow"}


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds")
