"""Answers about runs: start, watch, list, retry and cancel them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile
from typing import Any

from airflow_provider_pipehooks.standin.dbt_cloud import answers, listing
from airflow_provider_pipehooks.standin.dbt_cloud.answers import ApiError
from airflow_provider_pipehooks.standin.dbt_cloud.call import Call, Listed, listed
from airflow_provider_pipehooks.standin.dbt_cloud.run import ERROR, Run
from airflow_provider_pipehooks.standin.dbt_cloud.samples import steps_of

#: Filters whose answer changes while a run moves; see `list_runs`.
MOVING = frozenset({"status", "status__in", "finished_at__range"})


_TEXTS = ("schema_override", "dbt_version_override", "target_name_override", "git_branch", "git_sha")


def start_run(call: Call) -> Any:
    """``POST /jobs/{job_id}/run/``: there is no idempotency key, a second POST is a second run."""
    job, body = call.job(), call.body
    if not isinstance(body, dict):
        raise ApiError(400, "The body must be a JSON object.")
    cause = body.get("cause")
    if not isinstance(cause, str) or not cause:
        raise ApiError(400, "cause: This field is required.")
    if len(cause) > 255:
        raise ApiError(400, "cause: Ensure this field has no more than 255 characters.")
    steps = body.get("steps_override")
    if steps is not None and not (isinstance(steps, list) and all(isinstance(step, str) for step in steps)):
        raise ApiError(400, "steps_override: Expected a list of strings.")
    for name in _TEXTS:
        if body.get(name) is not None and not isinstance(body[name], str):
            raise ApiError(400, f"{name}: Not a valid string.")
    known = {name: body[name] for name in answers.TRIGGER_FIELDS if name in body}
    return started(call, call.world.start(job.id, cause, "api", **known))


def rerun_job(call: Call) -> Any:
    """``POST /jobs/{job_id}/rerun/``: from the failure if the latest run failed, else an ordinary new run."""
    job = call.job()
    latest = call.world.known_runs[job.run_ids[-1]] if job.run_ids else None
    if latest is not None and call.world.retry_not_supported_reason(latest) is None:
        return started(call, call.world.start(job.id, latest.cause, "rerun", retrying=latest))
    return started(call, call.world.start(job.id, "Triggered via API", "api"))


def retry_run(call: Call) -> Any:
    """``POST /runs/{run_id}/retry/``"""
    run = call.run()
    reason = call.world.retry_not_supported_reason(run)
    if reason is not None:
        raise ApiError(400, f"This run cannot be retried: {reason}")
    return started(call, call.world.start(run.job_id, run.cause, "rerun", retrying=run))


def what_would_be_retried(call: Call) -> Any:
    """``GET /runs/{run_id}/retry/``"""
    run = call.run()
    failed = next((step for step in steps_of(run) if step.status == ERROR), None)
    if failed is None:
        return {"failed_step": None, "skipped_steps": []}
    after = run.commands[run.commands.index(failed.command) + 1 :] if failed.command in run.commands else ()
    return {"failed_step": failed.command or failed.name, "skipped_steps": list(after)}


def started(call: Call, run_id: int) -> Any:
    """A run that was just started: the answer gives its trigger and the status 1."""
    run = call.world.known_runs[run_id]
    return answers.run_json(run, call.world, call.related | {"trigger"}, with_steps=True)


def get_run(call: Call) -> Any:
    """``GET /runs/{run_id}/``"""
    run = call.run()
    call.world.settle([run], polled=True)
    return answers.run_json(run, call.world, call.related, with_steps=True)


def cancel_run(call: Call) -> Any:
    """``POST /runs/{run_id}/cancel/``: answers with the run as it still is; the next look shows the end."""
    run = call.run()
    call.world.request_cancel(run.id)
    return answers.run_json(run, call.world, call.related, with_steps=True)


def list_runs(call: Call) -> Listed:
    """``GET /runs/``

    Runs on the page count as polled. When the filter is about something that moves, they are shown as
    the filter saw them, otherwise a run could stand in a list it does not belong to.
    """
    world = call.world
    listing.read_filters(call.query, listing.RUN_FILTERS)
    named = [key for key in ("pk", "pk__in") if key in call.query]
    candidates = [run for run in candidate_runs(call) if run.account_id == call.account_id]
    world.settle(candidates if named else None)
    page = listing.paged(
        candidates,
        call.query,
        known=listing.RUN_FILTERS,
        orders=listing.RUN_ORDERS,
        defaults={"account_id": call.account_id},
    )
    if MOVING.isdisjoint(page.filters):
        world.settle(page.rows, polled=True)
    data = [answers.run_json(run, world, call.related, with_steps=False) for run in page.rows]
    if not MOVING.isdisjoint(page.filters):
        world.settle(page.rows, polled=True)
    return listed(page, data)


def candidate_runs(call: Call) -> Iterable[Run]:
    """The runs a list request can be about, found by id where ids are given: 10,000 runs stay fast."""
    values = listing.read_filters(call.query, listing.RUN_FILTERS)
    runs = call.world.known_runs
    if "pk" in values or "pk__in" in values:
        wanted = dict.fromkeys([values["pk"]] if "pk" in values else values["pk__in"])
        return [runs[run_id] for run_id in wanted if run_id in runs]
    if "id__gt" in values:
        return takewhile(lambda run: run.id > values["id__gt"], reversed(runs.values()))
    if "created_at__range" in values:
        return call.world.made_between(*values["created_at__range"])
    job = call.world.jobs.get(values.get("job_definition_id", -1))
    return list(runs.values()) if job is None else [runs[run_id] for run_id in job.run_ids]
