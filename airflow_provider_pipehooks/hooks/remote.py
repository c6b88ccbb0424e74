"""What the hooks of all services share: read the connection, get a token, send, say clearly what failed."""

from __future__ import annotations

import asyncio
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar
from weakref import WeakKeyDictionary

from airflow.sdk import BaseHook

from airflow_provider_pipehooks.core.arguments import as_id
from airflow_provider_pipehooks.core.durations import as_seconds
from airflow_provider_pipehooks.core.errors import AccessDenied, ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.hooks.rate import RateLimit, rate_limits_of
from airflow_provider_pipehooks.hooks.transport import AsyncSender, SyncSender
from airflow_provider_pipehooks.services.base import Answer, Procedure, Request

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from typing_extensions import Self

    from airflow_provider_pipehooks.hooks.auth import Auth
    from airflow_provider_pipehooks.hooks.connection import Target
    from airflow_provider_pipehooks.hooks.retrying import Tried
    from airflow_provider_pipehooks.services.run_pages import RunPages

T = TypeVar("T")

#: A remote that wants to be left alone for longer has the call fail: who called has a limit of its own.
LONGEST_PAUSE_S = 300.0
#: Of each event loop, who fetches a token now.
_FETCHING: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Auth, asyncio.Lock]] = WeakKeyDictionary()


