"""A task that listens: the event log of its pipeline is read while it waits, and its event hooks are called.

In the worker, one event after the other, as far as the cursor in the task's state store says. That is written
after each batch, together with the counters of the hooks, so a crash repeats the batch in hand and no more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.core.event_cursor import EventCursor, as_filter, sortable
from airflow_provider_pipehooks.core.events import HookProgress
from airflow_provider_pipehooks.core.records import NUMBER, VERSION, VERSION_KEY, known, reading
from airflow_provider_pipehooks.handlers.event.enabling import ENABLE_KEY
from airflow_provider_pipehooks.services.pipeline_log import PAGE, LogPage, read_page, unread
from airflow_provider_pipehooks.services.reading import object_or_empty

if TYPE_CHECKING:
    from airflow_provider_pipehooks.handlers.event_hooks import EventHooks

EVENTS_KEY = "pipehooks_events"
#: A remote's clock may be ahead of ours by no more than that.
CLOCKS_DIFFER = timedelta(hours=1)
#: Between two reads at the end.
DRAIN_POLL_S = 2.0
#: To count what was not handled, no more batches are read.
_COUNTED_BATCHES = 500
#: States of an update that are its last.
ENDS = ("COMPLETED", "FAILED", "CANCELED")
_SMALLEST_PAGE = 10


@dataclass
class Report:
    """What became of the events of a wait; XCom ``event_hooks`` is its JSON.

    :param seen: events of the log, each once: of other updates, too.
    :param handled: those that the hooks were given, as far as they concern any.
    :param not_handled: left when the time after the end was over; at least so many.
    :param complete: whether the log was read to its end after the update was over.
    :param failures: calls of hooks that failed.
    :param disabled: hooks that are switched off.
    """

    seen: int = 0
    handled: int = 0
    not_handled: int = 0
    complete: bool = False
    failures: int = 0
    disabled: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The record for XCom."""
        return {**vars(self), "disabled": list(self.disabled)}

    def __str__(self) -> str:
        off = f"; switched off: {', '.join(self.disabled)}" if self.disabled else ""
        off += "" if self.complete else "; the log was not read to its end"
        return (
            f"{self.seen} events seen, {self.handled} given to the hooks, {self.not_handled} not handled, "
            f"{self.failures} failures of hooks{off}"
        )


class Log(Protocol):
    """Where events come from."""

    def page(self, *, since: str | None, token: str | None, size: int) -> LogPage:
        """A page of them, oldest first.

        :raises RemoteCallError: it cannot be read now.
        """

    def update_ids(self) -> Collection[str] | None:
        """The updates that concern the task; None for all of the pipeline."""


@dataclass(frozen=True)
class PipelineLog:
    """The log of a pipeline, through the hook of a task.

    :param updates: asks for the updates that concern the task.
    :param span: only events from the first time on and before the second; None for all.
    """

    call: Callable[[Any], Any]
    pipeline_id: str
    updates: Callable[[], Collection[str] | None] = lambda: None
    span: tuple[datetime, datetime] | None = None

    def page(self, *, since: str | None, token: str | None, size: int) -> LogPage:
        if self.span is None:
            return self._read(since=since, token=token, size=size)
        begin, end = (sortable(time.isoformat()) for time in self.span)
        page = self._read(since=since, until=as_filter(end, up=True), token=token, size=size)
        # A filter takes milliseconds, events have finer times, and the one span ends where the next begins.
        inside = [each for each in page.events if begin <= sortable(each.get("timestamp")) < end]
        return replace(page, events=inside)

    def _read(self, **given: Any) -> LogPage:
        page: LogPage = self.call(read_page(self.pipeline_id, **given))
        return page

    def update_ids(self) -> Collection[str] | None:
        return self.updates()


class Memory(Protocol):
    """What outlives the process."""

    def recall(self, key: str) -> Any: ...

    def remember(self, key: str, record: Any) -> None: ...

    def forget(self, key: str) -> None: ...


