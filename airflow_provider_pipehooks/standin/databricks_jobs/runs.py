"""How runs start, move, wait for a slot and end; `world` adds what tests and routes call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

from airflow_provider_pipehooks.standin.databricks_jobs import progress
from airflow_provider_pipehooks.standin.databricks_jobs.errors import no_such_job, wrong_state
from airflow_provider_pipehooks.standin.databricks_jobs.model import (
    Behaviour,
    Ids,
    Job,
    Json,
    Plans,
    Round,
    Run,
    TaskRun,
)
from airflow_provider_pipehooks.standin.databricks_jobs.progress import Look
from airflow_provider_pipehooks.standin.databricks_jobs.states import OUTCOMES, TERMINAL, Outcome
from airflow_provider_pipehooks.standin.databricks_jobs.tasks import expand_only
from airflow_provider_pipehooks.standin.past import PastRun
from airflow_provider_pipehooks.standin.plan import Plan

# Real ids have fifteen digits; a client that keeps them in 32 bits should notice here.
FIRST_RUN_ID = 700_000_000_000_001
FIRST_JOB_ID = 100_000_000_000_001


class Runs:
    """The runs of a workspace; callers hold the lock of the world.

    :param clock: epoch seconds.
    :param speed: how much faster than the clock plans with seconds run.
    """

    def __init__(self, clock: Callable[[], float], speed: float) -> None:
        self.clock = clock
        self.speed = speed
        self.forget_runs()

    def forget_runs(self) -> None:
        """Start over with no jobs and no runs."""
        self.jobs: dict[int, Job] = {}
        self.job_ids = Ids()
        self.runs: dict[int, Run] = {}
        self.run_ids = Ids()
        self.active_ids = Ids()
        self.task_runs: dict[int, tuple[Run, TaskRun]] = {}
        self.runs_by_token: dict[str, int] = {}
        self.submit_plan = Plan()
        self.submit_plans: list[Plan] = []
        #: By name: how the tasks and rounds of a job go that a client is going to create.
        self.expected: dict[str, tuple[dict[str, Behaviour], tuple[Plan, ...]]] = {}
        self._submitted = 0
        self._next_job = count(FIRST_JOB_ID)
        self._next_run = count(FIRST_RUN_ID)

    def now_ms(self) -> int:
        """Epoch milliseconds."""
        return int(self.clock() * 1000)

    def job(self, job_id: int) -> Job:
        """Find a job.

        :raises ApiError: there is none.
        """
        if job_id not in self.jobs:
            raise no_such_job(job_id)
        return self.jobs[job_id]

    def known_run(self, token: str | None) -> Run | None:
        """The run a token was used for before.

        :raises ApiError: that run was deleted.
        """
        run_id = self.runs_by_token.get(token) if token else None
        if run_id is None:
            return None
        if run_id not in self.runs:
            raise wrong_state(f"Run {run_id} was started with this idempotency token and has been deleted.")
        return self.runs[run_id]

    def run_now(self, body: Json) -> Run:
        """Start a run of a job from a body that was checked, or return the one its token stands for."""
        job_id, token = int(body["job_id"]), body.get("idempotency_token") or None
        if (known := self.known_run(token)) is not None:
            return known
        job = self.job(job_id)
        keys = expand_only(body.get("only"), job.settings.get("tasks") or [])
        if len(job.running) >= job.max_concurrent_runs:
            self.free_slots(job)
        run = self._new_run(job_id, "JOB_RUN", job.settings["name"], body, job.settings, job.plans, job)
        self.open_round(run, run.plans.take(), keys)
        job.run_ids.add(run.run_id)
        self._admit(run, job)
        return run

    def past_run(self, past: PastRun) -> Run:
        """Make a run as it was.

        :raises ApiError: no such job.
        :raises ValueError: no such outcome.
        """
        job = self.job(past.job_id)
        plan = Plan(outcome=past.outcome, message=past.message, hold=past.ended_at is None)
        run = self._new_run(
            past.job_id, "JOB_RUN", job.settings["name"], {}, job.settings, Plans((plan,)), job
        )
        round_ = self.open_round(run, plan, [spec["task_key"] for spec in job.settings.get("tasks") or []])
        run.started_ms = round_.started_ms = int(past.made_at * 1000)
        round_.begun_s, run.queue_ms = past.started_at, int(past.queued_s * 1000)
        job.run_ids.add(run.run_id)
        if past.ended_at is not None:
            progress.finish(run, None, int(past.ended_at * 1000))
            self.active_ids.discard(run.run_id)
        return run

    def submit(self, body: Json, specs: list[Json]) -> Run:
        """Start a one-time run from a body that was checked, or return the one its token stands for."""
        token = body.get("idempotency_token") or None
        if (known := self.known_run(token)) is not None:
            return known
        plans = Plans(tuple(self.submit_plans) or (self.submit_plan,), used=self._submitted)
        self._submitted += 1
        settings = {**body, "tasks": specs}
        name = body.get("run_name") or "Untitled"
        run = self._new_run(next(self._next_job), "SUBMIT_RUN", name, body, settings, plans, None)
        self.open_round(run, plans.take(), {spec["task_key"] for spec in specs})
        return run

    def _new_run(
        self,
        job_id: int,
        run_type: str,
        name: str,
        body: Json,
        settings: Json,
        plans: Plans,
        job: Job | None,
    ) -> Run:
        run = Run(next(self._next_run), job_id, name, run_type, body, settings, plans, self.now_ms(), job=job)
        run.idempotency_token = body.get("idempotency_token") or None
        self.runs[run.run_id] = run
        self.run_ids.add(run.run_id)
        self.active_ids.add(run.run_id)
        if run.idempotency_token:
            self.runs_by_token[run.idempotency_token] = run.run_id
        return run

    def open_round(self, run: Run, plan: Plan, keys: Iterable[str], repair_id: int | None = None) -> Round:
        behaviours = run.job.behaviours if run.job else {}
        latest, wanted = run.latest_tasks, set(keys)
        tasks = []
        for spec in run.settings.get("tasks") or []:
            if (key := spec["task_key"]) not in wanted:
                continue
            number = latest[key].attempt_number + 1 if key in latest else 0
            task = TaskRun(next(self._next_run), key, spec, behaviours.get(key, Behaviour()), number)
            self.task_runs[task.run_id] = (run, task)
            tasks.append(task)
        round_ = Round(plan, tasks, self.now_ms(), repair_id, begun_s=self.clock())
        run.rounds.append(round_)
        return round_

    def _admit(self, run: Run, job: Job) -> None:
        """Give the run a slot of its job, or let it wait, or skip it."""
        if len(job.running) < job.max_concurrent_runs:
            job.running[run.run_id] = None
            return
        wants = run.body.get("queue")
        if bool(wants.get("enabled")) if isinstance(wants, dict) else job.queue_enabled:
            run.queued = True
            job.waiting.append(run.run_id)
        else:
            self._end(run, OUTCOMES["max_concurrent"], self.now_ms())

    # --- moving ----------------------------------------------------------------------------------

    def look(self, run: Run, *, read: bool = False) -> Look:
        """What is seen of a run now.

        :param read: a client reads it, which moves plans with polls on.
        """
        round_ = run.round
        if not run.is_over:
            if run.queued and run.job is not None:
                self.free_slots(run.job)
            if read and not run.queued:
                round_.polls += 1
            if run.cancelled:
                return self._look_cancelled(run, read)
            if run.queued:
                return Look("QUEUED")
            word = self._move(run)
            if word is not None:
                return Look(word)
        assert round_.outcome is not None
        return Look(round_.last_word, round_.outcome, self._message(run))

    def elapsed_s(self, run: Run) -> float:
        """Seconds of the plan since the round began to run."""
        return (self.clock() - run.round.begun_s) * self.speed

    def _move(self, run: Run) -> str | None:
        """The word of a run that goes on; None when it has just ended."""
        # The official provider sends it as a text; "0" is no limit, too.
        limit_s = int(run.settings.get("timeout_seconds") or 0)
        if limit_s and self.elapsed_s(run) >= float(limit_s) and not run.round.plan.states:
            self._end(run, OUTCOMES["timedout"], self.now_ms())
            return None
        word = progress.round_word(run.round, self.elapsed_s(run))
        if word not in TERMINAL:
            progress.settle_early(run, self.elapsed_s(run), self.now_ms())
            return word
        self._end(run, None, progress.end_ms(run.round, self.now_ms(), self.speed))
        return None

    def _look_cancelled(self, run: Run, read: bool) -> Look:
        round_, cancelled = run.round, OUTCOMES["cancelled"]
        round_.cancel_looks = (round_.cancel_looks or 0) + read
        if round_.cancel_looks > 1:
            self._end(run, cancelled, self.now_ms())
            return Look(cancelled.life_cycle_state, cancelled, cancelled.message)
        return Look("TERMINATING", cancelled, cancelled.message)

    def _message(self, run: Run) -> str:
        round_ = run.round
        assert round_.outcome is not None
        if round_.plan.message is not None and not run.cancelled:
            return round_.plan.message
        failed = [task for task in round_.tasks if task.outcome and task.outcome.result_state == "FAILED"]
        if round_.outcome.result_state == "FAILED" and failed:
            return f"Task {failed[0].task_key} failed with message: {round_.outcome.message}."
        return round_.outcome.message

    def _end(self, run: Run, forced: Outcome | None, at_ms: int) -> None:
        progress.finish(run, forced, at_ms)
        self.active_ids.discard(run.run_id)
        if run.job is not None:
            run.job.running.pop(run.run_id, None)
            if run.queued:
                run.queued = False
                run.job.waiting.remove(run.run_id)
            self._start_waiting(run.job)

    def free_slots(self, job: Job) -> None:
        """Let runs that are over by now give up their slots, and start those that wait for one."""
        for run_id in list(job.running):
            run = self.runs[run_id]
            # A cancelled run comes to its end by itself, even when nobody reads it any more.
            self.look(run, read=run.cancelled)
        self._start_waiting(job)

    def _start_waiting(self, job: Job) -> None:
        while job.waiting and len(job.running) < job.max_concurrent_runs:
            run = self.runs[job.waiting.popleft()]
            run.queued = False
            run.queue_ms = self.now_ms() - run.round.started_ms
            run.round.begun_s = self.clock()
            job.running[run.run_id] = None
