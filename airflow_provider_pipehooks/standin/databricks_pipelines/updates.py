"""How updates start, move, end and are tried again; `world` adds what tests and routes call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from airflow_provider_pipehooks.standin.databricks_pipelines import telling
from airflow_provider_pipehooks.standin.databricks_pipelines.model import Json, Pipeline, Recovery, Update
from airflow_provider_pipehooks.standin.databricks_pipelines.states import path_of
from airflow_provider_pipehooks.standin.databricks_pipelines.times import to_text

_RETRYING = ("retries", "retry_after_polls", "retry_after_seconds")


class Updates:
    """The pipelines of a workspace and their updates; callers hold the lock of the world.

    :param clock: epoch seconds.
    :param speed: how much faster than the clock plans with seconds run.
    :param base_url: gives the scheme, host and port of the workspace.
    """

    def __init__(self, clock: Callable[[], float], speed: float, base_url: Callable[[], str]) -> None:
        self.clock = clock
        self.speed = speed
        self.base_url = base_url
        self.forget_updates()

    def forget_updates(self) -> None:
        """Start over with no pipelines and no updates."""
        self.pipelines: dict[str, Pipeline] = {}
        self.updates: dict[str, Update] = {}
        #: Digits after the second in the timestamps of events that are written from now on.
        self.fraction_digits = 6
        #: An update that tries again has the ``parameters`` of the one that failed.
        self.retries_keep_parameters = True
        self._event_numbers = count(1)

    def begin(
        self, pipeline: Pipeline, body: Json, cause: str, at_s: float, failed: Update | None = None
    ) -> Update:
        """Create an update by the next plan of its pipeline.

        :param failed: the one that it tries again.
        """
        update = Update(str(uuid4()), pipeline, pipeline.plans.take(), body, cause, at_s, begun_s=at_s)
        if failed is not None:
            update.attempt = failed.attempt + 1
        update.retrying = _rules(update, failed)
        update.path = path_of(update.plan, resets=update.resets)
        pipeline.updates.append(update)
        self.updates[update.update_id] = update
        pipeline.recovery = None
        self.write(update, telling.created(update), at_s)
        self._enter(update, update.path[0], at_s)
        return update

    def replan(self, update: Update) -> None:
        """Let an update go on from where it is by its new plan."""
        path = path_of(update.plan, resets=update.resets)
        # A path that is spelled out begins anew; of the usual one only what is left.
        passed = () if update.plan.states else path
        done = passed.index(update.state) + 1 if update.state in passed else int(path[0] == update.state)
        update.path = (update.state, *path[done:])
        update.at, update.polls, update.begun_s = 0, 0, self.clock()
        update.retrying = _rules(update, update)

    # --- moving ----------------------------------------------------------------------------------

    def settle(self, pipeline: Pipeline, *, read: bool = False) -> None:
        """Bring a pipeline to where it is now.

        :param read: a client reads it, which moves plans with polls on. It moves one thing: the update that
            fails by it, or the recovery that ends by it, but not what follows.
        """
        while (update := pipeline.active) is not None or pipeline.recovery is not None:
            if update is None:
                if not self._recover(pipeline, read):
                    return
            else:
                self._move(update, read)
                if not update.is_over:
                    return
            read = False

    def read(self, update: Update) -> None:
        """A client reads an update; to read one that is over matters only while its retry is awaited."""
        pipeline = update.pipeline
        self.settle(pipeline, read=update is pipeline.active or pipeline.recovery is not None)

    def _move(self, update: Update, read: bool) -> None:
        update.polls += read
        if update.cancel_looks is not None:
            self._move_cancelled(update, read)
            return
        last = len(update.path) - (2 if update.is_endless else 1)
        elapsed_s = (self.clock() - update.begun_s) * self.speed
        to = update.plan.position(len(update.path), polls=update.polls, elapsed_s=elapsed_s)
        while update.at < min(to, last) and not update.is_over:
            update.at += 1
            self._enter(update, update.path[update.at], self._planned_s(update))

    def _planned_s(self, update: Update) -> float:
        """When it comes to its position: as planned if its plan has seconds, now if reads are counted.

        A plan with neither is there when it starts.
        """
        plan = update.plan
        if plan.hold or not (plan.polls or plan.seconds):
            return update.begun_s
        if plan.polls:
            return self.clock()
        share = update.at / (len(update.path) - 1)
        return min(self.clock(), update.begun_s + plan.seconds * share / self.speed)

    def _move_cancelled(self, update: Update, read: bool) -> None:
        update.cancel_looks = (update.cancel_looks or 0) + read
        if update.state != "STOPPING":
            self._enter(update, "STOPPING", self.clock())
        if update.cancel_looks > 1:
            self._enter(update, "CANCELED", self.clock())

    def _enter(self, update: Update, state: str, at_s: float) -> None:
        update.history.append(state)
        told = telling.entered(update)
        self.write(update, told, at_s)
        if not update.is_over:
            return
        pipeline, failed = update.pipeline, state == "FAILED"
        pipeline.rest = "FAILED" if failed else "IDLE"
        pipeline.healthy = not failed
        pipeline.cause = told[-1]["message"] if failed else None
        if update.will_be_retried:
            pipeline.recovery = Recovery(update, at_s)

    def _recover(self, pipeline: Pipeline, read: bool) -> bool:
        """Begin the retry of a failed update when its time has come; tells whether it has."""
        recovery = pipeline.recovery
        assert recovery is not None
        at_s = self.clock()
        if recovery.after_s is None:
            recovery.reads += read
            due = recovery.reads > recovery.after_polls
        else:
            planned_s = recovery.since_s + recovery.after_s / self.speed
            due, at_s = planned_s <= at_s, min(planned_s, at_s)
        if due:
            self._retry(recovery.failed, at_s)
        return due

    def _retry(self, failed: Update, at_s: float) -> None:
        left_out = {"cause"} if self.retries_keep_parameters else {"cause", "parameters"}
        body = {name: value for name, value in failed.body.items() if name not in left_out}
        self.begin(failed.pipeline, body, "RETRY_ON_FAILURE", at_s, failed)

    # --- writing ---------------------------------------------------------------------------------

    def write(self, update: Update, events: Iterable[Json], at_s: float) -> None:
        """Put events of an update into the log of its pipeline."""
        origin = {
            **self.origin(update.pipeline),
            "cluster_id": update.pipeline.cluster_id,
            "update_id": update.update_id,
            "request_id": update.update_id,
        }
        timestamp = to_text(at_s, self.fraction_digits)
        for event in events:
            update.pipeline.log.add(event, timestamp, origin)

    def origin(self, pipeline: Pipeline) -> Json:
        """Where all events of a pipeline come from."""
        return {
            "cloud": "AWS",
            "region": "us-west-2",
            "org_id": 1,
            "host": urlsplit(self.base_url()).netloc,
            "pipeline_id": pipeline.pipeline_id,
            "pipeline_type": "WORKSPACE",
            "pipeline_name": pipeline.name,
        }


def _rules(update: Update, before: Update | None) -> dict[str, Any]:
    """What its plan says about retries; where it says nothing, what was said before counts."""
    own = {name: update.plan.details[name] for name in _RETRYING if name in update.plan.details}
    return {**(before.retrying if before else {}), **own}