class Listening:
    """Reads on in the log, and has the hooks called.

    :param of: what the cursor is of: a cursor of anything else is not gone on from.
    :param since: read from here on, if there is no cursor.
    :param batch_size: events between two writes of the cursor: so many are repeated after a crash at most.
    :param on_disabled: called with the progress of each hook that is switched off.
    """

    def __init__(
        self,
        hooks: EventHooks,
        log: Log,
        store: Memory,
        logger: Any,
        *,
        of: Mapping[str, Any],
        since: datetime | None,
        batch_size: int,
        on_disabled: Callable[[HookProgress], object] = lambda progress: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.log, self.store, self.logger = log, store, logger
        self.of, self.batch_size = dict(of), batch_size
        self.report = Report()
        self.since = since
        self.cursor = EventCursor(since)
        self.dispatcher = hooks.dispatcher(record=self._progress)
        self._on_disabled = on_disabled
        self._clock, self._sleep = clock, sleep
        self._size = PAGE
        self._rest: Iterator[list[dict[str, Any]]] | None = None
        self._chunks: dict[int, Any] = {}
        #: What was handled could not be written down.
        self._unsaved = False
        self._ours: set[str] | None = None
        self._foreign: set[str] = set()
        #: Of the updates that concern the task: those whose end was told, and the one told of last.
        self._ended: set[str] = set()
        self._newest_update: str | None = None
        self._began = self._clock()
        self._restored = self._restore()

    # Reading

    def read(self, budget_s: float | None = None) -> bool:
        """Handle what the log has by now. What goes wrong with reading is logged, and read later.

        While the store cannot be written, only one batch is handled: a crash repeats no more.

        :param budget_s: come back after so long; a hook that is called is waited for.
        :return: whether all that was there is handled.
        """
        if self._unsaved:
            self._save()  # first: whatever is told before that would be told again after a crash
        self._enable()
        stop_s = self._clock() + budget_s if budget_s is not None else float("inf")
        self._rest = self._rest or self._batches()
        try:
            for batch in self._rest:
                self._handle(batch)
                if self._clock() >= stop_s:
                    return False
        except RemoteCallError as err:
            self.logger.warning("The event log cannot be read now, it is read again later: %s", err)
            self._rest = None
            return False
        self._rest = None
        return True

    def _batches(self, *, whole: bool = False) -> Iterator[list[dict[str, Any]]]:
        for new in unread(self._page, self.cursor, whole=whole):
            for at in range(0, len(new), self.batch_size):
                yield new[at : at + self.batch_size]

    def _page(self, since: str | None, token: str | None) -> LogPage:
        """A page; smaller ones where a thousand events are more than is read of one answer."""
        while True:
            try:
                return self.log.page(since=since, token=token, size=self._size)
            except RemoteCallError as err:
                if err.status_code != 200 or self._size <= _SMALLEST_PAGE:
                    raise
                self._size = max(_SMALLEST_PAGE, self._size // 4)

    # Handling

    def _handle(self, batch: Sequence[dict[str, Any]]) -> None:
        latest = sortable((datetime.now(timezone.utc) + CLOCKS_DIFFER).isoformat())
        before = self.cursor.count
        for event in batch:
            if not self.cursor.is_new(event):
                continue
            self.report.seen += 1
            if self._is_ours(event):
                self.report.handled += 1
                self._note_end(event)
                self.dispatcher.handle(event)
            self.cursor.handled(event, latest=latest)
        if self.cursor.count != before:
            self._save()

    def _is_ours(self, event: Mapping[str, Any]) -> bool:
        """Whether it is of an update that the task waits for, or of none."""
        update_id = _update_of(event)
        if update_id is None or update_id in self._foreign:
            return update_id is None
        if self._ours is None or update_id not in self._ours:
            try:
                ids = self.log.update_ids()
            except RemoteCallError as err:
                self.logger.warning("Cannot ask what update %s is, it is taken for ours: %s", update_id, err)
                return True
            if ids is not None and update_id not in ids:
                self._foreign.add(update_id)
                return False
            self._ours = (self._ours or set()) | {update_id, *(ids or ())}
        return True

    def _note_end(self, event: Mapping[str, Any]) -> None:
        update_id = _update_of(event)
        if update_id is None:
            return
        self._newest_update = update_id
        if event.get("event_type") == "update_progress":
            progress = object_or_empty(object_or_empty(event.get("details")).get("update_progress"))
            if progress.get("state") in ENDS:
                self._ended.add(update_id)

    def _progress(self, progress: HookProgress) -> None:
        self.report.failures += progress.state == "FAILED"
        if progress.state == "DISABLED":
            self.logger.error(
                "%s: it gets no more events of this update; pipehooks hooks enable switches it on", progress
            )
            self._on_disabled(progress)

    def _enable(self) -> None:
        """Switch on what a person has asked for since."""
        wanted = self.store.recall(ENABLE_KEY)
        if not isinstance(wanted, Mapping):
            return
        names = [str(name) for name in wanted.get("hooks") or self.dispatcher.disabled]
        self.dispatcher.enable(names)
        self.logger.info("Switched on, as asked for: %s", ", ".join(names) or "none was off")
        self._save()  # first: a process that dies in between is asked again
        self.store.forget(ENABLE_KEY)

    # The end

    def finish(self, drain_s: float, *, sweep_s: float | None = None) -> Report:
        """Handle what still comes after the end, and say what was left.

        :param drain_s: for how long; less, once the end of the update was told and nothing comes after it.
        :param sweep_s: for how long to read the whole log again after that, where events may have come that
            late; as long as the drain if not given.
        """
        stop_s = self._clock() + drain_s
        self._drain(stop_s)
        if self._may_have_missed:
            self._sweep(self._clock() + (drain_s if sweep_s is None else sweep_s))
        self.report.not_handled = self._count_rest()
        self.report.disabled = tuple(self.dispatcher.disabled)
        return self.report

    def _drain(self, stop_s: float) -> None:
        """Read until the end of the update was told and nothing more comes, or the time is over."""
        while True:
            # What an earlier read has left of a page says nothing of what has come since.
            before, begins = self.cursor.count, self._rest is None
            all_read = self.read(max(0.0, stop_s - self._clock())) and begins
            self.report.complete |= all_read
            if all_read and self.cursor.count == before and self._newest_update in self._ended:
                return
            if self._clock() >= stop_s:
                return
            self._sleep(min(DRAIN_POLL_S, max(0.0, stop_s - self._clock())) if self._rest is None else 0.0)

    @property
    def _may_have_missed(self) -> bool:
        """Whether it was listened to for longer than the overlap; of a log read at once nothing is missed."""
        return self._restored or self._clock() - self._began >= self.cursor.overlap_s

    def _sweep(self, stop_s: float) -> None:
        """Read the whole log once more, for events that came later than the overlap."""
        if self._rest is not None and not self.read(max(0.0, stop_s - self._clock())):
            return
        while True:
            self._rest = self._rest or self._batches(whole=True)
            if self.read(max(0.0, stop_s - self._clock())):
                self.report.complete = True
                return
            if self._clock() >= stop_s:
                return
            if self._rest is None:  # it could not be read
                self._sleep(min(DRAIN_POLL_S, max(0.0, stop_s - self._clock())))

    def _count_rest(self) -> int:
        """How many are left, as far as a few pages tell."""
        if self._rest is None:
            return 0
        try:
            return sum(map(len, islice(self._rest, _COUNTED_BATCHES)))
        except RemoteCallError as err:
            self.logger.warning("What is left of the event log cannot be read: %s", err)
            return 0

    def close(self) -> None:
        """End what the hooks may have opened."""
        self.dispatcher.close()

    # What outlives the process

    def _save(self) -> None:
        self._unsaved = True
        self._chunks |= self.cursor.new_chunks()
        for number in list(self._chunks):
            self.store.remember(f"{EVENTS_KEY}_{number}", self._chunks[number])
            del self._chunks[number]  # not before: a store that fails is written to again
        self.store.remember(
            EVENTS_KEY,
            {
                VERSION_KEY: VERSION,
                **self.of,
                "cursor": self.cursor.to_json(),
                "hooks": self.dispatcher.to_json(),
                "seen": self.report.seen,
                "handled": self.report.handled,
                "failures": self.report.failures,
            },
        )
        self._unsaved = False

    def _restore(self) -> bool:
        """Go on from what another process has left. What cannot be read is begun anew, not lost.

        :return: whether it was gone on from.
        """
        record = self.store.recall(EVENTS_KEY)
        if not isinstance(record, Mapping) or any(record.get(key) != value for key, value in self.of.items()):
            return False
        try:
            with reading("event hooks of a task", record):
                counted = known(record, dict.fromkeys(("seen", "handled", "failures"), NUMBER))
            self.cursor.restore(record.get("cursor"), lambda n: self.store.recall(f"{EVENTS_KEY}_{n}"))
            self.dispatcher.restore(record.get("hooks"))
            self.report = Report(**counted)
        except ValueError as err:
            self.logger.warning("How far events were handled cannot be read; it begins anew: %s", err)
            self.cursor = EventCursor(self.since)
            return False
        return True


def _update_of(event: Mapping[str, Any]) -> str | None:
    origin = event.get("origin")
    update_id = origin.get("update_id") if isinstance(origin, Mapping) else None
    return update_id if isinstance(update_id, str) and update_id else None
