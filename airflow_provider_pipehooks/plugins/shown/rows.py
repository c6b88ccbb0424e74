"""The runs that tasks have started or joined, as rows of a table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_pipehooks.compat.recorded import Record
from airflow_provider_pipehooks.core.changes import Change
from airflow_provider_pipehooks.core.reasons import class_of_run, told_by_run
from airflow_provider_pipehooks.core.run import Run


@dataclass(frozen=True, kw_only=True)
class Row:
    """A run and the task instance that has it.

    :param run: None where the record cannot be read; ``trouble`` then says why.
    :param try_number: of the task, when it left the record.
    """

    record: Record
    run: Run | None
    trouble: str = ""
    try_number: int | None = None
    changes: Sequence[Change] = ()

    @classmethod
    def of(cls, record: Record) -> Row:
        """A record of another version, or of something else, is a row all the same."""
        try:
            run = Run.from_json(record.value)
        except ValueError as err:
            return cls(record=record, run=None, trouble=str(err))
        number = record.value.get("try_number")
        return cls(
            record=record,
            run=run,
            try_number=number if isinstance(number, int) else None,
            changes=_changes(record.value.get("changes")),
        )

    @property
    def task(self) -> str:
        index = self.record.map_index
        return f"{self.record.task_id}[{index}]" if index >= 0 else self.record.task_id

    @property
    def word(self) -> str:
        """The state, for people and for the style sheet."""
        if self.run is None:
            return "unreadable"
        return self.run.state.name.lower() if self.run.state is not None else "unknown"

    @property
    def trouble_class(self) -> str:
        return class_of_run(self.run).replace("_", " ") if self.run and self.run.is_failed else ""

    @property
    def reason(self) -> str:
        """What is said of why it failed, in a line."""
        if self.run is None or not self.run.is_failed:
            return self.trouble
        return ": ".join(filter(None, told_by_run(self.run)))

    @property
    def when(self) -> datetime:
        times = (self.run.started_at, self.run.created_at) if self.run else ()
        return next(filter(None, times), self.record.at)

    def took_s(self, now: datetime) -> float | None:
        """From its start to its end, or to now while it goes on; None when it never started."""
        run = self.run
        if run is None or run.started_at is None or (run.is_terminal and run.finished_at is None):
            return None
        try:
            return max(0.0, ((run.finished_at or now) - run.started_at).total_seconds())
        except TypeError:  # one with a time zone, one without
            return None

    @property
    def task_word(self) -> str:
        """The task's state, where the run's does not say the same."""
        same = {"success": "success", "error": "failed", "cancelled": "failed"}
        state = self.record.task_state or ""
        return "" if same.get(self.word) == state else state.replace("_", " ")

    @property
    def is_left(self) -> bool:
        """Whether nobody watches it any more although it had not ended when it was last seen."""
        over = self.record.task_state in ("failed", "success", "skipped", "upstream_failed", "removed")
        return over and self.run is not None and not self.run.is_terminal


def _changes(records: Any) -> tuple[Change, ...]:
    try:
        return tuple(Change.from_json(each) for each in records or ())
    except (TypeError, ValueError):
        return ()
