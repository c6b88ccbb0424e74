"""What the dbt Cloud of the stand-in remembers: accounts, projects, environments, jobs and runs."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from operator import attrgetter
from typing import Any, Protocol

from airflow_provider_pipehooks.standin.dbt_cloud.defined import Environment, Job, Project, as_plan, runs_dbt
from airflow_provider_pipehooks.standin.dbt_cloud.retrying import commands_of, not_supported_reason
from airflow_provider_pipehooks.standin.dbt_cloud.run import RUNNING, Run, path_of
from airflow_provider_pipehooks.standin.past import PastRun
from airflow_provider_pipehooks.standin.plan import Plan

_made_at = attrgetter("created_at")

DEFAULT_ACCOUNT = 1
FIRST_JOB = 101
# Accounts on cells have 14-digit ids, too large for 32 bits; smaller ones would hide that.
FIRST_RUN = 70403110257001


class Runner(Protocol):
    """Something that really executes the commands of a run."""

    def submit(self, run: Run) -> None:
        """Begin the run in the background."""

    def cancel(self, run_id: int) -> None:
        """End the processes of a run."""

    def cancel_all(self) -> None:
        """End all processes."""


class World:
    """The state of the service. Hold ``lock`` to look at several things at one moment.

    :param clock: seconds since the epoch.
    :param speed: how much faster than the clock the runs move.
    :param base_url: where the stand-in listens, for the links in the answers.
    """

    def __init__(self, clock: Callable[[], float], speed: float, base_url: Callable[[], str]) -> None:
        self.clock = clock
        self.speed = speed
        self.base_url = base_url
        self.lock = threading.RLock()
        self.runner: Runner | None = None
        self.reset()

    def reset(self) -> None:
        """Forget everything and make the default world: one account, project, environment, two jobs."""
        with self.lock:
            if self.runner is not None:
                self.runner.cancel_all()
            self.tokens: set[str] | None = None
            self.accounts: dict[int, str] = {DEFAULT_ACCOUNT: "Stand-in"}
            self.projects: dict[int, Project] = {}
            self.environments: dict[int, Environment] = {}
            self.jobs: dict[int, Job] = {}
            #: As they were when last looked at; `runs` moves them first.
            self.known_runs: dict[int, Run] = {}
            self._active: dict[int, Run] = {}
            self._by_time: list[Run] = []
            self.add_job("nightly build", id=FIRST_JOB)
            self.add_job("hourly build", id=FIRST_JOB + 1)

    @property
    def runs(self) -> dict[int, Run]:
        """All runs by id, moved to where they are now; looking here is not a poll."""
        with self.lock:
            self.settle()
            return self.known_runs

    def add_account(self, account_id: int, name: str = "Another account") -> None:
        """Let the token see one more account."""
        with self.lock:
            self.accounts[account_id] = name

    def add_job(
        self,
        name: str,
        *,
        id: int | None = None,
        account_id: int = DEFAULT_ACCOUNT,
        project: str = "Analytics",
        environment: str = "Production",
        execute_steps: Sequence[str] = ("dbt build",),
        plan: Plan | Mapping[str, Any] | None = None,
        plans: Sequence[Plan | Mapping[str, Any]] = (),
        timeout_seconds: int = 0,
        one_at_a_time: bool = True,
        dbt_version: str = "versionless",
    ) -> int:
        """Define a job; project and environment are made when they are new.

        :param plans: used by successive runs, the last one repeats; wins over ``plan``.
        :param one_at_a_time: False lets runs of this job overlap, which dbt Cloud does not: for many waits.
        :return: the id of the job.
        :raises ValueError: an outcome that does not exist, or an id that is taken.
        """
        chosen = tuple(as_plan(each) for each in plans) or (as_plan(plan),)
        for each in chosen:
            path_of(each)
        with self.lock:
            job_id = id if id is not None else max(self.jobs, default=FIRST_JOB - 1) + 1
            if job_id in self.jobs:
                raise ValueError(f"dbt_cloud job {job_id} exists already. Choose another id.")
            project_id = self._project(account_id, project)
            self.jobs[job_id] = Job(
                id=job_id,
                account_id=account_id,
                project_id=project_id,
                environment_id=self._environment(account_id, project_id, environment),
                name=name,
                execute_steps=tuple(execute_steps),
                plans=chosen,
                timeout_seconds=timeout_seconds,
                one_at_a_time=one_at_a_time,
                dbt_version=dbt_version,
                created_at=self.clock(),
            )
            return job_id

    def _project(self, account_id: int, name: str) -> int:
        for project in self.projects.values():
            if (project.account_id, project.name) == (account_id, name):
                return project.id
        project = Project(11 + len(self.projects), account_id, name)
        self.projects[project.id] = project
        return project.id

    def _environment(self, account_id: int, project_id: int, name: str) -> int:
        for environment in self.environments.values():
            if (environment.project_id, environment.name) == (project_id, name):
                return environment.id
        environment = Environment(51 + len(self.environments), account_id, project_id, name)
        self.environments[environment.id] = environment
        return environment.id

    def start(
        self,
        job_id: int,
        cause: str = "ui",
        cause_category: str = "ui",
        *,
        retrying: Run | None = None,
        **trigger: Any,
    ) -> int:
        """Start a run of a job, as if a person pressed the button.

        :param retrying: the failed run that this one takes up again.
        :param trigger: the other fields of a start: ``steps_override``, ``git_branch`` and so on.
        :return: the id of the run; it is queued until it is looked at.
        """
        with self.lock:
            job, now = self.jobs[job_id], self.clock()
            override = trigger.get("steps_override")
            run = Run(
                id=max(FIRST_RUN, next(reversed(self.known_runs), 0) + 1),
                account_id=job.account_id,
                project_id=job.project_id,
                environment_id=job.environment_id,
                job_id=job_id,
                plan=job.next_plan(),
                trigger={**trigger, "cause": cause, "cause_category": cause_category},
                commands=commands_of(job, override, retrying),
                created_at=now,
                updated_at=now,
                dbt_version=trigger.get("dbt_version_override") or job.dbt_version,
                timeout_seconds=trigger.get("timeout_seconds_override") or job.timeout_seconds,
                retrying_run_id=None if retrying is None else retrying.id,
            )
            run.is_real = (
                self.runner is not None and not run.plan.details.get("simulate") and runs_dbt(run.commands)
            )
            self.known_runs[run.id] = self._active[run.id] = run
            job.run_ids.append(run.id)
            self._enqueue(job, run)
            return run.id

    def add_past_runs(self, runs: Iterable[PastRun]) -> list[int]:
        """Runs as they were, those of one job side by side if need be.

        :return: their ids, the oldest run first.
        :raises ValueError: no such outcome.
        """
        with self.lock:
            return [self._past_run(past).id for past in sorted(runs, key=lambda past: past.made_at)]

    def _past_run(self, past: PastRun) -> Run:
        job = self.jobs[past.job_id]
        # Without steps, which would be made up for each one that is listed.
        details = {"steps": ()}
        plan = Plan(outcome=past.outcome, message=past.message, hold=past.run_s is None, details=details)
        path_of(plan)
        run = Run(
            id=max(FIRST_RUN, next(reversed(self.known_runs), 0) + 1),
            account_id=job.account_id,
            project_id=job.project_id,
            environment_id=job.environment_id,
            job_id=job.id,
            plan=plan,
            trigger={"cause": past.started_by, "cause_category": past.started_by},
            commands=job.execute_steps,
            created_at=past.made_at,
            dbt_version=job.dbt_version,
            timeout_seconds=job.timeout_seconds,
        )
        run.dequeue(past.made_at)
        run.enter(RUNNING, past.started_at)
        if past.ended_at is not None:
            run.enter(path_of(plan)[-1], past.ended_at)
        else:
            self._active[run.id] = run
        self.known_runs[run.id] = run
        job.run_ids.append(run.id)
        return run

    def made_between(self, begin: float, end: float) -> list[Run]:
        """Runs by when they were made, both ends included; looking here is not a poll."""
        with self.lock:
            if len(self._by_time) != len(self.known_runs):
                self._by_time = sorted(self.known_runs.values(), key=_made_at)
            first = bisect_left(self._by_time, begin, key=_made_at)
            return self._by_time[first : bisect_right(self._by_time, end, key=_made_at)]

    def _enqueue(self, job: Job, run: Run) -> None:
        if not job.one_at_a_time:
            self._begin(run, run.created_at)
            return
        self._advance_queue(job, looking=False)
        job.queue[run.id] = None
        if len(job.queue) == 1:
            self._begin(run, run.created_at)

    def set_plan(self, run_id: int, plan: Plan | Mapping[str, Any]) -> None:
        """Let a run that has not ended follow another plan from now on."""
        with self.lock:
            self.known_runs[run_id].replan(as_plan(plan), self.clock())

    def request_cancel(self, run_id: int, by: str = "airflow") -> None:
        """Ask a run to end; it is cancelled at the next look. An ended run stays as it is."""
        with self.lock:
            run = self.known_runs[run_id]
            if run.is_terminal:
                return
            run.cancel_requested_by = by
            if self.runner is not None and run.is_real:
                self.runner.cancel(run_id)

    def cancel(self, run_id: int, by: str = "Ada Lovelace") -> None:
        """Cancel a run at once, as a person would in the web page."""
        with self.lock:
            self.request_cancel(run_id, by)
            self.settle([self.known_runs[run_id]])

    def settle(self, runs: Iterable[Run] | None = None, *, polled: bool = False) -> None:
        """Move runs to where they are now.

        :param runs: only these; all that have not ended by default.
        :param polled: count this as one poll of each run that has left the queue.
        """
        for run in list(self._active.values() if runs is None else runs):
            if run.is_terminal:
                continue
            self._advance_queue(self.jobs[run.job_id], looking=True)
            if polled and run.dequeued_at is not None:
                run.polls += 1
            self._advance(run)

    def begin(self, run: Run) -> bool:
        """A runner executes this run now; False when it has ended or is forgotten."""
        with self.lock:
            if run.is_terminal or self.known_runs.get(run.id) is not run:
                return False
            run.enter(RUNNING, self.clock())
            return True

    def finish(self, run: Run, status: int, message: str | None = None) -> None:
        """End a run that a runner executed."""
        with self.lock:
            if run.is_terminal or self.known_runs.get(run.id) is not run:
                return
            run.enter(status, self.clock(), message)
            self._ended(run)

    def _advance(self, run: Run) -> None:
        if not run.is_terminal:
            run.advance(self.clock(), self.speed)
            if run.is_terminal:
                self._ended(run)
                # Its timeout may have ended it while dbt is still at work.
                if self.runner is not None and run.is_real:
                    self.runner.cancel(run.id)

    def _advance_queue(self, job: Job, *, looking: bool) -> None:
        """Let the run at the head of a job's queue begin, once those before it have ended.

        :param looking: someone reads; a run whose plan is to end at its first read may end.
        """
        while job.queue:
            head = self.known_runs[next(iter(job.queue))]
            self._begin(head, max(head.created_at, job.free_at))
            if not looking and head.plan.ends_when_read:
                return
            head.advance(self.clock(), self.speed)
            if not head.is_terminal:
                return
            self._leave(job, head)

    def _begin(self, run: Run, at: float) -> None:
        if run.dequeued_at is None:
            run.dequeue(at)
            if self.runner is not None and run.is_real:
                self.runner.submit(run)

    def _ended(self, run: Run) -> None:
        job = self.jobs[run.job_id]
        self._leave(job, run)
        self._advance_queue(job, looking=False)

    def _leave(self, job: Job, run: Run) -> None:
        self._active.pop(run.id, None)
        job.queue.pop(run.id, None)
        # The queue is looked at late: a run begins when the one before it ended, not when someone looked.
        if run.dequeued_at is not None:
            job.free_at = max(job.free_at, run.finished_at or 0.0)

    def blocked_by(self, run: Run) -> list[int]:
        """The runs of the same job that must end before this one begins."""
        if run.is_terminal or run.dequeued_at is not None:
            return []
        return list(takewhile(lambda run_id: run_id != run.id, self.jobs[run.job_id].queue))

    def retry_not_supported_reason(self, run: Run) -> str | None:
        """Why a run cannot be taken up from its failure; None when it can."""
        return not_supported_reason(run, self.jobs[run.job_id])
