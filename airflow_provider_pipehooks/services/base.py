"""The shape that every service has: requests as values, calls as procedures.

A *procedure* is a generator: it yields requests, is sent the answers, and returns its result. One that
needs three calls reads like three lines, and the sync and the async sender drive the same one.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.core.texts import shorten
from airflow_provider_pipehooks.services.batch import Batch, Found, Key

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
    :param longest: bytes that are read of the answer, unpacked; of most none is near the hook's own limit.
    :param idempotent: a POST that may be sent again when it is not known what became of it.
    """

    method: Literal["GET", "POST", "PATCH", "DELETE"]
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    form: Mapping[str, str] | None = field(default=None, repr=False)
    basic_auth: tuple[str, str] | None = field(default=None, repr=False)
    expects: Literal["json", "text"] = "json"
    authorized: bool = True
    idempotent: bool = False
    longest: int | None = None

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


class Service(Protocol):
    """What waiting, cancelling and explaining need of a service."""

    name: ClassVar[str]
    #: How many runs one request of a batch can tell.
    runs_a_page: ClassVar[int]

    def key_of(self, run_id: int | str) -> Key | None:
        """What batches know a run by; None where it has to be read alone."""

    def batches_of(self, wanted: Mapping[Key, Run | None], *, ended_only: bool) -> list[Batch]:
        """Split runs, with what is known of each, into batches that can be read side by side."""

    def read_batch(self, found: Found) -> Procedure[bool]:
        """Read the runs of ``found.batch`` in as few requests as possible, into ``found``.

        A run that is not found there is not gone: it has to be asked for alone before it is doubted.

        :return: whether those that are missing go on, as far as the remote tells: asked for were ended ones
            only. Where telling of all takes fewer requests, that is done although only ended ones are needed.
        """

    def parse(self, data: Mapping[str, Any]) -> Run:
        """Read one object of a batch.

        :raises RemoteCallError: it is not a run. Retryable: nothing can be told from it.
        """

    def get_run(self, run_id: int | str) -> Procedure[Run]:
        """Read a run as it is now, in as few requests as can tell its state."""

    def cancel_run(self, run_id: int | str) -> Procedure[None]:
        """Ask for a cancel. The remote does it later: read the run to see it done."""

    def explain_run(self, run: Run) -> Procedure[Run]:
        """Ask why a run ended badly: the same run with ``failures``, and a message if it had none."""
