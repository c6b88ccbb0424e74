"""HOOKS: the moments of a node that Bamboo has a hook for, and what becomes of each in Airflow. Data only.

``docs/node_hooks.md`` prints this table; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TASK = "task process"
NOWHERE = "nowhere"


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One hook.

    :param when: what has happened, in Airflow's terms.
    :param where: the process that calls it.
    :param differs: from Bamboo, and why; empty when it is the same.
    :param read_only: what the hook sets as an output is discarded.
    :param callback: whether it is given ``callback_data``: ``never``, ``maybe`` or ``always``.
    """

    when: str
    where: str = TASK
    differs: str = ""
    read_only: bool = False
    callback: str = "never"

    @property
    def is_called(self) -> bool:
        return self.where != NOWHERE


def _never(what: str, why: str) -> Moment:
    return Moment(when=what, where=NOWHERE, differs=f"Never called: {why} Defining it warns.", read_only=True)


_RETRY = (
    "Told at the start of the new try, one after the other: Airflow decides on a retry on the server, where "
    "no operator is. Outputs are the last try's, as far as JSON can hold them; inputs are the new ones."
)
_SKIP = (
    "One after the other. Also when the operator skips itself, which a Bamboo node cannot. A task that does "
    "not run has no process that could be told."
)
_FORCED = (
    "Told after the fact, one after the other, when `on_kill` is done; Airflow kills the process after five "
    "seconds. A deferred task has no process that could be told."
)
_NAME = "Airflow has a method of this name that takes `context`: the signature tells which one is meant."
_NO_PAUSE = "Airflow pauses DAGs, not tasks, and a paused DAG lets its running tasks go on."

MOMENTS: Mapping[str, Moment] = {
    "pre_retry_node": Moment(when="a try after the first is about to begin", differs=_RETRY, read_only=True),
    "post_retry_node": Moment(when="right after `pre_retry_node`", differs=_RETRY, read_only=True),
    "node_enter": Moment(
        when="a try begins, before everything else of it",
        differs="Not again when the task comes back from a wait.",
    ),
    "pre_execute": Moment(
        when="right before `execute`",
        differs=_NAME,
    ),
    "post_execute": Moment(
        when="`execute` returned, deferred, or begins to poke",
        differs=_NAME,
    ),
    "node_execute_exception": Moment(
        when="`execute` raised",
        differs="Not for `AirflowFailException`, which is Airflow's way to say no: only `node_execute_fail`.",
    ),
    "node_execute_fail": Moment(
        when="`execute` failed: raised, or returned False where that means failure",
        differs="Told for each failed try, before Airflow decides whether to retry.",
    ),
    "pre_callback": Moment(
        when="the trigger's event or the human's answer has come",
        differs="Told in the worker when the task resumes, one after the other; nobody is told earlier.",
        read_only=True,
        callback="always",
    ),
    "post_callback": Moment(
        when="right after `pre_callback`",
        differs="Told in the worker when the task resumes, one after the other; nobody is told earlier.",
        read_only=True,
        callback="always",
    ),
    "pre_schedule": Moment(when="before each `poke`, and before the method that a wait resumes with"),
    "post_schedule": Moment(
        when="that poke or method returned",
        differs="A poke that returns False is not a failure but not yet.",
    ),
    "node_schedule_exception": Moment(
        when="that poke or method raised, or the trigger did",
        differs="Not for `AirflowFailException` or a timeout of the wait: only `node_schedule_fail`.",
        callback="maybe",
    ),
    "node_schedule_fail": Moment(
        when="the wait failed: raised, timed out, or its method returned False where that means failure",
        differs="Told for each failed try, before Airflow decides whether to retry.",
        callback="maybe",
    ),
    "node_finish": Moment(
        when="all of the task's own work is done and well",
        differs="Airflow stores result and state after it. A hook without `callback_data` is called, too.",
        callback="maybe",
    ),
    "pre_skip_node": Moment(
        when="the task skips itself, or a user marks it success or skipped while it runs",
        differs=_SKIP,
        read_only=True,
    ),
    "post_skip_node": Moment(when="right after `pre_skip_node`", differs=_SKIP, read_only=True),
    "pre_forced_fail_activity": Moment(
        when="a user marks the task failed while it runs", differs=_FORCED, read_only=True
    ),
    "post_forced_fail_activity": Moment(
        when="right after `pre_forced_fail_activity`", differs=_FORCED, read_only=True
    ),
    "pre_pause_node": _never("a node is to be paused", _NO_PAUSE),
    "post_pause_node": _never("a node was paused", _NO_PAUSE),
    "pre_resume_node": _never(
        "a paused node is to go on", _NO_PAUSE + " Bamboo documents it and never calls it either."
    ),
    "post_resume_node": _never(
        "a paused node goes on", _NO_PAUSE + " Bamboo documents it and never calls it either."
    ),
}
