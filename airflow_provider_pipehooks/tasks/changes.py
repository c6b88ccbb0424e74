"""The changes of a task's runs: every one passes here once, is logged, and is kept for the ledger.

Whether a worker's loop saw it, a poke of a sensor in reschedule mode, or a trigger that brought it along.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airflow_provider_pipehooks.compat import memory, tries
from airflow_provider_pipehooks.core.changes import Change, merged
from airflow_provider_pipehooks.core.records import VERSION, VERSION_KEY

CHANGES_KEY = "pipehooks_changes"


class Changes:
    """What has happened to the runs of a task since it was last cleared; its tries go on from each other.

    :param log: of the task.
    """

    def __init__(self, log: Any) -> None:
        self._log = log
        self._known: tuple[Change, ...] = ()

    def take(self, changes: Iterable[Change]) -> None:
        """Take in what a look, a poke or a trigger tells; what is known already changes nothing."""
        known = {change.key for change in self._known}
        self._known = merged(self._known, changes)
        for change in self._known:
            if change.key not in known:
                self._log.debug("%s", change)

    def to_json(self) -> list[dict[str, Any]]:
        """``[{"service", "run_id", "attempt", "old", "new", "at", "source"}, ...]``, oldest first."""
        return [change.to_json() for change in self._known]

    def read(self, records: Any) -> None:
        """Take in what :meth:`to_json` wrote. What cannot be read is left out: no wait may end for it."""
        try:
            self.take([Change.from_json(record) for record in records or ()])
        except (TypeError, ValueError) as err:
            self._log.warning("Earlier changes of the run cannot be read, and are left out: %s", err)

    def recall(self, context: Mapping[str, Any]) -> None:
        """Go on from what an earlier try has left."""
        record = memory.recall(context, CHANGES_KEY)
        if isinstance(record, Mapping) and record.get("generation") == tries.generation(context):
            self.read(record.get("changes"))

    def remember(self, context: Mapping[str, Any]) -> None:
        """Leave them for the next try; Airflow deletes the XComs when it begins."""
        record = {VERSION_KEY: VERSION, "generation": tries.generation(context), "changes": self.to_json()}
        memory.remember(context, CHANGES_KEY, record)