class RemoteHook(BaseHook, ABC):
    """Calls on one connection, from a worker (:meth:`call`) or the triggerer (:meth:`acall`).

    :param conn_id: of any accepted type.
    :param account_id: instead of the connection's; only where the service has accounts.
    :param timeout_seconds: for one HTTP call; there is always one.
    :param retry_limit: how often a call that changes nothing is tried when the remote is in trouble.
    :param retry_delay: seconds before the second try; doubled for each further one.
    :param retry_args: ``stop`` and ``wait`` of tenacity, instead of the two above; the rest is not used.
    """

    accepted_types: ClassVar[tuple[str, ...]]
    #: A call that would wait longer before it is tried again fails instead.
    longest_pause_s: float = float("inf")
    connection_test: ClassVar[Request]

    @classmethod
    @abstractmethod
    def rates(cls) -> Mapping[str, float]:
        """How often one triggerer may ask one account, from the ``[pipehooks]`` options.

        :return: how a path ends -> requests a second; the first that fits counts, and ``""`` fits all.
        """

    def __init__(
        self,
        conn_id: str,
        *,
        account_id: int | None = None,
        timeout_seconds: float = 30.0,
        retry_limit: int = 3,
        retry_delay: float = 1.0,
        retry_args: Mapping[Any, Any] | None = None,
    ) -> None:
        # Here: a DAG file that only names an operator makes no calls.
        from airflow_provider_pipehooks.hooks.retrying import Retries

        super().__init__()
        self.conn_id = conn_id
        self.account_id = account_id
        self.timeout_seconds = as_seconds(timeout_seconds, "timeout_seconds")
        self.retry_limit = as_id(retry_limit, "retry_limit")
        self.retry_delay = as_seconds(retry_delay, "retry_delay", or_nothing=True)
        self.retry_args = retry_args
        self._retries = Retries.of(self.retry_limit, self.retry_delay, retry_args)
        self._target: Target | None = None
        self._sender: SyncSender | None = None
        self._async_sender: AsyncSender | None = None
        self._limits: Mapping[str, RateLimit]

    @abstractmethod
    def read_connection(self, conn: Connection) -> Target:
        """What the connection says, with each type's own field meaning. May read Variables.

        :raises ConfigurationError: something is missing or wrong.
        """

    @property
    def target(self) -> Target:
        """The connection, read once. Not from inside an event loop: use :meth:`atarget` there."""
        if self._target is None:
            self._target = self._read(self.connection)
        return self._target

    @cached_property
    def connection(self) -> Connection:
        """Airflow's own, with its secrets. Not from inside an event loop."""
        try:
            return self.get_connection(self.conn_id)
        except Exception as err:
            raise _connection_error(self.conn_id, err) from err.__cause__

    async def atarget(self) -> Target:
        if self._target is None:
            try:
                conn = await self.aget_connection(self.conn_id)
            except Exception as err:
                raise _connection_error(self.conn_id, err) from err.__cause__
            # In a thread: it may read Variables, which only has a blocking form.
            self._target = await asyncio.to_thread(self._read, conn)
        return self._target

    def _read(self, conn: Connection) -> Target:
        if conn.conn_type not in self.accepted_types:
            raise ConfigurationError(
                f"Connection {self.conn_id!r} has the type {conn.conn_type!r}; {type(self).__name__} takes "
                f"{', '.join(self.accepted_types)}."
            )
        return self.read_connection(conn)

    def call(self, procedure: Procedure[T], *, tries: int | None = None) -> T:
        """Send the requests of a procedure and give its result.

        :param tries: for each request that may be repeated; ``retry_limit`` or ``retry_args`` if not given.
        :raises RemoteCallError: the remote refused, or gave no usable answer.
        """
        request = _advance(procedure)
        while isinstance(request, Request):
            try:
                answer: Answer | RemoteCallError = self._send(request, tries)
            except RemoteCallError as err:
                answer = err
            request = _advance(procedure, answer)
        return request.value

    def each_run(self, pages: RunPages) -> Iterator[Mapping[str, Any]]:
        """Every run of a list, as the service tells it, each once; a page is read when it is needed.

        :raises RemoteCallError: the remote refused, or gave no usable answer.
        """
        # Here: a DAG file that only names an operator does not list runs.
        from airflow_provider_pipehooks.services.run_pages import id_of

        told: set[int | None] = set()
        rest: Mapping[str, str] | None = {}
        while rest is not None:
            page = self.call(pages.page(rest))
            for run in page.runs:
                if (run_id := id_of(run, pages.key)) not in told:
                    told.add(run_id)
                    yield run
            rest = page.rest

    async def acall(self, procedure: Procedure[T], *, tries: int | None = None) -> T:
        """As :meth:`call`, inside an event loop."""
        request = _advance(procedure)
        while isinstance(request, Request):
            try:
                answer: Answer | RemoteCallError = await self._asend(request, tries)
            except RemoteCallError as err:
                answer = err
            request = _advance(procedure, answer)
        return request.value

    def _send(self, request: Request, tries: int | None) -> Answer:
        target = self.target
        if self._sender is None:
            self._sender = SyncSender(target, self.timeout_seconds)
        headers = self.call(target.auth.headers()) if request.authorized else {}
        request = _addressed(request, target)
        tried = self._retries.begin(tries)
        while True:
            try:
                return self._sender.send(request, headers)
            except RemoteCallError as err:
                pause_s = self._pause(request, err, tried)
                if pause_s is None:
                    raise _suspect(err, target) from err.__cause__
                time.sleep(pause_s)

    async def _asend(self, request: Request, tries: int | None) -> Answer:
        target = await self.atarget()
        sender = self._async_sender or await self._open_async(target)
        headers = await self._aheaders(target.auth) if request.authorized else {}
        limit = next(limit for end, limit in self._limits.items() if request.path.endswith(end))
        request = _addressed(request, target)
        tried = self._retries.begin(tries)
        while True:
            await limit.turn()
            try:
                return await sender.send(request, headers)
            except RemoteCallError as err:
                if err.status_code == 429:
                    limit.refused(err.retry_after_s)
                pause_s = self._pause(request, err, tried)
                if pause_s is None:
                    raise _suspect(err, target) from err.__cause__
                await asyncio.sleep(pause_s)

    async def _open_async(self, target: Target) -> AsyncSender:
        # In a thread: what sends requests takes long to import, and the event loop must not wait.
        await asyncio.to_thread(import_module, "aiohttp")
        if self._async_sender is None:  # a call that came meanwhile may have been quicker
            self._limits = rate_limits_of(target.base_url, target.account_id, self.rates())
            self._async_sender = AsyncSender(target, self.timeout_seconds)
        return self._async_sender

    async def _aheaders(self, auth: Auth) -> Mapping[str, str]:
        """One fetch of a token at a time: a thousand triggers that begin together ask for one."""
        locks = _FETCHING.setdefault(asyncio.get_running_loop(), {})
        async with locks.setdefault(auth, asyncio.Lock()):
            return await self.acall(auth.headers())

    def _pause(self, request: Request, err: RemoteCallError, tried: Tried) -> float | None:
        """How long to wait before the same call may be sent again; None when it may not."""
        if not err.retryable or not (request.repeatable or err.status_code == 429):
            return None
        planned_s = tried.pause_s(err)
        if planned_s is None:
            return None
        pause_s: float = max(planned_s, err.retry_after_s or 0.0)
        if (err.retry_after_s or 0.0) > LONGEST_PAUSE_S or pause_s > self.longest_pause_s:
            self.log.warning("Not tried again, which would be in %.0f s: %s", pause_s, err)
            return None
        self.log.warning("Try %s in %.0f s: %s", tried.times + 1, pause_s, err)
        return pause_s

    def reread(self) -> None:
        """Forget the connection and what was fetched with it: the next call reads it again."""
        if self._target is not None:
            self._target.auth.forget()
        self.close()
        self._forget_connection()

    async def areread(self) -> None:
        if self._target is not None:
            self._target.auth.forget()
        await self.aclose()
        self._forget_connection()

    def _forget_connection(self) -> None:
        self._target = None
        self.__dict__.pop("connection", None)

    def close(self) -> None:
        if self._sender is not None:
            self._sender.close()
            self._sender = None

    async def aclose(self) -> None:
        if self._async_sender is not None:
            await self._async_sender.close()
            self._async_sender = None

    def detached(self) -> Self:
        """A hook on the same connection, already read, with HTTP connections of its own."""
        twin = copy(self)
        twin._sender = twin._async_sender = None
        return twin

    def test_connection(self) -> tuple[bool, str]:
        """For the button in Airflow's connection form."""
        try:
            self.call(_once(self.connection_test), tries=1)
            return True, f"{self.target.base_url} accepts this connection."
        except Exception as err:
            return False, str(err)
        finally:
            self.close()


