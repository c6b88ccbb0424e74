"""The DAGs of the fault lane: each service, sync and deferrable; a process may kill itself at a named point.

``conf`` gives each task its own remote job, and the point at which the first try dies, if any.
"""

from __future__ import annotations

import http.client
import os
import signal
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, get_current_context

from airflow_provider_pipehooks.operators.databricks_jobs import DatabricksRunNowOperator
from airflow_provider_pipehooks.operators.databricks_pipelines import DatabricksPipelineUpdateOperator
from airflow_provider_pipehooks.operators.dbt_cloud import DbtCloudRunJobOperator


def die() -> None:
    """What the kernel's out-of-memory killer does: nothing is cleaned up, nobody is told."""
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal:
    """Dies in its first try, right after the moment that ``conf["kill_at"]`` names."""

    kill_at: str | None = None

    def execute(self, context: Any) -> Any:
        first = context["ti"].try_number == 1
        self.kill_at = context["dag_run"].conf.get("kill_at") if first else None
        return super().execute(context)  # type: ignore[misc]

    def execute_complete(self, context: Any, *args: Any, **kwargs: Any) -> Any:
        if context["ti"].try_number == 1 and context["dag_run"].conf.get("kill_at") == "waiting":
            die()
        return super().execute_complete(context, *args, **kwargs)  # type: ignore[misc]

    def start(self, intent: Any) -> Any:
        if self.kill_at == "post_sent":
            # The request of the start is on the wire when its answer is about to be read.
            read = http.client.HTTPConnection.getresponse

            def deadly(connection: Any) -> Any:
                return die() if connection._method == "POST" else read(connection)

            http.client.HTTPConnection.getresponse = deadly  # type: ignore[method-assign]
        return super().start(intent)  # type: ignore[misc]

    def _opened_once(self, context: Any, *args: Any) -> Any:
        once = super()._opened_once(context, *args)  # type: ignore[misc]
        remember = once.notes.remember

        def deadly(intent: Any) -> None:
            answered = intent.remote_run_id is not None
            if answered and self.kill_at == "reply_received":
                die()
            remember(intent)
            if self.kill_at == ("id_stored" if answered else "intent_written"):
                die()

        once.notes.remember = deadly
        return once

    def _wait(self, context: Any, *args: Any, **kwargs: Any) -> Any:
        if self.kill_at == "waiting" and not self.deferrable:  # type: ignore[attr-defined]
            die()
        return super()._wait(context, *args, **kwargs)  # type: ignore[misc]


class MortalDbt(Mortal, DbtCloudRunJobOperator):
    pass


class MortalDatabricks(Mortal, DatabricksRunNowOperator):
    pass


class MortalPipeline(Mortal, DatabricksPipelineUpdateOperator):
    pass


def note(event: dict[str, Any]) -> None:
    """Write down which event was told, and die after the third where the case says so."""
    context = get_current_context()
    told = Path(os.environ["AIRFLOW_HOME"]) / "told" / f"{context['run_id']}.{context['ti'].task_id}"
    told.parent.mkdir(exist_ok=True)
    with told.open("a") as file:
        file.write(f"{event['origin']['update_id']} {event['id']}\n")
    is_at = context["dag_run"].conf.get("kill_at") == "event_told" and context["ti"].try_number == 1
    if is_at and len(told.read_text().splitlines()) == 3:
        die()


def make_dag(dag_id: str, task_options: dict[str, Any], **options: Any) -> DAG:
    """One task per service and way to wait; each has its own remote job, given in ``conf``."""
    defaults = {
        "retries": 3,
        "retry_delay": timedelta(seconds=1),
        "hook_params": {"timeout_seconds": 10, "retry_delay": 0.2},
        "forward_dag_params": False,
        **task_options,
    }
    make_pipelines_dag(f"{dag_id}_pipelines", defaults, **options)
    many = {"max_active_runs": 1000, "max_active_tasks": 1000, "start_date": datetime(2026, 1, 1)}
    with DAG(dag_id, schedule=None, default_args=defaults, **many, **options) as dag:
        for name, deferrable in (("sync", False), ("deferrable", True)):
            MortalDbt(
                task_id=f"dbt_cloud_{name}",
                job_id=f"{{{{ dag_run.conf['dbt_cloud_{name}'] }}}}",
                check_interval=1,
                deferrable=deferrable,
            )
            MortalDatabricks(
                task_id=f"databricks_jobs_{name}",
                job_id=f"{{{{ dag_run.conf['databricks_jobs_{name}'] }}}}",
                polling_period_seconds=1,
                deferrable=deferrable,
            )
    return dag


def make_pipelines_dag(dag_id: str, defaults: dict[str, Any], **options: Any) -> None:
    """The same with two pipelines; an update of somebody else is waited for, and may not be stopped."""
    many = {"max_active_runs": 1000, "max_active_tasks": 1000, "start_date": datetime(2026, 1, 1)}
    with DAG(dag_id, schedule=None, default_args=defaults, **many, **options) as dag:
        for name, deferrable in (("sync", False), ("deferrable", True)):
            MortalPipeline(
                task_id=f"databricks_pipelines_{name}",
                pipeline_id=f"{{{{ dag_run.conf['databricks_pipelines_{name}'] }}}}",
                polling_period_seconds=1,
                if_active="wait",
                event_hooks=[note],
                event_batch_size=1,
                wake_every=5,
                deferrable=deferrable,
            )
    globals()[dag_id] = dag


lane = make_dag("fault_lane", {})
# Without the API server no try can begin: those that follow at once are all lost before it is back.
patient = make_dag("patient", {"retry_delay": timedelta(seconds=60)})
slow_tasks = make_dag("execution_timeout", {"retries": 0, "execution_timeout": timedelta(seconds=45)})
slow_run = make_dag("dagrun_timeout", {"retries": 0}, dagrun_timeout=timedelta(seconds=60))
fail_fast = make_dag("fail_fast", {"retries": 0}, fail_fast=True)
with fail_fast:
    # Its run fails once all others wait; Airflow then ends them.
    MortalDbt(task_id="fails", job_id="{{ dag_run.conf['fails'] }}", check_interval=1, deferrable=True)
