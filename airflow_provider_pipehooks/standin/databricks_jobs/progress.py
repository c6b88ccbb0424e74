"""Where a run is now: the plan's position as a life cycle word, and what became of each task at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter

from airflow_provider_pipehooks.standin.databricks_jobs.model import Round, Run, TaskRun
from airflow_provider_pipehooks.standin.databricks_jobs.states import (
    OUTCOMES,
    RUN_IF,
    TERMINAL,
    USUAL_PATH,
    Outcome,
    outcome,
)
from airflow_provider_pipehooks.standin.plan import Plan

_DECLARED_FAILURE = {"failed", "cancelled"}


@dataclass(frozen=True)
class Look:
    """What a reader sees.

    :param word: ``life_cycle_state``.
    :param outcome: set while TERMINATING and at the end.
    :param message: ``state_message``.
    """

    word: str
    outcome: Outcome | None = None
    message: str = ""

    @property
    def is_over(self) -> bool:
        """The word is terminal."""
        return self.word in TERMINAL


def word_of(plan: Plan, polls: int, elapsed_s: float) -> str:
    """The life cycle word a plan is at; ``TERMINATED`` stands for any end.

    :raises TypeError: a state that is not text; dbt has numbers, Databricks has words.
    """
    path = plan.states or USUAL_PATH
    word = path[plan.position(len(path), polls=polls, elapsed_s=elapsed_s)]
    if not isinstance(word, str):
        raise TypeError(f"databricks_jobs: state {word!r} of a plan must be a word such as 'RUNNING'.")
    return word


def round_word(round_: Round, elapsed_s: float) -> str:
    """The word of the run: over only when its own plan and every task's own plan are over."""
    word = word_of(round_.plan, round_.polls, elapsed_s)
    timed = [task.plan for task in round_.tasks if task.plan is not None and not task.cancelled]
    busy = any(word_of(plan, round_.polls, elapsed_s) not in TERMINAL for plan in timed)
    return "RUNNING" if word in TERMINAL and busy else word


def end_ms(round_: Round, now_ms: int, speed: float) -> int:
    """When a round that is over now has ended: as planned if its plan has seconds, else when it was seen.

    A plan without polls and seconds ends when it starts.
    """
    plans = [round_.plan, *(task.plan for task in round_.tasks if task.plan is not None)]
    if any(plan.polls for plan in plans):
        return now_ms
    longest_s = max(plan.seconds for plan in plans) / speed
    return min(now_ms, int((round_.begun_s + longest_s) * 1000))


def finish(run: Run, forced: Outcome | None, at_ms: int) -> None:
    """Freeze the outcome of the round and of each of its tasks.

    :param forced: an end that did not come from the plan, such as a cancellation.
    """
    round_, latest = run.round, run.latest_tasks
    mine = {task.task_key: task for task in round_.tasks}
    order = TopologicalSorter({key: task.upstream for key, task in mine.items()}).static_order()
    for task in (mine[key] for key in order if key in mine):
        if task.outcome is None:
            task.ended_ms = at_ms
            task.outcome = forced or _task_outcome(task, round_, latest)
    round_.outcome = forced or _run_outcome(run)
    # A plan that spells its path out has the last word on it, even where its outcome would say another.
    spelled = [str(word) for word in round_.plan.states if forced is None]
    round_.last_word = spelled[-1] if spelled else round_.outcome.life_cycle_state
    round_.ended_ms = at_ms


def settle_early(run: Run, elapsed_s: float, at_ms: int) -> None:
    """Freeze tasks that are over while their run goes on: cancelled, or by a plan of their own."""
    round_, latest = run.round, run.latest_tasks
    open_keys = open_task_keys(round_)
    for task in round_.tasks:
        if task.task_key not in open_keys or open_keys & set(task.upstream):
            continue
        by_plan = task.plan is not None and word_of(task.plan, round_.polls, elapsed_s) in TERMINAL
        if task.cancelled or by_plan:
            task.outcome, task.ended_ms = _task_outcome(task, round_, latest), at_ms
            open_keys.discard(task.task_key)


def open_task_keys(round_: Round) -> set[str]:
    """Keys of the tasks that are not over."""
    return {task.task_key for task in round_.tasks if task.outcome is None}


def _task_outcome(task: TaskRun, round_: Round, latest: Mapping[str, TaskRun]) -> Outcome:
    ended = [latest[key].outcome for key in task.upstream if key in latest]
    upstream = [each.kind for each in ended if each is not None]
    if not RUN_IF[task.settings.get("run_if") or "ALL_SUCCESS"](upstream):
        for kind, blocked in (("failed", "upstream_failed"), ("cancelled", "upstream_canceled")):
            if kind in upstream:
                return OUTCOMES[blocked]
        return OUTCOMES["excluded"]
    if task.cancelled:
        return OUTCOMES["cancelled"]
    if task.plan is not None:
        return outcome(task.plan.outcome)
    return _share(task, round_)


def _share(task: TaskRun, round_: Round) -> Outcome:
    """A task's part in the outcome of the round, for a task without a plan of its own."""
    planned = outcome(round_.plan.outcome)
    partial = planned.result_state == "SUCCESS_WITH_FAILURES"
    if planned.result_state in ("FAILED", "SUCCESS_WITH_FAILURES"):
        if task.task_key not in failing_keys(round_, partial=partial):
            return OUTCOMES["success"]
        return OUTCOMES["failed"] if partial else planned
    return planned


def failing_keys(round_: Round, *, partial: bool) -> list[str]:
    """Which tasks make a failing round fail: those named in ``details["failed_tasks"]``, or the first.

    :param partial: the run succeeds all the same, so a task nobody waits for may not fail.
    """
    named = round_.plan.details.get("failed_tasks")
    if named is not None:
        return list(named)
    if any(task.plan and outcome(task.plan.outcome).kind in _DECLARED_FAILURE for task in round_.tasks):
        return []
    keys = {task.task_key for task in round_.tasks}
    awaited = {key for task in round_.tasks for key in task.upstream}
    first = [
        task.task_key
        for task in round_.tasks
        if not keys & set(task.upstream) and (task.task_key in awaited or not partial)
    ]
    return first[:1]


def _run_outcome(run: Run) -> Outcome:
    """The plan's outcome if it names one, else what follows from the latest attempt of each task."""
    if run.round.plan.outcome != "success":
        return outcome(run.round.plan.outcome)
    tasks = run.latest_tasks
    kinds = {key: task.outcome.kind for key, task in tasks.items() if task.outcome is not None}
    if not set(kinds.values()) & _DECLARED_FAILURE:
        return OUTCOMES["success"]
    awaited = {key for task in tasks.values() for key in task.upstream}
    leaves = {kind for key, kind in kinds.items() if key not in awaited}
    if not leaves & _DECLARED_FAILURE:
        return OUTCOMES["success_with_failures"]
    return OUTCOMES["failed" if "failed" in kinds.values() else "cancelled"]


def task_look(task: TaskRun, round_: Round, look: Look, open_keys: set[str], elapsed_s: float) -> Look:
    """What a reader sees of one task while ``look`` is what is seen of its run."""
    if task.outcome is not None:
        plan = task.plan or round_.plan
        message = plan.message if plan.message and task.outcome.kind != "ok" else task.outcome.message
        return Look(task.outcome.life_cycle_state, task.outcome, message)
    if look.outcome is not None or look.word == "QUEUED":
        return look
    if open_keys & set(task.upstream):
        return Look("BLOCKED")
    return Look(word_of(task.plan, round_.polls, elapsed_s)) if task.plan is not None else look
