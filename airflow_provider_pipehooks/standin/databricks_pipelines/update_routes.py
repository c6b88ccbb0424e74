"""Endpoints under ``/api/2.0/pipelines/{pipeline_id}/updates``."""

from __future__ import annotations

from airflow_provider_pipehooks.standin.databricks_jobs.errors import invalid
from airflow_provider_pipehooks.standin.databricks_pipelines import answers, tokens
from airflow_provider_pipehooks.standin.databricks_pipelines.model import Json, Pipeline, Update
from airflow_provider_pipehooks.standin.databricks_pipelines.params import Params, page_size
from airflow_provider_pipehooks.standin.databricks_pipelines.world import World

# Neither is documented.
DEFAULT_SIZE = 25
LARGEST_SIZE = 100


def start(world: World, params: Params, pipeline_id: str) -> Json:
    """``POST``; fields the stand-in does not know are kept with the update."""
    parameters = params.get("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise invalid("Could not parse request object: parameters must be a map.")
    return {"update_id": world.start_update(pipeline_id, dict(params)).update_id}


def get(world: World, params: Params, pipeline_id: str, update_id: str) -> Json:
    """``GET {update_id}``; a read of the update."""
    update = world.update(pipeline_id, update_id)
    world.read(update)
    return {"update": answers.update_json(world, update, whole=True)}


def list_updates(world: World, params: Params, pipeline_id: str) -> Json:
    """``GET``, newest first, down to ``until_update_id``; what is active counts as read."""
    pipeline = world.pipeline(pipeline_id)
    size = page_size(params, default=DEFAULT_SIZE, largest=LARGEST_SIZE)
    token, place = params.get("page_token"), f"updates of {pipeline_id}"
    content = tokens.decode(place, str(token)) if token else {}
    until = str(params.get("until_update_id") or content.get("until") or "")
    world.settle(pipeline, read=True)
    updates = _down_to(pipeline, until)
    # Tokens count from the oldest update: new ones do not move what was on a page.
    total = len(pipeline.updates)
    first = total - content["newest"] if "newest" in content else 0
    start_at = max(first - size, 0) if content.get("back") else first
    end_at = min(first, len(updates)) if content.get("back") else min(first + size, len(updates))
    shown = updates[start_at:end_at]
    answer: Json = {}
    if shown:
        answer["updates"] = [answers.update_json(world, each, whole=False) for each in shown]
    if end_at < len(updates):
        answer["next_page_token"] = tokens.encode(place, newest=total - end_at, until=until)
    if token and start_at > 0:
        answer["prev_page_token"] = tokens.encode(place, newest=total - start_at, until=until, back=True)
    return answer


def _down_to(pipeline: Pipeline, until: str) -> list[Update]:
    """All updates, newest first, the last one being that with the id, if there is one."""
    found = []
    for update in reversed(pipeline.updates):
        found.append(update)
        if update.update_id == until:
            break
    return found
