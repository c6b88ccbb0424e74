"""Answers about what a run left behind: steps with their logs, and files."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from airflow_provider_pipehooks.standin.dbt_cloud import answers, listing
from airflow_provider_pipehooks.standin.dbt_cloud.answers import ApiError
from airflow_provider_pipehooks.standin.dbt_cloud.call import Call, owned
from airflow_provider_pipehooks.standin.dbt_cloud.run import Run, Step
from airflow_provider_pipehooks.standin.dbt_cloud.samples import steps_of

MEDIA_TYPES = {".json": "application/json", ".sql": "text/plain", ".log": "text/plain", ".yml": "text/plain"}


def list_artifacts(call: Call) -> Any:
    """``GET /runs/{run_id}/artifacts/``: paths of one step's files."""
    return artifact_step(call, call.run()).artifact_paths()


def get_artifact(call: Call) -> Any:
    """``GET /runs/{run_id}/artifacts/{path}``: the file itself, no envelope."""
    return file_of(call, call.run())


def get_artifact_of_job(call: Call) -> Any:
    """``GET /jobs/{job_id}/artifacts/{path}``: from the newest run that succeeded."""
    runs = (call.world.known_runs[run_id] for run_id in reversed(call.job().run_ids))
    run = next(
        (run for run in runs if run.is_terminal and any(step.artifact_paths() for step in steps_of(run))),
        None,
    )
    if run is None:
        raise ApiError(404, answers.NOT_FOUND)
    return file_of(call, run)


def file_of(call: Call, run: Run) -> Response:
    """The file the path names.

    :raises ApiError: 404 when dbt did not write it: normal for a step that failed early.
    """
    content = artifact_step(call, run).artifact(call.path)
    if content is None:
        raise ApiError(404, answers.NOT_FOUND)
    suffix = call.path[call.path.rfind(".") :] if "." in call.path else ""
    return Response(content, media_type=MEDIA_TYPES.get(suffix, "application/octet-stream"))


def artifact_step(call: Call, run: Run) -> Step:
    """The step that ``step`` names, by default the last one, which need not be the one that failed."""
    call.world.settle([run])
    steps = steps_of(run)
    index = listing.read_number(call.query, "step", len(steps))
    if not run.is_terminal or not 1 <= index <= len(steps):
        raise ApiError(404, answers.NOT_FOUND)
    return steps[index - 1]


def get_step(call: Call) -> Any:
    """``GET /steps/{step_id}/``"""
    run_id, index = divmod(call.ids["step_id"], 100)
    run = owned(call, call.world.known_runs.get(run_id))
    call.world.settle([run])
    for step in steps_of(run):
        if step.index == index:
            return answers.step_json(step, run, "debug_logs" in call.related)
    raise ApiError(404, answers.NOT_FOUND)
