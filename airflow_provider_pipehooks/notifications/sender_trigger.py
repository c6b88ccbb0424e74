"""The sender of the outbox in the triggerer: on an asset's watcher, one for all triggerers.

Watchers with equal arguments are one row in Airflow's database, which one triggerer at a time takes; when it
dies another takes over. So there is one sender, and nothing to start beside Airflow.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_pipehooks.core.records import VERSION, VERSION_KEY, stored_only


class AlertSenderTrigger(BaseEventTrigger):
    """Sends what lies in the outbox for as long as the asset's DAG is on. It fires no event.

    :param outbox: its path; None takes the option ``[pipehooks] outbox``. All triggerers share it.
    """

    def __init__(self, outbox: str | None = None, **unknown: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        stored_only(unknown, "AlertSenderTrigger")
        self.outbox = outbox

    def serialize(self) -> tuple[str, dict[str, Any]]:
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {VERSION_KEY: VERSION, "outbox": self.outbox}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        # Here: whoever only reads the trigger from a DAG file would load all of it.
        from airflow_provider_pipehooks.notifications.sender import LOOK_EVERY_S, sender_of

        # Files, AWS and Airflow's questions block: in a thread they hold up no other wait.
        sender = await asyncio.to_thread(sender_of, self.outbox)
        self.log.info("Sending the alerts that come into %s", sender.outbox.root)
        try:
            while True:
                await asyncio.to_thread(sender.look_or_log)
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            sender.outbox.release(sender.owner)
        yield TriggerEvent(None)  # what makes it a generator; nobody waits for an event