@dataclass(frozen=True)
class _Result(Generic[T]):
    """A procedure is over; its own class, so that it cannot be taken for a request."""

    value: T


def _advance(procedure: Procedure[T], answer: Answer | RemoteCallError | None = None) -> Request | _Result[T]:
    """Move a procedure to its next request or its result. It may catch errors where it waits."""
    try:
        if isinstance(answer, RemoteCallError):
            return procedure.throw(answer)
        return procedure.send(answer) if answer is not None else next(procedure)
    except StopIteration as end:
        return _Result(end.value)


def _once(request: Request) -> Procedure[None]:
    yield request


def _addressed(request: Request, target: Target) -> Request:
    return replace(request, path=request.path.replace("{account_id}", str(target.account_id)))


def _connection_error(conn_id: str, err: Exception) -> Exception:
    """Airflow's own error for a missing connection does not say what to do."""
    if type(err).__name__ != "AirflowNotFoundException":
        return err
    if (variable := f"AIRFLOW_CONN_{conn_id.upper()}") in os.environ:
        # Airflow logs why, and goes on to look elsewhere.
        return ConfigurationError(
            f"Connection {conn_id!r}: Airflow cannot read the environment variable {variable}. Give it as "
            'JSON, {"conn_type": ..., "host": ..., "password": ...}, or as a URI with its parts quoted.'
        )
    return ConfigurationError(
        f"Connection {conn_id!r} does not exist. Add it: airflow connections add {conn_id} --conn-type ..."
    )


def _suspect(err: RemoteCallError, target: Target) -> RemoteCallError:
    """A valid token on the wrong host is answered like a bad token, so the text names both."""
    if not isinstance(err, AccessDenied):
        return err
    return AccessDenied(
        f"{str(err).rstrip('.')}. Check the token of connection {target.conn_id!r}, and that its host "
        f"{target.base_url} is the one of this account: the wrong host answers like a wrong token.",
        status_code=err.status_code,
    )
