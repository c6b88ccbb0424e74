"""A procedure driven by hand: each request is written down and answered, the way a sender would."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.services.base import Answer, Procedure, Request

T = TypeVar("T")
#: A body (an object, or a text where the request expects one), or why there is none.
Body = dict[str, Any] | str | RemoteCallError


class Endless(AssertionError):
    """A procedure went on asking."""


class Driven(Generic[T]):
    """Drives a procedure to its end.

    :param reply: the body for a request; bodies in order, or a function of the request.
    :param most: requests until it counts as endless.
    """

    def __init__(
        self,
        procedure: Procedure[T],
        reply: Iterable[Body] | Callable[[Request], Body],
        *,
        most: int = 50,
    ) -> None:
        self.requests: list[Request] = []
        answers = None if callable(reply) else iter(reply)
        try:
            request = next(procedure)
            while True:
                self.requests.append(request)
                if len(self.requests) > most:
                    raise Endless(f"{request} after {most} requests")
                body = next(answers) if answers is not None else reply(request)  # type: ignore[operator]
                if isinstance(body, RemoteCallError):
                    request = procedure.throw(body)
                else:
                    request = procedure.send(Answer(status=200, body=body))
        except StopIteration as end:
            self.result: T = end.value

    @property
    def params(self) -> list[dict[str, str]]:
        return [dict(request.params) for request in self.requests]


def drive(procedure: Procedure[T], *bodies: Body) -> T:
    """The result of a procedure that gets these bodies."""
    return Driven(procedure, bodies).result
