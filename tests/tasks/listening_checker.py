"""Random logs, listened to through every kind of trouble, and a model of what their hooks have to be given.

A log, its hooks, its server and everything that goes wrong are drawn from one seed; time is virtual. What is
right is kept by :class:`Expected`, which sees what the server shows, what the hooks are called with and what
is written, and shares no code with the product. ``python -m tests.tasks.listening_checker --logs 10000``;
one seed again, with all that happened: ``--seed 17 --logs 1 --trace``.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
import time
from bisect import bisect_right, insort
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta, timezone
from itertools import count
from random import Random
from typing import Any
from unittest import mock

from airflow_provider_pipehooks.core import event_cursor
from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.handlers.event_hooks import EventHooks, on_event_hook
from airflow_provider_pipehooks.services.pipeline_log import LogPage
from airflow_provider_pipehooks.tasks.listening import Listening

RECORD_KEY = "pipehooks_events"
WISH_KEY = "pipehooks_hooks_enable"
#: So late an event may come and still be handled by the reads; later ones are found at the end.
OVERLAP_S = 120
#: How far the times of a wrong clock are ahead.
FAR_S = 40 * 365 * 24 * 3600
#: When the log begins: long ago, so that only times of a wrong clock are ahead of the machine's.
BEGIN = datetime(2024, 3, 1, 9, 59, 30, tzinfo=timezone.utc)
NS = 1_000_000_000
BEFORE_ALL = (-2, 0.0)
#: More pages of one log than that, and it is read without end.
MOST_PAGES = 30_000
MOST_TOLD = 8

_SINCE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{3})Z")


class Crash(BaseException):
    """The process ends, here and now."""


class Endless(BaseException):
    """Pages are read and read."""


# What is drawn


@dataclass
class Event:
    """One event of a log.

    :param at_ns: its time, since the beginning of the log; None for none.
    :param appears_s: when the server shows it.
    :param update: None for none.
    :param ours: of an update of the task, or of none.
    :param place: by which the server sorts.
    :param behind_s: how far its time was behind the newest that was shown when it appeared, or behind the
        server's clock.
    :param pristine: what a hook has to be given.
    """

    number: int
    at_ns: int | None
    appears_s: float
    body: dict[str, Any]
    update: str | None
    ours: bool
    place: tuple[int, float] = (0, 0.0)
    behind_s: float = 0.0
    pristine: dict[str, Any] = field(default_factory=dict)

    @property
    def due(self) -> bool:
        """Whether the hooks are to be given it."""
        return self.ours and self.body.get("maturity_level") == "STABLE" and not self.is_of_hooks

    @property
    def is_of_hooks(self) -> bool:
        return self.body.get("event_type") == "hook_progress"

    def __str__(self) -> str:
        at = "without time" if self.at_ns is None else f"at {self.at_ns / NS:.9f} s"
        return (
            f"#{self.number} ({self.update or 'no update'}{'' if self.ours else ', foreign'}, {at}, "
            f"there since {self.appears_s:.1f} s)"
        )


@dataclass(frozen=True)
class HookPlan:
    """One hook: its limit, how it fails, and how long it takes."""

    limit: int | None
    pattern: str
    chance: float
    cost_s: float
    meddles: bool

    def fails(self, event: Event, rng: Random) -> bool:
        """Mostly by the event alone, so that it fails again when it is repeated."""
        by_event = Random(event.number * 7919 + int(self.chance * 1000)).random()
        return {
            "never": False,
            "always": True,
            "event": by_event < self.chance,
            "burst": event.number // 5 % 2 == 1,
            "update": bool(event.update) and hash_of(event.update) % 2 == 1,
            "call": rng.random() < self.chance,
        }[self.pattern]


def hash_of(text: str | None) -> int:
    """The same in every process."""
    return sum(map(ord, text or ""))


@dataclass(frozen=True)
class Nature:
    """How likely things are in one log, and whose updates there are.

    :param none: what may stand for no update.
    """

    span_s: float
    late: float
    odd: float
    own: tuple[str, ...]
    foreign: tuple[str, ...]
    none: tuple[str | None, ...]


@dataclass(frozen=True)
class Plan:
    """All that is drawn before anything happens."""

    events: list[Event]
    hooks: list[HookPlan]
    own: tuple[str, ...]
    since: datetime | None
    batch_size: int
    crashes: frozenset[tuple[str, int, str]]
    joins_s: float
    ends_s: float
    span_s: float


def drawn(rng: Random) -> Plan:
    """A log and what will happen to it."""
    size = rng.randint(5, rng.choice((20, 20, 40, 40, 100, 150, 400)))
    span_s = rng.choice((4.0, 40.0, 150.0, 400.0, 400.0, 1500.0))
    nature = Nature(
        span_s=span_s,
        late=rng.choice((0.0, 0.05, 0.2, 0.4)),
        odd=rng.choice((0.0, 0.05, 0.2)),
        own=tuple(f"u{n}" for n in range(rng.choice((1, 1, 2, 2, 3, 4)))),
        foreign=tuple(f"x{n}" for n in range(rng.choice((0, 0, 1, 3)))),
        none=rng.choice(((None,),) * 15 + ((None, ""),)),
    )
    own = nature.own
    events = [_event(rng, number, at_ns, nature) for number, at_ns in _times(rng, size, span_s)]
    _align(rng, events)
    _end_updates(rng, events, own)
    rng.shuffle(events)
    for event in events:
        # Of the same time, or without any, in whatever order the server has them.
        event.place = (event.place[0] if event.at_ns is None else event.at_ns, rng.random())
        event.pristine = json.loads(json.dumps(event.body))
    batch_size = rng.choice((1, 2, 3, 5, 20, 20, 100))
    hooks = [_hook(rng) for _ in range(rng.randint(1, 4))]
    known = [event.at_ns for event in events if event.at_ns is not None and 0 <= event.at_ns < FAR_S * NS]
    return Plan(
        events=events,
        hooks=hooks,
        own=own,
        since=_since(rng, known),
        batch_size=batch_size,
        crashes=_crashes(rng, size, len(hooks), batch_size),
        joins_s=rng.choice((0.0, 0.0, span_s * rng.random() * 1.2)),
        ends_s=span_s + rng.choice((0.5, 5.0, 30.0, 200.0)),
        span_s=span_s,
    )


def _times(rng: Random, size: int, span_s: float) -> Iterator[tuple[int, int]]:
    """Times in order, many the same, or nearly."""
    step_ns = int(span_s * NS / size)
    same = rng.choice((0.0, 0.2, 0.7))
    at_ns = rng.randrange(NS)
    for number in range(size):
        yield number, at_ns
        if rng.random() >= same:
            at_ns += rng.choice((1, 1_000, 1_000_000, rng.randrange(2 * step_ns + 1), 2 * step_ns))


def _event(rng: Random, number: int, at_ns: int, nature: Nature) -> Event:
    own, foreign = nature.own, nature.foreign
    digits = rng.choice((0, 1, 3, 3, 3, 3, 4, 6, 6, 7, 8, 9, 9))
    at_ns -= at_ns % 10 ** (9 - digits)
    delay_s = rng.choice((0.0, 0.05, rng.random() * 2))
    if rng.random() < nature.late:
        delay_s = rng.choice((rng.uniform(1, 60), rng.uniform(60, 119), rng.uniform(121, 900)))
    appears_s = at_ns / NS + delay_s
    update: str | None = own[min(len(own) - 1, int(at_ns / NS / nature.span_s * len(own)))]
    if foreign and rng.random() < 0.25:
        update = rng.choice(foreign)
    elif rng.random() < 0.15:
        update = None
    body: dict[str, Any] = {
        "id": f"{number:04d}-{rng.getrandbits(48):012x}",
        "sequence": {"control_plane_seq_no": number},
        "origin": {"pipeline_id": "p1", "update_id": update},
        "timestamp": text_of(at_ns, digits),
        "message": f"Event {number}.",
        "level": rng.choice(("INFO", "INFO", "WARN", "ERROR", "METRICS")),
        "event_type": rng.choice(("flow_progress", "flow_progress", "user_action", "update_progress")),
        "maturity_level": "STABLE" if rng.random() < 0.75 else rng.choice(("EVOLVING", "DEPRECATED", None)),
        "details": {"flow_progress": {"status": "RUNNING", "rows": [number, {"more": None}]}},
    }
    if body["event_type"] == "update_progress":
        body["details"] = {"update_progress": {"state": rng.choice(("WAITING_FOR_RESOURCES", "RUNNING"))}}
    if rng.random() < 0.06:
        body["event_type"] = "hook_progress"
    event = Event(number, at_ns, appears_s, body, update, update is None or update in own)
    if update is None:
        _without(rng, body["origin"], "update_id", nature.none)
        if rng.random() < 0.2:
            _without(rng, body, "origin", (None, "none"))
    if rng.random() < nature.odd:
        rng.choice((_no_id, _no_time, _no_maturity, _wrong_clock))(rng, event)
    return event


def _without(rng: Random, record: dict[str, Any], key: str, instead: tuple[Any, ...]) -> None:
    if rng.random() < 0.5:
        record.pop(key, None)
    else:
        record[key] = rng.choice(instead)


def _no_id(rng: Random, event: Event) -> None:
    _without(rng, event.body, "id", (None, ""))


def _no_time(rng: Random, event: Event) -> None:
    _without(rng, event.body, "timestamp", (None, "", "soon"))
    event.at_ns, event.place = None, (rng.choice((-1, FAR_S * NS * 2)), 0.0)
    if rng.random() < 0.5:
        _no_id(rng, event)


def _no_maturity(rng: Random, event: Event) -> None:
    event.body.pop("maturity_level")


def _wrong_clock(rng: Random, event: Event) -> None:
    assert event.at_ns is not None
    if rng.random() < 0.3:
        event.at_ns += FAR_S * NS
        event.body["timestamp"] = text_of(event.at_ns, 9)


def _align(rng: Random, events: list[Event]) -> None:
    """Have some come late by exactly the overlap, to the millisecond."""
    for newest in events:
        at_ns = newest.at_ns
        if at_ns is None or not OVERLAP_S * NS <= at_ns < FAR_S * NS or rng.random() >= 0.1:
            continue
        event = rng.choice(events)
        if event.at_ns is not None and event.at_ns < FAR_S * NS and event is not newest:
            event.at_ns = at_ns - OVERLAP_S * NS
            event.body["timestamp"] = text_of(event.at_ns, 9)
            event.appears_s = newest.appears_s + rng.choice((0.5, 5.0))


def _end_updates(rng: Random, events: list[Event], own: tuple[str, ...]) -> None:
    """The last event of each update tells its end, mostly."""
    for update in own:
        its = [each for each in events if each.update == update and each.at_ns is not None]
        if its and rng.random() < 0.85:
            last = max(its, key=lambda each: each.at_ns or 0)
            last.body["event_type"] = "update_progress"
            state = "COMPLETED" if update == own[-1] else "FAILED"
            last.body["details"] = {"update_progress": {"state": state}}


def _hook(rng: Random) -> HookPlan:
    return HookPlan(
        limit=rng.choice((None, 0, 0, 1, 2, 3, 7)),
        pattern=rng.choice(("never", "always", "event", "event", "burst", "update", "call")),
        chance=rng.choice((0.2, 0.5, 0.8)),
        cost_s=rng.choice((0.0, 0.0, 0.01, 0.3)),
        meddles=rng.random() < 0.3,
    )


def _since(rng: Random, known: list[int]) -> datetime | None:
    drawn = rng.random()
    if drawn < 0.15 or not known:
        return None
    if drawn < 0.5:
        # Exactly the first event's; one in the middle has those before it left out.
        at_ns = min(known) if drawn < 0.4 else rng.choice(known)
        return BEGIN + timedelta(microseconds=at_ns // 1000)
    return BEGIN - timedelta(seconds=5)


def _crashes(rng: Random, size: int, hooks: int, batch_size: int) -> frozenset[tuple[str, int, str]]:
    """Where the process ends: what is done for the how many-th time, before or after it."""
    most = {
        "hook": size * hooks,
        "remember": max(2, size // batch_size),
        "recall": 12,
        "forget": 2,
        "page": 30,
        "asked": 4,
        "sleep": 2,
    }
    picked = set()
    for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3))):
        step = rng.choice(("hook", "hook", "hook", "remember", "remember", *most))
        picked.add((step, rng.randint(1, most[step]), rng.choice(("before", "after"))))
    return frozenset(picked)


def text_of(at_ns: int, digits: int) -> str:
    """A time as the log has it."""
    whole = (BEGIN + timedelta(seconds=at_ns // NS)).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{at_ns % NS:09d}"[:digits]
    return f"{whole}.{fraction}Z" if digits else f"{whole}Z"


# What happened, in figures


@dataclass
class Tally:
    """Over all logs: what was tried, and what was wrong."""

    logs: int = 0
    events: int = 0
    calls: int = 0
    crashes: int = 0
    processes: int = 0
    late: int = 0
    later_than_overlap: int = 0
    expired: int = 0
    short: int = 0
    refused: int = 0
    wishes: int = 0
    in_hand: int = 0
    wrong: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def __str__(self) -> str:
        wrong = {"repeat": "repeats", "skipped": "skipped", "counters": "wrong counters", "other": "other"}
        return (
            f"{self.logs:,} logs, {self.events:,} events, {self.calls:,} calls of hooks, "
            f"{self.processes:,} processes, {self.crashes:,} crashes, "
            f"{self.late:,} late events ({self.later_than_overlap:,} beyond the overlap), "
            f"{self.expired:,} expired tokens, {self.short:,} short pages, {self.refused:,} refused pages, "
            f"{self.wishes:,} times switched on, {self.in_hand:,} repeats of a batch in hand; wrong: "
            + ", ".join(f"{self.wrong[kind]:,} {name}" for kind, name in wrong.items())
        )


class World:
    """Time, the crashes that are to come, and what is found."""

    def __init__(
        self, rng: Random, crashes: Collection[tuple[str, int, str]], *, trace: bool = False
    ) -> None:
        self.rng = rng
        self.now_s = 0.0
        self.tally = Tally(logs=1)
        self.found: list[str] = []
        self._crashes = crashes
        self._steps: Counter[str] = Counter()
        self.trace = trace

    def wrong(self, kind: str, text: str) -> None:
        self.tally.wrong[kind] += 1
        self.note(f"WRONG: {kind}: {text}")
        if len(self.found) < MOST_TOLD:
            self.found.append(f"{kind}: {text}")

    def note(self, text: str) -> None:
        if self.trace:
            print(f"  {self.now_s:9.2f} s  {text}")

    @contextmanager
    def step(self, kind: str) -> Iterator[None]:
        """Something at which the process may end, before or after."""
        self._steps[kind] += 1
        number = self._steps[kind]
        if (kind, number, "before") in self._crashes:
            raise Crash(f"before {kind} {number}")
        yield
        if (kind, number, "after") in self._crashes:
            raise Crash(f"after {kind} {number}")


# What is right


@dataclass
class Counters:
    """What outlives a process, as it has to be."""

    handled: int = 0
    ours: int = 0
    failed: int = 0
    updates: int = 0
    failures: list[int] = field(default_factory=list)
    off: list[bool] = field(default_factory=list)

    def copy(self) -> Counters:
        return replace(self, failures=[*self.failures], off=[*self.off])


class Expected:
    """What the hooks have to be given, in step with what they are given.

    Events are to be handled in the order in which the server shows them. Those that no hook is called for are
    taken for handled when a later one is, or when the report counts them.
    """

    def __init__(self, world: World, hooks: list[HookPlan], batch_size: int) -> None:
        self.world, self.hooks, self.batch_size = world, hooks, batch_size
        self.handled: set[int] = set()
        self.now = Counters(failures=[0] * len(hooks), off=[False] * len(hooks))
        self.saved = self.now.copy()
        self._order: list[Event] = []
        self._updates: list[str] = []
        self._queue: deque[Event] = deque()
        self._queued: set[int] = set()
        #: Of the first in the queue: whether it is begun, and the next hook.
        self._entered = False
        self._next = 0
        self._ever: set[int] = set()
        #: Of the process that listens now.
        self.listening: Any = None

    def asked_anew(self) -> None:
        """A log is asked for from its beginning, or from a time: what is left will be shown again."""
        self.check_report("asked anew")
        self._forget_queue()

    def shown(self, events: list[Event]) -> None:
        """A page was answered."""
        for event in events:
            if event.number not in self.handled and event.number not in self._queued:
                self._queue.append(event)
                self._queued.add(event.number)

    def begins(self, hook: int, event: Event) -> None:
        """A hook is called."""
        if event.number not in self._queued:
            kind = "repeat" if event.number in self.handled else "other"
            self.world.wrong(kind, f"hook {hook} was given {event}, which was not to be handled")
            return
        while self._queue[0] is not event:
            self._leave()
        self._enter()
        if not event.due:
            self.world.wrong("other", f"hook {hook} was given {event}, which concerns no hook")
        self._skip(hook)
        if hook < self._next:
            self.world.wrong("repeat", f"hook {hook} was given {event} twice, or out of turn")
        if self.now.off[hook]:
            self.world.wrong("counters", f"hook {hook} is switched off, and was given {event}")
        self._next = max(self._next, hook + 1)
        if event.number in self._ever:
            self.world.tally.in_hand += hook == 0
        self._ever.add(event.number)

    def ends(self, hook: int, *, failed: bool) -> None:
        """A hook was called."""
        now, limit = self.now, self.hooks[hook].limit
        now.failed += failed
        now.failures[hook] = now.failures[hook] + 1 if failed else 0
        if limit is not None and now.failures[hook] > limit:
            now.off[hook] = True

    def _enter(self) -> None:
        event = self._queue[0]
        if self._entered:
            return
        self._entered, self._next = True, 0
        if event.ours and event.update and event.update not in self._updates:
            self._updates.append(event.update)
            self.now.updates = len(self._updates)
            self.enable(range(len(self.hooks)), self.now)

    def _skip(self, until: int) -> None:
        event = self._queue[0]
        for hook in range(self._next, until):
            if event.due and not self.now.off[hook]:
                self.world.wrong("skipped", f"hook {hook} was not given {event}")

    def _leave(self) -> None:
        self._enter()
        self._skip(len(self.hooks))
        event = self._queue.popleft()
        self._queued.discard(event.number)
        self.handled.add(event.number)
        self._order.append(event)
        self.now.handled = len(self._order)
        self.now.ours += event.ours
        self._entered, self._next = False, 0

    def _until(self, seen: int, where: str) -> None:
        """So many are handled, says the report."""
        while self.now.handled < seen and self._queue:
            self._leave()
        if self.now.handled != seen:
            self.world.wrong("counters", f"{where}: {seen} events counted, not {self.now.handled}")

    def enable(self, hooks: Collection[int], *which: Counters) -> None:
        """Switch on, with no failures; when a person does, it is for good at once."""
        for counters in which or (self.now, self.saved):
            for hook in hooks:
                counters.failures[hook], counters.off[hook] = 0, False

    def writes(self) -> None:
        """The record is about to be written."""
        self.check_report("written")
        self._check_in_hand("written")

    def written(self) -> None:
        self.saved = self.now.copy()

    def _check_in_hand(self, where: str) -> None:
        in_hand = self.now.handled - self.saved.handled + self._entered
        if in_hand > self.batch_size:
            self.world.wrong("repeat", f"{where}: {in_hand} events in hand, batches are of {self.batch_size}")

    def crashed(self) -> None:
        """What was not written is to be handled again."""
        self._check_in_hand("crashed")
        self.now = self.saved.copy()
        for event in self._order[self.now.handled :]:
            self.handled.discard(event.number)
        del self._order[self.now.handled :]
        del self._updates[self.now.updates :]
        self.left()

    def left(self) -> None:
        """The process is over, and has left nothing that is not written."""
        self.listening = None
        self._forget_queue()
        self.written()

    def _forget_queue(self) -> None:
        self._queue.clear()
        self._queued.clear()
        self._entered, self._next = False, 0

    def check_report(self, where: str) -> None:
        """What the report counts is what was handled."""
        report = self.listening.report
        self._until(report.seen, where)
        now = self.now
        if (report.handled, report.failures) != (now.ours, now.failed):
            self.world.wrong(
                "counters",
                f"{where}: {report.handled} given and {report.failures} failures counted, not {now.ours} and "
                f"{now.failed}",
            )


# The server, the store, the hooks


class Server:
    """An event log over pages, as the documentation leaves it open: what it may do, it does."""

    def __init__(self, world: World, plan: Plan, expected: Expected) -> None:
        rng = self._rng = world.rng
        self._world, self._plan, self._expected = world, plan, expected
        self._coming = deque(sorted(plan.events, key=lambda event: (event.appears_s, event.number)))
        self.there: list[tuple[tuple[int, float], Event]] = []
        #: What each token stands for: the filter, and where to go on.
        self._tokens: dict[str, tuple[int | None, Any]] = {}
        self._numbers = count()
        #: Of what was shown, without times that cannot be.
        self._newest_ns: int | None = None
        self._way = rng.choice(("behind", "behind", "offset", "snapshot"))
        # The more events, the larger the pages: there are enough of them anyway.
        self._most = max(rng.choice((1, 3, 10, 10, 50, 1000)), len(plan.events) // 30)
        self._listed: tuple[Any, list[Event], list[tuple[int, float]]] = (None, [], [])
        self._cost_s = rng.choice((0.02, 0.2, 1.0))
        self._short = rng.choice((0.0, 0.1, 0.5))
        self._twice = rng.choice((0.0, 0.1, 0.3))
        self._token_at_end = rng.random() < 0.3
        #: Events without a time are not shown by a filter on it.
        self.hides_timeless = rng.random() < 0.4
        self._expired, self._refused = rng.choice((0.0, 0.05, 0.3)), rng.choice((0.0, 0.05, 0.3))
        #: So that the trouble ends.
        self._troubles = rng.choice((0, 3, 12))
        self._largest = rng.choice((None, None, None, None, 20, 300))
        self._tells_time = rng.random() < 0.5
        self._troubles_at_end = rng.choice((0, 1, 3))
        self._pages = 0
        #: When the pages that are read now were asked for.
        self.asked_s = 0.0
        #: After a token was refused: then they are still those.
        self._goes_on = False
        self._all_ours = all(event.ours for event in plan.events) and rng.random() < 0.5

    def grow(self) -> None:
        """Show what has appeared by now."""
        while self._coming and self._coming[0].appears_s <= self._world.now_s:
            event = self._coming.popleft()
            insort(self.there, (event.place, event))
            if self._newest_ns is not None and event.at_ns is not None and event.at_ns < self._newest_ns:
                event.behind_s = (self._newest_ns - event.at_ns) / NS
                self._world.tally.late += 1
                self._world.tally.later_than_overlap += event.behind_s > OVERLAP_S
            if self._newest_ns is not None and event.at_ns is not None and self._tells_time:
                # Where the server tells its time, that is what an event is late by, too.
                event.behind_s = max(event.behind_s, event.appears_s - event.at_ns / NS)

    def near_end(self) -> None:
        """Some trouble is left for the end."""
        if self._troubles_at_end:
            self._troubles += self._troubles_at_end
            self._refused, self._troubles_at_end = 0.4, 0

    def ample_s(self) -> float:
        """In which the whole log can be read several times, and again after each trouble, and a pause."""
        pages = 1 + len(self._plan.events) / min(self._most, self._largest or self._most)
        return (3 + self._troubles) * (3 + self._cost_s * pages / (1 - self._short))

    def update_ids(self) -> Collection[str] | None:
        with self._world.step("asked"):
            return None if self._all_ours else list(self._plan.own)

    def page(self, *, since: str | None, token: str | None, size: int) -> LogPage:
        world, rng = self._world, self._rng
        self._pages += 1
        if self._pages > MOST_PAGES:
            raise Endless(f"{MOST_PAGES} pages were read")
        with world.step("page"):
            world.now_s += self._cost_s * rng.random()
            self.grow()
            if self._largest is not None and size > self._largest:
                raise RemoteCallError("The answer is too large.", status_code=200)
            if self._trouble(self._refused):
                world.tally.refused += 1
                world.note("the page is refused")
                self._goes_on = False
                raise RemoteCallError("Try again.", status_code=rng.choice((None, 429, 503)), retryable=True)
            if token is not None and self._trouble(self._expired):
                world.tally.expired += 1
                world.note("the token is refused")
                self._goes_on = True
                return LogPage((), expired=True)
            return self._answer(since, token, min(size, self._most))

    def _trouble(self, chance: float) -> bool:
        if self._troubles and self._rng.random() < chance:
            self._troubles -= 1
            return True
        return False

    def _answer(self, since: str | None, token: str | None, size: int) -> LogPage:
        rng, world = self._rng, self._world
        if token is None:
            if not self._goes_on:
                self.asked_s = world.now_s
            self._expected.asked_anew()
        self._goes_on = False
        floor_ms, position = self._begin(since) if token is None else self._tokens[token]
        listed, places = self._filtered(floor_ms)
        if self._way == "snapshot":
            listed, at = position
        else:
            at = bisect_right(places, position) if self._way == "behind" else position
        wanted = size
        if rng.random() < self._short:
            wanted = rng.randint(0, size - 1)
            world.tally.short += 1
        events = listed[at : at + wanted]
        reached = at + len(events)
        new_token = None
        if reached < len(listed) or (self._token_at_end and events):
            new_token = f"t{next(self._numbers)}"
            place = listed[reached - 1].place if reached else BEFORE_ALL
            self._tokens[new_token] = (
                floor_ms,
                {"behind": place, "offset": reached, "snapshot": (listed, reached)}[self._way],
            )
        for event in events:
            if event.at_ns is not None and event.at_ns < FAR_S * NS:
                self._newest_ns = max(event.at_ns, self._newest_ns or event.at_ns)
        if events and rng.random() < self._twice:
            # One of this page again, and one of those before it.
            events.insert(rng.randint(1, len(events)), rng.choice(events))
            events.insert(0, listed[rng.randrange(at or 1)])
        self._expected.shown(events)
        if world.trace:
            numbers = " ".join(str(event.number) for event in events) or "none"
            world.note(f"page(since={since}, token={token}, size={size}): {numbers}; token {new_token}")
        told = (
            text_of(int(world.now_s) * NS, 9).removesuffix("Z").replace(".", "") if self._tells_time else ""
        )
        return LogPage([event.body for event in events], new_token, read_at=told)

    def _begin(self, since: str | None) -> tuple[int | None, Any]:
        floor_ms = None
        if since is not None:
            match = _SINCE.fullmatch(since)
            if match is None:
                self._world.wrong("other", f"a filter that the server does not take: {since!r}")
                raise RemoteCallError("No such filter.", status_code=400)
            begin = datetime.fromisoformat(match[1] + "+00:00") - BEGIN
            floor_ms = (begin.days * 86_400 + begin.seconds) * 1000 + int(match[2])
        return floor_ms, {"behind": BEFORE_ALL, "offset": 0}.get(self._way, (self._filtered(floor_ms)[0], 0))

    def _filtered(self, floor_ms: int | None) -> tuple[list[Event], list[tuple[int, float]]]:
        """What a filter lets through now, and where each of them is."""
        key = (floor_ms, len(self.there))
        if self._listed[0] != key:
            listed = [event for _, event in self.there]
            if floor_ms is not None:
                listed = [event for event in listed if self._passes(event, floor_ms)]
            self._listed = (key, listed, [event.place for event in listed])
        return self._listed[1:]

    def _passes(self, event: Event, floor_ms: int) -> bool:
        if event.at_ns is None:
            return not self.hides_timeless
        return event.at_ns // 1_000_000 >= floor_ms


class Store:
    """The task's state store: what is in it is JSON."""

    def __init__(self, world: World, expected: Expected) -> None:
        self._world, self._expected = world, expected
        self._kept: dict[str, str] = {}

    def recall(self, key: str) -> Any:
        with self._world.step("recall"):
            return json.loads(self._kept.get(key, "null"))

    def remember(self, key: str, record: Any) -> None:
        text = json.dumps(record)
        is_record = key == RECORD_KEY and self._expected.listening is not None
        if is_record:
            self._expected.writes()
        with self._world.step("remember"):
            self._kept[key] = text
            if is_record:
                self._expected.written()

    def forget(self, key: str) -> None:
        with self._world.step("forget"):
            self._kept.pop(key, None)

    @property
    def has_record(self) -> bool:
        return RECORD_KEY in self._kept

    # A person's part

    def wish(self, record: Any) -> None:
        self._kept[WISH_KEY] = json.dumps(record)

    @property
    def wished(self) -> Any:
        return json.loads(self._kept.get(WISH_KEY, "null"))


