"""What the contract suite needs to know of each service; everything else is the same for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow.sdk import BaseOperator

from airflow_provider_pipehooks.operators.databricks_jobs import DatabricksRunNowOperator
from airflow_provider_pipehooks.operators.dbt_cloud import DbtCloudRunJobOperator
from airflow_provider_pipehooks.sensors.databricks_jobs import DatabricksJobRunSensor
from airflow_provider_pipehooks.sensors.dbt_cloud import DbtCloudJobRunSensor
from airflow_provider_pipehooks.standin import Plan, StandIn


@dataclass(frozen=True, kw_only=True)
class ServiceCase:
    """One service behind the public door.

    :param plans: how a run of the stand-in ends, by the word the suite uses for it.
    :param fast: the operator's argument for short pauses between looks.
    :param official_keys: XCom keys of the official provider's operator.
    """

    name: str
    world: Callable[[StandIn], Any]
    operator: Callable[..., BaseOperator]
    sensor: Callable[..., BaseOperator]
    plans: Mapping[str, Plan]
    fast: Mapping[str, float]
    official_keys: frozenset[str]

    def add_job(self, standin: StandIn, outcome: str) -> int:
        job_id: int = self.world(standin).add_job(name=outcome, plan=self.plans[outcome])
        return job_id


DBT_CLOUD = ServiceCase(
    name="dbt_cloud",
    world=lambda standin: standin.dbt_cloud,
    operator=lambda task_id, job_id, **kwargs: DbtCloudRunJobOperator(
        task_id=task_id, job_id=job_id, check_interval=0.05, **kwargs
    ),
    sensor=lambda task_id, run_id, **kwargs: DbtCloudJobRunSensor(
        task_id=task_id, run_id=run_id, poke_interval=0.05, **kwargs
    ),
    plans={
        "success": Plan(polls=3),
        "error": Plan(outcome="error", polls=3),
        "cancel": Plan(outcome="cancelled", polls=3),
        "timeout": Plan(outcome="timeout", polls=3),
        "unknown": Plan(states=(1, 3, 99, 99), hold=True),
    },
    fast={"check_interval": 0.05},
    official_keys=frozenset({"job_run_id", "job_run_url"}),
)
DATABRICKS_JOBS = ServiceCase(
    name="databricks_jobs",
    world=lambda standin: standin.databricks_jobs,
    operator=lambda task_id, job_id, **kwargs: DatabricksRunNowOperator(
        task_id=task_id, job_id=job_id, polling_period_seconds=0.05, **kwargs
    ),
    sensor=lambda task_id, run_id, **kwargs: DatabricksJobRunSensor(
        task_id=task_id, run_id=run_id, poke_interval=0.05, **kwargs
    ),
    plans={
        "success": Plan(polls=3),
        "error": Plan(outcome="failed", polls=3),
        "cancel": Plan(outcome="cancelled", polls=3),
        "timeout": Plan(outcome="timedout", polls=3),
        "unknown": Plan(states=("PENDING", "HIBERNATING", "HIBERNATING"), hold=True),
    },
    fast={"polling_period_seconds": 0.05},
    official_keys=frozenset({"run_id", "run_page_url", "job_id"}),
)
SERVICES = (DBT_CLOUD, DATABRICKS_JOBS)
