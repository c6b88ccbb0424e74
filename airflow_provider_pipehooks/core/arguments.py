"""Arguments as people and templates give them, read as what they stand for, or refused by name.

A template makes a text of everything, and native rendering makes numbers and lists of texts, so each kind
of argument takes both. Every reader is ``reader(value, what)``, with ``what`` naming the argument in the
message, as in ``job_id of task 'build'``; it raises :class:`ConfigurationError` for what is not of its kind.
"""

from __future__ import annotations

import ast
import json
import math
import operator
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from airflow_provider_pipehooks.core.durations import as_seconds
from airflow_provider_pipehooks.core.errors import ConfigurationError

Reader = Callable[[Any, str], Any]

#: Databases and remotes hold 64 bits.
_IDS_END = 2**63
#: In digits and blanks. Python itself refuses to read, or write, numbers without bound.
_LONGEST_NUMBER = 100
#: More than any body has; one that holds itself has no end.
_DEEPEST = 100
_HOOK_PARAMS: Mapping[str, Reader] = {
    "timeout_seconds": as_seconds,
    "retry_limit": lambda value, what: as_id(value, what),
    "retry_delay": lambda value, what: as_seconds(value, what, or_nothing=True),
    "retry_args": lambda value, what: value,
}
#: How Jinja's expressions, statements and comments begin.
_TEMPLATES = ("{{", "{%", "{#")


def as_id(value: Any, what: str) -> int:
    """A whole number above 0 that fits 64 bits, from a number or the text of one."""
    number: Any = None
    if isinstance(value, str):
        number = int(value) if len(value) < _LONGEST_NUMBER and value.strip().isdecimal() else None
    elif hasattr(value, "__index__") and not isinstance(value, bool):
        number = operator.index(value)  # of numpy's, too
    if number is None or not 0 < number < _IDS_END:
        raise ConfigurationError(f"{what} must be a whole number above 0, not {_shown(value)}.")
    return int(number)


def as_id_or_none(value: Any, what: str) -> int | None:
    """The same, where an empty text or 0 stand for none, as an empty field of a connection does."""
    return as_id(value, what) if value else None


def as_whole(value: Any, what: str) -> int:
    """A whole number of at least 0."""
    return 0 if value in (0, "0") and value is not False else as_id(value, what)


def as_text(value: Any, what: str) -> str:
    """A text; native rendering makes a number of one that looks like it."""
    if not isinstance(value, str) and not _is_scalar(value):
        raise ConfigurationError(f"{what} must be a text, not {_shown(value)}.")
    return str(value)


def as_name(value: Any, what: str) -> str:
    """A text that is not empty."""
    if not as_text(value, what).strip():
        raise ConfigurationError(f"{what} must not be empty.")
    return as_text(value, what)


def as_time(value: Any, what: str) -> datetime:
    """A moment: one with a time zone, or its text in ISO 8601."""
    time = value
    if isinstance(value, str):
        try:
            time = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))  # Python 3.10 reads no Z
        except ValueError:
            time = None
    if not isinstance(time, datetime):
        raise ConfigurationError(f"{what} must be a time in ISO 8601, not {_shown(value)}.")
    if time.tzinfo is None:
        raise ConfigurationError(f"{what} must have a time zone: {value!r:.100} may mean several moments.")
    return time


def as_time_or_none(value: Any, what: str) -> datetime | None:
    """The same, where an empty text stands for none, as a template leaves it."""
    return as_time(value, what) if value else None


def as_object(value: Any, what: str) -> dict[str, Any]:
    """An object, or its text as JSON or as a template makes it; nothing and "" are an empty one."""
    value = {} if value is None or value == "" else _parsed(value, what, "an object")
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{what} must be an object, not {_shown(value)}.")
    found: dict[str, Any] = as_json(value, what)
    return found


def as_list(value: Any, what: str) -> list[Any]:
    """The same for a list, or a tuple."""
    value = _parsed(value, what, "a list")
    if not isinstance(value, (list, tuple)):
        raise ConfigurationError(f"{what} must be a list, not {_shown(value)}.")
    found: list[Any] = as_json(value, what)
    return found


def as_texts(value: Any, what: str) -> list[str]:
    """A list of parameters or commands, each made a text."""
    return [as_parameter(item, f"{what}[{at}]") for at, item in enumerate(as_list(value, what))]


