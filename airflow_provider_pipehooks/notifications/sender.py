"""The one sender of an outbox: groups what lies there, publishes, and deletes what was told.

What it is about to publish is written down first. A sender that dies in between has the next one publish the
same message again, with the same alert id: at least once, and whoever counts ids counts once.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_pipehooks import options
from airflow_provider_pipehooks.compat import metrics
from airflow_provider_pipehooks.core.records import VERSION, VERSION_KEY, reading
from airflow_provider_pipehooks.notifications.digest import Message, key_of, message_of, still_failing
from airflow_provider_pipehooks.notifications.outbox import Notice, Outbox
from airflow_provider_pipehooks.notifications.storm import PACES, Group, Pace, step

if TYPE_CHECKING:
    from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget
    from airflow_provider_pipehooks.notifications.sweep import Sweep

log = logging.getLogger(__name__)

#: Between two looks into the outbox.
LOOK_EVERY_S = 1.0
#: SNS suspends an e-mail subscription that gets more than ten messages a second. So that none gets more than
#: five, four are sent: they do not arrive as evenly.
MOST_A_SECOND = 4.0
#: A process that loads Airflow.
START_TAKES_S = 3.0
#: Of thousands of files a look takes longer than the pause between two; beyond this nothing is decided early.
_MOST_AHEAD_S = 5.0
#: After a message was not taken, its topic is left alone for so long, twice as long each time.
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 300.0
#: A pause as long comes after a topic has been away for a minute.
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Going:
    """A message that is about to be published.

    :param names: of the notices that it tells.
    :param group: what to remember when it is out.
    """

    message: Message
    names: tuple[str, ...]
    group: Group

    def to_json(self) -> dict[str, Any]:
        return {
            VERSION_KEY: VERSION,
            "message": vars(self.message),
            "names": self.names,
            "group": self.group.to_json(),
        }

    @classmethod
    def from_json(cls, record: Any) -> Going:
        """:raises ValueError: not such a record; quotes it."""
        with reading("a message on its way", record):
            message = Message.from_json(record["message"])
            return cls(message, tuple(map(str, record["names"])), Group.from_json(record["group"]))


class Sender:
    """Sends what lies in an outbox.

    :param publish: sends one message; raises where that failed.
    :param otherwise: gets a message that was refused for good, or for a minute, and why, once; says whether
        it could do anything.
    :param owner: its name; another of the same name goes on at once when this one ends.
    :param clock: the time, in seconds since the epoch.
    """

    def __init__(
        self,
        outbox: Outbox,
        pace: Pace,
        publish: Callable[[Message], object],
        *,
        otherwise: Callable[[Message, Exception], bool] | None = None,
        owner: str = "",
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.outbox, self.pace = outbox, pace
        self.owner = owner or secrets.token_hex(8)
        self._publish, self._clock, self._sleep = publish, clock, sleep
        self._otherwise, self._went_otherwise = otherwise, set[str]()
        self._notices: dict[str, Notice] = {}
        self._groups: dict[str, Group] = {}
        self._pauses: dict[str, tuple[float, float]] = {}
        self._sent_at: dict[str, float] = {}
        self._out = set[str]()
        self._is_restored = False
        self._began = clock()
        # One that has just begun knows that a sender can end: the next one takes so long to begin.
        self._looked_at, self._ahead_s = self._began - START_TAKES_S, LOOK_EVERY_S
        #: What looks for failures that nobody told of.
        self.sweep: Sweep | None = None

    def look(self) -> int:
        """One look into the outbox, and all that is to be sent by now.

        :return: how many messages were sent.
        :raises OSError: the outbox cannot be read or written.
        """
        if not self.outbox.lease(self.owner):
            log.warning("Another sender is at work on %s; this one waits", self.outbox.root)
            return 0
        # What is due before the next look is late if it is not sent now; and that one may take longer.
        self._ahead_s = min(max(LOOK_EVERY_S, 2 * (self._clock() - self._looked_at)), _MOST_AHEAD_S)
        self._looked_at = self._clock()
        self.outbox.adopt_left(self._clock())
        self._notices = self.outbox.notices(self._notices)
        self._measure()
        sent = sum(self._finish(name) for name in self.outbox.sending.names())
        self._restore()
        if self.sweep is not None and self.sweep.look(self._notices.values()):
            self._notices = self.outbox.notices(self._notices)
        by_group: dict[str, list[str]] = {}
        for name, notice in self._notices.items():
            by_group.setdefault(key_of(notice), []).append(name)
        stuck = {name.removesuffix(".json") for name in self.outbox.sending.names()}
        for key in [*by_group, *(key for key in self._groups if key not in by_group)]:
            if key not in stuck:
                sent += self._look_at(key, by_group.get(key, []))
        return sent

    def look_or_log(self) -> int:
        """The same, for a sender that goes on, whatever comes: an outbox that is away comes back."""
        try:
            return self.look()
        except OSError as err:
            log.error("The outbox %s cannot be read or written now: %s", self.outbox.root, err)
        except Exception:
            log.exception("A look into the outbox %s went wrong; the next one is to come", self.outbox.root)
        return 0

    def _measure(self) -> None:
        """How much waits, and for how long: what grows is not sent."""
        metrics.gauge("outbox_waiting", len(self._notices))
        oldest = min((notice.at for notice in self._notices.values()), default=self._clock())
        metrics.gauge("outbox_oldest", max(0.0, self._clock() - oldest))

    def _restore(self) -> None:
        """What an earlier sender remembered."""
        if self._is_restored:
            return
        for name in self.outbox.groups.names():
            key = name.removesuffix(".json")
            if (group := self.outbox.group(key)) is not None:
                self._groups[key] = group
        self._is_restored = True

    def _look_at(self, key: str, names: list[str]) -> int:
        notices = [self._notices[name] for name in names]
        before = self._groups.get(key)
        decided = step(before, (notice.event for notice in notices), self._clock() + self._ahead_s, self.pace)
        if decided.kind == "wait":
            return 0
        if decided.kind == "nothing":
            self._done(key, names, decided.group)
            return 0
        after = decided.group
        assert after is not None
        if decided.kind == "repeat":
            message = still_failing(key, after, self._clock())
        else:
            message = message_of(decided.kind, key, notices, before or Group(), after)
            after = replace(after, target=message.target, attributes=message.attributes)
        going = Going(message, tuple(names), after)
        self.outbox.sending.write(f"{key}.json", json.dumps(going.to_json(), default=str).encode())
        return self._finish(f"{key}.json")

    def _finish(self, name: str) -> int:
        """Publish what was written down, and be done with what it tells."""
        # Again for each message: hundreds of them take longer than the lease.
        if not self.outbox.lease(self.owner):
            return 0
        # One that cannot be read is decided anew, from its notices.
        going = self.outbox.read_or_put_aside(self.outbox.sending, name, Going.from_json)
        if going is None:
            return 0
        if name not in self._out:
            if not self._try_to_publish(going.message):
                return 0
            self._out.add(name)
        # On a disk that is full the rest is done when there is room; the message is not sent again.
        self._remember_told(name, going.names)
        self._done(name.removesuffix(".json"), going.names, going.group)
        self.outbox.sending.delete(name)
        self._out.discard(name)
        return 1

    def _try_to_publish(self, message: Message) -> bool:
        topic = str(message.target.get("arn"))
        again_at, pause_s = self._pauses.get(topic, (0.0, FIRST_PAUSE_S))
        if self._clock() < again_at:
            return False
        self._sleep(max(0.0, self._sent_at.get(topic, self._began) + 1 / MOST_A_SECOND - self._clock()))
        self._sent_at[topic] = self._clock()
        try:
            self._publish(message)
        except Exception as err:
            # Whatever it is, a connection that is gone or a bad answer: no other message may wait for it.
            log.error(
                "Alert %s was not taken, it is sent again in %.0f s: %r", message.alert_id, pause_s, err
            )
            self._pauses[topic] = (self._clock() + pause_s, min(2 * pause_s, LONGEST_PAUSE_S))
            metrics.count("alerts_refused")
            self._try_otherwise(message, err, pause_s)
            return False
        self._pauses.pop(topic, None)
        self._went_otherwise.discard(message.alert_id)
        metrics.count("alerts")
        return True

    def _try_otherwise(self, message: Message, err: Exception, pause_s: float) -> None:
        """A throttled or absent SNS is given a minute; a topic that is gone is not."""
        lasts = pause_s >= PATIENCE_S or not getattr(err, "retryable", False)
        if self._otherwise is None or not lasts or message.alert_id in self._went_otherwise:
            return
        self._went_otherwise.add(message.alert_id)
        self._otherwise(message, err)

    def _done(self, key: str, names: Sequence[str], group: Group | None) -> None:
        self.outbox.remember(key, group)
        if group is None:
            self._groups.pop(key, None)
        else:
            self._groups[key] = group
        for name in names:
            self.outbox.new.delete(name)
            self._notices.pop(name, None)

    def _remember_told(self, note: str, names: Sequence[str]) -> None:
        """Before they are deleted: a sweep is not to tell them again."""
        notices = [notice for name in names if (notice := self._notices.get(name))]
        keys = {key: notice.at for notice in notices for key in notice.tells}
        try:
            self.outbox.remember_told(note.removesuffix(".json"), keys)
        except OSError as err:
            # The message is out: what cannot be written down must not have it sent again at every look.
            log.warning("A sweep may tell again what message %s told: %s", note, err)


def sender_of(path: str | None = None, *, pace: Pace | None = None, owner: str = "") -> Sender:
    """The sender of an outbox, as the options say.

    :param path: of the outbox; None takes the option.
    """
    from airflow_provider_pipehooks.notifications.sending import by_another_way

    pace = pace or Pace(**{name: options.read(f"alert_{name}") for name in PACES})
    return Sender(Outbox(path), pace, ToSns(), otherwise=by_another_way, owner=owner)


class ToSns:
    """Sends messages to their topics, trying once: throttled, one stays in the outbox and holds up no other.

    A client is kept as long as it works: making one takes ten times as long as a message. After an error the
    connection is read anew, since somebody may have renewed its key.
    """

    def __init__(self) -> None:
        self._targets: dict[tuple[Any, ...], SnsTarget] = {}

    def __call__(self, message: Message) -> str:
        """:raises PipehooksError: it was not taken."""
        # Here: the classes of AWS are loaded when the first message goes out.
        from airflow_provider_pipehooks.notifications.sending import publish
        from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget

        where = tuple(message.target.get(name) for name in ("arn", "aws_conn_id", "region"))
        arn, aws_conn_id, region = where
        target = self._targets.pop(where, None) or SnsTarget(
            arn, aws_conn_id=aws_conn_id, region_name=region, pauses_s=()
        )
        sent = publish(message, target)
        self._targets[where] = target
        return sent
