"""A trigger that asks nobody and logs nothing: what Airflow itself costs is seen beside it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

LOOK_S = 2.5


class Asleep(BaseTrigger):
    """Sleeps until some time after a file was made; at once over where that has passed.

    :param then_s: seconds.
    """

    def __init__(self, file: str, then_s: float) -> None:
        super().__init__()
        self.file, self.then_s = file, then_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return "benchmarks.asleep.Asleep", {"file": self.file, "then_s": self.then_s}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        # A quick look at a local file that another process makes: there is no event to wait for.
        while not (up := Path(self.file)).exists():  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)
        await asyncio.sleep(up.stat().st_mtime + self.then_s - time.time())  # noqa: ASYNC240
        yield TriggerEvent("awake")


class Sleep(BaseOperator):
    """Defers to :class:`Asleep` at once."""

    template_fields = ("file", "then_s")

    def __init__(self, *, file: str, then_s: str, **options: Any) -> None:
        super().__init__(**options)
        self.file, self.then_s = file, then_s

    def execute(self, context: Any) -> None:
        self.defer(trigger=Asleep(self.file, float(self.then_s)), method_name="wake")

    def wake(self, context: Any, event: Any) -> None:
        pass
