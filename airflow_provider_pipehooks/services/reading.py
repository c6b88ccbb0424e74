"""How answers and errors of any remote are read: garbage, missing values, what a later try can mend."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, TypeVar

from airflow_provider_pipehooks.core.errors import AccessDenied, NotFound, RemoteCallError
from airflow_provider_pipehooks.core.texts import cut, shorten, storable, without_secrets
from airflow_provider_pipehooks.services.base import Answer, Request

T = TypeVar("T")

#: Of a job, a run, a task, a person; and of a reason, of which people read the beginning.
LONGEST_NAME = 300
LONGEST_MESSAGE = 4_000
#: Of one failure of several in a run. What a person has to look for stands at the end of many: the quota that
#: is used up, the column that is missing.
LONGEST_FAILURE = 1_000
_LONGEST_URL = 2_000
_URL = re.compile(r"https?://[^\s<>\"']+", re.IGNORECASE)
_HTTP_DATE = "%a, %d %b %Y %H:%M:%S GMT"
#: Airflow's databases and its messages between processes hold 64 bits.
_IDS_END = 2**63


def read_answer(request: Request, status: int, headers: Mapping[str, str], text: str) -> Answer:
    """Turn a raw response into an answer.

    :raises RemoteCallError: the remote said no, or a 200 whose body is not what was asked for (an
        intermediary's page, a cut body): that says nothing about the run, so it is retryable.
    """
    headers = {name.lower(): value for name, value in headers.items()}
    text = storable(text)
    if not 200 <= status < 300:
        raise read_error(request, status, headers, text)
    if request.expects == "text":
        return Answer(status=status, body=text, headers=headers)
    try:
        body = parse_json(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise RemoteCallError(
            f"{request} answered {status} with a body that is not a JSON object: {request.quote(text)}",
            status_code=status,
            retryable=True,
        )
    return Answer(status=status, body=body, headers=headers)


#: 400 with one of these means the object is not there: Databricks' jobs/get and runs/get answer 400 for
#: an unknown id (databricks-sdk's table of overrides).
_MISSING = re.compile(r"\b(Run|Job) .{0,60}does not exist", re.IGNORECASE)
#: Error codes that a later try can get past although the HTTP status says otherwise (Airflow's own
#: Databricks provider).
_RETRYABLE_CODES = frozenset({"COULD_NOT_ACQUIRE_LOCK", "TEMPORARILY_UNAVAILABLE", "RESOURCE_EXHAUSTED"})


#: A day. No remote means more, and a number without bound is more than a sleep can take.
_LONGEST_RETRY_AFTER_S = 86_400.0


def read_error(request: Request, status: int, headers: Mapping[str, str], text: str) -> RemoteCallError:
    """The error of an answer that is not 2xx, with the remote's own words in it."""
    code, message = error_words(text)
    words = ": ".join(part for part in (code, message) if part) or "no reason given"
    redirected = 300 <= status < 400
    if redirected:
        words = _redirect(headers.get("location"))
    retryable = status == 429 or status >= 500 or code in _RETRYABLE_CODES
    kind = RemoteCallError
    if status in (401, 403):
        kind = AccessDenied
    elif status == 404 or (status == 400 and _MISSING.search(message)):
        kind = NotFound
    return kind(
        f"{request} answered {status}: {words}",
        status_code=status,
        retryable=retryable or (redirected and request.repeatable),
        retry_after_s=_retry_after(headers.get("retry-after")),
    )


def _redirect(location: str | None) -> str:
    """Where to, without the query, which may hold a token; the page itself says nothing."""
    to = shorten(re.split(r"[?#]", location or "nowhere")[0])
    return (
        f"a redirect to {without_secrets(to)!r}, which is not followed: credentials go to the host of the "
        "connection only. Is that host, with its http or https, the right one?"
    )


def error_words(text: str) -> tuple[str, str]:
    """Find the error code and the message in any error body the remotes are known to send.

    dbt Cloud: ``{"status": {"user_message": str}}``; Databricks: ``{"error_code": str, "message": str}``,
    ``{"error": str}``, ``{"detail": str}``; proxies: HTML with a title, or plain text.

    :return: either may be empty.
    """
    try:
        body = parse_json(text)
    except ValueError:
        title = re.search(r"<(?:title|pre)[^>]*>(.*?)</", text, re.IGNORECASE | re.DOTALL)
        return "", shorten(title.group(1) if title else text)
    if not isinstance(body, dict):
        return "", shorten(text)
    status = body.get("status")
    if isinstance(status, dict):
        return "", shorten(str(status.get("user_message") or status.get("developer_message") or ""))
    code = body.get("error_code") or body.get("scimType") or ""
    message = body.get("message") or body.get("error_description") or body.get("error") or body.get("detail")
    return shorten(str(code)), shorten(str(message or ""))


#: Escapes that may stand for what cannot be stored; pairs of surrogates among them are fine, and stay.
_MAY_BE_UNFIT = re.compile(r"\\(?:u00[0189]|u007[fF]|u[dD][89a-fA-F]|[bfr])")


def parse_json(text: str) -> Any:
    """What a remote sent, with every text in it storable.

    :raises ValueError: not JSON, or nested deeper than the parser can go.
    """
    try:
        value = json.loads(text)
        return _storable(value) if _MAY_BE_UNFIT.search(text) else value
    except RecursionError as err:
        raise ValueError("nested too deeply") from err


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(key): _storable(item) for key, item in value.items()}
    return [_storable(item) for item in value] if isinstance(value, list) else value


