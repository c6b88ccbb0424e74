"""What a task's next process is to know: Airflow's task state store, which outlives crash, retry and clear.

A context has a store since Airflow 3.3; one without, as in ``dag.test()`` of a callback, remembers nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Context = Mapping[str, Any]


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
