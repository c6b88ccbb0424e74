"""The rooms of the package: imports run down, none is in a circle, and the pure ones reach nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import airflow_provider_pipehooks

PACKAGE = Path(airflow_provider_pipehooks.__file__).parent
NAME = PACKAGE.name

#: From the top down: a room may import those below it. The first five are steps of the flow.
ROOMS = (
    "demo",
    "migrate",
    "checks",
    "plugins",
    "operators",
    "sensors",
    "tasks",
    "notifications",
    "reporting",
    "triggers",
    "handlers",
    "compat",
    "hooks",
    "services",
    "core",
    "options",
    "standin",
)
#: The command line and the metadata name rooms and import what they are asked for.
DOORS = ("__main__", "provider_info", "process_wide", "__init__")
#: What the pure rooms may use of Python: no clock, no files, no network, no threads, no other module by name.
PURE = frozenset((
    "__future__", "ast", "base64", "collections", "collections.abc", "contextlib", "copy", "dataclasses",
    "datetime", "difflib", "enum", "functools", "hashlib", "itertools", "json", "logging", "math",
    "operator", "re", "types", "typing", "unicodedata", "urllib.parse",
))  # fmt: skip
#: What users catch has to be a class of Airflow's; it does nothing.
BUT = {f"{NAME}.core.errors": {"airflow.sdk.exceptions"}}
#: Attributes and keys by which an object of Airflow's could be used without importing it.
AIRFLOWS = frozenset((
    "xcom_push", "xcom_pull", "get_task_states", "task_state_store", "asset_state_store",
    "render_template", "defer", "log_url", "max_tries", "try_number", "get_template_context",
))  # fmt: skip


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(module: str, *, for_types: bool = True) -> Iterator[str]:
    """All modules that one imports at any time; of ours by their own name.

    :param for_types: those that only a type checker reads, too.
    """
    tree = ast.parse(MODULES[module].read_text())
    tree.body = [node for node in tree.body if for_types or not _is_for_types(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _is_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def test_every_room_has_its_place() -> None:
    assert {room_of(module) for module in MODULES} == {*ROOMS, *DOORS}


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_down(module: str) -> None:
    room = room_of(module)
    if room in DOORS:
        return
    allowed = {room, "__init__", *ROOMS[ROOMS.index(room) :]}
    ours = [name for name in imports(module) if name in MODULES]
    assert [name for name in ours if room_of(name) not in allowed] == []


def test_no_import_is_in_a_circle() -> None:
    graph = {
        module: {name for name in imports(module, for_types=False) if name in MODULES} - {module}
        for module in MODULES
    }
    assert circle_in(graph) == []


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """Modules that import each other; none where there are none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as err:
        return list(err.args[1])
    return []


def test_a_circle_is_found() -> None:
    assert set(circle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}


@pytest.mark.parametrize("module", [name for name in MODULES if room_of(name) in ("core", "services")])
def test_the_pure_rooms_reach_nothing(module: str) -> None:
    """Neither by an import nor by what an object that they are given can do."""
    others = {name for name in imports(module) if not name.startswith(NAME)}
    assert others - BUT.get(module, set()) <= PURE
    tree = ast.parse(MODULES[module].read_text())
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert (attributes | texts) & AIRFLOWS == set()
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert called & {"open", "print", "eval", "exec", "__import__", "input"} == set()


@pytest.mark.parametrize(
    "module", [name for name in MODULES if room_of(name) not in ("compat", "demo", "standin")]
)
def test_only_compat_uses_what_airflow_does_not_promise(module: str) -> None:
    """Modules of Airflow's are kept out by a lint rule; these are names that need no import."""
    nodes = list(ast.walk(ast.parse(MODULES[module].read_text())))
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    assert names & {"SUPERVISOR_COMMS", "_ti_context_from_server"} == set()
