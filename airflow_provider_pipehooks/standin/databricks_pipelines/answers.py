"""Pipelines and updates as JSON."""

from __future__ import annotations

from airflow_provider_pipehooks.standin.databricks_pipelines.model import Json, Pipeline, Update
from airflow_provider_pipehooks.standin.databricks_pipelines.telling import USER
from airflow_provider_pipehooks.standin.databricks_pipelines.times import to_text
from airflow_provider_pipehooks.standin.databricks_pipelines.world import World

LATEST_UPDATES = 5
_SELECTIONS = (
    "refresh_selection",
    "full_refresh_selection",
    "refresh_selection_by_path",
    "full_refresh_selection_by_path",
)


def update_json(world: World, update: Update, *, whole: bool) -> Json:
    """An update.

    :param whole: with ``config`` and ``mode``, which lists leave out.
    """
    pipeline = update.pipeline
    answer: Json = {
        "pipeline_id": pipeline.pipeline_id,
        "update_id": update.update_id,
        "state": update.state,
        "cause": update.cause,
        "creation_time": int(update.created_s * 1000),
        "cluster_id": pipeline.cluster_id,
        "full_refresh": bool(update.body.get("full_refresh")),
        "validate_only": bool(update.body.get("validate_only")),
    }
    shown = (*_SELECTIONS, "parameters") if world.returns_parameters else _SELECTIONS
    answer |= {name: update.body[name] for name in shown if update.body.get(name)}
    if whole:
        answer["config"] = {**pipeline.spec, "development": update.development}
        answer["mode"] = "CONTINUOUS" if pipeline.continuous else "DEFAULT"
    return answer


def status_json(pipeline: Pipeline) -> Json:
    """A pipeline in a list; the time of an update is a text here, and a number where updates are read."""
    latest = [
        {
            "update_id": update.update_id,
            "state": update.state,
            "creation_time": to_text(update.created_s, 3),
        }
        for update in pipeline.updates[: -LATEST_UPDATES - 1 : -1]
    ]
    answer: Json = {
        "pipeline_id": pipeline.pipeline_id,
        "name": pipeline.name,
        "state": pipeline.state,
        "health": "HEALTHY" if pipeline.healthy else "UNHEALTHY",
        "creator_user_name": USER,
        "run_as_user_name": USER,
        "cluster_id": pipeline.cluster_id,
    }
    return {**answer, "latest_updates": latest} if latest else answer


def pipeline_json(pipeline: Pipeline) -> Json:
    """A pipeline that was asked for by its id."""
    answer = {**status_json(pipeline), "last_modified": pipeline.created_ms, "spec": pipeline.spec}
    for name in ("run_as", "parameters"):
        if name in pipeline.spec:
            answer[name] = pipeline.spec[name]
    return {**answer, "cause": pipeline.cause} if pipeline.cause else answer
