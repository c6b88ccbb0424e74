"""Endpoints under ``/api/2.0/pipelines`` that are about pipelines."""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.responses import Response

from airflow_provider_pipehooks.standin.databricks_jobs.errors import invalid
from airflow_provider_pipehooks.standin.databricks_pipelines import answers, event_pages, tokens
from airflow_provider_pipehooks.standin.databricks_pipelines.model import Json, Pipeline, Plans
from airflow_provider_pipehooks.standin.databricks_pipelines.params import Params, order, page_size
from airflow_provider_pipehooks.standin.databricks_pipelines.world import World
from airflow_provider_pipehooks.standin.plan import Plan

_PLACE = "pipelines"
_NAME = re.compile(r"name\s+like\s+'((?:[^']|'')*)'", re.IGNORECASE)
_NOTEBOOK = re.compile(r"notebook\s*=\s*'((?:[^']|'')*)'", re.IGNORECASE)


def create(world: World, params: Params) -> Json:
    """``POST``; what a pipeline made through the API does is a plan that succeeds at once."""
    pipeline = world.define_pipeline({"name": "Untitled", **params}, Plans((Plan(),)), ("main",))
    return {"pipeline_id": pipeline.pipeline_id}


def list_pipelines(world: World, params: Params) -> Json:
    """``GET``; what is active on the page counts as read. A token may come with filter and order."""
    token = params.get("page_token")
    before = tokens.decode(_PLACE, str(token)) if token else {}
    text = str(params.get("filter") or before.get("filter") or "")
    column, falling = order(params, "id", "name") or before.get("order") or ("id", False)
    size = page_size(params, default=25, largest=100, strict=True)

    def key(pipeline: Pipeline) -> list[str]:
        return [pipeline.name if column == "name" else "", pipeline.pipeline_id]

    fits = _chosen(text)
    found = sorted(filter(fits, world.pipelines.values()), key=key, reverse=falling)
    if (last := before.get("last")) is not None:
        found = [each for each in found if (key(each) < last if falling else key(each) > last)]
    shown = found[:size]
    for pipeline in shown:
        world.settle(pipeline, read=True)
    answer: Json = {"statuses": [answers.status_json(each) for each in shown]} if shown else {}
    if len(found) > size:
        rest = {"filter": text, "order": [column, falling], "last": key(shown[-1])}
        answer["next_page_token"] = tokens.encode(_PLACE, **rest)
    return answer


def _chosen(text: str) -> Callable[[Pipeline], bool]:
    """The pipelines a filter selects: by a pattern of their name, or by a notebook.

    :raises ApiError: another filter.
    """
    if not text:
        return lambda _: True
    if found := _NAME.fullmatch(text.strip()):
        wild = {"%": ".*", "_": "."}
        letters = found.group(1).replace("''", "'")
        pattern = re.compile("".join(wild.get(each, re.escape(each)) for each in letters), re.DOTALL)
        return lambda pipeline: pattern.fullmatch(pipeline.name) is not None
    if found := _NOTEBOOK.fullmatch(text.strip()):
        path = found.group(1).replace("''", "'")
        return lambda pipeline: {"notebook": {"path": path}} in (pipeline.spec.get("libraries") or ())
    raise invalid(f"Unsupported filter {text!r}. Use name LIKE '%part%' or notebook='<path>'.")


def get(world: World, params: Params, pipeline_id: str) -> Json:
    """``GET {pipeline_id}``; what is active counts as read."""
    pipeline = world.pipeline(pipeline_id)
    world.settle(pipeline, read=True)
    return answers.pipeline_json(pipeline)


def stop(world: World, params: Params, pipeline_id: str) -> Json:
    """``POST {pipeline_id}/stop``."""
    world.stop(pipeline_id)
    return {}


def apply_environment(world: World, params: Params, pipeline_id: str) -> Json:
    """``POST {pipeline_id}/environment/apply``: nothing is installed."""
    world.pipeline(pipeline_id)
    return {}


def list_events(world: World, params: Params, pipeline_id: str) -> Response:
    """``GET {pipeline_id}/events``; not a read of an update, but what time has done is in the log."""
    pipeline = world.pipeline(pipeline_id)
    world.settle(pipeline)
    return Response(event_pages.page(world, pipeline, params), media_type="application/json")
