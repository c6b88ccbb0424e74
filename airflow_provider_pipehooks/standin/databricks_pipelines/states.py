"""Tables: the states of an update, how a plan's outcome ends it, and what its pipeline is meanwhile."""

from __future__ import annotations

from airflow_provider_pipehooks.standin.plan import Plan

TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELED"})

#: The outcomes a plan may name, and the last state of the update.
OUTCOMES = {"success": "COMPLETED", "failed": "FAILED", "error": "FAILED", "canceled": "CANCELED"}

CAUSES = frozenset(
    {
        "API_CALL",
        "INFRASTRUCTURE_MAINTENANCE",
        "JOB_TASK",
        "RETRY_ON_FAILURE",
        "SCHEMA_CHANGE",
        "SERVICE_UPGRADE",
        "USER_ACTION",
    }
)

_STARTING = ("WAITING_FOR_RESOURCES", "INITIALIZING")
_WORKING = ("SETTING_UP_TABLES", "RUNNING")

#: What a pipeline is while its update is in this state; RUNNING for any other.
PIPELINE_STATE = {
    "QUEUED": "STARTING",
    "CREATED": "STARTING",
    "WAITING_FOR_RESOURCES": "STARTING",
    "INITIALIZING": "STARTING",
    "RESETTING": "RESETTING",
    "STOPPING": "STOPPING",
}


def last_state(outcome: str) -> str:
    """How an update ends, by the word a plan uses.

    :raises ValueError: a word that is not in the table; lists those that are.
    """
    try:
        return OUTCOMES[outcome]
    except KeyError:
        known = ", ".join(sorted(OUTCOMES))
        raise ValueError(f"databricks_pipelines: outcome {outcome!r} is unknown. Known: {known}.") from None


def path_of(plan: Plan, *, resets: bool) -> tuple[str, ...]:
    """The states of an update in order: those its plan spells out, or the usual ones.

    :param resets: it clears tables first.
    :raises TypeError: a state that is not text; dbt has numbers, Databricks has words.
    :raises ValueError: the plan's outcome is unknown.
    """
    last = last_state(plan.outcome)
    words = []
    for word in plan.states:
        if not isinstance(word, str):
            raise TypeError(
                f"databricks_pipelines: state {word!r} of a plan must be a word such as 'RUNNING'."
            )
        words.append(word)
    return tuple(words) or (*_STARTING, *(("RESETTING",) if resets else ()), *_WORKING, last)
