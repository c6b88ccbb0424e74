"""Who paused this DAG? Pause it, clear its task or fail it by hand, and an e-mail names who did it.

The DAG itself needs nothing for that; the API server does. In airflow.cfg, with the topic's ARN in the
Variable ``sns_arn``::

    [pipehooks]
    enable_pipeline_event_signals = True
    enable_control_plane = True
    pipeline_event_receivers = airflow_provider_pipehooks.notifications.pipeline_event.tell_sns
"""

# [start control_plane_alerts]
from __future__ import annotations

from datetime import datetime

from airflow.sdk import DAG, task

with DAG(
    "control_plane_alerts",
    schedule="@daily",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    tags=["pipehooks"],
    doc_md=__doc__,
):

    @task
    def load_sales() -> int:
        return 42

    load_sales()
# [end control_plane_alerts]
