"""Tables: how each outcome of a plan looks in the old ``state`` and in the new ``status`` of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

USUAL_PATH = ("PENDING", "RUNNING", "TERMINATED")
TERMINAL = frozenset({"TERMINATED", "SKIPPED", "INTERNAL_ERROR"})

# `status.state` knows fewer words than `state.life_cycle_state`; all others are the same in both.
STATUS_OF_LIFE_CYCLE = {
    "SKIPPED": "TERMINATED",
    "INTERNAL_ERROR": "TERMINATED",
    "WAITING_FOR_RETRY": "WAITING",
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run or task ends, in both dialects.

    :param life_cycle_state: the last word of ``state``.
    :param result_state: None where the API promises none.
    :param code: ``termination_details.code``.
    :param type: ``termination_details.type``.
    :param kind: ``ok``, ``failed``, ``cancelled`` or ``skipped``; decides what dependants do.
    :param message: used when a plan has no message of its own.
    """

    life_cycle_state: str = "TERMINATED"
    result_state: str | None
    code: str
    type: str = "CLIENT_ERROR"
    kind: str = "failed"
    message: str = ""

    @property
    def user_cancelled_or_timedout(self) -> bool:
        """The flag of the old ``state``."""
        return self.result_state in ("CANCELED", "TIMEDOUT")


_SUCCESS = Outcome(result_state="SUCCESS", code="SUCCESS", type="SUCCESS", kind="ok")
_FAILED = Outcome(
    result_state="FAILED",
    code="RUN_EXECUTION_ERROR",
    message="Workload failed, see run output for details",
)
_CANCELLED = Outcome(
    result_state="CANCELED", code="USER_CANCELED", kind="cancelled", message="Run cancelled."
)

_SPECIAL = {
    "success": _SUCCESS,
    "failed": _FAILED,
    "error": _FAILED,
    "cancelled": _CANCELLED,
    "user_canceled": _CANCELLED,
    "canceled": Outcome(
        result_state="CANCELED", code="CANCELED", kind="cancelled", message="Run cancelled by the platform."
    ),
    "timedout": Outcome(result_state="TIMEDOUT", code="CANCELED", message="Run timed out."),
    "skipped": Outcome(
        life_cycle_state="SKIPPED", result_state=None, code="SKIPPED", kind="skipped", message="Run skipped."
    ),
    "internal_error": Outcome(
        life_cycle_state="INTERNAL_ERROR",
        result_state="FAILED",
        code="INTERNAL_ERROR",
        type="INTERNAL_ERROR",
        message="Internal error in the Jobs service.",
    ),
    "success_with_failures": Outcome(
        result_state="SUCCESS_WITH_FAILURES", code="SUCCESS_WITH_FAILURES", type="SUCCESS", kind="ok"
    ),
    "upstream_failed": Outcome(
        result_state="UPSTREAM_FAILED", code="SKIPPED", kind="failed", message="An upstream task failed."
    ),
    "upstream_canceled": Outcome(
        result_state="UPSTREAM_CANCELED",
        code="SKIPPED",
        kind="cancelled",
        message="An upstream task was cancelled.",
    ),
    "excluded": Outcome(
        result_state="EXCLUDED",
        code="SKIPPED",
        type="SUCCESS",
        kind="skipped",
        message="The condition of the task was not met.",
    ),
    "disabled": Outcome(
        result_state="DISABLED",
        code="DISABLED",
        type="SUCCESS",
        kind="skipped",
        message="Disabled by the user.",
    ),
    "max_concurrent": Outcome(
        life_cycle_state="SKIPPED",
        result_state="MAXIMUM_CONCURRENT_RUNS_REACHED",
        code="MAX_CONCURRENT_RUNS_EXCEEDED",
        kind="skipped",
        message="Skipped because the job has reached its limit of concurrent runs.",
    ),
    "max_job_queue_size_exceeded": Outcome(
        life_cycle_state="SKIPPED",
        result_state="MAXIMUM_CONCURRENT_RUNS_REACHED",
        code="MAX_JOB_QUEUE_SIZE_EXCEEDED",
        kind="skipped",
        message="Skipped because the queue of the job is full.",
    ),
}

# Every other code of termination_details is a failure whose code says why.
_FAILURE_CODES = {
    "CLIENT_ERROR": (
        "RUN_EXECUTION_ERROR INVALID_RUN_CONFIGURATION INVALID_CLUSTER_REQUEST RESOURCE_NOT_FOUND "
        "UNAUTHORIZED_ERROR FEATURE_DISABLED LIBRARY_INSTALLATION_ERROR REPOSITORY_CHECKOUT_FAILED "
        "STORAGE_ACCESS_ERROR MAX_SPARK_CONTEXTS_EXCEEDED CLUSTER_REQUEST_LIMIT_EXCEEDED "
        "WORKSPACE_RUN_LIMIT_EXCEEDED BUDGET_POLICY_LIMIT_EXCEEDED CLUSTER_TERMINATED_BY_USER"
    ),
    "INTERNAL_ERROR": "DRIVER_ERROR CLUSTER_ERROR BREAKING_CHANGE",
    "CLOUD_FAILURE": "CLOUD_FAILURE",
}

OUTCOMES: dict[str, Outcome] = {
    **{
        code.lower(): Outcome(result_state="FAILED", code=code, type=type_, message=_FAILED.message)
        for type_, codes in _FAILURE_CODES.items()
        for code in codes.split()
    },
    **_SPECIAL,
    "max_concurrent_runs_exceeded": _SPECIAL["max_concurrent"],
}

# `run_if` of a task: may it start, given the kinds of its upstream tasks?
RUN_IF: dict[str, Callable[[Sequence[str]], bool]] = {
    "ALL_SUCCESS": lambda kinds: all(kind == "ok" for kind in kinds),
    "ALL_DONE": lambda kinds: True,
    "NONE_FAILED": lambda kinds: all(kind in ("ok", "skipped") for kind in kinds),
    "AT_LEAST_ONE_SUCCESS": lambda kinds: any(kind == "ok" for kind in kinds),
    "ALL_FAILED": lambda kinds: all(kind == "failed" for kind in kinds),
    "AT_LEAST_ONE_FAILED": lambda kinds: any(kind == "failed" for kind in kinds),
}


def outcome(name: str) -> Outcome:
    """Look an outcome up by the word a plan uses.

    :raises ValueError: a word that is not in the table; lists those that are.
    """
    try:
        return OUTCOMES[name]
    except KeyError:
        known = ", ".join(sorted(OUTCOMES))
        raise ValueError(f"databricks_jobs: outcome {name!r} is unknown. Known: {known}.") from None


def status_word(life_cycle_state: str) -> str:
    """The word of ``status.state`` that goes with one of ``state.life_cycle_state``."""
    return STATUS_OF_LIFE_CYCLE.get(life_cycle_state, life_cycle_state)
