"""Questions about task instances and DAG runs, asked of Airflow where no database is at hand.

Workers, the DAG processor and triggers each have a channel to their supervisor, which takes other messages
from each (read in Airflow 3.3.2). ``task_runner.SUPERVISOR_COMMS`` is that channel.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from threading import Thread
from typing import Any

log = logging.getLogger(__name__)

#: ``{(task_id, map_index): state}``.
States = Mapping[tuple[str, int], str | None]
#: The task has been ended for good, by a person or a limit: what it waits for is not waited for any more.
#: In any other state a try goes on or follows, and ``running`` may be said of the one that follows.
#: ``restarting``: a person has cleared it while it ran. ``deleted``: nobody knows it any more.
ENDED_FOR_GOOD = frozenset(
    {"success", "failed", "skipped", "upstream_failed", "removed", "restarting", "deleted"}
)
#: How long to wait for the answer; Airflow kills the process five seconds after it told it to end.
ASK_S = 2.0


def _supervisor() -> Any:
    """The channel; None where there is none, as for the callbacks of ``dag.test()``."""
    from airflow.sdk.execution_time import task_runner

    return getattr(task_runner, "SUPERVISOR_COMMS", None)


# Asked by tasks and callbacks


def states_of(dag: Any, run_id: str, task_ids: Collection[str]) -> dict[tuple[str, int], str | None]:
    """State of each instance of the given tasks of a DAG run: ``{(task_id, map_index): state}``."""
    if _supervisor() is None:
        return _states_in_this_process(dag.dag_id, run_id, task_ids)
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    mapped = [task for task in sorted(task_ids) if _is_mapped(dag.get_task(task))]
    plain = [task for task in sorted(task_ids) if task not in mapped]
    states: dict[tuple[str, int], str | None] = {}
    # The answer names a mapped instance "load_3", which may also be another task's id. So each mapped task
    # is asked for alone, where only one reading is left.
    for group in ([plain] if plain else []) + [[task] for task in mapped]:
        answer = RuntimeTaskInstance.get_task_states(dag.dag_id, task_ids=group, run_ids=[run_id])
        for name, state in (answer.get(run_id) or {}).items():
            index = -1 if name in group else int(name[len(group[0]) + 1 :])
            states[(name if index < 0 else group[0], index)] = _word(state)
    return states


def _is_mapped(task: Any) -> bool:
    return bool(task.is_mapped) or task.get_closest_mapped_task_group() is not None


def _states_in_this_process(
    dag_id: str, run_id: str, task_ids: Collection[str]
) -> dict[tuple[str, int], str | None]:
    """``dag.test()`` calls a DAG's callbacks where no one answers a worker, but the database is at hand.

    Its own session is used, and only read: the states may not be committed yet.
    """
    from airflow import settings
    from airflow.models.taskinstance import TaskInstance
    from sqlalchemy import select

    wanted = select(TaskInstance.task_id, TaskInstance.map_index, TaskInstance.state)
    session: Any = settings.Session
    rows = session().execute(wanted.filter_by(dag_id=dag_id, run_id=run_id))
    return {(task_id, map_index): state for task_id, map_index, state in rows if task_id in task_ids}


def try_of(
    dag_id: str, run_id: str, task_id: str, map_index: int, logical_date: datetime | None
) -> int | None:
    """The number of a task instance's last try; None when Airflow does not tell.

    Only the message for the *previous* DAG run's instance carries tries. It answers with the last one
    before a date, so ask for a moment after this DAG run's own. Without a date the answer may be about
    another DAG run, and is left out.
    """
    from airflow.sdk.execution_time.comms import GetPreviousTI

    before = logical_date + timedelta(microseconds=1) if logical_date else None
    question = GetPreviousTI(dag_id=dag_id, task_id=task_id, map_index=map_index, logical_date=before)
    found = getattr(_supervisor().send(question), "task_instance", None)
    if found is None or found.run_id != run_id:
        return None
    number: int = found.try_number
    return number


def state_at_kill(ti: Any, map_index: int) -> str | None:
    """The task's state as the server has it, from inside ``on_kill``; None when it could not be asked.

    In a thread of its own: the signal may have interrupted a request of the main thread, and waiting for that
    one here would be waiting for ourselves.
    """
    answer: list[str | None] = []
    thread = Thread(target=_ask, args=(ti, map_index, answer), daemon=True)
    thread.start()
    thread.join(ASK_S)
    if not answer:
        log.warning("Killed, and could not ask whether a person did it, or a limit")
        return None
    return answer[0]


def _ask(ti: Any, map_index: int, answer: list[str | None]) -> None:
    try:
        states = ti.get_task_states(
            dag_id=ti.dag_id, map_index=map_index, task_ids=[ti.task_id], run_ids=[ti.run_id]
        )
        answer.extend((states.get(ti.run_id) or {"": "deleted"}).values())
    except Exception:
        log.exception("Could not ask for the state of the task")


# Asked by triggers


async def state_of_waiting_task(task: Any) -> str | None:
    """The state of a trigger's task instance as the server has it now; ``deleted`` when it knows none.

    :param task: the trigger's ``task_instance``.
    """
    from airflow.sdk.execution_time.comms import GetTaskStates

    answer = await _supervisor().asend(
        GetTaskStates(
            dag_id=task.dag_id,
            task_ids=[task.task_id],
            run_ids=[task.run_id],
            map_index=task.map_index if task.map_index >= 0 else None,
        )
    )
    states = answer.task_states.get(task.run_id, {})
    key = task.task_id if task.map_index < 0 else f"{task.task_id}_{task.map_index}"
    return _word(states[key]) if key in states else "deleted"


async def count_dag_runs(dag_id: str, states: list[str] | None) -> int:
    """How many runs a DAG has.

    :param states: of these only; None of all.
    """
    from airflow.sdk.execution_time.comms import GetDRCount

    count: int = (await _supervisor().asend(GetDRCount(dag_id=dag_id, states=states))).count
    return count


def _word(state: Any) -> str | None:
    """Airflow's enum is a str, but its str() is "TaskInstanceState.FAILED" from Python 3.11 on."""
    word: str | None = getattr(state, "value", state)
    return word
