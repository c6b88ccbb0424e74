"""What people operate on: tasks that end at once, a group, a branch, mapped tasks, and one that asks."""

from __future__ import annotations

import logging
from datetime import datetime

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import DAG, TaskGroup, task

OPTIONS = {"schedule": None, "start_date": datetime(2026, 1, 1), "catchup": False}

with DAG("operated", **OPTIONS, tags=["operated"]):
    load = EmptyOperator(task_id="load")
    with TaskGroup("transform") as transform:
        EmptyOperator(task_id="clean") >> EmptyOperator(task_id="join")
    load >> transform

with DAG("operated_too", **OPTIONS):
    EmptyOperator(task_id="load")

with DAG("branched", **OPTIONS):

    @task.branch
    def choose() -> str:
        return "left"

    @task
    def part(number: int) -> int:
        return number

    choose() >> [EmptyOperator(task_id="left"), EmptyOperator(task_id="right")]
    part.expand(number=[1, 2])

with DAG("asking", **OPTIONS):
    HITLOperator(task_id="ask", subject="Go on?", options=["yes", "no"])

# Stays paused: its runs only mark places in the order of events.
with DAG("marks", **OPTIONS):
    EmptyOperator(task_id="nothing")

with DAG("told", **OPTIONS, tags=["critical"]):

    @task
    def succeed() -> None:
        logging.getLogger(__name__).info("Nothing to do")

    @task(retries=1, retry_delay=1)
    def fail() -> None:
        raise ValueError("it broke")

    succeed() >> fail()
