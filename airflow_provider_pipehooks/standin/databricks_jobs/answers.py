"""Runs and jobs as JSON: both dialects of the state, times, task runs, repair history and output."""

from __future__ import annotations

from typing import Any

from airflow_provider_pipehooks.standin.databricks_jobs import progress
from airflow_provider_pipehooks.standin.databricks_jobs.checks import SLOTS
from airflow_provider_pipehooks.standin.databricks_jobs.model import Job, Json, Round, Run, TaskRun
from airflow_provider_pipehooks.standin.databricks_jobs.progress import Look
from airflow_provider_pipehooks.standin.databricks_jobs.states import Outcome, status_word
from airflow_provider_pipehooks.standin.databricks_jobs.world import World

CREATOR = "standin@example.com"
RUN_ARRAYS = ("tasks", "job_clusters", "job_parameters", "repair_history", "iterations")
JOB_ARRAYS = ("tasks", "job_clusters", "parameters", "environments")

ERROR = "ZeroDivisionError: division by zero"
ERROR_TRACE = (
    "---------------------------------------------------------------------------\n"
    "ZeroDivisionError                         Traceback (most recent call last)\n"
    "----> 1 1 / 0\n\nZeroDivisionError: division by zero"
)
_QUEUE_CODE = "MAX_CONCURRENT_RUNS_REACHED"
_QUEUE_MESSAGE = "Queued because the job has reached its limit of concurrent runs."


def both_states(look: Look, queue_code: str = _QUEUE_CODE) -> Json:
    """``state`` (deprecated, still filled) and ``status``, saying the same."""
    outcome = look.outcome
    state: Json = {
        "life_cycle_state": look.word,
        "state_message": look.message,
        "user_cancelled_or_timedout": bool(outcome and outcome.user_cancelled_or_timedout),
    }
    status: Json = {"state": status_word(look.word)}
    if outcome is not None:
        if look.is_over and outcome.result_state is not None:
            state["result_state"] = outcome.result_state
        status["termination_details"] = _details(outcome, look.message)
    if look.word == "QUEUED":
        state["queue_reason"] = _QUEUE_MESSAGE
        status["queue_details"] = {"code": queue_code, "message": _QUEUE_MESSAGE}
    return {"state": state, "status": status}


def _details(outcome: Outcome, message: str) -> Json:
    return {"code": outcome.code, "type": outcome.type, "message": message}


def run_json(world: World, run: Run, look: Look, *, tasks: bool = True, history: bool = False) -> Json:
    """A job run.

    :param look: what is seen of it now.
    :param tasks: with task runs, job clusters and parameters.
    :param history: with ``repair_history``.
    """
    round_ = run.round
    ended_ms = round_.ended_ms if look.is_over else 0
    answer: Json = {
        "job_id": run.job_id,
        "run_id": run.run_id,
        "number_in_job": run.run_id,
        "original_attempt_run_id": run.run_id,
        "creator_user_name": CREATOR,
        "run_name": run.run_name,
        "run_type": run.run_type,
        "run_page_url": f"{world.base_url()}/?o=1#job/{run.job_id}/run/{run.run_id}",
        "trigger": "ONE_TIME",
        "format": "SINGLE_TASK" if run.is_legacy else "MULTI_TASK",
        **both_states(look, round_.plan.details.get("queue_code", _QUEUE_CODE)),
        "start_time": run.started_ms,
        "end_time": ended_ms,
        "run_duration": ended_ms - run.started_ms if ended_ms else 0,
        "queue_duration": run.queue_ms,
        # Filled for task runs; the run of several tasks has zeros here.
        "setup_duration": 0,
        "execution_duration": 0,
        "cleanup_duration": 0,
        **_sent(run),
    }
    if tasks:
        answer["tasks"] = tasks_json(world, run, look)
        answer.update(_arrays(run))
    if history:
        answer["repair_history"] = [_history_item(each, run, look) for each in run.repair_history]
    for name in round_.plan.details.get("omit", ()):
        answer.pop(name, None)
    return answer


def _sent(run: Run) -> Json:
    """What the client sent, as far as the run repeats it."""
    overriding = {name: run.body[name] for name in SLOTS if name in run.body and name != "job_parameters"}
    found: Json = {"overriding_parameters": overriding} if overriding else {}
    for name, shown in (
        ("performance_target", "effective_performance_target"),
        ("duration_target", "duration_target"),
        ("git_source", "git_source"),
        ("description", "description"),
    ):
        if (value := run.body.get(name) or run.settings.get(name)) is not None:
            found[shown] = value
    return found


