"""One ``from x import ...`` as several, each name with its comments and the form of its line kept."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import libcst as cst

Space = cst.BaseParenthesizableWhitespace


def dotted(name: str) -> cst.Attribute | cst.Name:
    """``a.b.c`` as a node."""
    first, *rest = name.split(".")
    node: cst.Attribute | cst.Name = cst.Name(first)
    for part in rest:
        node = cst.Attribute(node, cst.Name(part))
    return node


def split(node: cst.ImportFrom, groups: Sequence[tuple[str | None, list[int]]]) -> list[cst.ImportFrom]:
    """The import, cut into one for each group.

    :param groups: the module, None for the one that is there, and which names go to it, in their order.
    """
    assert not isinstance(node.names, cst.ImportStar)
    names = list(node.names)
    parts = []
    for module, at in groups:
        part = node if len(at) == len(names) else _part(node, names, at)
        parts.append(part if module is None else part.with_changes(module=dotted(module)))
    return parts


def _part(node: cst.ImportFrom, names: list[cst.ImportAlias], at: list[int]) -> cst.ImportFrom:
    lpar, rpar = node.lpar, node.rpar
    taken = [names[number] for number in at]
    last, closing = len(names) - 1, names[-1].comma
    for place, (number, follower) in enumerate(pairwise(at)):
        between = _after(names[number])
        if isinstance(between, cst.ParenthesizedWhitespace) or _begins_line(node, names, follower):
            between = _line(_end_of_line(between), _lines_before(node, names, follower), _like(node, names))
        taken[place] = names[number].with_changes(comma=_comma(names[number], between))
    if at[-1] != last:
        own = _after(names[at[-1]])
        after_last = closing.whitespace_after if isinstance(closing, cst.Comma) else None
        end = after_last if isinstance(after_last, cst.ParenthesizedWhitespace) else _before(rpar)
        if isinstance(own, cst.ParenthesizedWhitespace) and isinstance(end, cst.ParenthesizedWhitespace):
            taken[-1] = taken[-1].with_changes(comma=_comma(taken[-1], _line(own.first_line, (), end)))
            rpar = rpar and rpar.with_changes(whitespace_before=cst.SimpleWhitespace(""))
        elif isinstance(own, cst.ParenthesizedWhitespace) and own.first_line.comment is not None:
            taken[-1] = taken[-1].with_changes(comma=_comma(taken[-1], own))
        else:
            taken[-1] = taken[-1].with_changes(comma=closing)
    if lpar is not None and at[0] != 0:
        begin = lpar.whitespace_after
        if isinstance(begin, cst.ParenthesizedWhitespace) or _lines_before(node, names, at[0]):
            begin = _line(cst.TrailingWhitespace(), _lines_before(node, names, at[0]), _like(node, names))
        lpar = lpar.with_changes(whitespace_after=begin)
    return node.with_changes(names=taken, lpar=lpar, rpar=rpar)


def _comma(name: cst.ImportAlias, after: Space) -> cst.Comma:
    assert isinstance(name.comma, cst.Comma)
    return name.comma.with_changes(whitespace_after=after)


def _after(name: cst.ImportAlias) -> Space:
    return name.comma.whitespace_after if isinstance(name.comma, cst.Comma) else cst.SimpleWhitespace("")


def _before(rpar: cst.RightParen | None) -> Space | None:
    return rpar.whitespace_before if rpar is not None else None


def _space_before(node: cst.ImportFrom, names: list[cst.ImportAlias], number: int) -> Space | None:
    if number:
        return _after(names[number - 1])
    return node.lpar.whitespace_after if node.lpar is not None else None


def _begins_line(node: cst.ImportFrom, names: list[cst.ImportAlias], number: int) -> bool:
    return isinstance(_space_before(node, names, number), cst.ParenthesizedWhitespace)


def _lines_before(node: cst.ImportFrom, names: list[cst.ImportAlias], number: int) -> Sequence[cst.EmptyLine]:
    """Comments on lines of their own, above a name."""
    space = _space_before(node, names, number)
    return space.empty_lines if isinstance(space, cst.ParenthesizedWhitespace) else ()


def _end_of_line(space: Space) -> cst.TrailingWhitespace:
    return space.first_line if isinstance(space, cst.ParenthesizedWhitespace) else cst.TrailingWhitespace()


def _like(node: cst.ImportFrom, names: list[cst.ImportAlias]) -> cst.ParenthesizedWhitespace:
    """How names are indented in this import."""
    spaces = [_space_before(node, names, number) for number in range(len(names))]
    return next(each for each in spaces if isinstance(each, cst.ParenthesizedWhitespace))


def _line(
    first_line: cst.TrailingWhitespace,
    empty_lines: Sequence[cst.EmptyLine],
    like: cst.ParenthesizedWhitespace,
) -> cst.ParenthesizedWhitespace:
    return like.with_changes(first_line=first_line, empty_lines=empty_lines)
