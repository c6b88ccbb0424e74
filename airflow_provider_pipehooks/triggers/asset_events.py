"""WATCH: start DAGs when a remote run has finished, whoever started it, or when a pipeline tells something.

Triggers for Airflow's :class:`~airflow.sdk.AssetWatcher`. Where they stand is kept in the asset's state
store, so that a restart of the triggerer neither repeats nor loses a run or an event.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Hashable, Iterable, Mapping
from contextlib import aclosing
from datetime import datetime
from inspect import signature
from typing import Any

from airflow.sdk import AssetWatcher
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_pipehooks.compat.memory import stores_of
from airflow_provider_pipehooks.core.arguments import as_name, as_text, as_time_or_none
from airflow_provider_pipehooks.core.durations import as_seconds
from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.core.records import VERSION, VERSION_KEY, stored_only
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_cursor import Cursor, Filter, Round
from airflow_provider_pipehooks.core.run_state import TERMINAL, RunState
from airflow_provider_pipehooks.handlers.event.filters import where_of
from airflow_provider_pipehooks.hooks.registry import row_of
from airflow_provider_pipehooks.services import databricks_pipelines
from airflow_provider_pipehooks.triggers.assets import log_events, pipeline_rounds, place
from airflow_provider_pipehooks.triggers.assets.delivery import Delivery
from airflow_provider_pipehooks.triggers.assets.rounds import Source, Watcher, rounds, taking_part

STATES: Mapping[str, RunState] = {state.name.lower(): state for state in sorted(TERMINAL)}
#: Of an update, as ``states`` takes them; and those that are its last.
UPDATE_STATES = tuple(state.lower() for state in databricks_pipelines.STATES)
ENDS = ("completed", "failed", "canceled")


class _Watching(BaseEventTrigger):
    """What both triggers share: a poll loop for all watchers of the same source."""

    @property
    @abstractmethod
    def source(self) -> Hashable:
        """What is watched; watchers of equal sources share a loop."""

    def shared_stream_key(self) -> Hashable:
        return self.source

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """As in a shared stream, with a poll loop of its own."""
        async with (
            aclosing(self.open_shared_stream(self.serialize()[1])) as stream,  # type: ignore[type-var]
            aclosing(self.filter_shared_stream(stream)) as events,  # type: ignore[type-var]
        ):
            async for event in events:
                yield event

    def _stores(self) -> list[Any]:
        """One for each asset; watchers with equal arguments are one trigger with several assets."""
        if self.asset_state_store is None:
            self.log.warning("No asset state store: after a restart this begins from then on.")
            return []
        return stores_of(self.asset_state_store)


class RunFinishedEventTrigger(_Watching):
    """Fires for every run of a dbt Cloud account or Databricks workspace that finishes.

    The payload of an event is the run's outcome record, :meth:`Run.to_json() <core.run.Run.to_json>`.
    Watchers of one connection share one poll loop.

    :param service: ``dbt_cloud`` or ``databricks_jobs``.
    :param conn_id: the connection; its secrets are read in the triggerer, never stored with the trigger.
    :param account_id: instead of the connection's; dbt Cloud only.
    :param job_ids: only runs of these jobs.
    :param project_ids: only runs of these projects; dbt Cloud only.
    :param states: ``success``, ``error``, ``cancelled`` (skipped ones too); all three by default.
    :param dag_id: the DAG that the asset starts. With it an event is sent once the DAG run of the one
        before is there, which makes one DAG run of each finished run, over restarts too. Without it
        events are sent five seconds apart, and one may come again after a restart.
    :param since: when the watcher starts for the first time, begin with runs made since then, as ISO 8601
        with a zone; only what finishes from now on if not given.
    :param poll_interval: seconds between two looks.
    :param name: tells apart watchers of one connection on the same asset.
    :raises ConfigurationError: a bad argument; names it.
    """

    def __init__(
        self,
        service: str,
        conn_id: str | None = None,
        *,
        account_id: int | None = None,
        job_ids: Collection[int] = (),
        project_ids: Collection[int] = (),
        states: Collection[str] = tuple(STATES),
        dag_id: str | None = None,
        since: str | datetime | None = None,
        poll_interval: float = 10,
        name: str = "",
        **unknown: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        stored_only(unknown, "RunFinishedEventTrigger")
        row = row_of(service)
        self.service = service
        self.conn_id = conn_id or row.conn_id
        self.account_id = account_id
        self.job_ids = _ids("job_ids", job_ids)
        self.project_ids = _ids("project_ids", project_ids)
        self.states = _one_of("states", states, STATES)
        self.dag_id = dag_id
        begin = as_time_or_none(since, "since")
        self.since = begin.isoformat() if begin else None
        self.poll_interval = float(poll_interval)
        self.name = name
        if not row.has_accounts and (self.project_ids or account_id):
            raise ConfigurationError(f"{service!r} has neither projects nor accounts: leave them out.")
        if not poll_interval > 0:
            raise ConfigurationError(f"poll_interval must be more than 0 seconds, not {poll_interval!r}.")

    def serialize(self) -> tuple[str, dict[str, Any]]:
        path = "airflow_provider_pipehooks.triggers.asset_events.RunFinishedEventTrigger"
        arguments = {name: getattr(self, name) for name in _ARGUMENTS}
        return path, {VERSION_KEY: VERSION, **arguments}

    @property
    def source(self) -> Source:
        return Source(self.service, self.conn_id, self.account_id, self.poll_interval)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Round]:
        async with aclosing(rounds(cls(**kwargs).source)) as stream:
            async for seen in stream:
                yield seen

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Round]
    ) -> AsyncGenerator[TriggerEvent, None]:
        """Report what this watcher is for, and keep where it stands; ends with the stream only."""
        watcher = Watcher(wanted=self._filter(), since=as_time_or_none(self.since, "since"))
        delivery = Delivery(watcher, self._stores(), self.cursor_key, self.dag_id, read=Cursor.from_json)
        await delivery.load()
        with taking_part(self.source, watcher):
            async for seen in shared_stream:
                watcher.take(seen)
                # Rounds wait while we report, so this has to be quicker than they come.
                async for run in delivery.runs(within_s=self.poll_interval / 2):
                    self.log.info("%s finished: %s", run.label, run.outcome)
                    yield TriggerEvent(run.to_json())  # type: ignore[no-untyped-call]

    @property
    def cursor_key(self) -> str:
        """The key in the asset's state store. Without it the watcher begins as if for the first time."""
        account = "" if self.account_id is None else str(self.account_id)
        return ".".join(("pipehooks", "run_finished", self.service, self.conn_id, account, self.name))

    def _filter(self) -> Filter:
        return Filter(
            job_ids=frozenset(self.job_ids),
            project_ids=frozenset(self.project_ids),
            states=frozenset(STATES[word] for word in self.states),
        )


