"""Answers as ``requests.Response``, which is what the official dbt Cloud hook returns."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from requests import Response

    from airflow_provider_pipehooks.services.base import Answer

#: They tell of the body as it was sent; this one is unpacked and whole.
_OF_THE_TRANSFER = frozenset({"content-encoding", "content-length", "transfer-encoding"})


def response_of(answer: Answer) -> Response:
    """A response with the answer's status, headers and body, read to its end.

    An object is written as JSON anew, a text is UTF-8 without what cannot be stored; there is no ``request``.
    """
    import requests  # who calls has sent something with it

    response = requests.Response()
    response.status_code = answer.status
    known = {status.value: status.phrase for status in HTTPStatus}
    response.reason = known.get(answer.status, "")
    kept = {name: value for name, value in answer.headers.items() if name not in _OF_THE_TRANSFER}
    response.headers = requests.structures.CaseInsensitiveDict(kept)
    response.encoding = "utf-8"
    text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
    response._content = text.encode()
    return response
