"""The shape that every service has, and how answers and errors of any of them are read.

A *procedure* is a generator: it yields requests, is sent the answers, and returns its result. One that
needs three calls reads like three lines, and the sync and the async sender drive the same one.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from airflow_provider_pipehooks.core.errors import AccessDenied, NotFound, RemoteCallError
from airflow_provider_pipehooks.core.run import Run

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP call, not yet sent.

    :param path: below the connection's base URL, or a whole URL for a call to another host.
    :param params: the query; values are sent as they are, so lists and booleans are already text.
    :param form: a form body instead of a JSON one.
    :param basic_auth: user and password for this call only; the connection's own token is then left out.
    :param expects: ``json`` an object; ``text`` whatever comes, nothing too.
    :param authorized: send the connection's own credentials.
    :param idempotent: a POST that may be sent again when it is not known what became of it.
    """

    method: Literal["GET", "POST"]
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] | None = field(default=None, repr=False)
    basic_auth: tuple[str, str] | None = field(default=None, repr=False)
    expects: Literal["json", "text"] = "json"
    authorized: bool = True
    idempotent: bool = False

    @property
    def repeatable(self) -> bool:
        return self.idempotent or self.method == "GET"

    def quote(self, body: str) -> str:
        """What an error shows of the answer; nothing where it may hold a token, even cut off."""
        return repr(shorten(body)) if self.authorized else "(not shown, it may hold a token)"

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A good answer: the JSON object or the text, and the response's headers with lower-case names."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)


Procedure = Generator[Request, Answer, T]


@dataclass
class Batch:
    """Runs to read together.

    :param wanted: run id -> the run as last seen, None if never.
    :param ended_only: only those that have ended need to be told; the service sets it back where telling of
        all takes less.
    :param found: run id -> the remote's object; kept when a later request of the same batch fails.
    :param requests: how many were needed so far.
    :param told: how many runs its own requests told, those of other batches too.
    :param tell: called with run id and object as soon as an answer has it.
    :param asked: run id -> the batch that now asks for it. Batches with the same one share what they are
        told: a page of one may have runs of another.
    """

    wanted: Mapping[int, Run | None]
    ended_only: bool = False
    found: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    requests: int = 0
    told: int = 0
    tell: Callable[[int, Mapping[str, Any]], object] = lambda run_id, data: None
    asked: dict[int, Batch] = field(default_factory=dict, repr=False)

    def begin(self, asked: dict[int, Batch]) -> None:
        """From now on, be told by all batches that share ``asked``, and tell them."""
        self.asked = asked
        asked.update(dict.fromkeys(self.wanted, self))

    def end(self) -> None:
        """Be told no more."""
        for run_id in self.wanted:
            if self.asked.get(run_id) is self:
                del self.asked[run_id]

    def take(self, page: Iterable[Mapping[str, Any]], key: str) -> int:
        """Take in the answer of one request.

        :param key: where an object has its run id.
        :return: how many wanted runs it told that were not told before.
        """
        self.requests += 1
        told = 0
        for data in page:
            run_id = data.get(key)
            if isinstance(run_id, int) and (batch := self._asking(run_id)) is not None:
                told += run_id not in batch.found
                batch.found[run_id] = data
                batch.tell(run_id, data)
        self.told += told
        return told

    def _asking(self, run_id: int) -> Batch | None:
        return self if run_id in self.wanted else self.asked.get(run_id)


class Service(Protocol):
    """What waiting, cancelling and explaining need of a service."""

    name: ClassVar[str]
    #: How many runs one request of a batch can tell.
    runs_a_page: ClassVar[int]

    @property
    def in_batches(self) -> bool:
        """Whether the runs can be read together; some options need each one read alone."""

    def batches_of(self, wanted: Mapping[int, Run | None], *, ended_only: bool) -> list[Batch]:
        """Split runs, with what is known of each, into batches that can be read side by side."""

    def read_batch(self, batch: Batch) -> Procedure[None]:
        """Read many runs in as few requests as possible, into ``batch.found``.

        A run that is not found there is not gone: it has to be asked for alone before it is doubted. After
        a batch of ``ended_only`` it goes on, as far as the remote tells.
        """

    def parse(self, data: Mapping[str, Any]) -> Run:
        """Read one object of ``batch.found``.

        :raises RemoteCallError: it is not a run. Retryable: nothing can be told from it.
        """

    def get_run(self, run_id: int | str) -> Procedure[Run]:
        """Read a run as it is now, in as few requests as can tell its state."""

    def cancel_run(self, run_id: int | str) -> Procedure[None]:
        """Ask for a cancel. The remote does it later: read the run to see it done."""

    def explain_run(self, run: Run) -> Procedure[Run]:
        """Ask why a run ended badly: the same run with ``failures``, and a message if it had none."""


def read_answer(request: Request, status: int, headers: Mapping[str, str], text: str) -> Answer:
    """Turn a raw response into an answer.

    :raises RemoteCallError: the remote said no, or a 200 whose body is not what was asked for (an
        intermediary's page, a cut body): that says nothing about the run, so it is retryable.
    """
    headers = {name.lower(): value for name, value in headers.items()}
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
    retryable = status == 429 or status >= 500 or code in _RETRYABLE_CODES
    kind = RemoteCallError
    if status in (401, 403):
        kind = AccessDenied
    elif status == 404 or (status == 400 and _MISSING.search(message)):
        kind = NotFound
    return kind(
        f"{request} answered {status}: {words}",
        status_code=status,
        retryable=retryable,
        retry_after_s=_retry_after(headers.get("retry-after")),
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
    return str(code), shorten(str(message or ""))


def parse_json(text: str) -> Any:
    """:raises ValueError: not JSON, or nested deeper than the parser can go."""
    try:
        return json.loads(text)
    except RecursionError as err:
        raise ValueError("nested too deeply") from err


def shorten(text: str, limit: int = 300) -> str:
    """One line, cut with a mark: bodies and logs can be megabytes."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


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


def id_or_none(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


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
