"""The same text by any notifier of Airflow: as a callback, as a task, and for a callback of one's own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from airflow.sdk import DAG, BaseNotifier, Context, task

from airflow_provider_pipehooks.core.errors import RunFailed
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.notifications.sending import alert_text
from airflow_provider_pipehooks.notifications.sns import sns_on_failure
from airflow_provider_pipehooks.operators.sns_alert import notify_if_one_failed
from tests.dag_runs import Finished

RunDag = Callable[..., Finished]
RUN = Run(service="dbt_cloud", run_id=42, state=RunState.ERROR, status="Error", message="no such table")
TOLD: list[str] = []


class Chat(BaseNotifier):
    """A notifier with a template, as Airflow's own are."""

    template_fields = ("text",)

    def __init__(self) -> None:
        super().__init__()
        self.text = "{{ subject }} | {{ labels['class'] }} | {{ body.splitlines()[0] }}"

    def notify(self, context: Context) -> None:
        TOLD.append(self.text)


@task
def fail() -> None:
    raise RunFailed(RUN)


def a_dag(name: str) -> DAG:
    return DAG(name, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))


def test_a_callback_tells_by_another_notifier(run_dag: RunDag) -> None:
    TOLD.clear()
    with a_dag("chat_callback") as dag:
        fail.override(on_failure_callback=sns_on_failure(notifier=Chat))()
    run_dag(dag)
    assert TOLD == ["Airflow: chat_callback failed: fail | unknown | DAG chat_callback failed: 1 task."]


def test_an_alert_task_tells_by_another_notifier_and_fails(run_dag: RunDag) -> None:
    TOLD.clear()
    with a_dag("chat_task") as dag:
        fail() >> notify_if_one_failed(notifier=Chat)
    finished = run_dag(dag)
    assert len(TOLD) == 1
    assert TOLD[0].startswith("Airflow: chat_task failed: fail | ")
    assert finished.tasks["notify_if_one_failed"] == "failed"


def test_a_callback_of_ones_own_gets_the_text(run_dag: RunDag) -> None:
    seen: list[dict[str, Any]] = []
    with a_dag("own_callback") as dag:
        fail.override(on_failure_callback=lambda context: seen.append(alert_text(context)))()
    run_dag(dag)
    (told,) = seen
    assert told["subject"] == "Airflow: own_callback failed: fail"
    assert "no such table" in told["body"]
    assert told["labels"]["service"] == "dbt_cloud"
    assert told["alert_id"] == told["alert"].alert_id
