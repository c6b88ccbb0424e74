"""WATCH: wakes a task that listens to a pipeline's event log: for new events, and when its time is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from inspect import signature
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_pipehooks.core.durations import stored_interval
from airflow_provider_pipehooks.core.errors import PipehooksError, RemoteCallError
from airflow_provider_pipehooks.core.records import VERSION, VERSION_KEY, stored_only
from airflow_provider_pipehooks.services.databricks_pipelines import NAME, DatabricksPipelines
from airflow_provider_pipehooks.triggers.poller.watcher import watcher_of
from airflow_provider_pipehooks.triggers.remote_run import settle_s

_WAKE_EVERY_S = 60.0


class PipelineNewsTrigger(BaseTrigger):
    """Ends with one event, ``{"pipeline_id": ...}``: the task reads in the log what there is.

    :param conn_id: the connection; its secrets are read in the triggerer, never stored with the trigger.
    :param deadline: when the task is woken in any case, in seconds since the epoch.
    :param seen_until: id of the event that the task has seen last.
    :param wake_every: seconds between two looks; the task is not woken sooner than after one.
    :param stop_when_idle: wake it, too, when no update of the pipeline goes on.
    :param hook_params: of the hook, such as ``timeout_seconds``.
    """

    def __init__(
        self,
        conn_id: str,
        pipeline_id: str,
        deadline: float,
        seen_until: str = "",
        wake_every: float = _WAKE_EVERY_S,
        stop_when_idle: bool = False,
        hook_params: Mapping[str, Any] | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        stored_only(unknown, "PipelineNewsTrigger")
        self.conn_id, self.pipeline_id = conn_id, pipeline_id
        self.deadline, self.seen_until = deadline, seen_until
        self.wake_every = stored_interval(wake_every, _WAKE_EVERY_S)
        self.stop_when_idle = stop_when_idle
        self.hook_params = dict(hook_params or {})

    def serialize(self) -> tuple[str, dict[str, Any]]:
        path = "airflow_provider_pipehooks.triggers.pipeline_news.PipelineNewsTrigger"
        return path, {VERSION_KEY: VERSION, **{name: getattr(self, name) for name in _ARGUMENTS}}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield the one event."""
        began_s = time.monotonic()
        try:
            # News and the end of its time are the same to the task: it reads what there is.
            with suppress(asyncio.TimeoutError):  # before Python 3.11 it is no TimeoutError
                await asyncio.wait_for(self._news(), max(0.0, self.deadline - time.time()))
        except PipehooksError as err:  # the task meets it, too, and says so where people look
            self.log.warning("Pipeline %s cannot be looked at: %s", self.pipeline_id, err)
        await asyncio.sleep(max(0.0, settle_s() - (time.monotonic() - began_s)))
        yield TriggerEvent({"pipeline_id": self.pipeline_id})  # type: ignore[no-untyped-call]

    async def _news(self) -> None:
        watcher = await watcher_of(NAME, self.conn_id, None, self.hook_params)
        service = DatabricksPipelines(pipeline_id=self.pipeline_id)
        async with watcher.in_use() as hook:
            while True:
                await asyncio.sleep(self.wake_every)
                try:
                    if await hook.acall(service.something_new(self.seen_until)):
                        return
                    if self.stop_when_idle and await hook.acall(service.active_update()) is None:
                        return
                except RemoteCallError as err:
                    self.log.warning("Could not look for events of pipeline %s: %s", self.pipeline_id, err)
                    await hook.areread()


_ARGUMENTS = tuple(signature(PipelineNewsTrigger).parameters)[:-1]
