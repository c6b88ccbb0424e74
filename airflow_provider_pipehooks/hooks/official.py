"""What the methods of both hooks share that bear the official providers' names."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_pipehooks.hooks.remote import RemoteHook

if TYPE_CHECKING:
    from typing_extensions import Self

    from airflow_provider_pipehooks.services.base import Procedure

T = TypeVar("T")


class OfficialHook(RemoteHook):
    """Async calls inside ``async with``, over connections that are closed with it, or each over its own."""

    def __init__(self, conn_id: str, **options: Any) -> None:
        super().__init__(conn_id, **options)
        self._is_open = False

    async def __aenter__(self) -> Self:
        self._is_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_open = False
        await self.aclose()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Self]:
        """Who calls: this hook inside ``async with``; else a twin, of which nothing stays open."""
        if self._is_open:
            yield self
            return
        await self.atarget()  # so that the twin does not read the connection again
        twin = self.detached()
        try:
            yield twin
        finally:
            await twin.aclose()

    async def acall_once(self, procedure: Procedure[T]) -> T:
        """As :meth:`acall`, by who is :meth:`opened`."""
        async with self.opened() as hook:
            return await hook.acall(procedure)
