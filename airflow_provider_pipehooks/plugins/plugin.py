"""HOOKS: what the package adds to Airflow's processes; nothing, as long as the options are off.

Registered by the entry point group ``airflow.plugins`` alone: Airflow loads plugins of provider metadata only
when ``[core] lazy_discover_providers`` is False. Every Airflow process imports this, so it imports little.
"""

from __future__ import annotations

import logging
from functools import cache, cached_property
from typing import Any

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_provider_pipehooks.handlers.signal.sending import is_on, name_receivers
from airflow_provider_pipehooks.options import read, without_effect

log = logging.getLogger(__name__)


class PipehooksPlugin(AirflowPlugin):
    """Its lists are filled when Airflow makes it, once a process, as the options say then."""

    name = "pipehooks"

    def __init__(self) -> None:
        warn_once()
        if is_on():
            name_receivers()
        self.listeners = _listeners()
        self.fastapi_root_middlewares = _middlewares()
        self.external_views = _views()

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """Asked for by the API server alone; no other process is to load web pages."""
        return _apps()


@cache
def warn_once() -> None:
    """Airflow makes the plugin once for its core and once for its task SDK."""
    try:
        for sentence in without_effect():
            log.warning(sentence)
    except Exception:
        # What is on works all the same, as far as it can be read.
        log.exception("The [pipehooks] options cannot be read")


def _listeners() -> list[Any]:
    # A registered listener makes Airflow refuse every DAG that has a task with end_from_trigger=True.
    if not read("enable_listener"):
        return []
    from airflow_provider_pipehooks.plugins.listener import Listener

    return [Listener()]


def _middlewares() -> list[dict[str, Any]]:
    if not (read("enable_control_plane") and is_on()):
        return []
    from airflow_provider_pipehooks.plugins.control_plane import ControlPlane

    return [{"name": "pipehooks control plane", "middleware": ControlPlane}]


def _apps() -> list[dict[str, Any]]:
    if not read("page"):
        return []
    from airflow_provider_pipehooks.plugins.page import page

    return [{"name": "pipehooks", "app": page(), "url_prefix": "/pipehooks"}]


def _views() -> list[dict[str, Any]]:
    if not read("page"):
        return []
    # Relative: Airflow's own address may have a path.
    href = "pipehooks/?view=airflow"
    return [
        {
            "name": "pipehooks",
            "href": href,
            "destination": "nav",
            "url_route": "pipehooks",
            "category": "browse",
        },
        {
            "name": "pipehooks",
            "href": f"{href}&dag={{DAG_ID}}",
            "destination": "dag",
            "url_route": "pipehooks-dag",
        },
    ]
