"""API paths that the stand-in does not play: they say so, so that nobody takes it for the remote's word."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

CODE = "NOT_IMPLEMENTED"
_DBT_CLOUD = re.compile(r"^/api/v\d")


class Unplayed:
    """Answers 501 to whatever comes, with any method.

    An object, not a function: for a function Starlette wants to know the methods.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        await request.body()
        await JSONResponse(body(request.method, request.url.path), status_code=501)(scope, receive, send)


def body(method: str, path: str) -> dict[str, Any]:
    """Where errors of Databricks have their text; under dbt Cloud's paths also where its errors have it."""
    message = f"The stand-in does not play {method} {path}."
    answer: dict[str, Any] = {"error_code": CODE, "message": message}
    if _DBT_CLOUD.match(path):
        status = {"code": 501, "is_success": False, "user_message": message, "developer_message": ""}
        answer |= {"status": status, "data": None}
    return answer
