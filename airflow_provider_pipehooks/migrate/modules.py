"""How a file uses whole modules of the official providers: ``import x.y as m`` and ``m.Name``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import libcst as cst
from libcst import metadata

from airflow_provider_pipehooks.migrate.table import MOVED, home


@dataclass
class Uses:
    """Of one module under one name.

    :param nodes: ``m.Name`` -> where that name is here, None where it stays.
    :param as_object: a line where the module itself is handed on.
    :param needed: something else counts on the official import being there.
    """

    nodes: dict[cst.Attribute, str | None] = field(default_factory=dict)
    as_object: int | None = None
    needed: bool = False

    @property
    def homes(self) -> list[str]:
        return list(dict.fromkeys(each for each in self.nodes.values() if each))

    @property
    def whole_home(self) -> str | None:
        """Our one module that takes the official one's place altogether."""
        (first, *others) = {*self.nodes.values()} or {None}
        return None if others or self.as_object or self.needed else first


class FindUses(cst.CSTVisitor):
    """Finds them all. ``found`` is by module and the text that stands for it: ``m``, or its dotted name."""

    METADATA_DEPENDENCIES = (
        metadata.QualifiedNameProvider,
        metadata.ParentNodeProvider,
        metadata.PositionProvider,
    )

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[tuple[str, str], Uses] = {}
        self._names: Counter[str] = Counter()

    def leave_Module(self, original_node: cst.Module) -> None:
        """``import a.b.c`` binds ``a``, which other code may use, too."""
        dotted = {key: uses for key, uses in self.found.items() if key[1] == key[0]}
        known = Counter(module.partition(".")[0] for (module, _), uses in dotted.items() for _ in uses.nodes)
        for (module, _), uses in dotted.items():
            root = module.partition(".")[0]
            uses.needed = self._names[root] > known[root]

    def visit_Import(self, node: cst.Import) -> bool:
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        return False

    def visit_Attribute(self, node: cst.Attribute) -> None:
        self._look(node)
        for qualified in self._imported(node):
            module, _, name = qualified.rpartition(".")
            if module in MOVED:
                uses = self.found.setdefault((module, text_of(node.value)), Uses())
                uses.nodes[node] = home(module, name)

    def visit_Name(self, node: cst.Name) -> None:
        self._look(node)
        self._names[node.value] += 1

    def _look(self, node: cst.Attribute | cst.Name) -> None:
        """Is this a module that is handed on?"""
        for module in self._imported(node) & MOVED.keys():
            parent = self.get_metadata(metadata.ParentNodeProvider, node)
            if not (isinstance(parent, cst.Attribute) and parent.value is node):
                uses = self.found.setdefault((module, text_of(node)), Uses())
                uses.as_object = self.get_metadata(metadata.PositionProvider, node).start.line

    def _imported(self, node: cst.CSTNode) -> set[str]:
        names = self.get_metadata(metadata.QualifiedNameProvider, node, set())
        if callable(names):
            names = names()
        return {each.name for each in names if each.source is metadata.QualifiedNameSource.IMPORT}


def text_of(node: cst.BaseExpression) -> str:
    """``a.b.c``, whatever white space is in it."""
    if isinstance(node, cst.Attribute):
        return f"{text_of(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""


def prefixes_of(uses: Uses, local: str, module: str, taken: str) -> Mapping[str, str]:
    """What stands for each of our modules, where the official one stays beside them.

    :param local: what stands for the official one.
    :param taken: the text of the file, in which a new name must not stand.
    """
    if local == module:  # the dotted name itself
        return {each: each for each in uses.homes}
    named = {}
    for number, each in enumerate(uses.homes):
        name = f"{local}_pipehooks" + (str(number + 1) if number else "")
        while name in taken:
            name += "_"
        named[each] = name
    return named