_ARGUMENTS = tuple(signature(RunFinishedEventTrigger).parameters)[:-1]


def run_finished_watcher(name: str, service: str, conn_id: str | None = None, **options: Any) -> AssetWatcher:
    """A watcher for an asset that changes whenever a remote run finishes.

    :param name: of the watcher; it keeps its place under it.
    :param options: of :class:`RunFinishedEventTrigger`.
    """
    return AssetWatcher(name=name, trigger=RunFinishedEventTrigger(service, conn_id, name=name, **options))


def finished_runs(events: Iterable[Any]) -> list[Run]:
    """The runs that the events of an asset tell of, each once.

    :param events: ``triggering_asset_events[asset]`` of a task's context.
    :raises ValueError: an event that does not come from our trigger; quotes it.
    """
    runs = [Run.from_json(event.extra.get("payload")) for event in events]
    return list({(run.service, run.run_id, run.attempt): run for run in runs}.values())


class PipelineEventTrigger(_Watching):
    """Fires for events in the event log of a Databricks pipeline: by default, when an update has ended.

    The payload of an event is a JSON object of a few kB at most: ``id``, ``timestamp``, ``event_type``,
    ``level``, ``message``, ``pipeline_id``, ``pipeline_name``, ``update_id``, ``dataset`` (the table, flow or
    sink), ``state`` (of the update or flow, in lower case) and ``data_quality`` (of a flow:
    ``dropped_records``, and ``expectations``, those that failed first); None for what an event does not
    tell. Only STABLE events are told, and those without a maturity; ``hook_progress`` never. Watchers of one
    pipeline on one connection share one reading of its log.

    :param pipeline_id: of the pipeline; or give ``pipeline_name``.
    :param conn_id: the connection; its secrets are read in the triggerer, never stored with the trigger.
    :param where: only events that fit: ``event_type``, ``level`` and ``dataset`` (a glob), each a text or a
        list of texts, as for event hooks.
    :param states: of an ``update_progress`` event one of these, such as ``completed``, ``failed`` and
        ``canceled``. Other types of events are told only if ``where`` names them, or if ``states`` is None.
    :param dropped_rows: only ``flow_progress`` events that tell of dropped rows, or of an expectation that
        failed for some.
    :param dag_id: the DAG that the asset starts. With it an event is sent once the DAG run of the one
        before is there, which makes one DAG run of each event, over restarts too. Without it events are
        sent five seconds apart, and one may come again after a restart.
    :param since: when the watcher starts for the first time, begin with events from then on, as ISO 8601 with
        a zone; only what happens from now on if not given.
    :param poll_interval: seconds between two looks.
    :param name: tells apart watchers of one pipeline on the same asset.
    :raises ConfigurationError: a bad argument; names it.
    """

    def __init__(
        self,
        pipeline_id: str | None = None,
        pipeline_name: str | None = None,
        *,
        conn_id: str = "databricks_default",
        where: Mapping[str, Any] | None = None,
        states: Collection[str] | None = ENDS,
        dropped_rows: bool = False,
        dag_id: str | None = None,
        since: str | datetime | None = None,
        poll_interval: float = 10,
        name: str = "",
        **unknown: Any,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        stored_only(unknown, "PipelineEventTrigger")
        if (pipeline_id is None) == (pipeline_name is None):
            raise ConfigurationError("Give either pipeline_id or pipeline_name.")
        self.pipeline_id = None if pipeline_id is None else as_name(pipeline_id, "pipeline_id")
        self.pipeline_name = None if pipeline_name is None else as_name(pipeline_name, "pipeline_name")
        self.conn_id = as_name(conn_id, "conn_id")
        filters = where_of(where)
        self.where = {key: sorted(set(words)) for key, words in vars(filters).items() if words}
        self.states = None if states is None else _one_of("states", states, UPDATE_STATES)
        self.dropped_rows = dropped_rows
        self.dag_id = None if dag_id is None else as_name(dag_id, "dag_id")
        begin = as_time_or_none(since, "since")
        self.since = begin.isoformat() if begin else None
        self.poll_interval = as_seconds(poll_interval, "poll_interval")
        self.name = as_text(name, "name")
        if not isinstance(dropped_rows, bool):
            raise ConfigurationError(f"dropped_rows must be True or False, not {dropped_rows!r:.100}.")
        if "hook_progress" in filters.event_type:
            raise ConfigurationError("where: events of the type 'hook_progress' are never told.")
        if dropped_rows and filters.event_type and "flow_progress" not in filters.event_type:
            raise ConfigurationError("dropped_rows is of 'flow_progress' events, which where leaves out.")

    def serialize(self) -> tuple[str, dict[str, Any]]:
        path = "airflow_provider_pipehooks.triggers.asset_events.PipelineEventTrigger"
        arguments = {name: getattr(self, name) for name in _PIPELINE_ARGUMENTS}
        return path, {VERSION_KEY: VERSION, **arguments}

    @property
    def source(self) -> log_events.Source:
        return log_events.Source(self.conn_id, self.pipeline_id, self.pipeline_name, self.poll_interval)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[int]:
        async with aclosing(pipeline_rounds.rounds(cls(**kwargs).source)) as stream:
            async for number in stream:
                yield number

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[int]
    ) -> AsyncGenerator[TriggerEvent, None]:
        """Report what this watcher is for, and keep where it stands; ends with the stream only."""
        watcher = pipeline_rounds.Watcher(self.source, self._wanted(), as_time_or_none(self.since, "since"))
        read = place.Place.from_json
        delivery = Delivery(watcher, self._stores(), self.cursor_key, self.dag_id, read=read)
        await delivery.load()
        with pipeline_rounds.taking_part(watcher):
            async for _ in shared_stream:
                async for event in delivery.runs(within_s=self.poll_interval / 2):
                    self.log.info("%s: %s", event.label, event.record.get("message"))
                    yield TriggerEvent(dict(event.record))  # type: ignore[no-untyped-call]

    @property
    def cursor_key(self) -> str:
        """The key in the asset's state store. Without it the watcher begins as if for the first time."""
        pipeline = self.pipeline_id or self.pipeline_name or ""
        return ".".join(("pipehooks", "pipeline_events", self.conn_id, pipeline, self.name))

    def _wanted(self) -> log_events.Wanted:
        states = None if self.states is None else frozenset(self.states)
        return log_events.Wanted(where_of(self.where), states, self.dropped_rows)