def _retry_after(value: str | None) -> float | None:
    """Only the form in seconds; a date would need the remote's clock to agree with ours."""
    if value is None or not re.fullmatch(r"\s*[0-9]+\s*", value):
        return None
    return min(float(value), _LONGEST_RETRY_AFTER_S)


def data_of(answer: Answer, request: Request, key: str, kind: type[T]) -> T:
    """Take one required value out of an answer.

    :raises RemoteCallError: it is missing or of another type. Retryable, since a proxy or a half-written
        answer can do that; nothing about the run can be told from it.
    """
    value = answer.body.get(key)
    if not isinstance(value, kind) or isinstance(value, bool):
        body = request.quote(json.dumps(answer.body))
        raise RemoteCallError(
            f"{request} answered without {key!r} as {kind.__name__}: {body}",
            status_code=answer.status,
            retryable=True,
        )
    return value


def objects(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; empty for anything that is not a list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def object_or_empty(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def text_or_none(value: Any) -> str | None:
    """A non-empty text, or None for anything else."""
    return value if isinstance(value, str) and value.strip() else None


def words_or_none(value: Any, limit: int = LONGEST_NAME) -> str | None:
    """A non-empty text that people are shown, cut where it is longer than anybody reads."""
    text = text_or_none(value)
    return cut(text, limit) if text is not None else None


def url_or_none(value: Any) -> str | None:
    """The address of a page that a browser may be sent to: nothing but http and https."""
    text = text_or_none(value)
    if text is None or len(text) > _LONGEST_URL or not _URL.fullmatch(text.strip()):
        return None
    return text.strip()


def id_or_none(value: Any) -> int | None:
    """A whole number above 0 that a database can hold."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 < value < _IDS_END else None


def any_id_or_none(value: Any) -> int | str | None:
    """The id of something on the remote; one that is larger than a database can hold as its digits."""
    if isinstance(value, int) and not isinstance(value, bool) and _IDS_END <= value < 10**LONGEST_NAME:
        return str(value)
    return id_or_none(value)


def time_from_text(value: Any) -> datetime | None:
    """dbt Cloud's times: ``2026-05-27 10:42:16.179903+00:00`` with a space, or ISO 8601 with T and Z."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)


def time_from_ms(value: Any) -> datetime | None:
    """Databricks' times: milliseconds since the epoch, 0 for not yet."""
    if not isinstance(value, (int, float)) or isinstance(value, bool) or value <= 0:
        return None
    try:
        return datetime.fromtimestamp(value / 1000, tz=timezone.utc)
    except (OverflowError, OSError, ValueError):
        return None


def date_of(answer: Answer) -> datetime | None:
    """When the remote answered, by its own clock and to the second; None where it does not tell."""
    try:
        return datetime.strptime(answer.headers["date"], _HTTP_DATE).replace(tzinfo=timezone.utc)
    except (KeyError, ValueError):
        return None
