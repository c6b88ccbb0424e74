"""What the stand-in's Databricks workspace remembers, and what tests and routes ask of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from airflow_provider_pipehooks.standin.databricks_jobs.errors import invalid, no_such_run, wrong_state
from airflow_provider_pipehooks.standin.databricks_jobs.logins import Logins
from airflow_provider_pipehooks.standin.databricks_jobs.model import (
    Behaviour,
    Job,
    Json,
    Plans,
    Round,
    Run,
    TaskRun,
)
from airflow_provider_pipehooks.standin.databricks_jobs.runs import Runs
from airflow_provider_pipehooks.standin.databricks_jobs.states import outcome
from airflow_provider_pipehooks.standin.databricks_jobs.tasks import read_tasks, to_rerun
from airflow_provider_pipehooks.standin.past import PastRun
from airflow_provider_pipehooks.standin.plan import Plan


class World(Runs, Logins):
    """One workspace: its jobs, runs, task runs, repairs and tokens.

    :param clock: epoch seconds; tests move it by hand.
    :param speed: how much faster than the clock plans with seconds run.
    :param base_url: gives the scheme, host and port that links in answers begin with.
    """

    def __init__(
        self, clock: Callable[[], float], speed: float = 1.0, base_url: Callable[[], str] = lambda: ""
    ) -> None:
        #: Keep finer times than are shown: lists leave out what began in the last millisecond of a window.
        self.finer_times = False
        # Tests read from another thread than the one that serves.
        self.lock = threading.RLock()
        self.base_url = base_url
        Runs.__init__(self, clock, speed)
        Logins.__init__(self, clock)

    def reset(self) -> None:
        """Forget everything, as after a fresh start."""
        with self.lock:
            self.forget_runs()
            self.forget_logins()
            self.finer_times = False

    def add_job(
        self,
        name: str = "Untitled",
        *,
        id: int | None = None,
        tasks: Sequence[str | Mapping[str, Any]] = ("main",),
        plan: Plan | None = None,
        plans: Iterable[Plan] = (),
        max_concurrent_runs: int = 1,
        queue: bool = True,
        settings: Mapping[str, Any] | None = None,
    ) -> int:
        """Define a job.

        :param tasks: keys, or dicts as the API takes them, in which ``plan``, ``plans`` (by attempt),
            ``outcome``, ``error``, ``error_trace`` and ``output`` say how the task behaves.
        :param plans: used by successive runs and repairs; the last one repeats.
        :param queue: whether runs over the limit wait; otherwise they are skipped.
        :param settings: more of the job's settings, as the API has them.
        :return: the job id.
        """
        specs, behaviours = read_tasks(tasks)
        all_settings = {
            "name": name,
            "max_concurrent_runs": max_concurrent_runs,
            "queue": {"enabled": queue},
            "format": "MULTI_TASK",
            "timeout_seconds": 0,
            "tasks": specs,
            **(settings or {}),
        }
        rounds = Plans(tuple(plans) or (plan or Plan(),))
        with self.lock:
            return self.define_job(all_settings, behaviours, rounds, id)

    def expect_job(
        self,
        name: str,
        *,
        tasks: Sequence[str | Mapping[str, Any]] = (),
        plan: Plan | None = None,
        plans: Iterable[Plan] = (),
    ) -> None:
        """Say how a job goes that a client is going to create under a name.

        :param tasks: those that do not simply succeed, as for :meth:`add_job`; how they depend on each other
            is the client's to say.
        """
        _, behaviours = read_tasks(tasks)
        with self.lock:
            self.expected[name] = (behaviours, tuple(plans) or (plan or Plan(),))

    def start(self, job_id: int) -> int:
        """Start a run as a client would, and return its id."""
        with self.lock:
            return self.run_now({"job_id": job_id}).run_id

    def add_past_runs(self, runs: Iterable[PastRun]) -> list[int]:
        """Runs as they were, whatever the limits of their jobs; they have to be older than later ones.

        :return: their ids, the oldest run first.
        :raises ApiError: no such job.
        :raises ValueError: no such outcome, or there is a newer run already: lists go by ids.
        """
        with self.lock:
            ordered = sorted(runs, key=lambda past: past.made_at)
            newest_ms = max((self.runs[id_].started_ms for id_ in islice(self.run_ids.older(), 1)), default=0)
            if ordered and ordered[0].made_at * 1000 < newest_ms:
                raise ValueError(
                    "databricks_jobs: there is a newer run already. Add past runs before others."
                )
            return [self.past_run(past).run_id for past in ordered]

    def set_plan(self, run_id: int, plan: Plan) -> None:
        """Let a run go on by another plan; its polls and seconds count from now.

        :raises KeyError: no such run.
        :raises ValueError: the run is over, or the plan's outcome is unknown.
        """
        outcome(plan.outcome)
        with self.lock:
            run = self.runs[run_id]
            if run.is_over:
                raise ValueError(f"databricks_jobs run {run_id}: is over, so a new plan cannot change it.")
            run.round.plan, run.round.polls, run.round.begun_s = plan, 0, self.clock()

    def cancel(self, run_id: int) -> None:
        """Ask a run or a task run to stop; it is TERMINATING at the next read and over at the one after.

        A run that is over stays as it is, and the call succeeds all the same.
        """
        with self.lock:
            run, task = self.find(run_id)
            if run.round.plan.seconds:
                self.look(run)
            if run.is_over:
                return
            if task is not None and len(run.round.tasks) > 1:
                task.cancelled = True
            elif run.round.cancel_looks is None:
                run.round.cancel_looks = 0

    def find(self, run_id: int) -> tuple[Run, TaskRun | None]:
        """Find a run by its own id or by that of one of its task runs.

        :return: the run, and the task run if the id is one's.
        :raises ApiError: there is none.
        """
        if run_id in self.runs:
            return self.runs[run_id], None
        if run_id in self.task_runs:
            return self.task_runs[run_id]
        raise no_such_run(run_id)

    def define_job(
        self, settings: Json, behaviours: dict[str, Behaviour], plans: Plans, id: int | None
    ) -> int:
        """Store a job under a new id, or under ``id``."""
        job_id = next(self._next_job) if id is None else id
        self.jobs[job_id] = Job(job_id, settings, self.now_ms(), plans, behaviours)
        self.job_ids.add(job_id)
        return job_id

    def delete_job(self, job_id: int) -> None:
        """Delete a job; its runs stay.

        :raises ApiError: there is none.
        """
        self.job(job_id)
        del self.jobs[job_id]
        self.job_ids.discard(job_id)

    def repair(self, run_id: int, body: Json) -> Round:
        """Run some tasks of a run again, by the job's present settings.

        :param body: checked already, but for what depends on the run.
        :raises ApiError: no such run, it is in progress, or ``latest_repair_id`` is missing or wrong.
        """
        if run_id not in self.runs:
            raise no_such_run(run_id)
        run = self.runs[run_id]
        if not self.look(run).is_over:
            raise wrong_state(f"Run {run_id} cannot be repaired because it is still in progress.")
        _check_latest_repair(run, body.get("latest_repair_id"))
        keys = to_rerun(run, body)
        if run.job is not None:
            run.settings = run.job.settings
            run.job.running[run_id] = None
        self.active_ids.add(run_id)
        return self.open_round(run, run.plans.take(), keys, repair_id=next(self._next_run))

    def delete_run(self, run_id: int) -> None:
        """Delete a run that is over; its idempotency token stays taken.

        :raises ApiError: no such run, or it is active.
        """
        run, _ = self.find(run_id)
        if not self.look(run).is_over:
            raise wrong_state(f"Run {run.run_id} cannot be deleted because it is active.")
        del self.runs[run.run_id]
        self.run_ids.discard(run.run_id)
        if run.job is not None:
            run.job.run_ids.discard(run.run_id)
        for task in run.tasks:
            self.task_runs.pop(task.run_id, None)


def _check_latest_repair(run: Run, given: Any) -> None:
    latest = run.round.repair_id
    if latest is None and given:
        raise invalid(f"latest_repair_id {given} was given, but run {run.run_id} has not been repaired yet.")
    if latest is not None and str(given) != str(latest):
        raise invalid(f"latest_repair_id must be {latest}, the id of the latest repair, but is {given}.")
