"""Answers about what is defined: accounts, projects, environments and jobs."""

from __future__ import annotations

from typing import Any

from airflow_provider_pipehooks.standin.dbt_cloud import answers, listing
from airflow_provider_pipehooks.standin.dbt_cloud.answers import ApiError
from airflow_provider_pipehooks.standin.dbt_cloud.call import Call, owned, page_of
from airflow_provider_pipehooks.standin.dbt_cloud.defined import Job


def list_accounts(call: Call) -> Any:
    """``GET /accounts/``: what the token can see."""
    return [answers.account_json(id, name) for id, name in call.world.accounts.items()]


def get_account(call: Call) -> Any:
    """``GET /accounts/{account_id}/``"""
    return answers.account_json(call.account_id, call.world.accounts[call.account_id])


def list_projects(call: Call) -> Any:
    """``GET /api/v3/accounts/{account_id}/projects/``"""
    mine = [each for each in call.world.projects.values() if each.account_id == call.account_id]
    return page_of(call, mine, listing.PROJECT_FILTERS, answers.project_json)


def get_project(call: Call) -> Any:
    """``GET /api/v3/accounts/{account_id}/projects/{project_id}/``"""
    return answers.project_json(owned(call, call.world.projects.get(call.ids["project_id"])))


def list_environments(call: Call) -> Any:
    """``GET .../projects/{project_id}/environments/``, or all of the account."""
    project_id = call.ids.get("project_id")
    if project_id is not None:
        owned(call, call.world.projects.get(project_id))
    mine = [
        each
        for each in call.world.environments.values()
        if each.account_id == call.account_id and project_id in (None, each.project_id)
    ]
    return page_of(call, mine, listing.ENVIRONMENT_FILTERS, answers.environment_json)


def get_environment(call: Call) -> Any:
    """``GET .../projects/{project_id}/environments/{environment_id}/``"""
    environment = owned(call, call.world.environments.get(call.ids["environment_id"]))
    if environment.project_id != call.ids.get("project_id", environment.project_id):
        raise ApiError(404, answers.NOT_FOUND)
    return answers.environment_json(environment)


def list_jobs(call: Call) -> Any:
    """``GET /jobs/``"""
    mine = [job for job in call.world.jobs.values() if job.account_id == call.account_id]
    return page_of(call, mine, listing.JOB_FILTERS, lambda job: job_with_related(call, job))


def get_job(call: Call) -> Any:
    """``GET /jobs/{job_id}/``"""
    return job_with_related(call, call.job())


def job_with_related(call: Call, job: Job) -> dict[str, Any]:
    """A job, with its environment and most recent runs when asked for."""
    runs = [call.world.known_runs[run_id] for run_id in job.run_ids]
    newest = {
        "most_recent_run": next(reversed(runs), None),
        "most_recent_completed_run": next((run for run in reversed(runs) if run.is_terminal), None),
    }
    wanted = [(name, run) for name, run in newest.items() if name in call.related]
    data = answers.job_json(job, call.world, wanted)
    if "environment" in call.related:
        data["environment"] = answers.environment_json(call.world.environments[job.environment_id])
    return data
