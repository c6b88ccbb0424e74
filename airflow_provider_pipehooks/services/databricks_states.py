"""What a Databricks job run's words mean: its states, its codes, and the run that they make."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from airflow_provider_pipehooks.core.run import FailureKind, Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.core.texts import cut, shorten
from airflow_provider_pipehooks.services.reading import (
    LONGEST_MESSAGE,
    LONGEST_NAME,
    any_id_or_none,
    object_or_empty,
    objects,
    text_or_none,
    time_from_ms,
    url_or_none,
    words_or_none,
)

NAME = "databricks_jobs"
Outcome = tuple[RunState, FailureKind | None]

SUCCESS: Outcome = (RunState.SUCCESS, None)
USER: Outcome = (RunState.ERROR, "user")
CONFIGURATION: Outcome = (RunState.ERROR, "configuration")
PLATFORM: Outcome = (RunState.ERROR, "platform")
QUOTA: Outcome = (RunState.ERROR, "quota")
TIMEOUT: Outcome = (RunState.ERROR, "timeout")
CANCELLED: Outcome = (RunState.CANCELLED, "cancelled")
SKIPPED: Outcome = (RunState.CANCELLED, "skipped")

#: ``state.life_cycle_state`` and ``status.state``, as long as the run goes on. TERMINATING is not the
#: end: its result may still change.
GOING_ON: Mapping[str, RunState] = {
    "QUEUED": RunState.QUEUED,
    "BLOCKED": RunState.QUEUED,
    "PENDING": RunState.STARTING,
    "RUNNING": RunState.RUNNING,
    "WAITING": RunState.RUNNING,
    "WAITING_FOR_RETRY": RunState.RUNNING,
    "TERMINATING": RunState.RUNNING,
}
#: ``state.life_cycle_state`` at the end, where the life cycle alone tells how.
ENDED: Mapping[str, Outcome] = {"SKIPPED": SKIPPED, "INTERNAL_ERROR": PLATFORM}
#: ``state.result_state``. SUCCESS_WITH_FAILURES is a policy: see :class:`DatabricksJobs`.
RESULTS: Mapping[str, Outcome] = {
    "SUCCESS": SUCCESS,
    "FAILED": USER,
    "TIMEDOUT": TIMEOUT,
    "CANCELED": CANCELLED,
    "MAXIMUM_CONCURRENT_RUNS_REACHED": SKIPPED,
    "EXCLUDED": SKIPPED,
    "UPSTREAM_FAILED": SKIPPED,
    "UPSTREAM_CANCELED": SKIPPED,
    "DISABLED": SKIPPED,
}
#: ``status.termination_details.code``.
CODES: Mapping[str, Outcome] = {
    "SUCCESS": SUCCESS,
    "USER_CANCELED": CANCELLED,
    "CANCELED": CANCELLED,
    **dict.fromkeys(
        ("SKIPPED", "DISABLED", "MAX_CONCURRENT_RUNS_EXCEEDED", "MAX_JOB_QUEUE_SIZE_EXCEEDED"), SKIPPED
    ),
    "RUN_EXECUTION_ERROR": USER,
    **dict.fromkeys(
        (
            "INVALID_RUN_CONFIGURATION",
            "INVALID_CLUSTER_REQUEST",
            "RESOURCE_NOT_FOUND",
            "UNAUTHORIZED_ERROR",
            "FEATURE_DISABLED",
            "LIBRARY_INSTALLATION_ERROR",
            "REPOSITORY_CHECKOUT_FAILED",
            "STORAGE_ACCESS_ERROR",
            "MAX_SPARK_CONTEXTS_EXCEEDED",
        ),
        CONFIGURATION,
    ),
    **dict.fromkeys(
        (
            "INTERNAL_ERROR",
            "DRIVER_ERROR",
            "CLUSTER_ERROR",
            "CLOUD_FAILURE",
            "BREAKING_CHANGE",
            "CLUSTER_TERMINATED_BY_USER",
        ),
        PLATFORM,
    ),
    **dict.fromkeys(
        ("CLUSTER_REQUEST_LIMIT_EXCEEDED", "WORKSPACE_RUN_LIMIT_EXCEEDED", "BUDGET_POLICY_LIMIT_EXCEEDED"),
        QUOTA,
    ),
}
WITH_FAILURES = "SUCCESS_WITH_FAILURES"
#: A code CANCELED says the platform did it; only result_state or this text tell that a limit was the reason.
_TIMED_OUT = re.compile(r"timed? ?out|(max|exceeded).{0,30}duration", re.IGNORECASE)
#: Databricks lets a run queue for 48 hours; a number without bound is more than a time can take.
_LONGEST_QUEUE_MS = 7 * 86_400_000


def parse_run(data: Mapping[str, Any], *, with_failures_is_success: bool = False) -> Run:
    """Read a job run or a task run: ``status`` where it is there, the older ``state`` otherwise.

    :raises ValueError: no usable ``run_id``: that is not a run.
    """
    run_id = any_id_or_none(data.get("run_id"))
    if run_id is None:
        raise ValueError(f"Not a Databricks run: {shorten(json.dumps(data, default=str))}")
    old, new = object_or_empty(data.get("state")), object_or_empty(data.get("status"))
    details, queue = (
        object_or_empty(new.get("termination_details")),
        object_or_empty(new.get("queue_details")),
    )
    life = text_or_none(new.get("state")) or text_or_none(old.get("life_cycle_state")) or ""
    result = text_or_none(details.get("code")) or text_or_none(old.get("result_state"))
    texts = (details.get("message"), old.get("state_message"), queue.get("message"), old.get("queue_reason"))
    message = words_or_none(next((text for text in map(text_or_none, texts) if text), None), LONGEST_MESSAGE)
    policy = SUCCESS if with_failures_is_success else USER
    state, kind = _outcome(life, old, details, message, policy)
    return Run(
        service=NAME,
        run_id=run_id,
        state=state,
        status=cut(
            f"{life} {result}" if result and life not in GOING_ON else life or "without a state", LONGEST_NAME
        ),
        job_id=any_id_or_none(data.get("job_id")),
        name=words_or_none(data.get("run_name")) or words_or_none(data.get("task_key")),
        url=url_or_none(data.get("run_page_url")),
        message=message,
        kind=kind,
        attempt=1 + sum(1 for item in objects(data.get("repair_history")) if item.get("type") == "REPAIR"),
        created_at=time_from_ms(data.get("start_time")),
        started_at=_started(data, state),
        finished_at=time_from_ms(data.get("end_time")),
    )


def _started(data: Mapping[str, Any], state: RunState | None) -> datetime | None:
    """When it left the queue: Databricks tells when a run was made, and how long it has queued."""
    made = time_from_ms(data.get("start_time"))
    if made is None or state is RunState.QUEUED:
        return None
    return made + timedelta(milliseconds=min(number_or_0(data.get("queue_duration")), _LONGEST_QUEUE_MS))


def _outcome(
    life: str, old: Mapping[str, Any], details: Mapping[str, Any], message: str | None, policy: Outcome
) -> tuple[RunState | None, FailureKind | None]:
    if life in GOING_ON:
        return GOING_ON[life], None
    code, result = text_or_none(details.get("code")), text_or_none(old.get("result_state"))
    if life != "TERMINATED":
        return ENDED.get(life, (None, None))
    if WITH_FAILURES in (code, result):
        return policy
    outcome = _find(CODES, code) or _find(RESULTS, result) or _find(ENDED, old.get("life_cycle_state"))
    if outcome is CANCELLED and (result == "TIMEDOUT" or _TIMED_OUT.search(message or "")):
        return TIMEOUT
    if outcome:
        return outcome
    # It ended, in a way our tables do not know. Not a success, then; without any word of a result the
    # answer is half-written and the next look tells.
    return PLATFORM if code or result else (None, None)


def _find(table: Mapping[str, Outcome], key: Any) -> Outcome | None:
    return table.get(key) if isinstance(key, str) else None


def number_or_0(value: Any) -> int:
    return value if isinstance(value, int) else 0
