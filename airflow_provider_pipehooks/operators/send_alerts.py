"""The sender of the outbox as a task, for a DAG that always runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_provider_pipehooks.core.durations import as_seconds

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_pipehooks.notifications.sender import Sender


class SendAlertsOperator(BaseOperator):
    """Send what lies in the outbox, for a while; returns how many messages it sent.

    Give its DAG ``schedule="@continuous"`` and ``max_active_runs=1``: the next run goes on where this one
    ends. It takes a worker's slot; where a triggerer runs, ``AlertSenderTrigger`` takes none.

    :param outbox: its path; None takes the option ``[pipehooks] outbox``.
    :param send_for: how long a run lasts: seconds or a timedelta.
    """

    template_fields = ("outbox",)

    def __init__(self, *, outbox: str | None = None, send_for: Any = 600, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.outbox = outbox
        self.send_for = as_seconds(send_for, "send_for")
        self._sender: Sender | None = None

    def execute(self, context: Context) -> int:
        from airflow_provider_pipehooks.notifications.sender import LOOK_EVERY_S, sender_of

        # Of this name: the next run goes on at once, and alerts are left to it in between.
        self._sender = sender_of(self.outbox, owner=f"{self.dag_id}.{self.task_id}")
        sent, until = 0, time.monotonic() + self.send_for
        while time.monotonic() < until:
            sent += self._sender.look_or_log()
            time.sleep(LOOK_EVERY_S)
        return sent

    def on_kill(self) -> None:
        if self._sender is not None:
            self._sender.outbox.release(self._sender.owner)
