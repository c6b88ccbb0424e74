"""As much of a task as the operators use, for tests that call them without a DAG run."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from airflow.sdk.exceptions import TaskDeferred
from airflow.sdk.serde import deserialize, serialize

from airflow_provider_pipehooks.compat.memory import INTENT_KEY


class Store(dict[str, Any]):
    """Airflow's task state store: outlives tries and clears, and keeps what JSON can hold."""

    def set(self, key: str, value: Any, **_: Any) -> None:
        self[key] = json.loads(json.dumps(value))

    def delete(self, key: str) -> None:
        self.pop(key, None)


#: For a type checker anything, since Airflow types a context by its keys.
_Context: Any = dict


class Try(_Context):
    """The context of one try of a task.

    :param store: the one of the try before, to go on from it.
    :param cleared: how often a user has cleared the task; Airflow raises ``max_tries`` each time.
    :param born: when the DAG run began.
    """

    def __init__(
        self, store: Store | None = None, *, cleared: int = 0, try_number: int = 1, born: str = ""
    ) -> None:
        self.store = Store() if store is None else store
        self.pushed: dict[str, Any] = {}
        #: What the server says of the task when it is asked.
        self.state: str | None = "running"
        self.ti = SimpleNamespace(
            dag_id="dag",
            run_id="manual",
            task_id="t",
            map_index=-1,
            try_number=try_number,
            max_tries=3 + cleared,
            task=SimpleNamespace(retries=3),
            xcom_push=lambda key, value: self.pushed.update({key: value}),
            get_task_states=self._states,
        )
        super().__init__(ti=self.ti, task_instance=self.ti, task_state_store=self.store)
        if born:
            self["dag_run"] = SimpleNamespace(start_date=datetime.fromisoformat(born))

    def _states(self, **_: Any) -> dict[str, dict[str, str]]:
        if self.state is None:
            raise OSError("the API server is away")
        return {} if self.state == "deleted" else {"manual": {"t": self.state}}

    def next(self, *, cleared: int = 0) -> Try:
        """The next try of the same task."""
        return Try(self.store, cleared=cleared, try_number=self.ti.try_number + 1)


def crashed_before_the_answer(store: Store) -> None:
    """What the store holds when the worker died after the start was written down, before it was answered."""
    store[INTENT_KEY]["remote_run_id"] = None


def stored(trigger: Any) -> Any:
    """The trigger as it comes out of Airflow's database."""
    path, arguments = trigger.serialize()
    module, _, name = path.rpartition(".")
    kind = getattr(__import__(module, fromlist=[name]), name)
    return kind(**deserialize(json.loads(json.dumps(serialize(arguments)))))


def first_event(trigger: Any) -> Any:
    """Run a trigger as a triggerer does; the payload of its one event, as it comes out of the database."""

    async def payloads() -> list[Any]:
        return [event.payload async for event in trigger.run()]

    (payload,) = asyncio.run(payloads())
    return json.loads(json.dumps(payload))


def run(operator: Any, context: Try) -> Any:
    """Execute, and wait in the trigger where the operator defers."""
    operator.log.disabled = False
    try:
        return operator.execute(context)
    except TaskDeferred as deferred:
        return resume(operator, context, deferred)


def resume(operator: Any, context: Try, deferred: TaskDeferred) -> Any:
    """Go on after a deferral, as often as the operator defers: each time in another process, to the task."""
    context.ti = SimpleNamespace(**vars(context.ti))
    context.update(ti=context.ti, task_instance=context.ti)
    event = first_event(stored(deferred.trigger))
    try:
        method = getattr(operator, deferred.method_name)
        return method(context, event=event, **(deferred.kwargs or {}))
    except TaskDeferred as again:
        return resume(operator, context, again)
