"""What lies in the outbox, for whoever may read the DAGs it is about. A look changes nothing there."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, TypeVar

from airflow_provider_pipehooks.compat.access import Reader
from airflow_provider_pipehooks.compat.storage import Folder
from airflow_provider_pipehooks.notifications.outbox import Notice, Outbox
from airflow_provider_pipehooks.notifications.storm import Group

log = logging.getLogger(__name__)
T = TypeVar("T")

#: So many files of each kind are read for one page, of notices the oldest: each may be a request to an object
#: store.
MOST_FILES = 500


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A notice that has not been sent yet, without its text, which may be long.

    :param dag_id: empty where the notice does not say.
    """

    at: datetime
    member: str
    title: str
    dag_id: str
    count: int
    is_failure: bool


@dataclass(frozen=True, kw_only=True)
class Told:
    """A group of failures about which a message was sent.

    :param number: of messages.
    :param resolved: whether the last one told that nothing fails any more.
    :param firing: members that fail still, and since when.
    :param where: the topic.
    """

    sent_at: datetime
    number: int
    resolved: bool
    firing: Sequence[tuple[str, datetime]]
    where: str


@dataclass(frozen=True, kw_only=True)
class Alerts:
    """What a user may see of the outbox.

    :param waiting: the oldest first.
    :param told: the last message first.
    :param partly: whether there are files that were not read.
    :param trouble: why it cannot be read.
    """

    waiting: Sequence[Waiting] = ()
    told: Sequence[Told] = ()
    has_sender: bool = False
    partly: bool = False
    trouble: str = ""

    @property
    def oldest(self) -> datetime | None:
        return self.waiting[0].at if self.waiting else None


#: Notices by file, as the last look found them: files do not change, and a page may be loaded every minute.
_known: dict[str, Waiting | None] = {}


def alerts_for(reader: Reader, dag_id: str = "", open_outbox: Callable[[], Outbox] = Outbox) -> Alerts:
    """Look into the outbox.

    :param dag_id: only what is about this DAG; all that the user may read if it is empty.
    """

    def is_shown(of: str | None) -> bool:
        return of in reader.dag_ids and dag_id in ("", of)

    try:
        outbox = open_outbox()
        notices, groups = outbox.new.names(), outbox.groups.names()
        waiting = [
            each for each in _waiting(outbox.new, notices[:MOST_FILES], reader) if is_shown(each.dag_id)
        ]
        told = [
            replace(each, firing=firing)
            for each in _told(outbox.groups, groups[:MOST_FILES])
            if (firing := [(name, at) for name, at in each.firing if is_shown(reader.dag_of(name))])
        ]
        return Alerts(
            waiting=sorted(waiting, key=lambda each: each.at),
            told=sorted(told, key=lambda each: each.sent_at, reverse=True),
            has_sender=outbox.has_sender,
            partly=max(len(notices), len(groups)) > MOST_FILES,
        )
    except Exception as err:
        log.exception("The page cannot show the outbox")
        return Alerts(trouble=f"{type(err).__name__}: {err}")


def _waiting(folder: Folder, names: Sequence[str], reader: Reader) -> Iterator[Waiting]:
    """Notices of a folder; each with its DAG, as far as the reader may know it."""
    global _known
    where = str(folder)
    found = {}
    for name in names:
        key = f"{where}/{name}"
        found[key] = _known[key] if key in _known else _read(folder, name, _notice)
    _known = found
    for each in found.values():
        if each is not None:
            yield replace(each, dag_id=each.dag_id or reader.dag_of(each.member) or "")


def _told(folder: Folder, names: Sequence[str]) -> Iterator[Told]:
    for name in names:
        group = _read(folder, name, Group.from_json)
        if group is not None and group.sent_at is not None:
            yield Told(
                sent_at=_time(group.sent_at),
                number=group.number,
                resolved=not group.told,
                firing=[(member, _time(since)) for member, since in group.firing.items()],
                where=str(group.target.get("arn", "")),
            )


def _notice(record: Any) -> Waiting:
    notice = Notice.from_json(record)
    return Waiting(
        at=_time(notice.at),
        member=notice.member,
        title=notice.title,
        dag_id=str(notice.labels.get("dag_id", "")),
        count=notice.count,
        is_failure=notice.is_failure,
    )


def _read(folder: Folder, name: str, read: Callable[[Any], T]) -> T | None:
    """What a file says; None where it was sent meanwhile, or is something else."""
    data = folder.read(name)
    try:
        return read(json.loads(data)) if data is not None else None
    except ValueError:
        return None


def _time(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, timezone.utc)
