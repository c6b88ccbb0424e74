"""Who looks, and what Airflow lets them read: asked of a real auth manager, as its own routes ask it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.plugins.conftest import by_name
from tests.plugins.page_world import Database

DAGS = frozenset({"ann_shops", "ann_stock", "bob_shops"})


@pytest.fixture
def reader(airflow_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A user of a role: ``reader("ann", "viewer")``; of the DAGs, those of these tests."""
    from airflow.api_fastapi.app import init_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

    from airflow_provider_pipehooks.compat.access import reader_of

    database = Database()
    database.clear()
    database.dag(*DAGS)
    by_name(monkeypatch)
    init_auth_manager()
    yield lambda name, role: reader_of(SimpleAuthManagerUser(username=name, role=role))
    database.clear()


@pytest.mark.parametrize(
    ("name", "role", "reads", "connections"),
    [
        ("ann", "viewer", {"ann_shops", "ann_stock"}, False),
        ("bob", "viewer", {"bob_shops"}, False),
        ("eve", "viewer", set(), False),
        ("otto", "user", DAGS, False),
        ("otto", "op", DAGS, True),
        ("otto", "admin", DAGS, True),
        ("otto", None, set(), False),
    ],
)
def test_a_reader_is_what_the_auth_manager_says(
    name: str, role: Any, reads: set[str], connections: bool, reader: Any
) -> None:
    found = reader(name, role)
    assert found.dag_ids & DAGS == reads
    assert found.others & DAGS == DAGS - reads
    assert found.reads_connections is connections
    assert found.sees_accounts is (connections and reads == DAGS)
    assert found.reads_xcoms is (role is not None)
    assert found.name == name


def test_whoever_misses_one_dag_does_not_see_whole_accounts(reader: Any) -> None:
    from dataclasses import replace

    found = reader("otto", "op")
    assert replace(found, others=frozenset({"bob_shops"})).sees_accounts is False


def test_rights_on_xcoms_are_asked_for_apart(reader: Any) -> None:
    assert reader("blind", "admin").reads_xcoms is False
    assert reader("blind", "admin").dag_ids >= DAGS
