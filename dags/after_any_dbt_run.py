"""Starts once for each run of two dbt Cloud jobs that finishes, whoever started it, and says how it ended."""

# [start after_any_dbt_run]
from __future__ import annotations

from datetime import datetime
from typing import Any

from airflow.sdk import DAG, Asset, task

from airflow_provider_pipehooks.core.errors import explain
from airflow_provider_pipehooks.triggers.asset_events import finished_runs, run_finished_watcher

nightly_runs = Asset(
    "dbt_nightly_runs",
    watchers=[run_finished_watcher("dbt", "dbt_cloud", job_ids=[101, 102], dag_id="after_any_dbt_run")],
)

with DAG(
    "after_any_dbt_run",
    schedule=nightly_runs,
    start_date=datetime(2026, 1, 1),
    is_paused_upon_creation=True,  # as long as it is paused, nobody watches
    tags=["pipehooks"],
):

    @task
    def tell(triggering_asset_events: Any = None) -> list[str]:
        return [explain(run) for run in finished_runs(triggering_asset_events[nightly_runs])]

    tell()
# [end after_any_dbt_run]
