"""What is kept of an object that a remote told: all of it, but for values that may be secret. Pure.

The history lies for years in files that many may read. What somebody gave a run to work with (parameters,
variables, environment) is kept by name only; what looks like a token or a password anywhere else is hidden,
as in alerts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_pipehooks.core.texts import storable, without_secrets

HIDDEN = "***"
LEFT_OUT = "[...]"
#: In characters of JSON. A run with a hundred tasks has about 200,000.
LONGEST_RAW = 1_000_000
_DEEPEST = 40

#: Keys below which somebody's own values are: ``job_parameters``, ``overriding_parameters``,
#: ``base_parameters``, ``notebook_params``, ``spark_env_vars``, ``resolved_values``, ...
_GIVEN = re.compile(
    r"(?i)(?:parameters?|params|_env_vars|environment_variables|spark_conf|configuration|resolved_values"
    r"|^inputs|^arguments)$"
)
_SECRET_KEY = re.compile(
    r"(?i)pass(?:word|wd|phrase)|secret|token|api_?key|access_?key|private_?key|credential"
)
#: The variables of a dbt command, in either form, to the end of it.
_VARIABLES = re.compile(r"(--vars)([ =]).*", re.DOTALL)
#: A secret in an object or a dictionary that stands in a text.
_IN_TEXT = re.compile(
    r"(?i)(['\"]?[\w\-]*(?:password|passwd|secret|token|api_?key|access_?key)\w*['\"]?\s*:\s*)"
    r"('[^']*'|\"[^\"]*\"|[^\s,;&}]+)"
)
#: Without any of these there is nothing to hide or to mend in the JSON of an object.
_SUSPECT = re.compile(
    r"(?i)param|_env_vars|environment_variables|spark_conf|configuration|resolved_values|\"inputs|\"arguments"
    r"|pass(?:word|wd|phrase)|secret|token|api_?key|access_?key|private_?key|credential|--vars|bearer|basic"
    r"|authorization|dapi|dose|dkea|dbtc_|dbtu_|akia|asia|://[^/\s\"]*:[^/\s\"]*@|\\u00[01]|\\u007f|\\u00[89]|\\ud[89a-f]"
)


def kept(raw: Mapping[str, Any]) -> str:
    """The JSON of an object, without what may be secret, and without its largest members if it is too long.

    :param raw: as the service told it.
    """
    try:
        text = json.dumps(raw, default=str)
    except (RecursionError, ValueError):
        text = ""
    if not text or _SUSPECT.search(text):
        text = json.dumps(_kept(raw), default=str)
    if len(text) > LONGEST_RAW:
        text = json.dumps(_shortened(json.loads(text)))
    return text


def _kept(value: Any, depth: int = 0, *, hidden: bool = False) -> Any:
    """:param hidden: it is somebody's own value, or below the name of a secret."""
    if depth > _DEEPEST:
        return LEFT_OUT
    if isinstance(value, Mapping):
        return _kept_members(value, depth, hidden)
    if isinstance(value, (list, tuple)):
        return [_kept(each, depth + 1, hidden=hidden) for each in value]
    if hidden and value not in (None, ""):
        return HIDDEN
    return _text(value) if isinstance(value, str) else value


def _kept_members(told: Mapping[str, Any], depth: int, hidden: bool) -> dict[str, Any]:
    # A parameter as an object: its name says what it is. In a map the keys do, and "name" is one of them.
    name = next((told[key] for key in ("name", "key") if isinstance(told.get(key), str)), "")
    is_pair = bool(name) and not told.keys().isdisjoint(("value", "default"))
    members = {}
    for key, value in told.items():
        if is_pair and value is name:
            members[storable(key)] = _text(name)
            continue
        secret = is_pair and key in ("value", "default") and _SECRET_KEY.search(name)
        below = hidden or secret or _GIVEN.search(str(key)) or _SECRET_KEY.search(str(key))
        members[storable(str(key))] = _kept(value, depth + 1, hidden=bool(below))
    return members


def _text(text: str) -> str:
    text = _VARIABLES.sub(rf"\1\2{HIDDEN}", storable(text))
    return without_secrets(_IN_TEXT.sub(rf"\1{HIDDEN}", text))


def _shortened(told: dict[str, Any]) -> dict[str, Any]:
    """Without the largest members, so many that the rest fits."""
    sizes = {key: len(json.dumps(value)) for key, value in told.items()}
    total = sum(sizes.values()) + sum(len(key) + 8 for key in sizes)
    for key in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if total <= LONGEST_RAW:
            break
        total -= sizes[key]
        told[key] = LEFT_OUT
    # Millions of small members are no run.
    return told if total <= LONGEST_RAW else {"left_out": LEFT_OUT}
