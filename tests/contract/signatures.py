"""The official providers' names beside ours: ``python -m tests.contract.signatures`` writes the page.

Everything that can be compared is compared: classes, parameters with their defaults, template fields, links,
XCom keys, methods of hooks, exceptions. :mod:`tests.contract.left_out` has the words for what differs.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType
from typing import Any

from airflow.providers.databricks import get_provider_info as databricks_info
from airflow.providers.dbt.cloud import get_provider_info as dbt_cloud_info
from airflow.sdk import BaseHook, BaseOperator, TaskGroup

import airflow_provider_pipehooks
from tests.contract.left_out import MORE, REFUSED, STAYS

PAGE = Path(__file__).parents[2] / "docs" / "signatures.md"
OURS = airflow_provider_pipehooks.__name__
#: Ways to call what is not public by its name, and is used all the same.
ESCAPES = ("_do_api_call", "_a_do_api_call", "_run_and_get_response")
#: Modules the metadata does not name.
FURTHER = ("airflow.providers.databricks.exceptions", "airflow.providers.databricks.hooks.databricks_base")
#: Where a class of ours may stand that bears an official name.
ROOMS = ("operators", "sensors", "hooks", "triggers")
#: Something to run, as the class needs it; the first that fits.
NEEDED: tuple[dict[str, Any], ...] = (
    {},
    {"job_id": 1},
    {"run_id": 1},
    {"run_id": 1, "path": "run_results.json"},
    {"statement": "select 1", "warehouse_id": "w"},
    {"statement_id": "s"},
    {"name": "n", "tasks": []},
    {"notebook_path": "/n", "source": "WORKSPACE", "existing_cluster_id": "c"},
    {"task_config": {"notebook_task": {"notebook_path": "/n"}}, "existing_cluster_id": "c"},
)
#: One of them is not the default of a parameter that is refused.
SAMPLES: tuple[Any, ...] = (True, "text", 7, {"a": 1}, ["a"])
MISSING = "MISSING"


@dataclass(frozen=True, order=True)
class Row:
    """One official name.

    :param verdict: ``same``, or ``more``, ``refused`` or ``stays`` with words, or ``MISSING``.
    """

    owner: str
    kind: str
    name: str
    verdict: str

    @property
    def key(self) -> str:
        return self.owner if self.kind in ("class", "function") else f"{self.owner}.{self.name}"


def official_modules() -> list[ModuleType]:
    """All that the two providers' metadata names, and a little more."""
    names: dict[str, None] = {}
    for info in (dbt_cloud_info.get_provider_info(), databricks_info.get_provider_info()):
        for part in ("operators", "sensors", "hooks", "triggers"):
            names |= dict.fromkeys(name for each in info.get(part, ()) for name in each["python-modules"])
    return [import_module(name) for name in (*names, *FURTHER)]


def names_of(module: ModuleType) -> list[str]:
    """Public classes and functions that a module defines."""
    return [
        name
        for name, value in vars(module).items()
        if name[0] != "_"
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    ]


@cache
def our_names() -> dict[str, tuple[str, Any]]:
    """Name -> module and object, of what the rooms offer; the module defines it, or names it as its own."""
    found: dict[str, tuple[str, Any]] = {}
    for room in ROOMS:
        package = import_module(f"{OURS}.{room}")
        for info in walk_packages(package.__path__, f"{package.__name__}."):
            module = import_module(info.name)
            declared = getattr(module, "__all__", ())
            for name, value in vars(module).items():
                own = getattr(value, "__module__", "") == module.__name__ and inspect.isclass(value)
                if name in declared or (own and name not in found):
                    found[name] = (info.name, value)
            # Some are loaded on first use.
            found |= {name: (info.name, getattr(module, name)) for name in declared if name not in found}
    return found


def rows() -> list[Row]:
    """Every official name with its verdict."""
    return [
        row for module in official_modules() for name in names_of(module) for row in rows_of(module, name)
    ]


def rows_of(module: ModuleType, name: str) -> Iterator[Row]:
    theirs = getattr(module, name)
    kind = "class" if inspect.isclass(theirs) else "function"
    if name not in our_names():
        told = f"stays: {STAYS[name]}" if name in STAYS else refused_or_missing(name)
        yield Row(name, kind, name, told)
        return
    ours = our_names()[name][1]
    own = name if ours.__name__ == name else f"`{ours.__name__}` by this name"
    extra = "" if own == name else own
    yield Row(name, kind, name, more(name, extra))
    if issubclass(theirs, BaseHook):
        yield from hook_rows(theirs, ours)
    elif issubclass(theirs, (BaseOperator, TaskGroup)):
        yield from parameter_rows(theirs, ours)
        yield from operator_rows(module, theirs, ours)


