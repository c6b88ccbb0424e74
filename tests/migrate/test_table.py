"""The table of names is true: of the official providers as they are installed, and of this package."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest

import airflow_provider_pipehooks
from airflow_provider_pipehooks.migrate.table import CURRENT, FORMER, HOME_OF, MOVED, STAYS

OFFICIAL = [
    *(f"airflow.providers.dbt.cloud.{place}.dbt" for place in ("operators", "sensors", "hooks", "triggers")),
    *(
        f"airflow.providers.databricks.{place}"
        for place in (
            "operators.databricks",
            "operators.databricks_repos",
            "operators.databricks_sql",
            "operators.databricks_workflow",
            "operators.warehouse",
            "sensors.databricks",
            "sensors.databricks_partition",
            "sensors.databricks_sql",
            "hooks.databricks",
            "hooks.databricks_base",
            "hooks.databricks_sql",
            "triggers.databricks",
            "exceptions",
        )
    ),
]


def classes_of(module: str) -> set[str]:
    """Public classes that a module defines itself."""
    found = inspect.getmembers(import_module(module), inspect.isclass)
    return {name for name, kind in found if kind.__module__ == module and name[0] != "_"}


@pytest.mark.parametrize("name", HOME_OF)
def test_every_name_can_be_imported_from_its_home(name: str) -> None:
    assert inspect.isclass(getattr(import_module(HOME_OF[name]), name))


@pytest.mark.parametrize("module", CURRENT)
def test_every_current_name_can_be_imported_from_the_official_module(module: str) -> None:
    official = import_module(module)
    assert [name for name in CURRENT[module] if not hasattr(official, name)] == []


@pytest.mark.parametrize("module", OFFICIAL)
def test_every_official_class_is_moved_or_stays_for_a_reason(module: str) -> None:
    moved, stays = set(CURRENT.get(module, ())), STAYS.get(module, {})
    assert classes_of(module) - moved == set(stays)
    assert all(stays.values())
    assert moved & set(stays) == set()


def test_what_stays_has_no_namesake_here() -> None:
    """A class that is written later under an official name has to come into the table."""
    ours: set[str] = set()
    for path in Path(airflow_provider_pipehooks.__file__).parent.rglob("*.py"):
        if "standin" not in path.parts:
            body = ast.parse(path.read_text()).body
            ours |= {node.name for node in body if isinstance(node, ast.ClassDef)}
    staying = {name for names in STAYS.values() for name in names}
    assert staying & ours == set()


def test_no_former_name_is_a_current_one() -> None:
    for module in FORMER:
        try:
            official = import_module(module)
        except ModuleNotFoundError:
            continue
        assert [name for name in FORMER[module] if hasattr(official, name)] == []


def test_every_name_of_the_table_has_a_home() -> None:
    assert {name for names in MOVED.values() for name in names} == set(HOME_OF)
