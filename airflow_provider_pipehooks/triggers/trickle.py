"""WATCH: what thousands of waits write to their logs, no faster than the triggerer reads it.

A trigger's log lines go through a socket that the triggerer's other process reads 4 KB at a time, between two
rounds of work on the database (Airflow 3.3.2). Some two hundred lines at once fill it. Then the event loop
stands still in the write, and with it all that waits; where the other process writes to it meanwhile, for
ever: seen when a triggerer took over a thousand triggers of a killed one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable
from contextvars import Context
from itertools import islice

log = logging.getLogger(__name__)

#: About as many lines as are read at once, and no more often than they are.
AT_ONCE = 10
EVERY_S = 0.1


class Trickle:
    """Does small things later, a few at a time, in the order they were put."""

    def __init__(self) -> None:
        self._later: dict[Hashable, list[Callable[[], object]]] = {}
        self._task: asyncio.Task[None] | None = None

    def put(self, key: Hashable, work: Callable[[], object]) -> None:
        """Do ``work`` when its turn comes, or with :meth:`flush` of its key."""
        self._later.setdefault(key, []).append(work)
        if self._task is None:
            # In an empty context: the task is of no single wait.
            self._task = Context().run(asyncio.get_running_loop().create_task, self._run())

    def flush(self, key: Hashable) -> None:
        """Do what is left of ``key`` now: its log may be closed soon."""
        for work in self._later.pop(key, ()):
            try:
                work()
            except Exception:
                log.exception("What a wait had to tell was lost")

    async def close(self) -> None:
        """Do no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._task = None

    async def _run(self) -> None:
        while self._later:
            for key in list(islice(self._later, AT_ONCE)):
                self.flush(key)
            await asyncio.sleep(EVERY_S)
        self._task = None
