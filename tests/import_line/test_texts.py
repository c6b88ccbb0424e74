"""DAGs in the shapes people write: the same with the official imports and with ours.

A few for each run of the tests; all of them are slow: ``python -m tests.import_line.lane`` shows a table.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import aiohttp
import pytest

from airflow_provider_pipehooks.migrate.rewriting import rewrite
from airflow_provider_pipehooks.migrate.table import MOVED
from airflow_provider_pipehooks.standin import StandIn
from tests.import_line.running import NAMES, Seen, connect_all, differences, ours, run_text, text_of, trusting

QUICK = ("dbt_fails", "dbt_subclass", "dbt_callbacks", "databricks_arguments", "databricks_module")


@pytest.fixture(scope="module")
def server() -> Iterator[StandIn]:
    with StandIn(tls=True) as standin:
        yield standin


@pytest.fixture
def secured(
    server: StandIn, connections: object, monkeypatch: pytest.MonkeyPatch, airflow_db: None
) -> StandIn:
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(server.ca_file))
    monkeypatch.setattr(aiohttp.connector, "_SSL_CONTEXT_VERIFIED", trusting(server))
    connect_all(connections, server)  # type: ignore[arg-type]
    return server


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]
)
def test_it_is_the_same_with_our_imports(name: str, secured: StandIn) -> None:
    official = run_text(text_of(name), secured)
    assert official.error is None
    assert official.states
    assert differences(official, run_text(ours(text_of(name)), secured)) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_changed_text_imports_nothing_that_we_have_from_the_official_provider(name: str) -> None:
    done = rewrite(text_of(name).encode())
    assert [each for each in done.findings if each.undone] == []
    imports = [node for node in ast.walk(ast.parse(done.data)) if isinstance(node, ast.ImportFrom)]
    left = [
        (node.module, alias.name)
        for node in imports
        for alias in node.names
        if alias.name in MOVED.get(node.module or "", {})
    ]
    assert imports
    assert left == []


def test_there_are_forty_and_more() -> None:
    assert len(NAMES) >= 40


@pytest.mark.parametrize(
    "other",
    [
        Seen(error="ImportError"),
        Seen(states={"d.t": "failed"}),
        Seen(states={"d.t": "success"}, xcoms={}),
        Seen(states={"d.t": "success"}, xcoms={"k": "1"}, asked=["POST"]),
        Seen(states={"d.t": "success"}, xcoms={"k": "1"}, noted=["x"]),
        Seen(states={"d.t": "success"}, xcoms={"k": "1"}, ended=["x"]),
    ],
)
def test_a_difference_is_seen(other: Seen) -> None:
    official = Seen(states={"d.t": "success"}, xcoms={"k": "1"})
    assert differences(official, official) == []
    assert differences(official, other)
