"""One message about many notices, as text. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from airflow_provider_pipehooks.core.records import SECONDS, TEXT, Types, known, reading
from airflow_provider_pipehooks.core.texts import short_hash
from airflow_provider_pipehooks.notifications.message import safe_subject
from airflow_provider_pipehooks.notifications.outbox import Notice
from airflow_provider_pipehooks.notifications.storm import Group, Kind

LISTED_MEMBERS = 20


@dataclass(frozen=True, kw_only=True)
class Message:
    """What is to be published.

    :param target: where to, and how: ``{"arn", "aws_conn_id", "region", "form", "labels"}``.
    :param group: of what it tells, in a word: the same from the first failure to the recovery.
    :param at: when the last of what it tells happened, in seconds since the epoch.
    :param attributes: for subscription filters.
    :param labels: those that all it tells of have alike.
    :param url: a page in Airflow's UI; "" for none.
    """

    target: dict[str, Any]
    alert_id: str
    title: str
    text: str
    group: str
    at: float = 0.0
    attributes: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, Any] = field(default_factory=dict)
    url: str = ""

    @classmethod
    def from_json(cls, record: Any) -> Message:
        """:raises ValueError: not a message; quotes it."""
        with reading("a message", record):
            return cls(**known(record, _FIELDS))


_FIELDS: Mapping[str, Types] = {
    **dict.fromkeys(("alert_id", "title", "text", "group", "url"), TEXT),
    **dict.fromkeys(("target", "attributes", "labels"), (dict,)),
    "at": SECONDS,
}


def key_of(notice: Notice) -> str:
    """Of its group: as a file's name."""
    return short_hash(notice.group, json.dumps(dict(notice.target), sort_keys=True))


def message_alone(failure: Notice) -> Message:
    """The message about one failure: in its own words."""
    return Message(
        target=dict(failure.target),
        alert_id=failure.alert_id,
        title=failure.title,
        text=failure.text,
        group=key_of(failure),
        at=failure.at,
        attributes={"state": "firing", **failure.attributes},
        labels=dict(failure.labels),
        url=failure.url,
    )


def message_of(kind: Kind, key: str, notices: Sequence[Notice], before: Group, after: Group) -> Message:
    """The message about a group.

    :param notices: what has come since the last one, oldest first; none when it is said again.
    :param before: what was remembered of it.
    """
    failures = [notice for notice in notices if notice.is_failure]
    target = dict(notices[0].target)
    if kind == "firing" and len(failures) == 1:
        return message_alone(failures[0])
    alert_id = short_hash(key, str(after.number), notices[0].alert_id)
    title, lines = _failing(failures) if kind == "firing" else _recovered(failures, notices, before)
    head = [*lines, f"Alert id: {alert_id}"]
    if after.number > 1:
        head.append(f"Message:  number {after.number:,} about this")
    return Message(
        target=target,
        alert_id=alert_id,
        title=safe_subject(title) or "Airflow alert",
        text="\n".join(head) + "\n" + (_first(failures) if failures else ""),
        group=key,
        at=notices[-1].at,
        attributes={"state": kind, **_shared([notice.attributes for notice in notices])},
        labels=_shared([notice.labels for notice in notices]),
        url=notices[0].url,
    )


def still_failing(key: str, group: Group, now: float) -> Message:
    """What is said again about a group that still fails."""
    names = list(group.firing)
    alert_id = short_hash(key, str(group.number))
    head = [f"{_tasks(len(names))} still failing, and nothing new was told.", ""]
    lines = [f"  {name}, since {_time(since)}" for name, since in list(group.firing.items())[:LISTED_MEMBERS]]
    return Message(
        target=dict(group.target),
        alert_id=alert_id,
        title=safe_subject(f"Airflow: still failing: {_names(names)}") or "Airflow alert",
        text="\n".join([*head, *lines, "", f"Alert id: {alert_id}"]) + "\n",
        group=key,
        at=now,
        attributes={**group.attributes, "state": "repeat"},
        labels=dict(group.target.get("labels", {})),
    )


def _failing(failures: Sequence[Notice]) -> tuple[str, list[str]]:
    count = sum(notice.count for notice in failures)
    members = Counter[str]()
    for notice in failures:
        members[notice.member] += notice.count
    dags = {notice.labels.get("dag_id", notice.member) for notice in failures}
    where = f"in DAG {min(dags)}" if len(dags) == 1 else f"in {len(dags):,} DAGs"
    is_known = failures[0].labels.get("class") != "unknown"
    lines = [f"{count:,} failures {where}, {'for one reason' if is_known else 'and nobody told why'}.", ""]
    lines += _common(failures)
    lines += [f"First:    {_time(failures[0].at)}", f"Last:     {_time(failures[-1].at)}"]
    rows = [f"  {number:>6,}  {name}" for name, number in members.most_common(LISTED_MEMBERS)]
    if (hidden := len(members) - LISTED_MEMBERS) > 0:
        rows.append(f"          and {hidden:,} other tasks")
    reason = failures[0].labels.get("cause", "")
    return f"Airflow: {count:,} failures {where}: {reason}", [*lines, "", *rows, ""]


def _recovered(failures: Sequence[Notice], notices: Sequence[Notice], before: Group) -> tuple[str, list[str]]:
    again = {notice.member: notice.at for notice in notices if not notice.is_failure}
    names = list(again)
    lines = [f"Nothing of it fails any more: {_tasks(len(names))} recovered.", ""]
    for name, at in list(again.items())[:LISTED_MEMBERS]:
        since = before.firing.get(name)
        failed = f", after it had failed at {_time(since)}" if since else ""
        lines.append(f"  {name}: at {_time(at)}{failed}")
    if (hidden := len(names) - LISTED_MEMBERS) > 0:
        lines.append(f"  and {hidden:,} more")
    if failures:
        count = sum(notice.count for notice in failures)
        lines.append(f"  Since the last message there were {count:,} failures.")
    return f"Airflow: recovered: {_names(names)}", [*lines, ""]


def _common(notices: Sequence[Notice]) -> Iterator[str]:
    for label, title in (("cause", "Reason:   "), ("class", "Class:    "), ("service", "Service:  ")):
        if value := notices[0].labels.get(label):
            yield f"{title}{value}"


def _first(failures: Sequence[Notice]) -> str:
    return f"\nThe first of them:\n\n{failures[0].text}"


def _shared(each: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all of them have alike."""
    first, *others = each
    return {name: value for name, value in first.items() if all(o.get(name) == value for o in others)}


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count:,} tasks"


def _names(names: Sequence[str]) -> str:
    more = f" (+{len(names) - 3:,} more)" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="seconds")