def refused_or_missing(key: str) -> str:
    return f"refused: {REFUSED[key]}" if key in REFUSED else MISSING


def more(key: str, words: str = "") -> str:
    told = "; ".join(filter(None, (words, MORE.get(key, ""))))
    return f"more: {told}" if told else "same"


# --- parameters -------------------------------------------------------------------------------------------


def parameters(kind: type) -> dict[str, inspect.Parameter]:
    """The named parameters of a class's own ``__init__``."""
    signature = inspect.signature(inspect.unwrap(kind.__init__))  # type: ignore[misc]
    wild = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return {
        name: each for name, each in signature.parameters.items() if name != "self" and each.kind not in wild
    }


def inherited(kind: type) -> dict[str, inspect.Parameter]:
    """The same with those that are handed up through ``**kwargs``."""
    found: dict[str, inspect.Parameter] = {}
    for each in reversed(kind.__mro__[:-1]):
        if "__init__" in vars(each):
            found |= parameters(each)
    return found


def parameter_rows(theirs: type, ours: type) -> Iterator[Row]:
    here = inherited(ours)
    base = what_it_needs(ours)
    for name, each in parameters(theirs).items():
        key = f"{theirs.__name__}.{name}"
        if name not in here:
            verdict = refused_or_missing(key)
        elif base is not None and (words := refusal(ours, base, name)):
            verdict = f"refused: {words}"
        else:
            verdict = more(key, other_default(each, here[name]))
        yield Row(theirs.__name__, "parameter", name, verdict)


def other_default(theirs: inspect.Parameter, ours: inspect.Parameter) -> str:
    empty = inspect.Parameter.empty
    if theirs.default == ours.default or (theirs.default is empty and ours.default is not empty):
        return ""
    return f"the default is `{ours.default!r}`, not `{theirs.default!r}`"


def what_it_needs(kind: type) -> dict[str, Any] | None:
    """Arguments that make one; None if nothing here does."""
    for needed in NEEDED:
        try:
            make(kind, needed)
        except Exception:
            continue
        return needed
    return None


def make(kind: type, arguments: dict[str, Any]) -> None:
    task = {"task_id": "t"} if issubclass(kind, BaseOperator) else {}
    kind(**{**task, **arguments})


def refusal(kind: type, base: dict[str, Any], name: str) -> str:
    """What the class itself says when it takes no value but the default; empty when it takes one."""
    for sample in SAMPLES:
        try:
            make(kind, {**base, name: sample})
        except Exception as err:
            text = " ".join(str(err).split())
            if "not supported" in text and name.partition("_")[0] in text:
                return text.partition("not supported")[2].lstrip(".: ").rstrip(".")
    return ""


# --- operators --------------------------------------------------------------------------------------------


def operator_rows(module: ModuleType, theirs: Any, ours: Any) -> Iterator[Row]:
    for what, there, here in (
        ("template field", getattr(theirs, "template_fields", ()), getattr(ours, "template_fields", ())),
        ("template file", getattr(theirs, "template_ext", ()), getattr(ours, "template_ext", ())),
        ("XCom key", sorted(pushed(module, theirs)), sorted(pushed_here(ours))),
    ):
        for name in there:
            verdict = "same" if name in here else refused_or_missing(f"{theirs.__name__}.{name}")
            yield Row(theirs.__name__, what, name, verdict)
    our_links = [link.name for link in links_of(ours)]
    for link in links_of(theirs):
        verdict = "same" if link.name in our_links else f'refused: the button is "{", ".join(our_links)}"'
        yield Row(theirs.__name__, "link", link.name, verdict if our_links else MISSING)


def links_of(kind: Any) -> list[Any]:
    links = getattr(kind, "operator_extra_links", ())
    return list(links) if isinstance(links, Iterable) else []


def pushed(module: ModuleType, kind: type) -> set[str]:
    """Keys of XComs in a class's source, and in the functions of its module that it calls."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    trees = [tree]
    for name in called:
        function = getattr(module, name, None)
        if inspect.isfunction(function) and function.__module__ == module.__name__:
            trees.append(ast.parse(inspect.getsource(function)))
    return {key for each in trees for key in keys_in(each, module)}


def pushed_here(kind: Any) -> set[str]:
    """What our operators push for the official ones' sake, as they list it themselves."""
    module = import_module(kind.__module__)
    return {*getattr(kind, "official_keys", ()), *keys_in(ast.parse(inspect.getsource(module)), module)}


