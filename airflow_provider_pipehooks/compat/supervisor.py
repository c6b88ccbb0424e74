"""The channel from a task to its supervisor, for a process that the task has forked (read in Airflow 3.3.2).

Both would read from one socket, and take each other's answers; one that is ended in between leaves an answer
behind. So the forked process has the task ask. ``task_runner.SUPERVISOR_COMMS`` is that channel, and looked
up for each request.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

#: What the supervisor answered, and what it refused with instead.
Answer = tuple[Any, Any]


def relay(ask: Callable[[Any], Answer]) -> None:
    """In the forked process: have all requests made by ``ask``; nothing where there is no channel."""
    channel = getattr(_task_runner(), "SUPERVISOR_COMMS", None)
    if channel is not None:
        _task_runner().SUPERVISOR_COMMS = _Relay(ask, channel)


def answer(request: Any) -> Answer:
    """In the task: make a request of the forked process, and wait for the answer however long it takes."""
    from airflow.sdk.exceptions import AirflowRuntimeError
    from airflow.sdk.execution_time.comms import MaskSecret
    from airflow.sdk.log import mask_secret

    if isinstance(request, MaskSecret):
        # The task is to know it, too: it tells the supervisor, and hides it in alerts.
        mask_secret(request.value, request.name)
        return None, None
    try:
        return _task_runner().SUPERVISOR_COMMS.send(request), None
    except AirflowRuntimeError as err:
        # The exception itself cannot be unpickled.
        return None, err.error


class _Relay:
    """Stands for the channel.

    :param channel: is kept, as its socket would be closed with it, and the number be given to something else.
    """

    def __init__(self, ask: Callable[[Any], Answer], channel: Any) -> None:
        self._ask = ask
        self._channel = channel

    def send(self, msg: Any) -> Any:
        from airflow.sdk.exceptions import AirflowRuntimeError

        answered, refused = self._ask(msg)
        if refused is not None:
            raise AirflowRuntimeError(refused)
        return answered

    async def asend(self, msg: Any) -> Any:
        return await asyncio.to_thread(self.send, msg)


def _task_runner() -> Any:
    """Airflow's module; None where nothing has imported it, as where no task runs."""
    return sys.modules.get("airflow.sdk.execution_time.task_runner")
