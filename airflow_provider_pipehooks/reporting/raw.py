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

from airflow_provider_pipehooks.core.texts import cut, storable, without_secrets
from airflow_provider_pipehooks.services.reading import LONGEST_MESSAGE, LONGEST_NAME

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
    r"(?i)((?:password|passwd|secret|token|api_?key|access_?key)\w*['\"]?\s*:\s*)"
    r"('[^']*'|\"[^\"]*\"|[^\s,;&}]+)"
)
#: Without any of these there is nothing to hide or to mend in the JSON of an object. Looked for one by one: a
#: pattern of all of them takes as long as the rest of a sync.
_SUSPECT = (
    *("param", "_env_vars", "environment_variables", "spark_conf", "configuration", "resolved_values"),
    *('"inputs', '"arguments', "--vars", "password", "passwd", "passphrase", "secret", "token", "credential"),
    *("api_key", "apikey", "access_key", "accesskey", "private_key", "privatekey", "bearer", "basic"),
    *("authorization", "dapi", "dose", "dkea", "dbtc_", "dbtu_", "akia", "asia", "\\u00", "\\ud"),
)
_LOGIN = re.compile(r"://[^/\s\"]*:[^/\s\"]*@")


def kept(raw: Mapping[str, Any]) -> str:
    """The JSON of an object, without what may be secret, and without its largest members if it is too long.

    :param raw: as the service told it.
    """
    try:
        text = json.dumps(raw, default=str)
    except (RecursionError, ValueError):  # deeper than the encoder goes, or around in a circle
        text = ""
    if not text or _is_suspect(text):
        text = json.dumps(_kept(raw), default=str)
    if len(text) > LONGEST_RAW:
        text = json.dumps(_shortened(json.loads(text)))
    return text


def _is_suspect(text: str) -> bool:
    lower = text.lower()
    return any(word in lower for word in _SUSPECT) or _LOGIN.search(text) is not None


def _kept(value: Any, depth: int = 0, *, hidden: bool = False) -> Any:
    """:param hidden: it is somebody's own value, or below the name of a secret."""
    if depth > _DEEPEST:
        return LEFT_OUT
    if isinstance(value, Mapping):
        return {key: _member(key, each, depth, hidden) for key, each in _fit(value).items()}
    if isinstance(value, (list, tuple)):
        return [_item(each, depth + 1, hidden) for each in value]
    if hidden and value not in (None, ""):
        return HIDDEN
    return _text(value) if isinstance(value, str) else value


def _item(value: Any, depth: int, hidden: bool) -> Any:
    """One of a list. A parameter as an object has a name, and values; in a map, "name" is one of its keys."""
    if not isinstance(value, Mapping) or value.keys().isdisjoint(("value", "default")):
        return _kept(value, depth, hidden=hidden)
    told, kept_ = _fit(value), _kept(value, depth, hidden=hidden)
    for key in ("name", "key"):
        if isinstance(name := told.get(key), str):
            kept_[key] = _text(name)
            if _SECRET_KEY.search(name):
                kept_ |= {each: HIDDEN for each in ("value", "default") if told.get(each)}
    return kept_


def _member(key: str, value: Any, depth: int, hidden: bool) -> Any:
    below = hidden or bool(_GIVEN.search(key) or _SECRET_KEY.search(key))
    return _kept(value, depth + 1, hidden=below)


def _fit(told: Mapping[Any, Any]) -> dict[str, Any]:
    """The same, with keys that can be written."""
    return {cut(storable(str(key)), LONGEST_NAME): value for key, value in told.items()}


def _text(text: str) -> str:
    # The patterns take long for long texts that somebody has made for them.
    text = cut(text, LONGEST_MESSAGE)
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
