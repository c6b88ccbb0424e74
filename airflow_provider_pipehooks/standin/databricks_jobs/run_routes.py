"""Endpoints under ``/api/2.x/jobs`` that are about runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_pipehooks.standin.databricks_jobs import answers, checks, paging
from airflow_provider_pipehooks.standin.databricks_jobs.errors import invalid, no_such_run
from airflow_provider_pipehooks.standin.databricks_jobs.model import Ids, Json, Run
from airflow_provider_pipehooks.standin.databricks_jobs.progress import Look
from airflow_provider_pipehooks.standin.databricks_jobs.tasks import submitted_specs
from airflow_provider_pipehooks.standin.databricks_jobs.world import World

Params = Mapping[str, Any]

# The text says "less than 25", yet clients ask for 25 and get it.
MAX_LIST_LIMIT = 25
RUN_TYPES = ("JOB_RUN", "WORKFLOW_RUN", "SUBMIT_RUN")
_MANY_TASKS = (
    "Retrieving the output of runs with multiple tasks is not supported. "
    "Please retrieve the output of each individual task run instead."
)


def run_now(world: World, params: Params, version: str) -> Json:
    """``POST run-now``."""
    body = {**params, "job_id": checks.required(params, "job_id")}
    checks.check_token(body)
    if world.known_run(body.get("idempotency_token") or None) is None:
        world.job(body["job_id"])
        checks.check_slots(body)
    run = world.run_now(body)
    return {"run_id": run.run_id, "number_in_job": run.run_id}


def submit(world: World, params: Params, version: str) -> Json:
    """``POST runs/submit``."""
    body = dict(params)
    checks.check_token(body)
    checks.check_shapes(body)
    return {"run_id": world.submit(body, submitted_specs(body)).run_id}


def get_run(world: World, params: Params, version: str) -> Json:
    """``GET runs/get``, of a run or of a task run; pages after the first do not count as reads."""
    run, task = world.find(checks.required(params, "run_id"))
    token = params.get("page_token") or None
    look = world.look(run, read=token is None)
    if task is not None:
        return answers.task_run_json(world, run, task, look)
    answer = answers.run_json(world, run, look, history=checks.flag(params, "include_history"))
    if version == "2.1":
        return answer
    token = paging.nested_page(answer, answers.RUN_ARRAYS, token)
    return {**answer, "next_page_token": token} if token else answer


def list_runs(world: World, params: Params, version: str) -> Json:
    """``GET runs/list``; each run on the page counts as read."""
    chosen = _ListFilter(params)
    limit = checks.page_size(params, largest=MAX_LIST_LIMIT, zero_is_largest=True)
    looks: dict[int, Look] = {}

    def decide(run_id: int, *, read: bool) -> bool:
        run = world.runs[run_id]
        if not chosen.fits(world, run):
            return False
        looks[run_id] = world.look(run, read=read)
        return chosen.fits_look(looks[run_id])

    page = paging.walk(
        chosen.ids(world),
        "runs",
        params.get("page_token"),
        limit,
        take=lambda run_id: decide(run_id, read=True),
        peek=lambda run_id: decide(run_id, read=False),
        skip=checks.integer(params, "offset") or 0,
    )
    expand = checks.flag(params, "expand_tasks")
    runs = [_listed(world, world.runs[run_id], looks[run_id], expand, version) for run_id in page.ids]
    answer: Json = {**({"runs": runs} if runs else {}), **page.tokens("runs")}
    return {**answer, "has_more": page.has_older} if version == "2.1" else answer


def _listed(world: World, run: Run, look: Look, expand: bool, version: str) -> Json:
    answer = answers.run_json(world, run, look, tasks=expand)
    if expand and version != "2.1" and paging.nested_page(answer, answers.RUN_ARRAYS, None):
        answer["has_more"] = True
    return answer


class _ListFilter:
    """The parameters of runs/list.

    :raises ApiError: two that exclude each other, or an unknown run type.
    """

    def __init__(self, params: Params) -> None:
        self.active_only = checks.flag(params, "active_only")
        self.completed_only = checks.flag(params, "completed_only")
        self.job_id = checks.integer(params, "job_id")
        self.start_from = checks.integer(params, "start_time_from")
        self.start_to = checks.integer(params, "start_time_to")
        self.run_type = params.get("run_type") or None
        if self.active_only and self.completed_only:
            raise invalid("active_only and completed_only cannot both be true.")
        if self.run_type is not None and self.run_type not in RUN_TYPES:
            raise invalid(f"Invalid run_type {self.run_type!r}.")

    def ids(self, world: World) -> Ids:
        """The smallest index that holds all that may fit."""
        if self.active_only:
            return world.active_ids
        if self.job_id is not None:
            return world.jobs[self.job_id].run_ids if self.job_id in world.jobs else world.run_ids
        return world.run_ids

    def fits(self, world: World, run: Run) -> bool:
        """What does not change while the run goes on; both ends of the time window belong to it."""
        # With finer times than it shows, a run of the window's very last millisecond is outside.
        started_ms = run.started_ms + (0.5 if world.finer_times else 0)
        return (
            (self.job_id is None or run.job_id == self.job_id)
            and (self.run_type is None or run.run_type == self.run_type)
            and (self.start_from is None or started_ms >= self.start_from)
            and (self.start_to is None or started_ms <= self.start_to)
        )

    def fits_look(self, look: Look) -> bool:
        """Active or completed, as asked for."""
        return not (self.active_only and look.is_over) and not (self.completed_only and not look.is_over)


def cancel(world: World, params: Params, version: str) -> Json:
    """``POST runs/cancel``, of a run or of a task run."""
    world.cancel(checks.required(params, "run_id"))
    return {}


def cancel_all(world: World, params: Params, version: str) -> Json:
    """``POST runs/cancel-all``: of a job, of the queued runs of a job, or of all queued runs."""
    job_id, queued_only = checks.integer(params, "job_id"), checks.flag(params, "all_queued_runs")
    if job_id is None and not queued_only:
        raise invalid("Missing required field: job_id")
    if job_id is not None:
        world.job(job_id)
    for run_id in list(world.active_ids.older()):
        run = world.runs[run_id]
        if (job_id is None or run.job_id == job_id) and (run.queued or not queued_only):
            world.cancel(run_id)
    return {}


def repair(world: World, params: Params, version: str) -> Json:
    """``POST runs/repair``."""
    checks.check_slots(params)
    return {"repair_id": world.repair(checks.required(params, "run_id"), dict(params)).repair_id}


def get_output(world: World, params: Params, version: str) -> Json:
    """``GET runs/get-output``, of a task run; not a read of the run."""
    run, task = world.find(checks.required(params, "run_id"))
    if task is None and run.is_legacy:
        task = run.round.tasks[0]
    if task is None:
        raise invalid(_MANY_TASKS)
    return answers.output_json(world, run, task, world.look(run))


def export(world: World, params: Params, version: str) -> Json:
    """``GET runs/export``: one view without real content."""
    _, task = world.find(checks.required(params, "run_id"))
    name = task.task_key if task else "main"
    return {"views": [{"name": name, "type": "NOTEBOOK", "content": "<!DOCTYPE html><html></html>"}]}


def delete(world: World, params: Params, version: str) -> Json:
    """``POST runs/delete``."""
    run_id = checks.required(params, "run_id")
    if run_id not in world.runs:
        raise no_such_run(run_id)
    world.delete_run(run_id)
    return {}