def _arrays(run: Run) -> Json:
    found: Json = {}
    if clusters := run.settings.get("job_clusters"):
        found["job_clusters"] = clusters
    defaults = {each["name"]: each.get("default", "") for each in run.settings.get("parameters") or ()}
    values = run.body.get("job_parameters") or {}
    if names := [*defaults, *(name for name in values if name not in defaults)]:
        found["job_parameters"] = [
            {
                "name": name,
                "default": defaults.get(name, ""),
                "value": str(values.get(name, defaults.get(name, ""))),
            }
            for name in names
        ]
    return found


def round_look(round_: Round) -> Look:
    """What is seen of a round that a repair has followed, so it is over."""
    message = round_.outcome.message if round_.outcome else ""
    return Look(round_.last_word, round_.outcome, round_.plan.message or message)


def _history_item(round_: Round, run: Run, look: Look) -> Json:
    now = look if round_ is run.round else round_look(round_)
    item: Json = {
        "type": round_.type,
        "start_time": round_.started_ms,
        "end_time": round_.ended_ms,
        **both_states(now),
        "task_run_ids": [task.run_id for task in round_.tasks],
    }
    return item if round_.repair_id is None else {"id": round_.repair_id, **item}


def tasks_json(world: World, run: Run, look: Look) -> list[Json]:
    """All task runs of a run, those of earlier rounds too."""
    first: dict[str, int] = {}
    found = []
    for round_ in run.rounds:
        now = look if round_ is run.round else round_look(round_)
        open_keys = progress.open_task_keys(round_)
        for task in round_.tasks:
            original = first.setdefault(task.task_key, task.run_id)
            seen = progress.task_look(task, round_, now, open_keys, world.elapsed_s(run))
            link = f"{world.base_url()}/?o=1#job/{run.job_id}/run/{task.run_id}"
            found.append(
                {**_task_json(task, round_, seen), "original_attempt_run_id": original, "run_page_url": link}
            )
    return found


def _task_json(task: TaskRun, round_: Round, seen: Look) -> Json:
    started_ms = 0 if seen.word in ("BLOCKED", "QUEUED") else round_.started_ms
    ended_ms = task.ended_ms if seen.is_over else 0
    return {
        **task.settings,
        "run_id": task.run_id,
        "run_if": task.settings.get("run_if", "ALL_SUCCESS"),
        "attempt_number": task.attempt_number,
        **both_states(seen),
        "start_time": started_ms,
        "end_time": ended_ms,
        "setup_duration": 0,
        "execution_duration": max(ended_ms - started_ms, 0) if ended_ms else 0,
        "cleanup_duration": 0,
    }


def task_run_json(world: World, run: Run, task: TaskRun, look: Look) -> Json:
    """A task run that was asked for by its own id: shaped like a run, with itself as the only task."""
    own = next(each for each in tasks_json(world, run, look) if each["run_id"] == task.run_id)
    shared = run_json(world, run, look, tasks=False)
    keep = ("job_id", "creator_user_name", "run_type", "trigger")
    return {
        **{key: value for key, value in own.items() if key not in ("depends_on", "run_if")},
        **{key: shared[key] for key in keep if key in shared},
        "job_run_id": run.run_id,
        "number_in_job": task.run_id,
        "run_name": task.task_key,
        "format": "SINGLE_TASK",
        "tasks": [own],
    }


def output_json(world: World, run: Run, task: TaskRun, look: Look) -> Json:
    """Answer of get-output for one task run."""
    metadata = task_run_json(world, run, task, look)
    answer: Json = {"metadata": metadata, **task.behaviour.output}
    details = run.round.plan.details
    if task.outcome is None:
        return answer
    if task.outcome.result_state == "FAILED":
        plan = task.plan or run.round.plan
        error = task.behaviour.error or plan.message or ERROR
        trace = ERROR_TRACE if error == ERROR else f"{error}\n\nTraceback (most recent call last): ..."
        answer["error"] = details.get("error", error)
        answer["error_trace"] = task.behaviour.error_trace or details.get("error_trace", trace)
    elif task.outcome.kind == "ok" and "notebook_task" in task.settings:
        answer.setdefault("notebook_output", {"result": details.get("result", ""), "truncated": False})
    return {**answer, **details.get("output", {})}


def job_json(job: Job, *, tasks: bool = True) -> Json:
    """A job, with or without the arrays of its settings."""
    hidden: tuple[str, ...] = () if tasks else JOB_ARRAYS
    settings: dict[str, Any] = {key: value for key, value in job.settings.items() if key not in hidden}
    return {
        "job_id": job.job_id,
        "creator_user_name": CREATOR,
        "run_as_user_name": CREATOR,
        "created_time": job.created_ms,
        "settings": settings,
    }