def as_objects(value: Any, what: str) -> list[dict[str, Any]]:
    """A list of objects."""
    found = as_list(value, what)
    for at, item in enumerate(found):
        if not isinstance(item, dict):
            raise ConfigurationError(f"{what}[{at}] must be an object, not {_shown(item)}.")
    return found


def as_parameters(value: Any, what: str) -> dict[str, str]:
    """Parameters by name, each made a text."""
    named = as_object(value, what)
    return {name: as_parameter(item, f"{what}[{json.dumps(name)}]") for name, item in named.items()}


def as_parameter(value: Any, what: str) -> str:
    """The text of a parameter: Databricks takes nothing else, and people write numbers, flags and lists."""
    if value is None:
        raise ConfigurationError(f"{what} is None, and would be sent as a text: leave it out, or give one.")
    return value if isinstance(value, str) else json.dumps(value)


def as_json(value: Any, what: str, _depth: int = 0) -> Any:
    """What JSON can hold, in plain dicts and lists, with texts as names; the message says where it is not."""
    if value is None or isinstance(value, str) or _is_scalar(value):
        return value
    if _depth < _DEEPEST and isinstance(value, Mapping):
        return {
            as_text(key, f"a name in {what}"): as_json(item, f"{what}[{json.dumps(str(key))}]", _depth + 1)
            for key, item in value.items()
        }
    if _depth < _DEEPEST and isinstance(value, (list, tuple)):
        return [as_json(item, f"{what}[{at}]", _depth + 1) for at, item in enumerate(value)]
    raise ConfigurationError(f"{what} is {_shown(value)}, which JSON cannot hold: give a text or a number.")


def one_of(*words: str) -> Reader:
    """For an argument that is one of a few words."""

    def read(value: Any, what: str) -> str:
        if value not in words:
            raise ConfigurationError(f"{what} must be {' or '.join(map(repr, words))}, not {_shown(value)}.")
        return str(value)

    return read


def as_hook_params(value: Any, what: str) -> dict[str, Any]:
    """What every service's hook takes, besides connection and account."""
    # Tenacity's objects, which no JSON can hold, are read when the hook is opened.
    aside = (
        {"retry_args": value["retry_args"]} if isinstance(value, Mapping) and "retry_args" in value else {}
    )
    given = {
        **as_object({name: value[name] for name in value if name not in aside} if aside else value, what)
    }
    given |= aside
    for name, item in given.items():
        if name not in _HOOK_PARAMS:
            raise ConfigurationError(f"{what} has no {name!r}. Known are {', '.join(_HOOK_PARAMS)}.")
        if item is not None:
            _HOOK_PARAMS[name](item, f"{name} in {what}")
    return given


def is_literal(value: Any, endings: tuple[str, ...] = (), _depth: int = 0) -> bool:
    """Whether a value is what it will be when the task runs: no template, nor the output of a task.

    :param endings: of texts that name a file with a template.
    """
    if isinstance(value, str):
        return not (value.endswith(endings) if endings else False) and not any(
            sign in value for sign in _TEMPLATES
        )
    if _depth > _DEEPEST:
        return True  # so it is refused
    if isinstance(value, Mapping):
        return all(is_literal(each, endings, _depth + 1) for pair in value.items() for each in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(is_literal(each, endings, _depth + 1) for each in value)
    # Airflow resolves the first, and renders the second.
    return not (hasattr(value, "resolve") or hasattr(value, "template_fields"))


def _parsed(value: Any, what: str, kind: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        try:
            return ast.literal_eval(value)
        except (SyntaxError, ValueError, MemoryError, RecursionError) as err:
            # The text is not quoted: a body may hold secrets.
            raise ConfigurationError(
                f"{what} must be {kind}, or its text as JSON or a Python literal; {err}."
            ) from err


def _is_scalar(value: Any) -> bool:
    """A number that can be written, or a bool."""
    if isinstance(value, int):
        return value.bit_length() <= 1024
    return isinstance(value, float) and math.isfinite(value)


def _shown(value: Any) -> str:
    """A value as a message quotes it: long ones cut, and objects, whose repr is anything, by their kind."""
    if isinstance(value, (str, bytes, float)) or _is_scalar(value):
        text = repr(value)
        return text if len(text) <= 100 else f"{text[:97]}..."
    return "None" if value is None else f"a {type(value).__name__}"
