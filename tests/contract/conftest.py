"""A stand-in that the official hooks can speak to, with connections of their types."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator

import aiohttp
import pytest

from airflow_provider_pipehooks.standin import StandIn

NOW_S = 1_800_000_000.0


@pytest.fixture(scope="session")
def official_server() -> Iterator[StandIn]:
    with StandIn(tls=True) as standin:
        # The same call gives the same answer, whenever it is made.
        for world in (standin.dbt_cloud, standin.databricks_jobs, standin.databricks_pipelines):
            world.clock = lambda: NOW_S
        yield standin


@pytest.fixture
def for_both(
    official_server: StandIn, connections: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> StandIn:
    """Emptied; ``dbt_both`` and ``databricks_both`` lead to it."""
    server = official_server
    server.reset()
    connections("dbt_both", conn_type="dbt_cloud", host=f"localhost:{server.port}", login="1", password="t")
    connections(
        "databricks_both", conn_type="databricks", host="localhost", port=server.port, password="dapi"
    )
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(server.ca_file))
    # aiohttp reads SSL_CERT_FILE once, on import: in time for the process of a triggerer, too early here.
    trusting = ssl.create_default_context(cafile=str(server.ca_file))
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting)
    return server
