"""DAGs of two teams, some of which fail, one of which goes on, and hooks that raise."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import Any

from airflow.sdk import DAG

from airflow_provider_pipehooks.handlers.event_hooks import on_event_hook
from airflow_provider_pipehooks.handlers.node_hooks import NodeHooks
from airflow_provider_pipehooks.notifications.sns import sns_on_failure
from airflow_provider_pipehooks.operators.databricks_jobs import DatabricksRunNowOperator
from airflow_provider_pipehooks.operators.databricks_pipelines import DatabricksPipelineUpdateOperator
from airflow_provider_pipehooks.operators.dbt_cloud import DbtCloudRunJobOperator

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
QUICK = {"deferrable": False, "polling_period_seconds": 1}
PIPELINE = os.environ.get("PAGE_PIPELINE", "")


@on_event_hook(max_allowable_consecutive_failures=0)
def count_rows(event: dict[str, Any]) -> None:
    raise RuntimeError("no table <b>counts</b>")


class Counting(NodeHooks, DatabricksRunNowOperator):
    need_run_hook = True

    def node_finish(self, data: Any, parent_data: Any) -> None:
        raise KeyError("rows")


with DAG(
    "ann_shops", schedule=None, start_date=START, default_args={"on_failure_callback": sns_on_failure()}
):
    DbtCloudRunJobOperator(task_id="build", job_id=11, check_interval=1, deferrable=False)
    DbtCloudRunJobOperator(task_id="test", job_id=12, check_interval=1, deferrable=False)
    DatabricksRunNowOperator(task_id="hostile", job_id=201, **QUICK)
    Counting(task_id="count", job_id=202, **QUICK)
    DatabricksRunNowOperator.partial(task_id="load", **QUICK).expand(job_id=[203, 204])

with DAG("ann_streams", schedule=None, start_date=START):
    DatabricksPipelineUpdateOperator(
        task_id="update", pipeline_id=PIPELINE, event_hooks=[count_rows], **QUICK
    )

with DAG("bob_shops", schedule=None, start_date=START):
    DatabricksRunNowOperator(task_id="bobs_own", job_id=205, **QUICK)
