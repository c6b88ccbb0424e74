"""Where failures lie until they are told: one file for each, which nobody changes, and one sender.

Airflow has nothing that several processes could count in: its task store is of one task, Variables and asset
stores are plain writes. So each process writes files of its own, and the sender alone reads, groups and
deletes.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from airflow_provider_pipehooks.compat.storage import Folder
from airflow_provider_pipehooks.core.records import (
    FLAG,
    NUMBER,
    TEXT,
    VERSION,
    VERSION_KEY,
    Types,
    known,
    reading,
)
from airflow_provider_pipehooks.core.texts import short_hash
from airflow_provider_pipehooks.notifications.labels import SEVERITY
from airflow_provider_pipehooks.notifications.storm import Event, Group

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Who writes a notice for longer than this was killed.
WRITING_TAKES_S = 60.0
#: A sender that has not said so for this long is gone.
LEASE_S = 60.0
_LEASE, _SWEEP = "sender.json", "sweep.json"
#: How far a sweep for failures that were not told looks back.
REACH_S = 86_400.0
Times = Mapping[str, float]
#: What a recovery has from its failure: it goes the same way, past the same subscription filters.
MARKED = ("group", "target", "attributes", "labels")


@dataclass(frozen=True, kw_only=True)
class Notice:
    """One failure, or one recovery, as it lies in the outbox.

    :param at: when it happened, in seconds since the epoch.
    :param member: what failed: ``dag_id/task_id``.
    :param group: what it is told together with; with the target it makes one message.
    :param target: where to, and how: ``{"arn", "aws_conn_id", "region", "form"}``.
    :param labels: ``dag_id``, ``class``, ``fingerprint``, ... of the alert.
    :param title: its subject line, as it would be sent alone.
    :param text: its text, as it would be sent alone.
    :param attributes: for subscription filters.
    :param count: how many failures it stands for.
    :param url: the page in Airflow's UI; "" for none.
    :param waits: for others to be told together with.
    :param tells: the keys of the task instances that it tells of, see ``message.key_of_instance``.
    """

    alert_id: str
    at: float
    member: str
    group: str
    target: Mapping[str, Any]
    title: str
    text: str
    is_failure: bool = True
    recovers: bool = False
    count: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    url: str = ""
    waits: bool = True
    tells: Sequence[str] = ()

    @property
    def event(self) -> Event:
        return Event(
            at=self.at,
            member=self.member,
            is_failure=self.is_failure,
            recovers=self.recovers,
            severity=self.labels.get("severity", SEVERITY) if self.waits else "critical",
        )

    def to_json(self) -> dict[str, Any]:
        return {VERSION_KEY: VERSION, **vars(self)}

    @classmethod
    def from_json(cls, record: Any) -> Notice:
        """:raises ValueError: not a notice; quotes it."""
        with reading("a notice", record):
            return cls(**known(record, _FIELDS))


_FIELDS: Mapping[str, Types] = {
    **dict.fromkeys(("alert_id", "member", "group", "title", "text", "url"), TEXT),
    **dict.fromkeys(("is_failure", "recovers", "waits"), FLAG),
    **dict.fromkeys(("target", "labels", "attributes"), (dict,)),
    "at": (*NUMBER, float),
    "count": NUMBER,
    "tells": (list,),
}


class Outbox:
    """The folder, whose parts are folders.

    ``new/`` has the notices, ``firing/`` the members whose recovery is to be told, ``groups/`` what the
    sender remembers, ``sending/`` what it is about to send, ``told/`` which failures were told lately, and
    ``unreadable/`` what is no notice.

    :param path: None takes the option ``outbox``, else ``pipehooks/outbox`` in Airflow's home.
    """

    def __init__(self, path: str | None = None) -> None:
        self.root = Folder(path or default_path())
        self.new, self.groups, self.sending = (
            self.root.folder(name) for name in ("new", "groups", "sending")
        )
        self.firing, self.unreadable, self.told = (
            self.root.folder(name) for name in ("firing", "unreadable", "told")
        )

    # Whoever has something to tell

    def put(self, notice: Notice) -> str:
        """Lay down a notice.

        :return: its name, by which it is taken back.
        :raises OSError: it cannot be written.
        """
        name = f"{int(notice.at * 1000):014d}-{secrets.token_hex(8)}.json"
        if notice.is_failure and notice.recovers:
            # Before the notice: a mark without one does no harm. Who succeeds looks for marks only.
            self.firing.write(_mark_of(notice), _packed({name: vars(notice)[name] for name in MARKED}))
        self.new.write(name, _packed(notice.to_json()))
        if not notice.is_failure:
            self.firing.delete(_mark_of(notice))
        return name

    def groups_failing(self, member: str) -> list[Mapping[str, Any]]:
        """The groups in which a member was told to fail: it may have failed for several reasons.

        :return: what :data:`MARKED` names, for each.

        :raises OSError: the outbox cannot be read.
        :raises ValueError: a mark of it cannot be.
        """
        marks = [name for name in self.firing.names() if name.startswith(short_hash(member))]
        return [json.loads(data) for name in marks if (data := self.firing.read(name))]

    def take_back(self, name: str, notice: Notice) -> None:
        """Nobody is to send it any more, and nobody its recovery.

        :raises OSError: it cannot be deleted.
        """
        self.new.delete(name)
        self.firing.delete(_mark_of(notice))

    @property
    def has_sender(self) -> bool:
        """Whether a sender has said lately that it is at work."""
        until = self._lease().get("until")
        return isinstance(until, (int, float)) and until > time.time()

    # What was told

    @property
    def is_swept(self) -> bool:
        """Whether somebody looks for failures that were not told, so that it has to be known which were."""
        return self.is_swept_at(time.time())

    def is_swept_at(self, now: float) -> bool:
        swept_at = self.swept().get("swept_at")
        return isinstance(swept_at, (int, float)) and now - swept_at <= REACH_S

    def swept(self) -> Mapping[str, Any]:
        """What a sweep has written down: ``{"since": when it first was, "swept_at": when it last was}``."""
        return self._record(_SWEEP)

    def sweeps(self, since: float, now: float) -> None:
        """:raises OSError: it cannot be written."""
        self.root.write(_SWEEP, _packed({"since": since, "swept_at": now}))

    def remember_told(self, note: str, keys: Mapping[str, float]) -> None:
        """Write down which task instances were told of, and when: a sweep is not to tell them again.

        :param note: what makes the name of the file its own.
        :raises OSError: it cannot be written.
        """
        if keys:
            self.told.write(f"{int(max(keys.values())):014d}-{note}.json", _packed(keys))

    def told_since(self, begin: float, known_files: Mapping[str, Times]) -> dict[str, Times]:
        """The files about what was told; older ones are deleted.

        :param known_files: those that were read before.
        :return: for each, the keys of task instances and when they were told of.
        :raises OSError: the outbox cannot be read.
        """
        found: dict[str, Times] = {}
        for name in self.told.names():
            if name < f"{int(begin):014d}":
                self.told.delete(name)
            elif (
                keys := known_files.get(name) or self.read_or_put_aside(self.told, name, _times)
            ) is not None:
                found[name] = keys
        return found

    # The sender

    def lease(self, owner: str) -> bool:
        """Say that a sender is at work; written anew when a third of its time is over.

        :return: whether it is the only one.
        """
        held = self._lease()
        if held.get("owner") not in (None, owner) and self.has_sender and not _is_dead(held):
            return False
        if held.get("owner") != owner or held.get("until", 0) < time.time() + LEASE_S * 2 / 3:
            process = {"host": platform.node(), "pid": os.getpid()}
            self.root.write(_LEASE, _packed({"owner": owner, "until": time.time() + LEASE_S, **process}))
        return True

    def release(self, owner: str) -> None:
        """Say that this sender is at work no more."""
        if self._lease().get("owner") == owner:
            self.root.delete(_LEASE)

    def _lease(self) -> Mapping[str, Any]:
        return self._record(_LEASE)

    def _record(self, name: str) -> Mapping[str, Any]:
        try:
            found = json.loads(self.root.read(name) or b"{}")
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def notices(self, known_names: Mapping[str, Notice]) -> dict[str, Notice]:
        """All that lie there, oldest first.

        :param known_names: those that were read before: files do not change.
        """
        found = {}
        for name in self.new.names():
            notice = known_names.get(name) or self._notice(name)
            if notice is not None:
                found[name] = notice
        return found

    def adopt_left(self, now: float) -> None:
        """Take notices that lie there whole, whose writers were killed before they gave them their names.

        :raises OSError: the outbox cannot be read or written.
        """
        for name, meant in self.new.left_unfinished(now - WRITING_TAKES_S):
            try:
                Notice.from_json(json.loads(self.new.read(name) or b""))
            except ValueError:
                # Half of one tells nothing; a sweep finds the failure that it was about.
                self.new.delete(name)
            else:
                log.info("Notice %s is taken from a process that was killed while it wrote it", meant)
                self.new.rename(name, meant)

    def _notice(self, name: str) -> Notice | None:
        return self.read_or_put_aside(self.new, name, Notice.from_json)

    def read_or_put_aside(self, folder: Folder, name: str, read: Callable[[Any], T]) -> T | None:
        """What a file says. One that cannot be read is moved away: it may not stop all others.

        :param read: of its JSON; raises ValueError for what is something else.
        """
        data = folder.read(name)
        if data is None:
            return None
        try:
            return read(json.loads(data))
        except ValueError as err:
            log.error("%s in %s cannot be read, it is moved to %s: %s", name, folder, self.unreadable, err)
            self.unreadable.write(name, data)
            folder.delete(name)
            return None

    def group(self, key: str) -> Group | None:
        """What is remembered of a group; what cannot be read is begun anew."""
        return self.read_or_put_aside(self.groups, f"{key}.json", Group.from_json)

    def remember(self, key: str, group: Group | None) -> None:
        if group is None:
            self.groups.delete(f"{key}.json")
        else:
            self.groups.write(f"{key}.json", _packed(group.to_json()))


def default_path() -> str:
    """Where the outbox is: the option ``[pipehooks] outbox``, or a folder in Airflow's home."""
    from airflow_provider_pipehooks import options

    home = os.environ.get("AIRFLOW_HOME") or "~/airflow"
    return str(options.read("outbox") or f"{home}/pipehooks/outbox")


def _is_dead(held: Mapping[str, Any]) -> bool:
    """Whether a sender was killed on this machine: nobody has to wait until its lease is over."""
    pid = held.get("pid")
    if held.get("host") != platform.node() or not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _times(record: Any) -> Times:
    with reading("what was told", record):
        return {str(key): float(at) for key, at in record.items()}


def _mark_of(notice: Notice) -> str:
    return f"{short_hash(notice.member)}-{short_hash(notice.group)}.json"


def _packed(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, default=str).encode()
