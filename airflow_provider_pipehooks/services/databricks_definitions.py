"""Databricks jobs as definitions: found by name, created, reset, permitted. Jobs API 2.2, August 2026."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from airflow_provider_pipehooks.services.base import Procedure, Request
from airflow_provider_pipehooks.services.reading import (
    data_of,
    id_or_none,
    object_or_empty,
    objects,
    text_or_none,
)

#: The name is asked for, so more pages than this hold nothing but the remote's mistake.
_PAGES = 50


def jobs_named(name: str) -> Procedure[list[int]]:
    """The ids of the jobs with exactly this name, in the order that Databricks lists them."""
    ids: dict[int, None] = {}
    token = ""
    for _ in range(_PAGES):
        query = {"name": name, "limit": "100", **({"page_token": token} if token else {})}
        body = (yield Request(method="GET", path="/api/2.2/jobs/list", params=query)).body
        for job in objects(body.get("jobs")):
            # The remote's filter does not tell upper from lower case.
            if object_or_empty(job.get("settings")).get("name") == name:
                ids |= {found: None for found in [id_or_none(job.get("job_id"))] if found}
        token = text_or_none(body.get("next_page_token")) or ""
        if not token:
            break
    return list(ids)


def create_job(settings: Mapping[str, Any]) -> Procedure[int]:
    """Make a job. There is no token for it: sent again, it makes another one of the same name."""
    request = _request("POST", "create", settings)
    return data_of((yield request), request, "job_id", int)


def reset_job(job_id: int, settings: Mapping[str, Any]) -> Procedure[None]:
    """Replace all settings of a job; the permissions are not among them, though create takes them there."""
    if (permissions := settings.get("access_control_list")) and isinstance(permissions, Sequence):
        yield Request(
            method="PATCH",
            path=f"/api/2.0/permissions/jobs/{job_id}",
            json={"access_control_list": permissions},
            expects="text",
            idempotent=True,
        )
    yield _request("POST", "reset", {"job_id": job_id, "new_settings": settings}, expects="text")


def _request(
    method: Literal["POST"], path: str, body: Mapping[str, Any], expects: Literal["json", "text"] = "json"
) -> Request:
    again = path == "reset"
    return Request(method=method, path=f"/api/2.2/jobs/{path}", json=body, expects=expects, idempotent=again)
