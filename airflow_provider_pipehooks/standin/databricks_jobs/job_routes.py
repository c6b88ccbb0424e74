"""Endpoints under ``/api/2.x/jobs`` that are about jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_pipehooks.standin.databricks_jobs import answers, checks, paging
from airflow_provider_pipehooks.standin.databricks_jobs.errors import invalid
from airflow_provider_pipehooks.standin.databricks_jobs.model import Json, Plans
from airflow_provider_pipehooks.standin.databricks_jobs.tasks import checked_specs
from airflow_provider_pipehooks.standin.databricks_jobs.world import World
from airflow_provider_pipehooks.standin.plan import Plan

Params = Mapping[str, Any]

MAX_LIST_LIMIT = 100


def create(world: World, params: Params, version: str) -> Json:
    """``POST create``; what a job made through the API does was expected, or succeeds at once."""
    checks.check_job(params)
    checked_specs(params.get("tasks") or [])
    # Jobs made through 2.2 queue unless told otherwise; through 2.1 they do not.
    defaults = {"name": "Untitled", "max_concurrent_runs": 1, "queue": {"enabled": version != "2.1"}}
    settings = {"format": "MULTI_TASK", **defaults, **params}
    settings.pop("access_control_list", None)
    behaviours, plans = world.expected.get(settings["name"], ({}, (Plan(),)))
    return {"job_id": world.define_job(settings, behaviours, Plans(plans), None)}


def update(world: World, params: Params, version: str) -> Json:
    """``POST update``: top-level settings are replaced, tasks merged by key, ``fields_to_remove`` removed."""
    job = world.job(checks.required(params, "job_id"))
    new = dict(params.get("new_settings") or {})
    if "tasks" in new:
        merged = {each["task_key"]: each for each in [*(job.settings.get("tasks") or ()), *new["tasks"]]}
        new["tasks"] = checked_specs(list(merged.values()))
    removed = set(params.get("fields_to_remove") or ())
    job.settings = {key: value for key, value in {**job.settings, **new}.items() if key not in removed}
    return {}


def reset(world: World, params: Params, version: str) -> Json:
    """``POST reset``: all settings are replaced."""
    job = world.job(checks.required(params, "job_id"))
    new = dict(params.get("new_settings") or {})
    checks.check_job(new)
    checked_specs(new.get("tasks") or [])
    job.settings = {"name": "Untitled", "max_concurrent_runs": 1, "format": "MULTI_TASK", **new}
    return {}


def delete(world: World, params: Params, version: str) -> Json:
    """``POST delete``."""
    world.delete_job(checks.required(params, "job_id"))
    return {}


def get(world: World, params: Params, version: str) -> Json:
    """``GET get``."""
    answer = answers.job_json(world.job(checks.required(params, "job_id")))
    if version == "2.1":
        return answer
    token = paging.nested_page(answer["settings"], answers.JOB_ARRAYS, params.get("page_token") or None)
    return {**answer, "next_page_token": token} if token else answer


def list_jobs(world: World, params: Params, version: str) -> Json:
    """``GET list``; ``name`` is compared whole, but not by case."""
    name = str(params.get("name") or "").lower()
    offset = checks.integer(params, "offset") or 0
    if offset < 0:
        raise invalid(f"Invalid offset {offset}: it must not be negative.")

    def fits(job_id: int) -> bool:
        return not name or str(world.jobs[job_id].settings.get("name", "")).lower() == name

    limit = checks.page_size(params, largest=MAX_LIST_LIMIT)
    page = paging.walk(world.job_ids, "jobs", params.get("page_token"), limit, fits, fits, skip=offset)
    expand = checks.flag(params, "expand_tasks")
    jobs = [_listed(world, job_id, expand, version) for job_id in page.ids]
    answer: Json = {**({"jobs": jobs} if jobs else {}), **page.tokens("jobs")}
    return {**answer, "has_more": page.has_older} if version == "2.1" else answer


def _listed(world: World, job_id: int, expand: bool, version: str) -> Json:
    answer = answers.job_json(world.jobs[job_id], tasks=expand)
    if expand and version != "2.1" and paging.nested_page(answer["settings"], answers.JOB_ARRAYS, None):
        answer["has_more"] = True
    return answer
