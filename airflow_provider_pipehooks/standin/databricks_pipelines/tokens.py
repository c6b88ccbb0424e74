"""Page tokens: opaque for clients, and good only where they were given out."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from airflow_provider_pipehooks.standin.databricks_jobs.errors import ApiError, invalid


def bad_token() -> ApiError:
    """A 400 for a token that is not ours, of another place, or too old."""
    return invalid("Invalid page token")


def encode(place: str, **content: Any) -> str:
    """Make a token.

    :param place: the list it belongs to.
    """
    text = json.dumps({"place": place, **content}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(place: str, token: str) -> Mapping[str, Any]:
    """Read a token.

    :raises ApiError: not one of ours, or one of another place.
    """
    try:
        content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (binascii.Error, ValueError):
        raise bad_token() from None
    if not isinstance(content, dict) or content.get("place") != place:
        raise bad_token()
    return content
