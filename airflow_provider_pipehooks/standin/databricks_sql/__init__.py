"""Databricks SQL as the stand-in plays it: Statement Execution and Query History, API 2.0."""

from airflow_provider_pipehooks.standin.databricks_sql.routes import routes
from airflow_provider_pipehooks.standin.databricks_sql.world import World

__all__ = ["World", "routes"]