_PIPELINE_ARGUMENTS = tuple(signature(PipelineEventTrigger).parameters)[:-1]


def pipeline_event_watcher(
    name: str, pipeline_id: str | None = None, pipeline_name: str | None = None, **options: Any
) -> AssetWatcher:
    """A watcher for an asset that changes when a Databricks pipeline tells something.

    :param name: of the watcher; it keeps its place under it.
    :param options: of :class:`PipelineEventTrigger`.
    """
    trigger = PipelineEventTrigger(pipeline_id, pipeline_name, name=name, **options)
    return AssetWatcher(name=name, trigger=trigger)


def told_events(events: Iterable[Any]) -> list[dict[str, Any]]:
    """The payloads that the events of an asset carry, each once.

    :param events: ``triggering_asset_events[asset]`` of a task's context.
    :raises ValueError: an event that does not come from our trigger; quotes it.
    """
    found: dict[str, dict[str, Any]] = {}
    for event in events:
        payload = event.extra.get("payload")
        if not isinstance(payload, Mapping) or "event_type" not in payload:
            raise ValueError(f"Not the record of a pipeline event: {payload!r:.300}")
        known_by = payload.get("id") or json.dumps(payload, sort_keys=True)
        found.setdefault(str(known_by), dict(payload))
    return list(found.values())


def _one_of(name: str, given: Collection[str], known: Collection[str]) -> list[str]:
    """Words of a list, sorted, so that equal arguments are stored equal."""
    if isinstance(given, str) or not given:
        raise ConfigurationError(
            f"{name} must be a list of one or more of {', '.join(known)}, not {given!r}."
        )
    if unknown := [word for word in given if word not in known]:
        raise ConfigurationError(f"{name}: {unknown[0]!r} is not one of {', '.join(known)}.")
    return sorted(set(given))


def _ids(name: str, given: Collection[int]) -> list[int]:
    if isinstance(given, (str, int)) or any(type(each) is not int for each in given):
        raise ConfigurationError(f"{name} must be a list of ids, which are whole numbers, not {given!r}.")
    return sorted(set(given))
