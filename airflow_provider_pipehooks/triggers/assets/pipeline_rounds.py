"""WATCH: one reading of a pipeline's event log for all watchers of its events, in one triggerer process.

While nothing happens, the log is asked for its last event only. When that is another one, and now and then
for events that come late, the log is read on, page by page, from where the first of the watchers stands. Each
watcher takes what it is for as the pages come, and leaves what it has no room for: it has that read again
when it has reported some. So a DAG that is slow holds up nobody else, and no backlog fills the memory.

Airflow's shared stream only wakes the watchers; were the pages sent through it, they would pile up there.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow_provider_pipehooks.core.errors import NotFound, RemoteCallError
from airflow_provider_pipehooks.core.event_cursor import EventCursor, as_filter, sortable
from airflow_provider_pipehooks.services.pipeline_log import LogPage, read_newest, read_page
from airflow_provider_pipehooks.triggers.assets.log_events import (
    LogEvent,
    Source,
    Wanted,
    id_of,
    key_of,
    number_of,
    record_of,
)
from airflow_provider_pipehooks.triggers.assets.place import MOST_IDS, Place
from airflow_provider_pipehooks.triggers.assets.rounds import FIRST_LOOK_S, trouble

if TYPE_CHECKING:
    from airflow_provider_pipehooks.hooks.remote import RemoteHook

log = logging.getLogger(__name__)

Event = Mapping[str, Any]

#: Events asked for at a time. Some hundred kB, which the triggerer's event loop can read in a few ms.
PAGE = 250
#: How often the log is read again from before its last event, though that is still the same.
SWEEP_S = 60.0
#: Events that a watcher holds to report; of those after them it knows only that there are some.
MOST_OWED = 500
#: A remote's clock may be ahead of ours by no more than that.
CLOCKS_DIFFER = timedelta(hours=1)
#: Pages that are refused in a row, without getting on.
_MOST_EXPIRED = 3


@dataclass(eq=False)
class Watcher:
    """One watcher: what it is for, and where it stands.

    :param since: where it begins if it has no cursor: None with what happens from now on.
    :param cursor: None until it has begun.
    """

    source: Source
    wanted: Wanted
    since: datetime | None = None
    cursor: Place | None = None
    #: There may be something in the log that it has not seen.
    behind: bool = True
    #: When the reading began that has not come to the end of the log yet.
    reading_since: str | None = None
    #: It begins behind all that is in the log, and so looks at that first.
    _beginning: Place | None = None

    @property
    def has_room(self) -> bool:
        """Whether it is worth reading for: it is not, for one event at a time."""
        return self.cursor is None or len(self.cursor.owed) <= MOST_OWED // 2

    def begin(self, newest: str) -> None:
        """Find a place, before a reading.

        :param newest: the time of the last event; "" where there is none.
        """
        if self.cursor is not None:
            return
        handled = EventCursor(self.since, most_ids=MOST_IDS)
        if self.since is not None:
            self.cursor = Place(handled=handled)
            return
        handled.since = handled.newest = newest
        self.reading_since = None
        self._beginning = Place(handled=handled, newest=newest)

    def floor(self) -> str | None:
        """From when on it has to read; None from the first event."""
        place = self.cursor or self._beginning
        if place is None:
            return None
        if self.reading_since is not None:
            return as_filter(place.handled.newest)
        return place.handled.floor(settled=True)

    def take(self, events: Sequence[Event], latest: str) -> bool:
        """Take in the next events of a reading.

        :param latest: a time that no event can have: one that has it all the same would have all that follow
            it left unread.
        :return: whether it had room for all.
        """
        place = self.cursor or self._beginning
        if place is None:
            return False
        owed = {each.run_id: each for each in place.owed}
        seen = owed.keys() | ({place.on_way.run_id} if place.on_way else set())
        had_room = True
        for event in events:
            key = self._wanted(event)
            if key is None or not place.handled.is_new(key) or (number := number_of(key)) in seen:
                pass
            elif self.cursor is None:
                place.report(key)
            elif len(owed) >= MOST_OWED:
                had_room = False
                break
            else:
                owed[number] = LogEvent(key, record_of(event, self.source))
                seen.add(number)
            if place.handled.newest < (at := sortable(event.get("timestamp"))) < latest:
                place.handled.newest = at
        if self.cursor is not None:
            self.cursor = replace(place, newest=place.handled.newest, owed=tuple(owed.values()))
        return had_room

    def _wanted(self, event: Event) -> dict[str, str] | None:
        """The key of an event that this watcher is for."""
        try:
            return key_of(event) if self.wanted.fits(event) else None
        except Exception as err:
            # Whatever it is, it may not keep all that follow it from being read.
            log.warning("An event of %s cannot be read, and is passed over: %r", self.source, err)
            return None

    def caught_up(self) -> None:
        """A reading came to the end of the log.

        Late events may have come into pages that it had read already: the next one begins before this one.
        """
        place = self.cursor or self._beginning
        if place is not None:
            place.handled.settle(self.reading_since or "")
            self.cursor = replace(place, newest=place.handled.newest)
        self._beginning = self.reading_since = None
        self.behind = False

    def next_run(self) -> LogEvent | None:
        """The next one to report."""
        return self.cursor.owed[0] if self.cursor and self.cursor.owed else None


_WATCHERS: dict[Source, list[Watcher]] = {}


@contextmanager
def taking_part(watcher: Watcher) -> Iterator[None]:
    """Let the log be read for this watcher."""
    watchers = _WATCHERS.setdefault(watcher.source, [])
    watchers.append(watcher)
    try:
        yield
    finally:
        watchers.remove(watcher)
        if not watchers:
            del _WATCHERS[watcher.source]


# --- reading ----------------------------------------------------------------------------------------------


async def rounds(
    source: Source,
    *,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
) -> AsyncGenerator[int, None]:
    """Read for ever, for the watchers of a source, and wake them about once per poll interval.

    In trouble nothing is read, and the remote is asked less and less often.

    :return: how often they were woken.
    """
    hook = await _open(source)
    reader = Reader(hook, source, clock, now)
    in_a_row, again_s, count = 0, clock(), 0
    try:
        while True:
            if not _WATCHERS.get(source):
                await asyncio.sleep(FIRST_LOOK_S)
                continue
            if clock() >= again_s:
                try:
                    woken_s = clock()
                    async with aclosing(reader.look(_WATCHERS[source])) as pages:
                        async for _ in pages:
                            if clock() - woken_s >= source.poll_interval_s:
                                woken_s, count = clock(), count + 1
                                yield count
                    in_a_row = 0
                except Exception as err:
                    in_a_row += 1
                    again_s = clock() + trouble(str(source), source.poll_interval_s, err, in_a_row)
                    # A new token or host helps at once; for anything else it does no harm.
                    await hook.areread()
            count += 1
            yield count
            await asyncio.sleep(source.poll_interval_s)
    finally:
        await hook.aclose()


async def _open(source: Source) -> RemoteHook:
    from airflow_provider_pipehooks.hooks.registry import open_hook

    # In a thread: what sends requests takes long to import, and the triggerer's event loop must not wait.
    await asyncio.to_thread(import_module, "aiohttp")
    return await asyncio.to_thread(open_hook, "databricks_pipelines", source.conn_id)


class Reader:
    """Reads the log of one pipeline.

    :param clock: seconds, of this process only.
    :param now: the time.
    """

    def __init__(
        self, hook: RemoteHook, source: Source, clock: Callable[[], float], now: Callable[[], datetime]
    ) -> None:
        self.hook, self.source = hook, source
        self._clock, self._now = clock, now
        self._pipeline_id = source.pipeline_id
        #: The last event, when everything up to it had been read.
        self._last: str | None = None
        self._sweep_s = clock() + SWEEP_S
        #: The time of the newest event that was seen.
        self._newest = ""
        self._size = PAGE

    async def look(self, all_of_them: Sequence[Watcher]) -> AsyncGenerator[None, None]:
        """See what is new, and let the watchers take it; yields after each page."""
        watchers = list(all_of_them)  # others may join meanwhile
        if not any(watcher.has_room for watcher in watchers):
            return
        try:
            pipeline_id = await self._find()
            sweeps, last = self._clock() >= self._sweep_s, self._last
            if not sweeps or any(watcher.cursor is None for watcher in watchers):
                last = await self._ask_for_the_last(pipeline_id, watchers)
            is_new = sweeps or last != self._last
            for watcher in watchers:
                watcher.behind |= is_new
            behind = [watcher for watcher in watchers if watcher.behind and watcher.has_room]
            async with aclosing(self._read(pipeline_id, behind)) as pages:
                async for _ in pages:
                    yield
        except NotFound:
            # Another one may have its name by now.
            self._pipeline_id = self.source.pipeline_id
            raise
        if is_new:
            self._last, self._sweep_s = last, self._clock() + SWEEP_S

    async def _find(self) -> str:
        if self._pipeline_id is None:
            from airflow_provider_pipehooks.services.databricks_pipelines import DatabricksPipelines

            name = self.source.pipeline_name or ""
            self._pipeline_id = await self.hook.acall(DatabricksPipelines().pipeline_id_by_name(name))
        return self._pipeline_id

    async def _ask_for_the_last(self, pipeline_id: str, watchers: Sequence[Watcher]) -> str | None:
        """The id of the last event; whoever has to begin does so behind it."""
        event = await self.hook.acall(read_newest(pipeline_id))
        time = sortable(event.get("timestamp")) if event else ""
        if event and not "" < time < self._latest():
            time = sortable(self._now().isoformat())
        for watcher in watchers:
            watcher.begin(time)
        self._newest = max(self._newest, time)
        try:
            return id_of(event) if event else None
        except ValueError:
            return None

    def _latest(self) -> str:
        return sortable((self._now() + CLOCKS_DIFFER).isoformat())

    async def _read(self, pipeline_id: str, watchers: list[Watcher]) -> AsyncGenerator[None, None]:
        """Read on from where the first of them stands, up to the end of the log."""
        since, token, expired = min((each.floor() or "" for each in watchers), default=""), None, 0
        begun, reached = self._newest, since
        while watchers:
            page = await self._page(pipeline_id, since or None, token)
            if page.expired:
                expired = expired + 1 if reached == since else 1
                if expired > _MOST_EXPIRED:
                    raise RemoteCallError("Every next page of the event log is refused.", retryable=True)
                since, token = reached, None
                continue
            for watcher in watchers:
                if watcher.reading_since is None:
                    watcher.reading_since = begun or page.read_at
            latest = self._latest()
            watchers = [watcher for watcher in watchers if watcher.take(page.events, latest)]
            times = [
                time for time in (sortable(each.get("timestamp")) for each in page.events) if time < latest
            ]
            self._newest = max([self._newest, *times])
            reached = max([reached, *(as_filter(time) or "" for time in times)])
            yield
            if page.token is None or page.token == token:
                break
            token = page.token
        for watcher in watchers:
            watcher.caught_up()
        self._size = min(PAGE, 4 * self._size)

    async def _page(self, pipeline_id: str, since: str | None, token: str | None) -> LogPage:
        """A page; smaller ones where that many events are more than is read of one answer."""
        while True:
            try:
                call = read_page(pipeline_id, since=since, token=token, size=self._size)
                return await self.hook.acall(call)
            except RemoteCallError as err:
                if err.status_code != 200 or self._size <= 1:
                    raise
                self._size = max(1, self._size // 4)
