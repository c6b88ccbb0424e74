"""START, once: the one run of an intent, over crashes, retries and clears.

Knows no operator and no Airflow: what a service can do is asked of :class:`Starts`, what an earlier try has
left of :class:`Notes`.
"""

from __future__ import annotations

import logging
from typing import Any, Protocol

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.core.intent import Decision, Intent, decide
from airflow_provider_pipehooks.core.run import Run


class Starts(Protocol):
    """How runs of one task are started, found and continued; each service's operator says it."""

    @property
    def can_continue(self) -> bool:
        """Whether a run that ended badly is continued instead of started anew."""

    def baseline(self) -> int:
        """The highest run id there is now, where a lost start has to be looked up above it."""

    def find(self, run_id: int | str) -> Run | None:
        """The run with this id; None when the remote does not have it."""

    def find_unanswered(self, intent: Intent) -> Run | None:
        """The run of a start whose answer was never stored. None where starting again is safe."""

    def to_adopt(self) -> Run | None:
        """A run that goes on already and is taken instead of starting one; it is never cancelled."""

    def start(self, intent: Intent) -> Run:
        """Start the run of an intent; called once for each, or again when no run of it exists."""

    def continue_run(self, run: Run) -> Run | None:
        """Continue a run that ended badly; None when the remote cannot."""

    def cancel(self, run_id: int | str, why: str) -> None:
        """Cancel a run of the task and see it cancelled, unless the user wants runs to be kept."""


class Notes(Protocol):
    """What outlives a try.

    :param key: under which it is kept.
    """

    key: str

    def recall(self) -> Intent | None:
        """What was written down last; None when nothing was."""

    def remember(self, intent: Intent) -> None:
        """Write down; what comes after may count on it."""


class Once:
    """Finds or starts the run of one try.

    :param first: the intent of this try if no earlier one wrote any down: its ids and generation.
    :param log: of the task.
    """

    def __init__(self, starts: Starts, notes: Notes, first: Intent, log: Any = None) -> None:
        self.starts, self.notes, self.first = starts, notes, first
        self.log = log or logging.getLogger(__name__)
        #: The intent that counts now, as it is written down; None until this try has decided.
        self.intent: Intent | None = None

    def run(self) -> Run:
        """The run of this task: found from an earlier try, or started now."""
        record = self.notes.recall()
        found = self._find(record) if record else None
        decision = decide(record, self.first, found, can_continue=self.starts.can_continue)
        self.log.info("%s", decision.explain(found, record))
        if record and found:
            if decision in (Decision.JOIN, Decision.RETURN):
                self.intent = record
                self._note(record.answered(found.run_id, adopted=record.adopted))
                return found
            if decision in (Decision.CLEARED_ACTIVE, Decision.OTHER_JOB_ACTIVE):
                self._cancel_old(record, found, decision)
            elif decision is Decision.CONTINUE and (continued := self.starts.continue_run(found)):
                # Written down only afterwards: until then the old run leads to the one that continues it.
                self._note(self.first.after(record).answered(continued.run_id))
                return continued
        return self._start(self._next(decision, record))

    def resume(self) -> None:
        """Go on in another process of the same try."""
        self.intent = self.notes.recall()

    @property
    def adopted(self) -> bool:
        """Whether the run of this try was started by something else."""
        return self.intent is not None and self.intent.adopted

    def find_pending(self) -> int | str | None:
        """The run of this try when it is killed: also of a start whose answer had not come."""
        if self.intent is None or self.intent.remote_run_id is not None:
            return self.intent.remote_run_id if self.intent else None
        try:
            found = self.starts.find_unanswered(self.intent)
        except RemoteCallError as err:
            self.log.error("Killed while starting, and could not look whether a run was started: %s", err)
            return None
        return found.run_id if found else None

    def _find(self, record: Intent) -> Run | None:
        if not record.is_of_service(self.first.service):
            return None
        if record.remote_run_id is None:
            return self.starts.find_unanswered(record)
        return self.starts.find(record.remote_run_id)

    def _cancel_old(self, record: Intent, found: Run, decision: Decision) -> None:
        if record.adopted:
            self.log.info("%s is left as it is: something else started it", found.label)
        else:
            cleared = decision is Decision.CLEARED_ACTIVE
            self.starts.cancel(
                found.run_id, "the task was cleared" if cleared else "the task has another job"
            )

    def _next(self, decision: Decision, record: Intent | None) -> Intent:
        if record and decision is Decision.START_AGAIN:
            return record
        fresh = record is None or decision in (Decision.CLEARED, Decision.CLEARED_ACTIVE)
        intent = self.first if fresh or record is None else self.first.after(record)
        return intent.at(self.starts.baseline())

    def _start(self, intent: Intent) -> Run:
        # Looked for first: what is written down stands for a start that may have been sent.
        adopted = self.starts.to_adopt()
        self._note(intent)
        run = adopted or self.starts.start(intent)
        self._note(intent.answered(run.run_id, adopted=adopted is not None))
        if adopted is None:
            self.log.info("Started %s%s", run.label, f": {run.url}" if run.url else "")
        return run

    def _note(self, intent: Intent) -> None:
        if intent != self.intent:
            self.intent = intent
            self.notes.remember(intent)