def hooks_of(world: World, plan: Plan, expected: Expected) -> EventHooks:
    """The hooks, which tell of every call."""
    by_number = {event.number: event for event in plan.events}

    def a_hook(index: int, its: HookPlan) -> Any:
        def call(given: dict[str, Any]) -> None:
            event = by_number[given["sequence"]["control_plane_seq_no"]]
            world.tally.calls += 1
            with world.step("hook"):
                expected.begins(index, event)
                world.now_s += its.cost_s * world.rng.random()
                if given != event.pristine:
                    world.wrong("other", f"hook {index} was given {event} as {given}")
                if its.meddles:
                    given.get("details", {}).clear()
                    given["message"] = "changed"
                failed = its.fails(event, world.rng)
                world.note(f"hook {index}: #{event.number}{' fails' if failed else ''}")
                expected.ends(index, failed=failed)
            if failed:
                raise (SystemExit(1) if event.number % 7 == 0 else ValueError("as planned"))

        call.__name__ = f"hook{index}"
        return on_event_hook(max_allowable_consecutive_failures=its.limit)(call)

    return EventHooks([a_hook(index, its) for index, its in enumerate(plan.hooks)])


# A log from its beginning to its end


class Trial:
    """One log: processes that listen to it, one after the other."""

    def __init__(self, seed: int, listening: Callable[..., Any], *, trace: bool = False) -> None:
        rng = Random(seed)
        self.plan = plan = drawn(rng)
        self.world = world = World(rng, plan.crashes, trace=trace)
        self.expected = Expected(world, plan.hooks, plan.batch_size)
        self.server = Server(world, plan, self.expected)
        self.store = Store(world, self.expected)
        self._listening = listening
        self._began_s = 0.0
        self._pause_s = plan.span_s / rng.randint(2, 8)
        world.now_s = plan.joins_s
        world.tally.events = len(plan.events)
        world.note(f"{plan.hooks}, batches of {plan.batch_size}, crashes {sorted(plan.crashes)}")
        self._since_ns = _ns(plan.since) if plan.since is not None else None

    def run(self) -> None:
        """Until the log is read to its end, whatever happens before."""
        try:
            while not self._process():
                pass
        except Endless as err:
            self.world.wrong("other", f"reads without end: {err}")
        except Exception as err:
            self.world.wrong("other", f"raised {err!r}")

    def _process(self) -> bool:
        """One process; whether it was the last."""
        world, rng = self.world, self.world.rng
        world.tally.processes += 1
        try:
            listening = self._opened()
            for _ in range(rng.randint(1, 5)):
                if world.now_s >= self.plan.ends_s:
                    if rng.random() < 0.3:
                        self._read(listening)
                        world.now_s += rng.choice((0.0, 5.0, 30.0))
                    self.server.near_end()
                    self._finish(listening)
                    return True
                self._read(listening)
                world.now_s += rng.choice((0.5, self._pause_s, self._pause_s * 2 * rng.random()))
        except Crash as crash:
            world.note(f"crash {crash}")
            world.tally.crashes += 1
            self.expected.crashed()
        else:
            world.note("the process ends, as a deferred task does")
            self.expected.left()
        world.now_s += rng.choice((0.0, 1.0, self._pause_s * 2))
        return False

    def _opened(self) -> Any:
        world = self.world
        offset_s = world.rng.uniform(0, 10_000)

        def sleep(seconds: float) -> None:
            with world.step("sleep"):
                world.now_s += seconds

        if not self.store.has_record:
            # What the processes before have read is forgotten, as if there had been none.
            self._began_s = world.now_s
        listening = self._listening(
            hooks_of(world, self.plan, self.expected),
            self.server,
            self.store,
            logging.getLogger(__name__),
            of={"run_id": "u0", "generation": 1},
            since=self.plan.since,
            batch_size=self.plan.batch_size,
            # Each process may be on another machine.
            clock=lambda: world.now_s + offset_s,
            sleep=sleep,
        )
        self.expected.listening = listening
        world.note(f"a process begins: {listening.report}")
        self.expected.check_report("begun")
        return listening

    def _read(self, listening: Any) -> None:
        world, rng = self.world, self.world.rng
        self._wish()
        self._begin_read()
        began_s = world.now_s
        budget_s = rng.choice((None, None, 30.0, 2.0, 0.0))
        all_read = listening.read(budget_s)
        world.note(f"read({budget_s}) is {all_read}")
        self.expected.check_report("read")
        if all_read:
            # It may have gone on with pages that an earlier one had asked for.
            began_s = min(began_s, self.server.asked_s)
            self._check_missing(began_s, "a read has said that all is handled", beyond=False)

    def _finish(self, listening: Any) -> None:
        world = self.world
        self._wish()
        self._begin_read()
        began_s = world.now_s
        drain_s = 15.0 + self.server.ample_s() + 2 * self._hooks_s()
        report = listening.finish(drain_s)
        world.note(f"finish({drain_s:.0f}): {report}")
        self.expected.check_report("finished")
        off = [f"hook{index}" for index, is_off in enumerate(self.expected.now.off) if is_off]
        if list(report.disabled) != off:
            world.wrong("counters", f"finished: {list(report.disabled)} switched off, not {off}")
        lasted_s = began_s - self._began_s
        # Whoever had time enough has none left over, told or not.
        told = f"finished after {lasted_s:.0f} s, {report.not_handled} told as not handled"
        self._check_missing(began_s, told, beyond=lasted_s > OVERLAP_S)
        listening.close()

    def _hooks_s(self) -> float:
        """How long the hooks take for all events."""
        return len(self.plan.events) * sum(hook.cost_s for hook in self.plan.hooks)

    def _wish(self) -> None:
        """A person asks for hooks to be switched on again."""
        off = [index for index, is_off in enumerate(self.expected.now.off) if is_off]
        if self.world.rng.random() < (0.25 if off else 0.02):
            names = [f"hook{index}" for index in off or range(len(self.plan.hooks))]
            self.world.note(f"a person asks for {names}")
            self.world.tally.wishes += 1
            self.store.wish({"hooks": names})

    def _begin_read(self) -> None:
        self.server.grow()
        if wished := self.store.wished:
            self.expected.enable([int(name.removeprefix("hook")) for name in wished["hooks"]])

    def _check_missing(self, began_s: float, where: str, *, beyond: bool) -> None:
        """What was there before has to be handled by now."""
        for _, event in self.server.there:
            if not event.due or event.number in self.expected.handled or event.appears_s > began_s:
                continue
            if event.at_ns is None:
                if self.server.hides_timeless:
                    continue
            elif self._since_ns is not None and event.at_ns < self._since_ns:
                continue
            if event.behind_s > OVERLAP_S and not beyond:
                continue
            late = f"{event.behind_s:.3f} s late when it came" if event.behind_s > 0 else "in time"
            self.world.wrong("skipped", f"{where}, without {event}, {late}")


