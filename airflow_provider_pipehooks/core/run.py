"""One execution on the remote, as everything else in the package sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from airflow_provider_pipehooks.core.records import (
    ID,
    MAYBE_ID,
    MAYBE_TEXT,
    NUMBER,
    TEXT,
    VERSION,
    VERSION_KEY,
    Types,
    known,
    reading,
)
from airflow_provider_pipehooks.core.run_state import FAILED, TERMINAL, RunState

#: Who or what ended a run badly: the user's code or data, its settings, the platform, a limit of the
#: account, the run's own time limit, or somebody's cancel.
FailureKind = Literal["user", "configuration", "platform", "quota", "timeout", "cancelled", "skipped"]


#: A record is written to XCom, and thousands of failed tests are megabytes.
MOST_FAILURES = 25

#: What people call a service, and one execution on it where that is no run.
TITLES = {
    "dbt_cloud": "dbt Cloud",
    "databricks_jobs": "Databricks",
    "databricks_pipelines": "Databricks pipeline",
    "databricks_sql": "Databricks SQL",
}
NOUNS = {"databricks_pipelines": "update", "databricks_sql": "statement"}


def label_of(service: str, run_id: int | str) -> str:
    """How messages name a run: ``dbt Cloud run 42``."""
    return f"{TITLES.get(service, service)} {NOUNS.get(service, 'run')} {run_id}"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """One thing that went wrong inside a run.

    :param name: a dbt node (``test.shop.no_negative_amounts``), a dbt step, a Databricks task key, or a flow.
    :param message: the remote's text, one line where it can be.
    :param url: where to read more, if the remote has a page for it.
    :param detail: the last lines of what it printed: of a log, or of a trace.
    """

    name: str
    message: str
    url: str | None = None
    detail: str | None = None

    def to_json(self) -> dict[str, str | None]:
        """What is stored of it; most have no detail."""
        return {key: value for key, value in vars(self).items() if key != "detail" or value}


@dataclass(frozen=True, kw_only=True)
class Run:
    """A remote run as it was last seen.

    ``state`` is None when the remote used a word that the service's table does not know; such a run is
    not terminal.

    :param service: ``dbt_cloud``, ``databricks_jobs``, ``databricks_pipelines`` or ``databricks_sql``.
    :param run_id: the remote's id; numbers as int.
    :param status: the remote's own word, kept as it came.
    :param job_id: the definition it ran; None for a one-time run.
    :param message: the remote's own reason, None when it gave none.
    :param kind: set when ``state`` is a failed one.
    :param failures: what failed inside it, the first :data:`MOST_FAILURES`.
    :param failed: how many failed inside it.
    :param cancelled_by: who asked for the cancel, when the remote says so.
    :param attempt: 1 for the first; each repair in place, and each retry by the service itself, adds one.
    """

    service: str
    run_id: int | str
    state: RunState | None
    status: str
    job_id: int | str | None = None
    name: str | None = None
    url: str | None = None
    message: str | None = None
    kind: FailureKind | None = None
    cancelled_by: str | None = None
    attempt: int = 1
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    failures: tuple[Failure, ...] = ()
    failed: int = 0

    @property
    def is_terminal(self) -> bool:
        return self.state in TERMINAL

    @property
    def is_success(self) -> bool:
        return self.state is RunState.SUCCESS

    @property
    def is_failed(self) -> bool:
        return self.state in FAILED

    @property
    def label(self) -> str:
        """How messages name it: ``dbt Cloud run 42``."""
        return label_of(self.service, self.run_id)

    @property
    def outcome(self) -> str:
        """The word for people: the state's name in lower case, unless how it ended says more."""
        if self.kind in _OUTCOMES:
            return _OUTCOMES[self.kind]
        return self.state.name.lower() if self.state is not None else f"unknown ({self.status})"

    def with_failures(self, *failures: Failure) -> Run:
        """The run with what failed inside it: a record holds a bounded number, and counts them all."""
        return replace(self, failures=failures[:MOST_FAILURES], failed=len(failures))

    def hidden(self, shown: int) -> int:
        """How many failures there are besides those that are shown."""
        return max(0, max(self.failed, len(self.failures)) - shown)

    def to_json(self) -> dict[str, Any]:
        """The outcome record: what XCom ``run`` and a trigger's event carry. Times as ISO 8601 text."""
        # not asdict: thousands of waits may end together, and it copies deeply
        record = {VERSION_KEY: VERSION, **vars(self)}
        record["state"] = self.state.name if self.state is not None else None
        for key in _TIMES:
            record[key] = record[key].isoformat() if record[key] else None
        record["failures"] = [failure.to_json() for failure in self.failures]
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Run:
        """Read an outcome record.

        Keys that this version does not know are left out, so a record written by a newer one is readable.

        :raises ValueError: not a record of a run; quotes it.
        """
        with reading("a run", record):
            values = known(record, _FIELDS)
            values["state"] = RunState[record["state"]] if record["state"] is not None else None
            for key in _TIMES:
                values[key] = datetime.fromisoformat(record[key]) if record.get(key) else None
            failures = record.get("failures", ())
            values["failures"] = tuple(Failure(**known(item, _FAILURE_FIELDS)) for item in failures)
            return cls(**values)


_FAILURE_FIELDS: Mapping[str, Types] = {
    "name": TEXT,
    "message": TEXT,
    "url": MAYBE_TEXT,
    "detail": MAYBE_TEXT,
}
#: Of a record as JSON; state, times and failures are read on their own.
_FIELDS: Mapping[str, Types] = {
    "service": TEXT,
    "run_id": ID,
    "status": TEXT,
    "job_id": MAYBE_ID,
    **dict.fromkeys(("name", "url", "message", "kind", "cancelled_by"), MAYBE_TEXT),
    "attempt": NUMBER,
    "failed": NUMBER,
}
_OUTCOMES = {"timeout": "timed out", "skipped": "skipped"}
_TIMES = ("created_at", "started_at", "finished_at")
