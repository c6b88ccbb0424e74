"""The remote APIs in one local process: dbt Cloud, Databricks Jobs and Pipelines, for tests and demos.

It imports nothing else of this package and no Airflow, so it cannot share their mistakes.
"""

from airflow_provider_pipehooks.standin.faults import Fault
from airflow_provider_pipehooks.standin.past import PastRun
from airflow_provider_pipehooks.standin.plan import Plan
from airflow_provider_pipehooks.standin.server import StandIn

__all__ = ["Fault", "PastRun", "Plan", "StandIn"]
