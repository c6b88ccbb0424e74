"""The rest of a workspace, as far as hooks ask for it: clusters, warehouses, rights, repositories."""

from airflow_provider_pipehooks.standin.databricks_workspace.routes import routes
from airflow_provider_pipehooks.standin.databricks_workspace.world import World

__all__ = ["World", "routes"]
