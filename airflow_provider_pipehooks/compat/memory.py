"""What a task's next process is to know: Airflow's task state store, which outlives crash, retry and clear.

A context has a store since Airflow 3.3; one without, as in ``dag.test()`` of a callback, remembers nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_pipehooks.compat import tries
from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.core.intent import Intent

Context = Mapping[str, Any]
#: Where a task's intent is.
INTENT_KEY = "pipehooks_intent"


def recall(context: Context, key: str) -> Any:
    """What was remembered under a key; None when nothing was, or there is no store."""
    store = context.get("task_state_store")
    return store.get(key) if store is not None else None


def remember(context: Context, key: str, record: Any) -> None:
    """Store a record, which has to be JSON; not where there is no store."""
    store = context.get("task_state_store")
    if store is not None:
        store.set(key, record)


def forget(context: Context, key: str) -> None:
    """Delete a record; nothing where there is none, or no store."""
    store = context.get("task_state_store")
    if store is not None:
        store.delete(key)


def stores_of(assets: Any) -> list[Any]:
    """The state store of each asset of a trigger, by name; Airflow gives no public way to them (3.3.2)."""
    return [store for _, store in sorted(assets._by_name.items())]


def first_intent(context: Context, task_id: str, service: str, job: str, turn: int = 1) -> Intent:
    """What a task wants in this try, if no earlier one has written anything down.

    :param task_id: of the operator, which another task may execute.
    :param turn: how often it was executed in this try.
    """
    ti = context["ti"]
    return Intent(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        task_id=task_id,
        map_index=ti.map_index if ti.map_index is not None else -1,
        generation=tries.generation(context),
        service=service,
        job=job,
        born=tries.born(context),
        turn=turn,
    )


class IntentNotes:
    """The intent of a task in its state store, which outlives crash, retry and clear."""

    def __init__(self, context: Mapping[str, Any], key: str, log: Any) -> None:
        self.key = key
        self._context = context
        self._log = log

    def recall(self) -> Intent | None:
        """What was written down last.

        :raises ConfigurationError: it cannot be read. Starting all the same might start a second run.
        """
        record = recall(self._context, self.key)
        if not record:
            return None
        try:
            return Intent.from_json(record)
        except ValueError as err:
            before = record.get("generation") if isinstance(record, Mapping) else None
            if isinstance(before, int) and before != tries.generation(self._context):
                self._log.warning("The task was cleared, and its last run is not known: %s", err)
                return None
            raise ConfigurationError(
                f"{err}. Nothing was started: a run of an earlier try may be going on. Look there, then "
                f"clear the task to start anew, or delete {self.key!r} from its state store."
            ) from err

    def remember(self, intent: Intent) -> None:
        remember(self._context, self.key, intent.to_json())
