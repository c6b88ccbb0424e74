"""DAGs that fail, and one whose watcher is the sender of their alerts."""

from __future__ import annotations

import os
import signal
from datetime import datetime, timezone

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_provider_pipehooks.notifications.sender_trigger import AlertSenderTrigger
from airflow_provider_pipehooks.notifications.sns import sns_on_failure
from airflow_provider_pipehooks.operators.send_alerts import SendAlertsOperator
from airflow_provider_pipehooks.operators.sns_alert import notify_if_one_failed

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
tell = sns_on_failure(send_resolved=True)
callbacks = {"on_failure_callback": tell, "on_success_callback": tell}

if os.environ["SENDER"] == "trigger":
    alerts = Asset("alerts", watchers=[AssetWatcher(name="sender", trigger=AlertSenderTrigger())])
    with DAG("sender", schedule=[alerts], start_date=START) as sender:

        @task
        def never() -> None:
            """The watcher fires no event: its DAG only switches it on and off."""

        never()
elif os.environ["SENDER"] == "task":
    with DAG("sender", schedule="@continuous", start_date=START, max_active_runs=1, catchup=False) as sender:
        SendAlertsOperator(task_id="send", send_for=20)


@task
def load(number: int, **context: object) -> None:
    """Fails as often as the run is told to."""
    if context["params"]["fails"]:  # type: ignore[index]
        raise ValueError(f"no table {number} in '/data/{number}'")


for name in ("shops", "stock"):
    with DAG(
        name, schedule=None, start_date=START, default_args=callbacks, params={"fails": True}
    ) as failing:
        load.expand(number=list(range(8)))


def die(context: object) -> None:
    """The process ends before its callback has told anybody."""
    os.kill(os.getpid(), signal.SIGKILL)


with DAG("killed", schedule=None, start_date=START, params={"fails": True}):
    load.override(on_failure_callback=die)(1)

with DAG("with_alert_task", schedule=None, start_date=START, params={"fails": True}):
    load(1) >> notify_if_one_failed(as_teardown=True)
