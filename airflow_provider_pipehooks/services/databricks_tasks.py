"""The tasks of one Databricks run: the newest attempt of each, all of them in one read, and their repair.

Jobs API 2.2, as read in August 2026. A list of runs has no tasks in it, so the tasks that are waited for are
grouped by their run, and each run is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from airflow_provider_pipehooks.core.errors import NotFound
from airflow_provider_pipehooks.core.run import Run
from airflow_provider_pipehooks.services.base import Procedure
from airflow_provider_pipehooks.services.batch import Batch, Found, Key
from airflow_provider_pipehooks.services.databricks_states import number_or_0
from airflow_provider_pipehooks.services.reading import (
    any_id_or_none,
    id_or_none,
    object_or_empty,
    objects,
    text_or_none,
)

Data = Mapping[str, Any]
#: Of a task that was never run because of another; there is no code of its own for it in ``status``.
_FOR_UPSTREAM = frozenset({"UPSTREAM_FAILED", "UPSTREAM_CANCELED"})
#: What run-now may have been given; a repair without them would go back to the job's own.
_SLOTS = (
    "job_parameters",
    "notebook_params",
    "jar_params",
    "python_params",
    "python_named_params",
    "spark_submit_params",
    "dbt_commands",
    "sql_params",
    "pipeline_params",
)
_KEY = "key"


def newest_attempts(tasks: Sequence[Data]) -> dict[str, Data]:
    """The newest attempt of each task key: a run lists every attempt, and a repair adds more."""
    newest: dict[str, Data] = {}
    for task in sorted(
        tasks, key=lambda task: (number_or_0(task.get("attempt_number")), number_or_0(task.get("start_time")))
    ):
        if key := text_or_none(task.get("task_key")):
            newest[key] = task
    return newest


def attempt_id(whole: Data, task_key: str) -> int | str:
    """The id of a task's newest attempt.

    :raises NotFound: the run does not have it, or not yet.
    """
    task = newest_attempts(objects(whole.get("tasks"))).get(task_key, {})
    if (found := any_id_or_none(task.get("run_id"))) is None:
        raise NotFound(f"Databricks run {whole.get('run_id')!r:.100} shows no attempt of task {task_key!r}.")
    return found


# Many tasks in few requests


def key_of(run_id: int, task_key: str) -> str:
    """What batches know a task of a run by."""
    return f"{run_id}/{task_key}"


def is_task(key: Key) -> bool:
    """Whether a key is one of :func:`key_of`; runs have numbers."""
    return isinstance(key, str)


def batches_of(wanted: Mapping[Key, Run | None]) -> list[Batch]:
    """One batch for each run, whose one read tells all its tasks."""
    by_run: dict[str, dict[Key, Run | None]] = {}
    for key, run in wanted.items():
        by_run.setdefault(_run_of(key), {})[key] = run
    return [Batch(tasks) for tasks in by_run.values()]


def read_batch(found: Found, whole_run: Callable[[int], Procedure[Data]]) -> Procedure[bool]:
    """Give every wanted task the whole run, which tells of the task, and whether it can still show up."""
    run_id = int(_run_of(next(iter(found.batch.wanted))))
    whole = yield from whole_run(run_id)
    found.take([{_KEY: key, "run": whole} for key in found.batch.wanted], _KEY)
    return True  # all are told: there is none that only others could tell of


def _run_of(key: Key) -> str:
    return str(key).partition("/")[0]


# Running a task again in the same run


def is_over_with(whole: Data, task_key: str, waited_for: int) -> bool:
    """Whether the newest attempt of a task is not the one to wait for, so that another has to be made.

    Either it was waited for already, or it was never run for the sake of a task that has been mended since.

    :param waited_for: id of the attempt that was waited for before; 0 for none.
    """
    newest = newest_attempts(objects(whole.get("tasks")))
    task = newest.get(task_key)
    if task is None:
        return False
    if any_id_or_none(task.get("run_id")) == waited_for:
        return True
    if text_or_none(object_or_empty(task.get("state")).get("result_state")) not in _FOR_UPSTREAM:
        return False
    upstream = [newest.get(key, {}) for key in _upstream(task)]
    return all(is_success(each) for each in upstream)


def failed_among(whole: Data, task_keys: Iterable[str]) -> set[str]:
    """Those of some tasks whose newest attempt did not end well."""
    newest = newest_attempts(objects(whole.get("tasks")))
    return {key for key in task_keys if key in newest and not is_success(newest[key])}


def is_success(task: Data) -> bool:
    """Whether an attempt ended well, in either dialect."""
    details = object_or_empty(object_or_empty(task.get("status")).get("termination_details"))
    return "SUCCESS" in (details.get("code"), object_or_empty(task.get("state")).get("result_state"))


def _upstream(task: Data) -> list[str]:
    return [key for each in objects(task.get("depends_on")) if (key := text_or_none(each.get("task_key")))]


def repair_body(whole: Data, task_keys: Iterable[str]) -> dict[str, Any]:
    """The body of a repair that runs tasks again, with the parameters that the run was started with.

    ``latest_repair_id`` makes it safe to send twice: the second one is refused, whatever became of the first.
    """
    given = object_or_empty(whole.get("overriding_parameters"))
    body = {name: given[name] for name in _SLOTS if given.get(name)}
    body |= {"run_id": any_id_or_none(whole.get("run_id")), "rerun_tasks": list(task_keys)}
    if (latest := latest_repair(whole)) is not None:
        body["latest_repair_id"] = latest
    return body


def latest_repair(whole: Data) -> int | None:
    """The id that a further repair has to name."""
    history = objects(whole.get("repair_history"))
    return next(filter(None, (id_or_none(item.get("id")) for item in reversed(history))), None)
