"""HOOKS, observing: the keyword arguments that put observers on an operator or a DAG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_pipehooks.compat.metrics import count_failure
from airflow_provider_pipehooks.handlers.dispatch import Hook
from airflow_provider_pipehooks.handlers.state.observing import KINDS, TaskObserver
from airflow_provider_pipehooks.handlers.state.observing_dags import DagObserver
from airflow_provider_pipehooks.handlers.state.transitions import Handlers


def callbacks_of_task(hooks: Sequence[Hook]) -> dict[str, Any]:
    """``{"on_execute_callback": [...], ...}`` for an operator."""
    handlers = Handlers(hooks, record=count_failure)
    return {f"on_{kind}_callback": [TaskObserver(handlers, kind)] for kind in KINDS}


def callbacks_of_dag(hooks: Sequence[Hook], on_failure: Sequence[Hook]) -> dict[str, Any]:
    """``{"on_success_callback": [...], "on_failure_callback": [...]}`` for a DAG.

    :param on_failure: told of the DAG run alone, not of its tasks: Prefect's is called once for a flow.
    """
    handlers = Handlers([*hooks, *on_failure], record=count_failure)
    of_tasks = Handlers(hooks, record=count_failure)
    return {
        f"on_{kind}_callback": [DagObserver(handlers, of_tasks, failed=kind == "failure")]
        for kind in ("success", "failure")
    }
