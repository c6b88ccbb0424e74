"""Databricks Pipelines 2.0 (Lakeflow declarative pipelines, DLT) as the stand-in plays them."""

from airflow_provider_pipehooks.standin.databricks_pipelines.routes import routes
from airflow_provider_pipehooks.standin.databricks_pipelines.world import World

__all__ = ["World", "routes"]
