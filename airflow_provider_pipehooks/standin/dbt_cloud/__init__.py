"""dbt Cloud as the stand-in plays it: administrative API v2, and the parts of v3 that name things."""

from airflow_provider_pipehooks.standin.dbt_cloud.routes import routes
from airflow_provider_pipehooks.standin.dbt_cloud.world import World

__all__ = ["World", "routes"]
