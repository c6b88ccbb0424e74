"""Why a task is killed: the process is only told that it is, the server knows whether a user did it."""

from __future__ import annotations

import logging
from threading import Thread
from typing import Any

log = logging.getLogger(__name__)

#: How long to wait for the answer; Airflow kills the process five seconds after it told it to end.
ASK_S = 2.0


def state_on_the_server(ti: Any, map_index: int) -> str | None:
    """The task's state as the server has it; None when it could not be asked.

    In a thread of its own: the signal may have interrupted a request of the main thread, and waiting for that
    one here would be waiting for ourselves.
    """
    answer: list[str | None] = []
    thread = Thread(target=_ask, args=(ti, map_index, answer), daemon=True)
    thread.start()
    thread.join(ASK_S)
    if not answer:
        log.warning("Killed, and could not ask why: no hook is told whether a user did it")
        return None
    return answer[0]


def _ask(ti: Any, map_index: int, answer: list[str | None]) -> None:
    try:
        states = ti.get_task_states(
            dag_id=ti.dag_id, map_index=map_index, task_ids=[ti.task_id], run_ids=[ti.run_id]
        )
        answer.extend(states[ti.run_id].values())
    except Exception:
        log.exception("Could not ask for the state of the task")
