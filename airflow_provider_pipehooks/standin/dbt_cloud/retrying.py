"""Taking up a failed run from its failure: when it is possible, and what then runs."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_pipehooks.standin.dbt_cloud.defined import Job
from airflow_provider_pipehooks.standin.dbt_cloud.run import ERROR, Run
from airflow_provider_pipehooks.standin.dbt_cloud.samples import steps_of

#: Commands that ``dbt retry`` can take up again.
RETRYABLE = ("build", "clone", "compile", "docs generate", "run", "run-operation", "seed", "snapshot", "test")


def not_supported_reason(run: Run, job: Job) -> str | None:
    """Why a run cannot be taken up from its failure; None when it can.

    :param job: the job of the run; only its latest run may be retried.
    """
    if "retry_not_supported_reason" in run.plan.details:
        reason: str | None = run.plan.details["retry_not_supported_reason"]
        return reason
    if run.status != ERROR:
        return "RETRY_NOT_FAILED_RUN"
    if job.run_ids[-1] != run.id:
        return "RETRY_NOT_LATEST_RUN"
    if is_older_than_retry(run.dbt_version):
        return "RETRY_UNSUPPORTED_VERSION"
    failed = next((step for step in steps_of(run) if step.status == ERROR), None)
    if failed is None or "run_results.json" not in failed.artifact_paths():
        return "RETRY_NO_RUN_RESULTS"
    if failed.command is None or not failed.command.removeprefix("dbt ").startswith(RETRYABLE):
        return "RETRY_UNSUPPORTED_CMD"
    return None


def is_older_than_retry(version: str) -> bool:
    """``dbt retry`` came with 1.6; names like "versionless" are newer."""
    parts = version.split(".")
    return (
        len(parts) > 1
        and parts[0].isdigit()
        and parts[1].isdigit()
        and (int(parts[0]), int(parts[1])) < (1, 6)
    )


def commands_of(job: Job, override: Sequence[str] | None, retrying: Run | None) -> tuple[str, ...]:
    """The commands of a new run; one that takes up another starts with the command that failed."""
    if retrying is None:
        return tuple(override or job.execute_steps)
    failed = next((step.command for step in steps_of(retrying) if step.status == ERROR), None)
    if failed not in retrying.commands:
        return retrying.commands
    return retrying.commands[retrying.commands.index(failed) :]
