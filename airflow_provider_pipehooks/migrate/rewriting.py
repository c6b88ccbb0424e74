"""A Python file with its imports changed, and nothing else: LibCST keeps every other byte."""

from __future__ import annotations

import ast
import codecs
from collections.abc import Iterable, Sequence

import libcst as cst
from libcst import metadata

from airflow_provider_pipehooks.migrate.findings import MODULE, PATH, Finding, Rewritten, ours_of
from airflow_provider_pipehooks.migrate.imports import dotted, split
from airflow_provider_pipehooks.migrate.modules import FindUses, Uses, prefixes_of, text_of
from airflow_provider_pipehooks.migrate.table import MOVED, STAYS, home

_NO_PYTHON = (SyntaxError, ValueError, MemoryError, RecursionError, LookupError, cst.ParserSyntaxError)


class CannotRewrite(Exception):
    """Says why a file is left as it is."""


def rewrite(data: bytes) -> Rewritten:
    """The file with our imports.

    :raises CannotRewrite: it does not parse.
    """
    mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    body = data[len(mark) :]
    try:
        ast.parse(data)  # first: what is nested too deeply would end LibCST's process
        module = cst.parse_module(body)
        if module.bytes != body:
            raise CannotRewrite("cannot be written as it was read: change it by hand")
        changed, findings = _changed(module)
    except _NO_PYTHON as err:
        raise CannotRewrite(f"does not parse: {_first_line(err)}") from err
    return Rewritten(mark + changed, findings)


def _changed(module: cst.Module) -> tuple[bytes, list[Finding]]:
    wrapper = metadata.MetadataWrapper(module, unsafe_skip_copy=True)
    uses = FindUses()
    wrapper.visit(uses)
    changer = _Change(uses.found, module.code)
    changed = wrapper.visit(changer)
    return changed.bytes, sorted(changer.findings, key=lambda each: each.line)


def _first_line(err: Exception) -> str:
    if isinstance(err, cst.ParserSyntaxError):
        return f"line {err.raw_line}, {err.message.splitlines()[0]}"
    if isinstance(err, SyntaxError) and err.lineno:
        return f"line {err.lineno}, {err.msg}"
    return str(err).splitlines()[0] if str(err) else type(err).__name__


