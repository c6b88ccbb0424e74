"""What can only be seen on a whole Airflow: lost and killed workers, retries granted, the DAG processor."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import DAG, BaseOperator, get_current_context
from airflow.sdk.exceptions import AirflowSkipException

from airflow_provider_pipehooks.handlers.node_hooks import NodeHooks
from airflow_provider_pipehooks.handlers.state_handlers import Retrying, State, state_handlers, stateful


class Writes:
    """A handler that writes a line: who heard of it, whose transition, and which."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, subject: Any, old: State, new: State) -> None:
        of = getattr(subject, "task_id", "dag")
        line = f"{self.name} {of}: {type(old).__name__} -> {type(new).__name__}\n"
        with open(os.environ["TOLD"], "a") as file:
            file.write(line)


class Grants(Writes):
    """Grants two retries to a task that has none."""

    def __call__(self, subject: Any, old: State, new: State) -> Any:
        super().__call__(subject, old, new)
        if new.is_failed() and get_current_context()["ti"].try_number < 3:
            return Retrying("granted")
        return None


class Waits(BaseOperator):
    def execute(self, context: Any) -> None:
        # Longer than a heartbeat: see RemoteRunTrigger on tasks that resume before their process is gone.
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=3)), method_name="go_on")

    def go_on(self, context: Any, event: Any = None) -> str:
        return "waited"


def fails() -> None:
    raise ValueError("boom")


def dies_once() -> str:
    if get_current_context()["ti"].try_number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


class Sleeps(BaseOperator):
    def execute(self, context: Any) -> None:
        time.sleep(300)

    def on_kill(self) -> None:
        with open(os.environ["TOLD"], "a") as file:
            file.write(f"on_kill {self.task_id}\n")


class Skips(Writes):
    """Decides by Airflow's own exception."""

    def __call__(self, subject: Any, old: State, new: State) -> None:
        super().__call__(subject, old, new)
        if new.is_successful() and not new.is_skipped():
            raise AirflowSkipException("not today")


class Hooked(NodeHooks, EmptyOperator):
    need_run_hook = True

    def node_finish(self, data: Any, parent_data: Any) -> None:
        with open(os.environ["TOLD"], "a") as file:
            file.write(f"node_finish {self.task_id}\n")


def skips() -> None:
    raise AirflowSkipException("nothing to do")


AT_ONCE = {"retry_delay": timedelta(seconds=0)}

with DAG("told", schedule=None, default_args=AT_ONCE, **state_handlers(Writes("dag"), of="dag")):
    stateful(PythonOperator)(task_id="granted", python_callable=fails, state_handlers=[Grants("own")])
    stateful(Waits)(task_id="waits", state_handlers=[Writes("own")])
    dies = stateful(PythonOperator)(
        task_id="dies", python_callable=dies_once, retries=1, state_handlers=[Writes("own")]
    )
    observed = PythonOperator(
        task_id="observed_dies", python_callable=dies_once, retries=1, **state_handlers(Writes("own"))
    )
    first = PythonOperator(task_id="fails", python_callable=fails)
    first >> stateful(EmptyOperator)(task_id="after_decides", state_handlers=[Writes("own")])
    first >> EmptyOperator(task_id="after_observes", **state_handlers(Writes("own")))
    stateful(EmptyOperator)(task_id="empty", state_handlers=[Writes("own")])
    # What was skipped with its upstream never runs: only the DAG processor can tell of it.
    skipping = PythonOperator(task_id="skips", python_callable=skips)
    skipping >> EmptyOperator(task_id="after_skip", **state_handlers(Writes("own")))
    stateful(PythonOperator).partial(
        task_id="mapped", python_callable=lambda _: 1, state_handlers=[Writes("own")]
    ).expand(op_args=[[1], [2]])
    stateful(EmptyOperator)(task_id="decides_to_skip", state_handlers=[Skips("own")])
    Hooked(task_id="hooked")

with DAG("marked", schedule=None, default_args=AT_ONCE):
    stateful(Sleeps)(task_id="killed", state_handlers=[Writes("own")])
