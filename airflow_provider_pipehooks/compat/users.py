"""Who sends a request to Airflow's API server."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

log = logging.getLogger(__name__)


async def user_of(scope: MutableMapping[str, Any]) -> dict[str, str] | None:
    """Who sends the request, found as Airflow's own routes do; None for nobody it knows."""
    try:
        from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
        from fastapi import HTTPException, Request
    except ImportError:
        log.exception("This Airflow names its users differently; the control plane tells nothing")
        return None
    try:
        request = Request(scope)
        user = await get_user(request, None, await bearer_scheme(request))
        return {"id": str(user.get_id()), "name": user.get_name()}
    except HTTPException:
        return None
    except Exception:
        log.exception("Could not tell who sent %s %s; no event tells of it", scope["method"], scope["path"])
        return None