def _ns(moment: datetime) -> int:
    since = moment - BEGIN
    return (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1000


def trial(seed: int, listening: Callable[..., Any] = Listening, *, trace: bool = False) -> World:
    """Listen to one log."""
    # The product's log lines are of no interest here, and there are many.
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        # Chunks of the cursor are of a thousand events; small ones are written within these logs, too.
        with mock.patch.object(event_cursor, "CHUNK", (1000, 1000, 20, 3)[seed % 4]):
            one = Trial(seed, listening, trace=trace)
            one.run()
    finally:
        logging.disable(before)
    return one.world


def check(seed: int, listening: Callable[..., Any] = Listening) -> list[str]:
    """What was wrong in the log of a seed.

    :param listening: instead of the product's class, to see that faults are found.
    """
    return trial(seed, listening).found


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1, help="of the first log")
    parser.add_argument("--trace", action="store_true", help="print all that happens")
    given = parser.parse_args(argv)
    tally, failed, began_s = Tally(), 0, time.monotonic()
    for seed in range(given.seed, given.seed + given.logs):
        world = trial(seed, trace=given.trace)
        tally.add(world.tally)
        if world.found:
            failed += 1
            print(f"seed {seed}: {world.found[0]} ({len(world.found)} in all)")
        if tally.logs % 500 == 0:
            lasted_s = time.monotonic() - began_s
            print(f"{tally.logs:,} logs in {lasted_s:.0f} s, {failed} with faults", flush=True)
    print(f"{tally} ({time.monotonic() - began_s:.0f} s)")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
