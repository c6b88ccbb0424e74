"""Updates a Databricks pipeline, and has event hooks called for its events: by Airflow, not on its compute.

The hooks are those of Databricks' guide, and one that alerts when expectations drop rows. With the Variable
``dlt_webhook_url`` every event is sent there, too.
"""

# [start dlt_event_hooks]
from __future__ import annotations

from datetime import datetime
from typing import Any

import requests
from airflow.providers.amazon.aws.hooks.sns import SnsHook
from airflow.sdk import DAG, Param, Variable, get_current_context

from airflow_provider_pipehooks.handlers.event_hooks import on_event_hook
from airflow_provider_pipehooks.operators.databricks_pipelines import DatabricksPipelineUpdateOperator

Event = dict[str, Any]


@on_event_hook
def say_when_it_stops(event: Event) -> None:
    progress = event["details"].get("update_progress", {})
    if progress.get("state") == "STOPPING":
        print("The update is stopping:", event["message"])


@on_event_hook
def send_to_a_web_hook(event: Event) -> None:
    url = Variable.get("dlt_webhook_url", default=None)
    if url:
        requests.post(url, json={"text": f"Received event:\n{event}"}, timeout=10).raise_for_status()


@on_event_hook(max_allowable_consecutive_failures=3)
def fails(event: Event) -> None:
    # Switched off after its fourth failure in a row; the update and the other hooks go on.
    raise RuntimeError("oops")


@on_event_hook
def alert_when_rows_are_dropped(event: Event) -> None:
    quality = event.get("details", {}).get("flow_progress", {}).get("data_quality") or {}
    failed = [each for each in quality.get("expectations", ()) if each["failed_records"]]
    if quality.get("dropped_records") and failed:
        named = ", ".join(f"{each['name']} ({each['failed_records']} rows)" for each in failed)
        run_id = get_current_context()["run_id"]
        SnsHook().publish_to_target(
            target_arn=Variable.get("sns_arn"),
            subject=f"{event['origin']['flow_name']}: {quality['dropped_records']} rows dropped",
            message=f"{event['message']}\nFailed expectations: {named}\nDAG run:  {run_id}\n",
        )


with DAG(
    "dlt_event_hooks",
    schedule="0 4 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    # The next try of a task that was killed joins its update, and goes on with its events.
    default_args={"retries": 2},
    params={"pipeline_id": Param("2f8c1f0e-5a3b-4a0e-9a52-0d8c9b6f7a11", type="string")},
    tags=["pipehooks"],
):
    DatabricksPipelineUpdateOperator(
        task_id="update_orders",
        pipeline_id="{{ params.pipeline_id }}",
        event_hooks=[say_when_it_stops, send_to_a_web_hook, fails, alert_when_rows_are_dropped],
        polling_period_seconds=5,
        deferrable=True,
    )
# [end dlt_event_hooks]
