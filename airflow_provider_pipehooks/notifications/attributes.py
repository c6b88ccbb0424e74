"""Message attributes that SNS takes: what it would refuse is made to fit, or left out with a warning.

Of SNS: a name has up to 256 of A-Z a-z 0-9 ``_ - .``, is not of AWS, neither begins nor ends with a dot nor
has two in a row; a value is not empty; text, number, bytes or a list of texts, numbers, bools and nulls.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from airflow_provider_pipehooks.compat.masking import masked_text
from airflow_provider_pipehooks.core.texts import storable
from airflow_provider_pipehooks.notifications.message import MESSAGE_BYTES

log = logging.getLogger(__name__)

#: The body counts with the attributes, and people are to read the body.
_ROOM = MESSAGE_BYTES // 2
_LONGEST_NAME = 256


def fit_attributes(given: Mapping[str, Any]) -> dict[str, Any]:
    """What of the user's attributes can be sent, as the amazon provider's ``SnsHook`` takes it."""
    fit: dict[str, Any] = {}
    room = _ROOM
    for key, value in given.items():
        name, sent = _name(str(key)), _value(value)
        if not name or sent in ("", b"", []):
            log.warning("The alert goes without the attribute %r: SNS refuses one that is empty", key)
        elif size_of(name, sent) > room:
            log.warning("The alert goes without the attribute %r: too long", key)
        else:
            fit[name] = sent
            room -= size_of(name, sent)
    return fit


def size_of(name: str, value: Any) -> int:
    """The bytes that SNS counts: of the name, the type (at most ``String.Array``) and the value."""
    return len(name) + 12 + len(value if isinstance(value, bytes) else _text(value).encode())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _name(name: str) -> str:
    fit = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9_.-]", "_", name))[:_LONGEST_NAME].strip(".")
    if fit.lower().startswith(("aws.", "amazon.")):
        fit = f"_{fit}"[:_LONGEST_NAME].rstrip(".")
    if fit != name:
        log.warning("The alert's attribute %r is sent as %r: SNS takes no other characters", name, fit)
    return fit


def _value(value: Any) -> Any:
    """A bool is an int for the hook, which would send the Number ``True``."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (bytes, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return masked_text(storable(json.dumps(value, default=str)))
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_item(item) for item in value]
    return masked_text(storable(str(value)))


def _item(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    return value.decode(errors="replace") if isinstance(value, bytes) else _value(value)
