"""How a sync tells what it does, and what it did."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Synced:
    """What a sync did.

    :param runs: how many it has read.
    :param rows: written, of runs and of tasks.
    :param since: the earliest time from which on runs were listed.
    :param events: written, of pipelines.
    """

    runs: int
    rows: int
    since: datetime
    events: int = 0


@dataclass(frozen=True, kw_only=True)
class Telling:
    """Who is told how it goes on; the log of the task, if nobody else is.

    :param on_parts: called with how many parts there are to read, before the first.
    :param on_day: called after each part with its begin and how many rows it had.
    """

    on_parts: Callable[[int], object] | None = None
    on_day: Callable[[datetime, int], object] | None = None

    def parts(self, number: int) -> None:
        """So many parts are going to be read."""
        if self.on_parts is not None:
            self.on_parts(number)

    def day(self, service: str, begin: datetime, rows: int) -> None:
        """A part was read and written."""
        if self.on_day is not None:
            self.on_day(begin, rows)
        elif rows:
            log.info("%s: %s rows of the runs since %s", service, rows, f"{begin:%Y-%m-%d %H:%M}")
