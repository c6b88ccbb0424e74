"""What the API server's own routing and validation made of a request (read in FastAPI 0.136, Airflow 3.3.2).

A second reading would differ in what a path, a number or a word for "no" may look like, and whoever knows the
difference could act unseen.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]


def template_of(scope: Scope) -> str:
    """The route's path, with names in braces; empty as long as none was found."""
    return str(getattr(scope.get("route"), "path", ""))


def ids_of(scope: Scope) -> dict[str, Any]:
    """What stands for those names, in the types of the route's function.

    :raises ValueError: it is not what the route takes.
    """
    given: Mapping[str, Any] = scope.get("path_params") or {}
    fields = {field.alias: field for field in scope["route"].dependant.path_params}
    return {name: _read(fields[name], text) if name in fields else text for name, text in given.items()}


def body_of(scope: Scope, body: bytes) -> dict[str, Any]:
    """The JSON object as the route's function was given it, in plain values, with defaults for the rest.

    :raises ValueError: it is not what the route takes.
    """
    field = scope["route"].body_field
    if field is None or not body:
        return {}
    found = _read(field, json.loads(body))
    return dict(found.model_dump(mode="json", warnings=False)) if found is not None else {}


def _read(field: Any, value: Any) -> Any:
    found, errors = field.validate(value, {}, loc=())
    if errors:
        raise ValueError(f"{field.name}: {errors!r:.300}")
    return found
