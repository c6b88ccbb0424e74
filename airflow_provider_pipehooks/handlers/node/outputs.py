"""A node's outputs over XCom: what its body pushes, what hooks set, and what is kept for its next process."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from airflow_provider_pipehooks.handlers.node.data import NodeData, new_keys
from airflow_provider_pipehooks.handlers.node.record import NodeRecord, fits

log = logging.getLogger(__name__)


class NodeOutputs:
    """The outputs of one process of a task.

    :param data: what hooks are given; its outputs are kept in step.
    """

    def __init__(self, ti: Any, data: NodeData) -> None:
        self.ti = ti
        self.data = data
        self._push = self.ti.xcom_push
        self._known: dict[str, Any] = {}
        self._by_hooks: set[str] = set()

    def note(self, key: str, value: Any) -> None:
        """An output that hooks see and that need not be pushed."""
        self.data.outputs[key] = value
        self._known[key] = value

    def clear(self) -> None:
        self.data.outputs.clear()
        self._known.clear()

    def store_new(self) -> Iterator[Exception]:
        """Push what a hook has set. One output that cannot be stored does not stop the others.

        :return: why, for each that could not be.
        """
        return self._store(new_keys(self.data.outputs, self._known))

    def _store(self, keys: Iterable[str]) -> Iterator[Exception]:
        for key in keys:
            value = self.data.outputs[key]
            self.note(key, value)
            self._by_hooks.add(key)
            try:
                self._push(key, value)
            except Exception as err:
                yield err

    @contextmanager
    def seeing_xcoms(self) -> Iterator[None]:
        """Note what the body pushes to XCom: Airflow has no way to list a task's keys."""

        def push(key: str, value: Any, *args: Any, **kwargs: Any) -> None:
            self._push(key, value, *args, **kwargs)
            self.note(key, value)

        # On the instance: Airflow gives the body this very object, by more than one way.
        vars(self.ti)["xcom_push"] = push
        try:
            yield
        finally:
            del vars(self.ti)["xcom_push"]

    def kept(self) -> dict[str, Any]:
        """The fields of a :class:`NodeRecord` for the next process, which cannot read them all from XCom."""
        outputs = {key: value for key, value in self.data.outputs.items() if fits(value)}
        return {
            "outputs": outputs,
            "unfit": [key for key in self.data.outputs if key not in outputs],
            "by_hooks": sorted(self._by_hooks),
        }

    def recall(self, record: NodeRecord, map_index: int) -> None:
        """See again what the process before the wait has left."""
        for key, value in record.outputs.items():
            self.note(key, value)
        for key in record.unfit:
            self.note(key, self.ti.xcom_pull(task_ids=self.ti.task_id, key=key, map_indexes=map_index))
        self._by_hooks.update(record.by_hooks)

    def restore(self, record: NodeRecord) -> None:
        """Push again what hooks have set: Airflow deletes all XComs of a sensor before it pokes again."""
        for err in self._store([key for key in record.by_hooks if key in record.outputs]):
            log.error("Could not store an output of the last poke again: %s", err, exc_info=err)
