"""When a message goes out: Alertmanager's words and rules, for failures that are told one by one. Pure.

A *notice* is one failure, or one recovery. Notices that agree in their group become one message: the first
one waits ``group_wait`` for others, later ones ``group_interval`` since the last message. What failed and
recovered before anything was sent is not told. A recovery is told once, when nothing of its group fails any
more, and only if the failure was told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from airflow_provider_pipehooks.core.durations import as_seconds
from airflow_provider_pipehooks.core.records import NUMBER, VERSION, VERSION_KEY, Types, known, reading

#: A member whose recovery never came, such as a task of a DAG that is gone, is repeated no longer than that.
FORGOTTEN_AFTER_S = 7 * 86_400.0
PACES = ("group_wait", "group_interval", "repeat_interval")
Kind = Literal["firing", "resolved", "repeat", "nothing", "wait"]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often people are told, in seconds.

    :param group_wait: how long the first failure of a group waits for others.
    :param group_interval: between two messages about a group to which something was added.
    :param repeat_interval: after which a group that still fails is told of again.
    """

    group_wait: float = 30.0
    group_interval: float = 300.0
    repeat_interval: float = 14_400.0

    def first_wait(self, severity: str) -> float:
        """How long a failure waits for others: one that is critical does not, one that is no more than news
        waits as long as a second message would."""
        return {"critical": 0.0, "info": max(self.group_wait, self.group_interval)}.get(
            severity, self.group_wait
        )

    def __post_init__(self) -> None:
        for name in PACES:
            object.__setattr__(self, name, as_seconds(getattr(self, name), name, or_nothing=True))


@dataclass(frozen=True, kw_only=True)
class Event:
    """What a notice says to the rules.

    :param at: when it happened, in seconds since the epoch.
    :param member: what failed or recovered: a task of a DAG, whichever run of it.
    :param is_failure: or, if it is not, that member's recovery.
    :param recovers: whether its recovery would be told; then it counts as failing until that.
    :param severity: ``critical``, ``error``, ``warning`` or ``info``: how long it may wait for others.
    """

    at: float
    member: str
    is_failure: bool
    recovers: bool = False
    severity: str = "error"


@dataclass(frozen=True, kw_only=True)
class Group:
    """What is remembered about a group between two messages.

    :param firing: members that fail now, and whose recovery would be told: member -> since when.
    :param told: whether the last message about it was of failures.
    :param sent_at: when the last message was sent; None before the first.
    :param number: of the last message, from 1.
    :param target: where that went.
    :param attributes: what it had for subscription filters.
    """

    firing: Mapping[str, float] = field(default_factory=dict)
    told: bool = False
    sent_at: float | None = None
    number: int = 0
    target: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {VERSION_KEY: VERSION, **vars(self)}

    @classmethod
    def from_json(cls, record: Any) -> Group:
        """:raises ValueError: not the record of a group; quotes it."""
        with reading("a group of alerts", record):
            firing = {str(name): float(since) for name, since in record.get("firing", {}).items()}
            return cls(**known(record, _FIELDS), firing=firing)


_FIELDS: Mapping[str, Types] = {
    "told": (bool,),
    "sent_at": (*NUMBER, float, type(None)),
    "number": NUMBER,
    **dict.fromkeys(("target", "attributes"), (dict,)),
}


@dataclass(frozen=True)
class Step:
    """What is to be done about a group now.

    :param kind: the message to send; ``nothing`` to send but its notices are done with; ``wait`` and leave
        them where they are.
    :param group: what to remember when it is done; None for nothing.
    :param again_at: when to look again, if nothing comes before that.
    """

    kind: Kind
    group: Group | None
    again_at: float | None = None


def step(group: Group | None, events: Iterable[Event], now: float, pace: Pace) -> Step:
    """Alertmanager's rules, in its order.

    1. Nothing was sent yet: send when something fails.
    2. Something fails that was not in the last message: send.
    3. Nothing fails any more: send if the last message was of failures.
    4. Some of it recovered: the next message tells of those that still fail, so a recovery comes once.
    5. Otherwise send again after ``repeat_interval`` only.

    :param events: what has come since the last message, in any order.
    """
    come = sorted(events, key=lambda event: event.at)
    known_group = group or Group()
    due = _due(known_group, come, pace)
    if due is not None and now < due:
        return Step("wait", group, due)
    firing = _firing(known_group, come)
    after = replace(known_group, firing=firing)
    if come:
        if known_group.sent_at is None and not _still_fails(come):
            return Step("nothing", None)
        if any(event.is_failure for event in come):
            if known_group.told and not firing and not _still_fails(come):
                return _send("resolved", after, now)
            return _send("firing", after, now)
        if not firing and known_group.told and known_group.firing:
            return _send("resolved", after, now)
        return Step("nothing", after, _repeat_at(after, pace))
    if not firing:
        return Step("nothing", None)
    repeat_at = _repeat_at(after, pace)
    if repeat_at is not None and now >= repeat_at:
        return _send("repeat", after, now)
    return Step("wait", group, repeat_at)


def _due(group: Group, come: Sequence[Event], pace: Pace) -> float | None:
    """When notices that have come are looked at; None for now."""
    if group.sent_at is not None:
        return group.sent_at + pace.group_interval
    return min((event.at + pace.first_wait(event.severity) for event in come), default=None)


def _firing(group: Group, come: Sequence[Event]) -> dict[str, float]:
    """What fails after all that. What nobody has told of for long is no longer known to fail."""
    now = max((event.at for event in come), default=group.sent_at or 0.0)
    firing = {member: since for member, since in group.firing.items() if now - since < FORGOTTEN_AFTER_S}
    for event in come:
        if not event.is_failure:
            firing.pop(event.member, None)
        elif event.recovers:
            firing.setdefault(event.member, event.at)
    return firing


def _still_fails(come: Sequence[Event]) -> bool:
    """Whether the last word about any member is a failure; of one that never recovers, any word is."""
    last: dict[str, bool] = {}
    for event in come:
        if event.is_failure or event.member in last:
            last[event.member] = event.is_failure
    return any(last.values())


def _send(kind: Kind, group: Group, now: float) -> Step:
    sent = replace(group, told=kind != "resolved", sent_at=now, number=group.number + 1)
    return Step(kind, sent)


def _repeat_at(group: Group, pace: Pace) -> float | None:
    if not group.firing or group.sent_at is None:
        return None
    return group.sent_at + max(pace.repeat_interval, pace.group_interval)
