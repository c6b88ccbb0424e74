"""WATCH: one trigger for the runs of all services."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from airflow.sdk.configuration import conf
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_pipehooks.compat.questions import ENDED_FOR_GOOD, state_of_waiting_task
from airflow_provider_pipehooks.core.durations import stored_interval
from airflow_provider_pipehooks.core.errors import PipehooksError, RemoteCallError
from airflow_provider_pipehooks.core.events import (
    LookFailed,
    SomethingWaits,
    StateChanged,
    UnknownStatusSeen,
    WaitEnded,
    WatchEvent,
)
from airflow_provider_pipehooks.core.records import VERSION, VERSION_KEY, stored_only
from airflow_provider_pipehooks.core.watch import Watch
from airflow_provider_pipehooks.hooks.registry import calls_of
from airflow_provider_pipehooks.triggers.poller.watcher import RunWatcher, watcher_of

T = TypeVar("T")

#: Airflow gives ``on_kill`` 30 s (``[triggerer] on_kill_timeout``).
CANCEL_WITHIN_S = 28.0


def settle_s() -> float:
    """How long after a task deferred its trigger may fire.

    Airflow 3.3.2 may notice the end of the task's process only this interval later. A trigger that fires
    before has the task queued again before the scheduler hears of that end; the scheduler then takes it for
    a report about the new one ("state mismatch") and fails the task. Seen on a real scheduler.
    """
    interval: float = conf.getfloat("workers", "min_heartbeat_interval", fallback=5.0)
    return interval + 1.0 if interval else 0.0


def _level(event: WatchEvent) -> int:
    """Thousands of triggers share one log, which Airflow reads slowly: nothing is told there twice.

    The worker that started the run has told of it, and Airflow logs the event that the run's end becomes.
    """
    if isinstance(event, (LookFailed, UnknownStatusSeen)):
        return logging.WARNING
    told = isinstance(event, StateChanged) and (event.old is None or event.new.is_terminal)
    return logging.DEBUG if told else logging.INFO


@dataclass(frozen=True)
class Arguments:
    """What Airflow stores of a trigger while its task waits: names stay valid across upgrades.

    :param service: ``dbt_cloud``, ``databricks_jobs`` or ``databricks_pipelines``.
    :param conn_id: the connection; its secrets are read in the triggerer, never stored with the trigger.
    :param account_id: instead of the connection's.
    :param poll_interval: seconds between two looks when all is well.
    :param deadline: when to give up, in seconds since the epoch; None waits for ever.
    :param since: when the wait began, in seconds since the epoch; None is now.
    :param options: of the service, such as ``task_key``.
    :param hook_params: of the hook, such as ``timeout_seconds``.
    :param on_cancel: ``cancel`` the remote run when a user ends the waiting task, or ``keep`` it.
    :param wake_every: seconds after which the task is woken when its service has something new for it; None
        waits for the end.
    :param seen_until: what the task has seen last, as its service names it.
    """

    service: str
    conn_id: str
    run_id: int | str
    account_id: int | None = None
    poll_interval: float = 5
    deadline: float | None = None
    since: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    hook_params: Mapping[str, Any] = field(default_factory=dict)
    on_cancel: str = "cancel"
    wake_every: float | None = None
    seen_until: str = ""


_NAMES = frozenset(each.name for each in fields(Arguments))


async def first_of(*waits: Awaitable[T]) -> T:
    """What comes first; the others are given up."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class RemoteRunTrigger(BaseTrigger):
    """Waits for one run and ends with one event: how the wait ended.

    Takes :class:`Arguments`, by place or by name, and reads as they do: ``trigger.run_id``. Those that a
    newer version has stored, and this one does not know, are left out.

    :raises TypeError: an argument is missing, or nobody knows it.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        stored_only({name: value for name, value in named.items() if name not in _NAMES}, "RemoteRunTrigger")
        ours = Arguments(*given, **{name: value for name, value in named.items() if name in _NAMES})
        self.arguments = replace(
            ours,
            poll_interval=stored_interval(ours.poll_interval, Arguments.poll_interval),
            since=ours.since if ours.since is not None else time.time(),
            options=dict(ours.options or {}),
            hook_params=dict(ours.hook_params or {}),
        )
        vars(self).update(vars(self.arguments))

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Those of :class:`Arguments`."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        path = "airflow_provider_pipehooks.triggers.remote_run.RemoteRunTrigger"
        return path, {VERSION_KEY: VERSION, **vars(self.arguments)}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the one event, ``WaitEnded.to_json()``."""
        try:
            end = await self._end_or_news()
        except PipehooksError as err:
            end = WaitEnded(reason="refused", message=str(err))
        # Capped, since the clock of the worker that wrote ``since`` may be ahead of ours.
        await asyncio.sleep(min(max(0.0, self.since + settle_s() - time.time()), settle_s()))
        yield TriggerEvent(end.to_json())  # type: ignore[no-untyped-call]

    async def _end_or_news(self) -> WaitEnded | SomethingWaits:
        watcher = await self._watcher()
        service = calls_of(self.service, self.options)
        end = watcher.wait(service, self.run_id, self._watch(), self._tell)
        if self.wake_every is None:
            return await end
        return await first_of(end, self._news(watcher, service))

    async def _news(self, watcher: RunWatcher, service: Any) -> SomethingWaits:
        """Comes when there is something for the task, but not before it was left alone for a while."""
        while True:
            await asyncio.sleep(stored_interval(self.wake_every, Arguments.poll_interval))
            try:
                if await watcher.hook.acall(service.something_new(self.seen_until)):
                    run = await watcher.hook.acall(service.get_run(self.run_id))
                    if not run.is_terminal:  # otherwise the end is about to be told
                        return SomethingWaits(run=run)
            except RemoteCallError as err:
                self.log.warning("Could not look for news of run %s, looking again: %s", self.run_id, err)

    def _watch(self) -> Watch:
        return Watch(
            poll_interval_s=self.poll_interval,
            since_s=self.since or time.time(),
            deadline_s=self.deadline,
            spread=random.random(),
        )

    async def _watcher(self) -> RunWatcher:
        return await watcher_of(self.service, self.conn_id, self.account_id, self.hook_params)

    def _tell(self, event: WatchEvent) -> None:
        # Of the class: a logger for each of thousands of waits is a dozen objects to collect.
        self.logger().log(_level(event), "%s", event)

    async def on_kill(self) -> None:
        """A user ended the task while it waited: cancel the run, and see it cancelled.

        Airflow 3.3.2 also calls this when a trigger merely moves to another triggerer, so the task's state
        is asked for first; without an answer nothing is cancelled.
        """
        if self.on_cancel != "cancel":
            return
        # Airflow cancels a killed trigger again in every round of its loop, a second later, also while it is
        # in here (3.3.2); the cancel of the remote run must not be cut off by that. It is bounded by itself.
        work = asyncio.ensure_future(asyncio.wait_for(self._cancel_if_gone(), CANCEL_WITHIN_S))
        while not work.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(work)
        work.result()

    async def _cancel_if_gone(self) -> None:
        state = await self._task_state()
        if state not in ENDED_FOR_GOOD:
            self.log.info(
                "Not cancelling run %s: the task is %s", self.run_id, state or "in an unknown state"
            )
            return
        self.log.warning("The task is %s: cancelling run %s", state, self.run_id)
        watcher = await self._watcher()
        end = await watcher.cancel(calls_of(self.service, self.options), self.run_id, self._tell)
        if end.run is None or not end.run.is_terminal:
            self.log.error("Run %s is not seen cancelled yet: %s", self.run_id, end.message)

    async def _task_state(self) -> str | None:
        """The state of our task instance as the server has it now; None when it cannot be known."""
        try:
            return await state_of_waiting_task(self.task_instance)
        except Exception:
            self.log.exception("Could not ask for the state of the task; run %s is left alone", self.run_id)
            return None
