"""What an update tells in the event log of its pipeline, as far as it is not filled in there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow_provider_pipehooks.standin.databricks_pipelines.model import Json, Update

USER = "standin@example.com"

_EXCEPTION = {
    "class_name": "Exception",
    "error_class": "PYTHON.EXCEPTION",
    "sql_state": "P0001",
    "message": "Traceback (most recent call last):\n  ...\nZeroDivisionError: division by zero",
    "stack": [
        {
            "declaring_class": "pipelines.flows",
            "method_name": "execute",
            "file_name": "orders.py",
            "line_number": 12,
        }
    ],
}


def event(kind: str, message: str, details: Json, **more: Any) -> Json:
    """An event whose details are keyed by its type."""
    usual = {"event_type": kind, "message": message, "level": "INFO", "maturity_level": "STABLE"}
    return {**usual, "details": {kind: details}, **more}


def created(update: Update) -> list[Json]:
    """An update has been created; nobody's action stands behind a retry."""
    details = {**update.body, "cause": update.cause, "config": update.pipeline.spec}
    message = f"Update {update.short_id} started by {update.cause}."
    told = [event("create_update", message, details)]
    return told if update.cause == "RETRY_ON_FAILURE" else [*told, acted("START")]


def acted(action: str) -> Json:
    """Somebody did something."""
    return event("user_action", f"{action} by user {USER}.", {"action": action, "user_name": USER})


def entered(update: Update) -> list[Json]:
    """An update has come to its present state."""
    progress = _progress(update)
    if update.is_over:
        return [*_flows_end(update), progress]
    beside = _BESIDE.get(update.state)
    return [progress, *(beside(update) if beside else ())]


def _progress(update: Update) -> Json:
    details: Json = {"state": update.state}
    if update.state == "FAILED":
        text = update.plan.message or f"Failed to execute flow '{_failing(update)[0]}'."
        message = f"Update {update.short_id} has failed. {text}"
        return event("update_progress", message, details, level="ERROR", error=_error(update))
    if update.state in ("STOPPING", "CANCELED"):
        details["cancellation_cause"] = update.plan.details.get("cancellation_cause", "USER_ACTION")
    return event("update_progress", f"Update {update.short_id} is {update.state}.", details)


def _error(update: Update) -> Json:
    """What ``details["error"]`` of the plan says, over the usual error; fatal: is not tried again."""
    given = update.plan.details.get("error") or {}
    said: Json = {"message": given} if isinstance(given, str) else dict(given)
    fatal = said.pop("fatal", not update.will_be_retried)
    exceptions = said.pop("exceptions", None) or [{**_EXCEPTION, **said}]
    return {"fatal": fatal, "exceptions": exceptions}


def _failing(update: Update) -> list[str]:
    """The flows that make it fail: those in ``details["failed_flows"]``, or the first."""
    return list(update.plan.details.get("failed_flows") or update.pipeline.flows[:1] or ("main",))


def _runs_flows(update: Update) -> bool:
    return "RUNNING" in update.history and not update.body.get("validate_only")


# --- flows ------------------------------------------------------------------------------------------


def _flow(update: Update, name: str, status: str, *, verb: str = "is", **more: Any) -> Json:
    details = {"status": status, **more.pop("details", {})}
    return event(
        "flow_progress", f"Flow '{name}' {verb} {status}.", details, origin=_place(update, name), **more
    )


def _place(update: Update, name: str) -> Json:
    number = update.pipeline.flows.index(name) if name in update.pipeline.flows else 0
    flow_id = f"{update.pipeline.pipeline_id[:-4]}{number:04x}"
    return {"flow_id": flow_id, "flow_name": name, "dataset_name": name}


def _flows_begin(update: Update) -> list[Json]:
    if not _runs_flows(update):
        return []
    return [
        _flow(update, name, status)
        for status in ("QUEUED", "STARTING", "RUNNING")
        for name in update.pipeline.flows
    ]


def _flows_end(update: Update) -> list[Json]:
    flows, failing = update.pipeline.flows if _runs_flows(update) else (), []
    if update.state == "FAILED":
        failing = [
            _flow(update, name, "FAILED", verb="has", level="ERROR", error=_error(update))
            for name in _failing(update)
        ]
        flows = tuple(name for name in flows if name not in _failing(update))
    # Other flows come to their own end before the update fails, if they have one.
    if update.state == "CANCELED" or (update.state == "FAILED" and update.pipeline.continuous):
        return [*(_flow(update, name, "STOPPED") for name in flows), *failing]
    return [*(_completed(update, name) for name in flows), *failing]


def _completed(update: Update, name: str) -> Json:
    details: Json = {"metrics": dict(update.plan.details.get("metrics") or {"num_output_rows": 0})}
    if expectations := _expectations(update, name):
        dropped = update.plan.details.get("dropped_records", 0)
        details["data_quality"] = {"dropped_records": dropped, "expectations": expectations}
    return _flow(update, name, "COMPLETED", verb="has", details=details)


def _expectations(update: Update, name: str) -> list[Json]:
    """Those of ``details["expectations"]`` about this dataset; without a dataset they are the first one's."""
    flows = update.pipeline.flows
    given = [{"dataset": flows[0], **each} for each in update.plan.details.get("expectations") or ()]
    return [each for each in given if each["dataset"] == name]


# --- beside the states ------------------------------------------------------------------------------


def _definitions(update: Update) -> list[Json]:
    told = []
    for name in update.pipeline.flows:
        place = _place(update, name)
        expectations = [{"name": each.get("name")} for each in _expectations(update, name)]
        dataset = {"dataset_type": "STREAMING_TABLE", "num_flows": 1, "expectations": expectations}
        told.append(event("dataset_definition", f"Dataset '{name}' defined.", dataset, origin=place))
        flow = {"output_dataset": name, "input_datasets": [], "flow_type": "APPEND", "language": "PYTHON"}
        told.append(event("flow_definition", f"Flow '{name}' defined.", flow, origin=place))
    return told


def _planning(update: Update) -> list[Json]:
    details: Json = {"technique_information": []}
    message = "Planning information of the update."
    return [event("planning_information", message, details, maturity_level="EVOLVING")]


def _running(update: Update) -> list[Json]:
    details = {"num_executors": 1, "avg_num_queued_tasks": 0.0, "avg_task_slot_utilization": 0.5}
    message = f"Resources of cluster {update.pipeline.cluster_id}."
    return [*_flows_begin(update), event("cluster_resources", message, details, level="METRICS")]


_BESIDE: dict[str, Callable[[Update], list[Json]]] = {
    "INITIALIZING": _definitions,
    "SETTING_UP_TABLES": _planning,
    "RUNNING": _running,
}
