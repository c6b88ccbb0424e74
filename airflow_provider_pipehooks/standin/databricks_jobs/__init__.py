"""Databricks Jobs 2.1 and 2.2, and both token endpoints, as the stand-in plays them."""

from airflow_provider_pipehooks.standin.databricks_jobs.routes import routes
from airflow_provider_pipehooks.standin.databricks_jobs.world import World

__all__ = ["World", "routes"]
