"""What a process keeps is listed in one place, and can be forgotten."""

from __future__ import annotations

import ast
import asyncio
from importlib import import_module
from operator import attrgetter
from pathlib import Path

import pytest

from airflow_provider_pipehooks import process_wide
from airflow_provider_pipehooks.handlers import signals
from airflow_provider_pipehooks.hooks import auth, rate
from airflow_provider_pipehooks.process_wide import KEPT, forget

PACKAGE = Path(process_wide.__file__).parent
#: Programs of their own, which are not part of Airflow's processes.
ELSEWHERE = ("standin", "demo")
#: Made once from what does not change, so that there is nothing to forget.
CONSTANT = {
    "handlers.state.stateful:stateful_class",
    "plugins.shown.rendering:style",
    "plugins.shown.rendering:style_version",
    "plugins.shown.rendering:templates",
}
#: It is behind a global statement, and has a function of its own.
FORGOTTEN_BY = {"plugins.background:_of_this_process": "plugins.background:forget"}
CONTAINERS = ("dict", "list", "set", "deque", "OrderedDict", "WeakKeyDictionary", "Heap")


@pytest.mark.parametrize("path", KEPT)
def test_every_row_leads_to_something_that_can_be_called(path: str) -> None:
    module, _, attribute = path.partition(":")
    assert callable(attrgetter(attribute)(import_module(f"airflow_provider_pipehooks.{module}")))


def test_what_was_kept_is_forgotten() -> None:
    auth._TOKENS["host", "id", "secret", "scope"] = ("token", 1e12)
    signals.connect_later(["nowhere.nothing"])

    async def ask() -> None:
        forget()  # loops of other tests may be waiting for the garbage collector
        rate.rate_limits_of("https://host", None, {"lists": 1.0})
        assert len(rate._LIMITS) == 1
        forget()
        assert len(rate._LIMITS) == 0

    asyncio.run(ask())
    assert not auth._TOKENS
    assert not signals._named


def test_whatever_a_module_keeps_is_in_the_list() -> None:
    listed = {path.rsplit(".", 1)[0] if "." in path.partition(":")[2] else path for path in KEPT}
    kept = {name for path in PACKAGE.rglob("*.py") for name in _kept_by(path)}
    assert {FORGOTTEN_BY.get(name, name) for name in kept} - CONSTANT == listed


def _kept_by(path: Path) -> set[str]:
    """Module-level containers, caches, and names that functions assign with ``global``."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    if parts[0] in ELSEWHERE:
        return set()
    tree, found = ast.parse(path.read_text()), set()
    for node in tree.body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and _is_container(node.value):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            found.add(ast.unparse(target))
        if isinstance(node, ast.FunctionDef):
            found |= {node.name for each in node.decorator_list if ast.unparse(each).endswith("cache")}
    found |= {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
    return {f"{'.'.join(parts)}:{name}" for name in found}


def _is_container(value: ast.expr | None) -> bool:
    """An empty one that is filled later; a literal with content is a table."""
    if isinstance(value, (ast.Dict, ast.List, ast.Set)):
        return not (value.keys if isinstance(value, ast.Dict) else value.elts)
    return isinstance(value, ast.Call) and ast.unparse(value.func) in CONTAINERS and not value.args
