"""What is said of a file besides its diff."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from airflow_provider_pipehooks.migrate.table import MOVED

_PATHS = [f"{module}.{name}" for module, names in MOVED.items() for name in names]
#: A moved name with its module, wherever it stands in a text; the second group is what follows.
PATH = re.compile(rf"(?<![\w.])({'|'.join(map(re.escape, sorted(_PATHS, reverse=True)))})(?!\w)(\.\w+)?")
#: A module of moved names, alone.
MODULE = re.compile(rf"(?<![\w.])({'|'.join(map(re.escape, MOVED))})(?![\w.])")


@dataclass(frozen=True)
class Finding:
    """One line of a file.

    :param undone: a person has to do it; otherwise it is good to know.
    """

    line: int
    says: str
    undone: bool = False


@dataclass
class Rewritten:
    """A file as it would be, and what is to be said of it."""

    data: bytes
    findings: list[Finding] = field(default_factory=list)


def ours_of(path: str) -> str:
    """``official.module.Name`` as ours."""
    module, _, name = path.rpartition(".")
    return f"{MOVED[module][name]}.{name}"
