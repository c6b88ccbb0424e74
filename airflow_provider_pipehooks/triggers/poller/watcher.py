"""WATCH: one poller for all waits on an account, in one event loop.

A triggerer holds thousands of waits. Each one only leaves its run here and sleeps on a future; the watcher
looks at the runs together, takes each look through the pure step of :mod:`core.watch`, and wakes a wait
when it is over. It begins with its first user and ends with its last.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import Context
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from airflow_provider_pipehooks.compat.metrics import count, gauge, timing
from airflow_provider_pipehooks.core.durations import SHORTEST_S
from airflow_provider_pipehooks.core.errors import PipehooksError, RemoteCallError
from airflow_provider_pipehooks.core.events import WaitEnded
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.watch import Watch, confirming, look
from airflow_provider_pipehooks.hooks.registry import open_hook
from airflow_provider_pipehooks.hooks.remote import RemoteHook
from airflow_provider_pipehooks.services.base import Service
from airflow_provider_pipehooks.services.batch import Batch, Found, Key
from airflow_provider_pipehooks.triggers.poller.gc_freeze import HEAP
from airflow_provider_pipehooks.triggers.poller.grouping import Sharing, Tell, Wait
from airflow_provider_pipehooks.triggers.poller.pace import SHORTEST_PAUSE_S, UsualDurations, pause_s
from airflow_provider_pipehooks.triggers.poller.paced_log import Trickle
from airflow_provider_pipehooks.triggers.poller.pages import SharedPages

log = logging.getLogger(__name__)

#: Before the first round: the triggerer hands out triggers once a second, and runs have only just started.
GATHER_S = 1.0
#: Runs read alone at a time; with the batches they are as many as the hook has connections.
ALONE_SIDE_BY_SIDE = 12
#: Batches in flight; each answer takes the event loop some milliseconds, and they may come all at once.
SIDE_BY_SIDE = 8
#: Looks taken before other work in the event loop gets its turn.
_SLICE = 25


class RunWatcher:
    """Looks at the runs of all waits on one connection. Use :func:`watcher_of` to get the shared one.

    :param hook: its connections serve all waits; closed with the last of them.
    :param clock: seconds since the epoch, for deadlines and what people are told.
    :param steady: seconds that no correction of the clock moves, for what is due.
    :param on_end: called when the last wait is over.
    """

    def __init__(
        self,
        name: str,
        hook: RemoteHook,
        *,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        on_end: Callable[[], object] = lambda: None,
    ) -> None:
        self.name, self.hook = name, hook
        self._clock, self._steady, self._on_end = clock, steady, on_end
        self._users = 0
        self._waits: dict[Wait, None] = {}
        self._usual = UsualDurations()
        self._slots = asyncio.Semaphore(SIDE_BY_SIDE)
        self._alone_slots = asyncio.Semaphore(ALONE_SIDE_BY_SIDE)
        self._looks: set[asyncio.Task[None]] = set()
        self._rounds: asyncio.Task[None] | None = None
        self._reread = False
        self._pages = SharedPages()
        self._trickle = Trickle()
        self._sharing = Sharing()

    def wait(self, service: Service, run_id: int | str, watch: Watch, tell: Tell) -> Awaitable[WaitEnded]:
        """Wait as ``watch`` says; ``tell`` hears of everything that happens, in the caller's context.

        Thousands are open at once, and what the garbage collector has to look through blocks the event
        loop: so what is suspended holds the wait and nothing else.
        """
        return self._until_over(Wait(service, run_id, watch, tell, due_s=self._steady()))

    async def _until_over(self, wait: Wait) -> WaitEnded:
        self._users += 1
        self._waits[wait] = None
        HEAP.holds(len(self._waits))
        if self._rounds is None:
            self._rounds = self._spawn(self._run())
            self._rounds.add_done_callback(self._rounds_ended)
        try:
            end = await wait.future
            await self._trickle.finish(wait)
            return end
        finally:
            del self._waits[wait]
            await self._leave()

    async def cancel(self, service: Service, run_id: int | str, tell: Tell) -> WaitEnded:
        """Cancel a run and look until it is over, for as long as a kill leaves us.

        :raises RemoteCallError: the remote did not take the cancel.
        """
        async with self.in_use() as hook:
            await hook.acall(service.cancel_run(run_id))
            return await self.wait(service, run_id, confirming(self._clock()), tell)

    @asynccontextmanager
    async def in_use(self) -> AsyncIterator[RemoteHook]:
        """Keep the connections open for other calls on the account."""
        self._users += 1
        try:
            yield self.hook
        finally:
            await self._leave()

    async def _leave(self) -> None:
        self._users -= 1
        if not self._users:
            self._on_end()
            # A killed trigger is cancelled again and again; what is open has to be closed all the same.
            await asyncio.shield(asyncio.ensure_future(self._close()))

    async def _close(self) -> None:
        """End every task and connection."""
        tasks = [*self._looks, *([self._rounds] if self._rounds else [])]
        self._rounds = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._trickle.close()
        await self.hook.aclose()

    # Rounds

    async def _run(self) -> None:
        await asyncio.sleep(min(GATHER_S, self._gap_s()))
        while True:
            try:
                await self._round()
            except Exception:
                log.exception("A round of looks at %s failed; the next one runs", self.name)
            await asyncio.sleep(self._gap_s())

    def _gap_s(self) -> float:
        """Between two rounds; a new wait joins the next one instead of starting its own."""
        shortest = min((wait.watch.poll_interval_s for wait in self._waits), default=SHORTEST_PAUSE_S)
        return max(min(shortest / 2, SHORTEST_PAUSE_S), SHORTEST_S / 2)

    def _rounds_ended(self, rounds: asyncio.Task[None]) -> None:
        """Nobody would look any more: if that is nobody's wish, all who wait are told."""
        if rounds.cancelled() or (error := rounds.exception()) is None:
            return
        log.error("The rounds of looks at %s have ended; all its waits are told", self.name, exc_info=error)
        self._rounds = None
        for wait in self._waits:
            if not wait.future.done():
                message = f"The triggerer stopped looking at the run, see its log: {error!r}"
                self._end(wait, WaitEnded(reason="refused", run=wait.watch.run, message=message))

    async def _round(self) -> None:
        if self._reread:
            self._reread = False
            await self.hook.areread()
        now_s = self._steady()
        soon_s = now_s + self._gap_s() / 2
        due = [wait for wait in self._waits if wait.due_s <= soon_s and wait.asked_by is None]
        if due:
            count("rounds", service=self.name)
            gauge("waits", len(self._waits), service=self.name)
            for waits, batch in self._sharing.split(due, now_s, len(self._waits)):
                self._begin(waits, batch, now_s)

    def _begin(self, waits: list[Wait], batch: Batch | None, asked_s: float) -> None:
        found = None
        if batch is not None:
            by_key: dict[Key, list[Wait]] = {}
            for wait in waits:
                by_key.setdefault(wait.key or 0, []).append(wait)
            found = self._pages.begin(batch, partial(self._told, by_key, asked_s))
        task = self._spawn(self._look_at(waits, found, asked_s))
        for wait in waits:
            wait.asked_by = task
        self._looks.add(task)
        task.add_done_callback(self._looks.discard)

    # Looks

    async def _look_at(self, waits: list[Wait], found: Found | None, asked_s: float) -> None:
        try:
            left = waits if found is None else await self._together(waits, found, asked_s)
            answers = (self._alone(wait, found, asked_s) for wait in left)
            for crash in await asyncio.gather(*answers, return_exceptions=True):
                if crash is not None:
                    raise crash
        except Exception as err:
            log.exception("A look at %s runs of %s crashed; they are looked at again", len(waits), self.name)
            unseen = RemoteCallError(f"A look crashed, see the triggerer's log: {err!r}", retryable=True)
            for wait in waits:
                if wait.asked_by is asyncio.current_task():
                    self._seen(wait, unseen, asked_s)
        finally:
            if found is not None:
                self._pages.end(found)
            for wait in waits:
                if wait.asked_by is asyncio.current_task():
                    wait.asked_by = None

    async def _together(self, waits: list[Wait], found: Found, asked_s: float) -> list[Wait]:
        """Read a batch; runs that it tells are seen as soon as it does.

        :return: the waits whose run it did not tell: these are asked for alone before they are doubted.
        """
        error: PipehooksError | None = None
        others_go_on = False
        async with self._slots:
            try:
                others_go_on = await self.hook.acall(waits[0].service.read_batch(found), tries=1)
            except PipehooksError as err:
                error = err
        self._count_asked(found.requests + (error is not None), error)
        if error is None and not others_go_on:
            self._sharing.learn(found, waits[0].service)
            if found.batch.ended_only:
                self._sharing.ask_for_all(asked_s)
        missing = []
        silent = [wait for wait in waits if wait.key not in found.runs]
        for at, wait in enumerate(silent, start=1):
            if others_go_on and wait.watch.run is not None:
                self._seen(wait, wait.watch.run, asked_s)
            elif error is None:
                missing.append(wait)
            elif not found.requests:
                self._seen(wait, error, asked_s)
            # Otherwise the batch failed half-way, before it came to this run: the next round begins there.
            if at % _SLICE == 0:
                await asyncio.sleep(0)
        return missing

    def _told(
        self, waits: Mapping[Key, list[Wait]], asked_s: float, key: Key, data: Mapping[str, Any]
    ) -> None:
        now_s = self._steady()
        for wait in waits[key]:
            wait.told_s = now_s
            # Those of one batch come back in the same round, unless many pages came before.
            soon = now_s - asked_s < wait.watch.poll_interval_s / 2
            self._seen(wait, _parsed(wait.service, data), asked_s if soon else now_s)

    async def _alone(self, wait: Wait, found: Found | None, asked_s: float) -> None:
        async with self._alone_slots:
            if found is not None and wait.key in found.runs:
                return  # while it queued, a page of another batch told it
            try:
                seen: Run | PipehooksError = await self.hook.acall(wait.service.get_run(wait.run_id), tries=1)
            except PipehooksError as err:
                seen = err
        self._count_asked(1, seen)
        self._seen(wait, seen, asked_s)

    def _seen(self, wait: Wait, seen: Run | PipehooksError, asked_s: float) -> None:
        """Take one observation into a wait."""
        wait.asked_by = None
        if wait.future.done():
            return
        if not isinstance(seen, (Run, RemoteCallError)):  # settings: waiting cannot mend them
            self._end(wait, WaitEnded(reason="refused", message=str(seen)))
            return
        step = look(wait.watch, seen, self._clock())
        wait.watch = step.watch
        self._reread |= step.reread_connection
        for event in step.events:
            self._trickle.put(wait, partial(wait.context.run, wait.tell, event))
        if step.end is not None:
            self._end(wait, step.end)
            return
        pace_s = self._pace(wait, seen) if isinstance(seen, Run) else step.pause_s
        wait.due_s = asked_s + min(step.pause_s, pace_s)

    def _end(self, wait: Wait, end: WaitEnded) -> None:
        wait.due_s = float("inf")
        wait.future.set_result(end)
        self._learn(end.run)

    def _pace(self, wait: Wait, run: Run) -> float:
        now_s = self._clock()
        elapsed_s = now_s - run.started_at.timestamp() if run.started_at else None
        return pause_s(
            wait.watch.poll_interval_s, now_s - wait.watch.since_s, elapsed_s, self._usual.of(run.job_id)
        )

    def _learn(self, run: Run | None) -> None:
        if run is None or run.finished_at is None:
            return
        timing("lag", max(0.0, self._clock() - run.finished_at.timestamp()), service=self.name)
        if run.is_success and run.started_at is not None:
            self._usual.learn(run.job_id, (run.finished_at - run.started_at).total_seconds())

    # Small things

    def _count_asked(self, requests: int, answer: object) -> None:
        count("requests", requests, service=self.name)
        if isinstance(answer, RemoteCallError) and answer.status_code == 429:
            count("refused_429", service=self.name)

    @staticmethod
    def _spawn(work: Any) -> asyncio.Task[None]:
        # In an empty context: what the watcher logs is of no single task.
        task: asyncio.Task[None] = Context().run(asyncio.get_running_loop().create_task, work)
        return task


def _parsed(service: Service, data: Mapping[str, Any]) -> Run | PipehooksError:
    try:
        return service.parse(data)
    except PipehooksError as err:
        return err


_WATCHERS: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, RunWatcher]] = WeakKeyDictionary()


async def watcher_of(
    name: str, conn_id: str, account_id: int | None = None, hook_params: Mapping[str, Any] | None = None
) -> RunWatcher:
    """The watcher of a connection in this event loop, shared with everyone who asks for the same.

    To be used at once: it ends with its last wait.

    :param name: of the service.
    :param hook_params: waits with other parameters have another watcher.
    :raises ConfigurationError: no such service, or parameters that its hook refuses.
    """
    watchers = _WATCHERS.setdefault(asyncio.get_running_loop(), {})
    key = json.dumps([name, conn_id, account_id, dict(hook_params or {})], sort_keys=True, default=repr)
    if key not in watchers:
        # In a thread: Airflow reads its list of metrics with the first one, and the loop must not wait.
        await asyncio.to_thread(count, "rounds", 0, service=name)
    if key not in watchers:
        hook = open_hook(name, conn_id, account_id, hook_params=hook_params)
        watchers[key] = RunWatcher(name, hook, on_end=partial(watchers.pop, key))
    return watchers[key]