class _Change(cst.CSTTransformer):
    METADATA_DEPENDENCIES = (metadata.PositionProvider, metadata.ParentNodeProvider)

    def __init__(self, uses: dict[tuple[str, str], Uses], text: str) -> None:
        super().__init__()
        self.findings: list[Finding] = []
        self._uses = uses
        self._beside = {
            key: prefixes_of(found, key[1], key[0], text)
            for key, found in uses.items()
            if found.whole_home is None
        }
        self._prefix = self._prefixes()

    def _prefixes(self) -> dict[cst.Attribute, str]:
        """``m.Name`` -> what stands for ``m`` from now on, where that changes."""
        found: dict[cst.Attribute, str] = {}
        for (module, local), uses in self._uses.items():
            for node, where in uses.nodes.items():
                if where and uses.whole_home is None:
                    found[node] = self._beside[module, local][where]
                elif where and local == module:
                    found[node] = where
        return found

    # Imports

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.SimpleStatementLine]:
        parts = self._parts(original_node.body, updated_node.body)
        if parts is None:
            return updated_node
        if len(original_node.body) > 1:
            return updated_node.with_changes(body=_joined(parts))
        lines = [updated_node.with_changes(body=[part]) for part in parts]
        return cst.FlattenSentinel([lines[0], *(line.with_changes(leading_lines=()) for line in lines[1:])])

    def leave_SimpleStatementSuite(
        self, original_node: cst.SimpleStatementSuite, updated_node: cst.SimpleStatementSuite
    ) -> cst.SimpleStatementSuite:
        parts = self._parts(original_node.body, updated_node.body)
        return updated_node if parts is None else updated_node.with_changes(body=_joined(parts))

    def _parts(
        self, originals: Sequence[cst.BaseSmallStatement], updated: Sequence[cst.BaseSmallStatement]
    ) -> list[cst.BaseSmallStatement] | None:
        """The statements of a line with their imports changed; None where none is."""
        parts: list[cst.BaseSmallStatement] = []
        for original, now in zip(originals, updated, strict=True):
            if isinstance(original, cst.ImportFrom):
                parts += self._from(original)
            elif isinstance(original, cst.Import):
                parts += self._import(original)
            else:
                parts.append(now)
        return (
            None
            if all(a is b for a, b in zip(parts, updated, strict=False)) and len(parts) == len(updated)
            else parts
        )

    def _from(self, node: cst.ImportFrom) -> list[cst.BaseSmallStatement]:
        if node.module is None or node.relative:
            return [node]
        module = text_of(node.module)
        if isinstance(node.names, cst.ImportStar):
            if module in MOVED:
                self._say(node, f"from {module} import *: name what is imported, then migrate again", True)
            return [node]
        groups: dict[str | None, list[int]] = {}
        beside: list[cst.BaseSmallStatement] = []
        names = list(node.names)
        for number, alias in enumerate(names):
            name = str(alias.evaluated_name)
            where = home(module, name)
            whole = f"{module}.{name}"
            if whole in MOVED:
                uses = self._uses.get((whole, alias.evaluated_alias or name))
                if uses is not None and uses.whole_home:
                    package, _, own = uses.whole_home.rpartition(".")
                    names[number] = _renamed(alias, own, alias.evaluated_alias or name)
                    where = package
                elif uses is not None:
                    beside += self._beside_imports(node, whole, alias.evaluated_alias or name, uses)
                else:
                    self._say(node, f"{whole} is imported, and no use of it was found")
            elif where is None:
                self._tell_stays(node, module, name)
            groups.setdefault(where, []).append(number)
        if set(groups) == {None}:
            return [node, *beside]
        with_names = node.with_changes(names=names)
        return [*split(with_names, list(groups.items())), *beside]

    def _import(self, node: cst.Import) -> list[cst.BaseSmallStatement]:
        names = list(node.names)
        beside: list[cst.BaseSmallStatement] = []
        for number, alias in enumerate(names):
            module = str(alias.evaluated_name)
            if module not in MOVED:
                continue
            local = alias.evaluated_alias or module
            uses = self._uses.get((module, local))
            if uses is None:
                self._say(node, f"{module} is imported, and no use of it was found")
            elif uses.whole_home:
                names[number] = alias.with_changes(name=dotted(uses.whole_home))
            else:
                beside += self._beside_imports(node, module, local, uses)
        if all(a is b for a, b in zip(names, node.names, strict=True)):
            return [node, *beside]
        return [node.with_changes(names=names), *beside]

    def _beside_imports(
        self, node: cst.CSTNode, module: str, local: str, uses: Uses
    ) -> list[cst.BaseSmallStatement]:
        """Imports of ours, next to the official one that stays."""
        if uses.as_object:
            self._say_at(uses.as_object, f"{module} is handed on as a whole: change that by hand", True)
        stays = sorted({use.attr.value for use, where in uses.nodes.items() if where is None})
        for name in stays:
            self._tell_stays(node, module, name)
        return [
            cst.Import([cst.ImportAlias(dotted(each), None if name == each else cst.AsName(cst.Name(name)))])
            for each, name in self._beside[module, local].items()
        ]

    # Uses and texts

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.Attribute:
        prefix = self._prefix.get(original_node)
        return updated_node if prefix is None else updated_node.with_changes(value=dotted(prefix))

    def leave_SimpleString(
        self, original_node: cst.SimpleString, updated_node: cst.SimpleString
    ) -> cst.SimpleString:
        value = original_node.evaluated_value
        if not isinstance(value, str) or self._is_docstring(original_node):
            return updated_node
        found = PATH.fullmatch(value)
        if found and not found.group(2) and value in original_node.value:
            return updated_node.with_changes(value=original_node.value.replace(value, ours_of(value)))
        self._look_at_text(original_node, value)
        return updated_node

    def visit_FormattedStringText(self, node: cst.FormattedStringText) -> None:
        self._look_at_text(node, node.value)

    def _is_docstring(self, node: cst.CSTNode) -> bool:
        return isinstance(self.get_metadata(metadata.ParentNodeProvider, node, None), cst.Expr)

    def _look_at_text(self, node: cst.CSTNode, value: str) -> None:
        for finding in in_text(value, self._line(node)):
            self.findings.append(finding)

    # What is said

    def _tell_stays(self, node: cst.CSTNode, module: str, name: str) -> None:
        if name in STAYS.get(module, {}):
            self._say(node, f"{name} stays official ({STAYS[module][name]})")
        elif module in MOVED:
            self._say(node, f"{name} stays official")

    def _say(self, node: cst.CSTNode, says: str, undone: bool = False) -> None:
        self._say_at(self._line(node), says, undone)

    def _say_at(self, line: int, says: str, undone: bool = False) -> None:
        finding = Finding(line, says, undone)
        if finding not in self.findings:
            self.findings.append(finding)

    def _line(self, node: cst.CSTNode) -> int:
        place = self.get_metadata(metadata.PositionProvider, node, None)
        return place.start.line if place is not None else 0


def in_text(value: str, line: int = 1) -> Iterable[Finding]:
    """What a text has of the official names that may have to be changed."""
    for found in PATH.finditer(value):
        at = line + value.count("\n", 0, found.start())
        yield Finding(at, f"a text holds {found.group(0)!r}: here it is {ours_of(found.group(1))!r}")
    for found in MODULE.finditer(value):
        at = line + value.count("\n", 0, found.start())
        yield Finding(at, f"a text holds the module {found.group(1)!r}: is it imported by it?")


def _renamed(alias: cst.ImportAlias, name: str, local: str) -> cst.ImportAlias:
    return alias.with_changes(name=cst.Name(name), asname=cst.AsName(cst.Name(local)))


def _joined(parts: Sequence[cst.BaseSmallStatement]) -> list[cst.BaseSmallStatement]:
    """On one line: only the last may be without a semicolon."""
    semicolon = cst.Semicolon(whitespace_after=cst.SimpleWhitespace(" "))
    *before, last = parts
    given = [
        part if isinstance(part.semicolon, cst.Semicolon) else part.with_changes(semicolon=semicolon)
        for part in before
    ]
    return [*given, last]