def keys_in(tree: ast.AST, module: ModuleType) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "xcom_push":
            for word in node.keywords:
                if word.arg == "key":
                    is_name = isinstance(word.value, ast.Name)
                    yield str(
                        getattr(module, ast.unparse(word.value)) if is_name else ast.literal_eval(word.value)
                    )


# --- hooks ------------------------------------------------------------------------------------------------


def hook_rows(theirs: type, ours: type) -> Iterator[Row]:
    yield from parameter_rows(theirs, ours)
    for name in members(theirs):
        key = f"{theirs.__name__}.{name}"
        if name not in members(ours):
            verdict = refused_or_missing(key)
        elif (words := other_call(getattr(theirs, name), getattr(ours, name))) is None:
            verdict = MISSING
        else:
            verdict = more(key, words)
        yield Row(
            theirs.__name__, "method" if callable(getattr(theirs, name)) else "attribute", name, verdict
        )


def members(kind: type) -> list[str]:
    """What a hook has of its own: public, or an escape."""
    own = kind.__mro__[: kind.__mro__.index(BaseHook)]
    found = dict.fromkeys(name for each in own for name in vars(each) if name[0] != "_" or name in ESCAPES)
    return sorted(found)


def other_call(theirs: Any, ours: Any) -> str | None:
    """Empty where both are called alike, words where ours takes more, None where it takes less."""
    if not callable(theirs):
        return ""
    there, here = (inspect.signature(each).parameters for each in (theirs, ours))
    if inspect.iscoroutinefunction(inspect.unwrap(theirs)) != inspect.iscoroutinefunction(ours):
        return None
    alike = [(name, each.kind, each.default) for name, each in here.items()]
    if alike[: len(there)] != [(name, each.kind, each.default) for name, each in there.items()]:
        return None
    return (
        f"takes {', '.join(f'`{name}`' for name in list(here)[len(there) :])}, too"
        if len(here) > len(there)
        else ""
    )


# --- the page ---------------------------------------------------------------------------------------------

HEAD = """# The import line: every official name

What a DAG may have imported from the official providers, beside what it finds here. *same* is called alike
and gives the like; *more* does what the official one does, and what is said; *refused* has no counterpart,
or raises with these words; *stays* is imported from the official provider as before: all may be installed
together. This page is made from the code of both by `python -m tests.contract.signatures`, and a test fails
when it is not so any more.

| provider | version compared |
|---|---|
"""


def page() -> str:
    """The page, as it has to be."""
    found = rows()
    parts = [HEAD + "".join(f"| `{name}` | {version} |\n" for name, version in versions())]
    parts.append("## Import lines\n\n| was | is |\n|---|---|\n" + "".join(import_lines()))
    replaced = dict.fromkeys(row.owner for row in found if row.kind not in ("class", "function"))
    parts += [section(owner, [row for row in found if row.owner == owner]) for owner in replaced]
    rest = [row for row in found if row.owner not in replaced]
    parts.append("## Everything else\n\n| name | verdict |\n|---|---|\n" + "".join(map(line_of, rest)))
    return "\n".join(parts)


def versions() -> Iterator[tuple[str, str]]:
    for info in (dbt_cloud_info.get_provider_info(), databricks_info.get_provider_info()):
        package = info["package-name"]
        module = package.removeprefix("apache-airflow-providers-").replace("-", ".")
        yield package, import_module(f"airflow.providers.{module}").__version__


def import_lines() -> Iterator[str]:
    for module in official_modules():
        ours: dict[str, list[str]] = {}
        for name in names_of(module):
            if name in our_names():
                ours.setdefault(our_names()[name][0], []).append(f"`{name}`")
        for path, names in sorted(ours.items()):
            yield f"| {', '.join(names)} from `{module.__name__}` | `{path}` |\n"


def section(owner: str, found: list[Row]) -> str:
    """A class: what is the same in one line for each kind, then the others one by one."""
    head = next(row for row in found if row.kind == "class")
    lines = [f"## {owner}\n\n| | name | verdict |\n|---|---|---|\n"]
    if head.verdict != "same":
        lines.append(f"| class | `{owner}` | {head.verdict} |\n")
    for kind in dict.fromkeys(row.kind for row in found if row is not head):
        of_kind = [row for row in found if row.kind == kind]
        if same := [f"`{row.name}`" for row in of_kind if row.verdict == "same"]:
            lines.append(f"| {kind} | {', '.join(same)} | same |\n")
        lines += [f"| {kind} | `{row.name}` | {row.verdict} |\n" for row in of_kind if row.verdict != "same"]
    return "".join(lines)


def line_of(row: Row) -> str:
    return f"| `{row.name}` | {row.verdict} |\n"


def main() -> None:
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
