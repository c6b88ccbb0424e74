"""The hooks of the example DAG on an operator and on sensors, each in every way to wait."""

from __future__ import annotations

import os
import runpy
from datetime import datetime
from typing import Any

from airflow.sdk import DAG

from airflow_provider_pipehooks.operators.databricks_events import DatabricksPipelineEventsOperator
from airflow_provider_pipehooks.operators.databricks_pipelines import DatabricksPipelineUpdateOperator
from airflow_provider_pipehooks.sensors.databricks_pipelines import DatabricksPipelineUpdateSensor

_example = runpy.run_path(os.environ["EXAMPLE"])
_hooks = [_example[name] for name in ("say_when_it_stops", "send_to_a_web_hook", "fails")]
_waits: dict[str, dict[str, Any]] = {
    "sync": {"deferrable": False},
    "deferrable": {"deferrable": True, "wake_every": 3},
}

with DAG("live_event_hooks", schedule=None, start_date=datetime(2026, 1, 1), max_active_tasks=16):
    for _name, _options in _waits.items():
        DatabricksPipelineUpdateOperator(
            task_id=f"operator_{_name}",
            pipeline_id=f"{{{{ dag_run.conf['operator_{_name}'] }}}}",
            event_hooks=_hooks,
            polling_period_seconds=1,
            **_options,
        )
    # Airflow fails a task that is rescheduled sooner than its executor has told of the last poke (3.3.2).
    for _name, _options in {**_waits, "reschedule": {"mode": "reschedule", "poke_interval": 8}}.items():
        DatabricksPipelineUpdateSensor(
            task_id=f"sensor_{_name}",
            pipeline_id=f"{{{{ dag_run.conf['sensor_{_name}'] }}}}",
            event_hooks=_hooks,
            **{"poke_interval": 1, **_options},
        )
    for _name, _options in _waits.items():
        DatabricksPipelineEventsOperator(
            task_id=f"listener_{_name}",
            pipeline_id=f"{{{{ dag_run.conf['listener_{_name}'] }}}}",
            event_hooks=_hooks,
            since="{{ dag_run.run_after - macros.timedelta(minutes=5) }}",
            stop_when_idle=True,
            polling_period_seconds=1,
            **_options,
        )
