"""What is stored outlives the version that wrote it: one tolerance for every record.

A task waits for hours while a worker, a triggerer and their successors of another version read what it has
left. So each record holds a version; a reader ignores keys that it does not know, takes the default for those
that are missing, and refuses anything else with the record in the text. Keys are never given another meaning
or type: what changes gets a new key. Should that ever not do, the record is written under a new name, and the
old name is read for as long as a task may wait.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

#: In every record; higher ones are read, too.
VERSION = 1
VERSION_KEY = "v"

Types = tuple[type, ...]
TEXT: Types = (str,)
MAYBE_TEXT: Types = (str, type(None))
NUMBER: Types = (int,)
SECONDS: Types = (int, float)
MAYBE_SECONDS: Types = (int, float, type(None))
ID: Types = (int, str)
MAYBE_ID: Types = (int, str, type(None))
FLAG: Types = (bool,)


def known(record: Any, fields: Mapping[str, Types]) -> dict[str, Any]:
    """The fields of a record that this version knows.

    :param fields: name -> types; a bool passes for no number.
    :raises TypeError: not an object, or a field has another type than was written.
    """
    if not isinstance(record, Mapping):
        raise TypeError(f"it is a {type(record).__name__}")
    values = {name: record[name] for name in fields if name in record}
    for name, value in values.items():
        if not isinstance(value, fields[name]) or (isinstance(value, bool) and bool not in fields[name]):
            raise TypeError(f"{name} is {value!r}")
    return values


@contextmanager
def reading(what: str, record: Any) -> Iterator[None]:
    """Make of whatever goes wrong inside one error that quotes the record, in a line.

    :raises ValueError: not such a record.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as err:
        raise ValueError(f"Not the record of {what}: {record!r:.300} ({err!r})") from err


def stored_only(arguments: Mapping[str, Any], of: str) -> None:
    """See that arguments which nobody knows were stored by a newer version, and not misspelt by a user.

    :param arguments: those left over.
    :raises TypeError: as Python's own for a wrong keyword.
    """
    if arguments and VERSION_KEY not in arguments:
        raise TypeError(f"{of}() got an unexpected keyword argument {next(iter(arguments))!r}")
