"""What the stand-in remembers of Databricks Pipelines, and what tests and routes ask of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from airflow_provider_pipehooks.standin.databricks_jobs.errors import invalid
from airflow_provider_pipehooks.standin.databricks_pipelines import telling
from airflow_provider_pipehooks.standin.databricks_pipelines.errors import (
    already_active,
    no_such_pipeline,
    no_such_update,
)
from airflow_provider_pipehooks.standin.databricks_pipelines.event_log import EventLog
from airflow_provider_pipehooks.standin.databricks_pipelines.model import Json, Pipeline, Plans, Update
from airflow_provider_pipehooks.standin.databricks_pipelines.scripted import Event, read_events
from airflow_provider_pipehooks.standin.databricks_pipelines.states import CAUSES, path_of
from airflow_provider_pipehooks.standin.databricks_pipelines.times import moment_text, to_text
from airflow_provider_pipehooks.standin.databricks_pipelines.updates import Updates
from airflow_provider_pipehooks.standin.plan import Plan


class World(Updates):
    """The pipelines of one workspace, their updates and event logs.

    What only this service understands in ``Plan.details``: ``error`` (a text, or fields of the exception and
    ``fatal``, or all ``exceptions``), ``failed_flows``, ``expectations``, ``dropped_records``, ``metrics``,
    ``cancellation_cause``, ``retries``, and ``retry_after_polls`` or ``retry_after_seconds``.

    :param clock: epoch seconds; tests move it by hand.
    :param speed: how much faster than the clock plans with seconds run.
    :param base_url: gives the scheme, host and port of the workspace.
    """

    def __init__(
        self, clock: Callable[[], float], speed: float = 1.0, base_url: Callable[[], str] = lambda: ""
    ) -> None:
        # Tests read from another thread than the one that serves.
        self.lock = threading.RLock()
        super().__init__(clock, speed, base_url)
        self._forget_knobs()

    def _forget_knobs(self) -> None:
        #: Pages of events hold at most so many, whatever is asked for.
        self.short_pages: int | None = None
        #: A token for a page of events is refused after so many further requests for events of its pipeline.
        self.token_life: int | None = None
        #: Answers about updates have the ``parameters`` they were started with.
        self.returns_parameters = True

    def reset(self) -> None:
        """Forget everything, as after a fresh start."""
        with self.lock:
            self.forget_updates()
            self._forget_knobs()

    def add_pipeline(
        self,
        name: str = "Untitled",
        *,
        id: str | None = None,
        plan: Plan | None = None,
        plans: Iterable[Plan] = (),
        continuous: bool = False,
        development: bool = False,
        flows: Iterable[str] = ("main",),
        events: Iterable[Event] | str | Path | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> str:
        """Define a pipeline.

        :param plans: used by successive updates and retries; the last one repeats.
        :param flows: names of its flows; each fills the dataset of the same name.
        :param events: a log that is there at once: a list, or a file of JSON or JSON lines. Events may lack
            id, time and origin.
        :param settings: more of the pipeline's settings, as the API has them.
        :return: the pipeline id.
        """
        spec = {"name": name, "continuous": continuous, "development": development, **(settings or {})}
        all_plans = Plans(tuple(plans) or (plan or Plan(),))
        script = read_events(events)
        with self.lock:
            pipeline = self.define_pipeline(spec, all_plans, tuple(flows), id)
            for event in script:
                self._add(pipeline, event, None)
            return pipeline.pipeline_id

    def define_pipeline(
        self, settings: Json, plans: Plans, flows: tuple[str, ...], id: str | None = None
    ) -> Pipeline:
        """Store a pipeline under a new id, or under ``id``."""
        pipeline_id = str(uuid4()) if id is None else id
        spec = {"channel": "CURRENT", "edition": "ADVANCED", **settings, "id": pipeline_id}
        log, now_ms = EventLog(self._event_numbers), int(self.clock() * 1000)
        pipeline = self.pipelines[pipeline_id] = Pipeline(pipeline_id, spec, plans, flows, now_ms, log)
        return pipeline

    def start(self, pipeline_id: str, **body: Any) -> str:
        """Start an update as somebody else would, and return its id.

        :raises ApiError: no such pipeline, or an update is active.
        """
        with self.lock:
            return self.start_update(pipeline_id, {"cause": "USER_ACTION", **body}).update_id

    def start_update(self, pipeline_id: str, body: Json) -> Update:
        """Start an update by the body of a request; a retry that was awaited is given up.

        :raises ApiError: no such pipeline, an unknown cause, or an update is active.
        """
        pipeline = self.pipeline(pipeline_id)
        cause = body.get("cause") or "API_CALL"
        if cause not in CAUSES:
            raise invalid(f"Invalid cause {cause!r}. Known: {', '.join(sorted(CAUSES))}.")
        active = pipeline.active
        # A cancelled update comes to its end by itself, even when nobody reads it any more.
        self.settle(pipeline, read=active is not None and active.cancel_looks is not None)
        if pipeline.active is not None:
            raise already_active(pipeline_id, pipeline.active.update_id)
        return self.begin(pipeline, body, cause, self.clock())

    def stop(self, pipeline_id: str) -> None:
        """Stop whatever goes on: the active update is STOPPING at the next read, CANCELED at the one after.

        :raises ApiError: no such pipeline.
        """
        with self.lock:
            pipeline = self.pipeline(pipeline_id)
            self._settle_timed(pipeline)
            if (update := pipeline.active) is not None and update.cancel_looks is None:
                update.cancel_looks = 0
                self.write(update, [telling.acted("STOP")], self.clock())
            elif pipeline.recovery is not None:
                self.write(pipeline.recovery.failed, [telling.acted("STOP")], self.clock())
                pipeline.recovery, pipeline.rest, pipeline.cause = None, "IDLE", None

    def emit(self, pipeline_id: str, event: Mapping[str, Any], *, at: datetime | str | None = None) -> str:
        """Write an event into the log of a pipeline, whatever its updates do.

        :param event: what it lacks is filled in, but for an update in its origin.
        :param at: its time, by default the event's own ``timestamp`` or now; in the past, it comes late.
        :return: the id of the event.
        :raises ApiError: no such pipeline.
        :raises ValueError: the time is no moment.
        """
        with self.lock:
            pipeline = self.pipeline(pipeline_id)
            self._settle_timed(pipeline)
            return self._add(pipeline, event, at)

    def set_plan(self, update_id: str, plan: Plan) -> None:
        """Let an update go on by another plan; its polls and seconds count from now.

        :raises KeyError: no such update.
        :raises ValueError: the update is over, or the plan's outcome is unknown.
        """
        path_of(plan, resets=False)
        with self.lock:
            update = self.updates[update_id]
            self._settle_timed(update.pipeline)
            if update.is_over:
                text = f"databricks_pipelines update {update_id}: is over, so a new plan cannot change it."
                raise ValueError(text)
            update.plan = plan
            self.replan(update)

    def pipeline(self, pipeline_id: str) -> Pipeline:
        """Find a pipeline.

        :raises ApiError: there is none.
        """
        if pipeline_id not in self.pipelines:
            raise no_such_pipeline(pipeline_id)
        return self.pipelines[pipeline_id]

    def update(self, pipeline_id: str, update_id: str) -> Update:
        """Find an update of a pipeline.

        :raises ApiError: there is none.
        """
        pipeline, update = self.pipeline(pipeline_id), self.updates.get(update_id)
        if update is None or update.pipeline is not pipeline:
            raise no_such_update(pipeline_id, update_id)
        return update

    def _settle_timed(self, pipeline: Pipeline) -> None:
        """Let pass what time alone has done, without reading an update that nobody has read yet."""
        if pipeline.is_timed:
            self.settle(pipeline)

    def _add(self, pipeline: Pipeline, event: Mapping[str, Any], at: datetime | str | None) -> str:
        given, digits = at or event.get("timestamp"), self.fraction_digits
        timestamp = moment_text(given, digits) if given else to_text(self.clock(), digits)
        return str(pipeline.log.add(event, timestamp, self.origin(pipeline)).event["id"])
