"""What the fault lane knows of pipelines: our updates as runs, somebody else's, and the events told."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_pipehooks.standin import Plan, StandIn

ENDS = {"COMPLETED": "success", "FAILED": "error", "CANCELED": "cancelled"}
THEIRS = "USER_ACTION"
LOOK_S = 0.02


@dataclass(frozen=True)
class UpdateRun:
    """An update of ours as the lane sees runs."""

    job_id: str
    end: str | None


class PipelineRuns:
    """The stand-in's pipelines, in the words of its other worlds.

    As soon as an update of ours is over, somebody else starts one: what still wants to stop ours must not
    stop theirs.

    :param told: the folder in which hooks write down what they were told.
    """

    def __init__(self, standin: StandIn, told: Path) -> None:
        self.world = standin.databricks_pipelines
        self.told = told

    def add_job(self, name: str, plans: Sequence[Plan]) -> str:
        worded = [_in_its_words(plan) for plan in plans]
        return self.world.add_pipeline(name, plans=[*worded[:1], Plan(seconds=3)])

    @property
    def runs(self) -> dict[str, UpdateRun]:
        """Ours only, by number and id, so that they sort as they were started."""
        with self.world.lock:
            updates = list(self.world.updates.values())
        return {
            update.update_id: UpdateRun(update.pipeline.pipeline_id, ENDS.get(update.state))
            for update in updates
            if update.cause != THEIRS
        }

    def set_plan(self, update_id: str, plan: Plan) -> None:
        self.world.set_plan(update_id, _in_its_words(plan))

    @contextlib.contextmanager
    def somebody_else(self) -> Iterator[None]:
        """For the time of the block, somebody starts an update wherever one of ours has just ended."""
        over = threading.Event()
        thread = threading.Thread(target=self._start_theirs, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _start_theirs(self, over: threading.Event) -> None:
        while not over.wait(LOOK_S):
            with self.world.lock:
                for pipeline in self.world.pipelines.values():
                    causes = [update.cause for update in pipeline.updates]
                    if causes and THEIRS not in causes and pipeline.active is None:
                        self.world.start(pipeline.pipeline_id, cause=THEIRS)

    def wrongs(self, jobs: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """What is wrong about somebody else's updates, and about events."""
        with self.world.lock:
            theirs = [update for update in self.world.updates.values() if update.cause == THEIRS]
            stopped = [update.update_id for update in theirs if update.state == "CANCELED"]
        found = [f"update {update_id} of somebody else was stopped" for update_id in stopped]
        for run_id, conf in jobs.items():
            for task, pipeline_id in conf.items():
                found += [f"{run_id} {task}: {each}" for each in self._events(run_id, task, pipeline_id)]
        return found

    def _events(self, run_id: str, task: str, pipeline_id: str) -> Iterator[str]:
        with self.world.lock:
            pipeline = self.world.pipelines[pipeline_id]
            ended = [u.update_id for u in pipeline.updates if u.cause != THEIRS and u.state in ENDS]
            # A task that a person has ended tells no more events of its update.
            listened = [u for u in ended if self.world.updates[u].state != "CANCELED"]
            log = pipeline.log.events
        wanted = {
            event["id"]
            for event in log
            if event["maturity_level"] == "STABLE" and event["origin"].get("update_id") in listened
        }
        file = self.told / f"{run_id}.{task}"
        told = Counter(line.split()[1] for line in file.read_text().splitlines()) if file.exists() else {}
        if missing := wanted - told.keys():
            yield f"{len(missing)} events were not told"
        again = sum(times - 1 for times in told.values() if times > 1)
        if again > 1:
            yield f"{again} events were told again, with one in hand"
        foreign = {line.split()[0] for line in file.read_text().splitlines()} if file.exists() else set()
        if foreign - {u.update_id for u in pipeline.updates if u.cause != THEIRS}:
            yield "events of somebody else's update were told"


def _in_its_words(plan: Plan) -> Plan:
    outcome = {"error": "failed"}.get(plan.outcome, plan.outcome)
    return Plan(outcome=outcome, seconds=plan.seconds, polls=plan.polls, hold=plan.hold)
