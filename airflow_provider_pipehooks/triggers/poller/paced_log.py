"""WATCH: what thousands of waits write to their logs, only as fast as the triggerer reads it.

A trigger's log lines go through a socket that the triggerer's other process reads 4 KB at a time, between two
rounds of work on the database (Airflow 3.3.2). Some two hundred lines at once fill it. Then the event loop
stands still in the write, and with it all that waits; where the other process writes to it meanwhile, for
ever: seen when a triggerer took over a thousand triggers of a killed one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextvars import Context

from airflow_provider_pipehooks.compat.logs import log_has_room

log = logging.getLogger(__name__)

EVERY_S = 0.1
#: A few milliseconds of the event loop, should there be room for all.
AT_ONCE = 100


class Trickle:
    """Writes later, in the order it was put, as soon as there is room.

    :param has_room: for one more line.
    """

    def __init__(self, has_room: Callable[[], bool] = log_has_room) -> None:
        self._has_room = has_room
        self._later: OrderedDict[Hashable, list[Callable[[], object]]] = OrderedDict()
        self._task: asyncio.Task[None] | None = None

    def put(self, key: Hashable, write: Callable[[], object]) -> None:
        """Write when its turn comes."""
        self._later.setdefault(key, []).append(write)
        if self._task is None:
            # In an empty context: the task is of no single wait.
            self._task = Context().run(asyncio.get_running_loop().create_task, self._run())

    async def finish(self, key: Hashable) -> None:
        """Wait until all is written that was put with this key, before all others: its log ends."""
        if key not in self._later:
            return
        written = asyncio.Event()
        self.put(key, written.set)
        self._later.move_to_end(key, last=False)
        self._some()
        await written.wait()

    async def close(self) -> None:
        """Write no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._task = None

    async def _run(self) -> None:
        while self._later:
            self._some()
            await asyncio.sleep(EVERY_S)
        self._task = None

    def _some(self) -> None:
        for _ in range(AT_ONCE):
            if not self._later or not self._has_room():
                return
            for write in self._later.popitem(last=False)[1]:
                try:
                    write()
                except Exception:
                    log.exception("What a wait had to tell was lost")
