"""How the dbt Cloud of the stand-in says things: envelope, errors, and the JSON of its objects."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import datetime, timezone
from typing import Any

from airflow_provider_pipehooks.standin.dbt_cloud.defined import Environment, Job, Project
from airflow_provider_pipehooks.standin.dbt_cloud.run import CANCELLED, ERROR, SUCCESS, Run, Step, humanize
from airflow_provider_pipehooks.standin.dbt_cloud.samples import steps_of
from airflow_provider_pipehooks.standin.dbt_cloud.world import World

HUMANIZED = {1: "Queued", 2: "Starting", 3: "Running", 10: "Success", 20: "Error", 30: "Cancelled"}
NOT_FOUND = "The requested resource was not found. Please check that you have the proper permissions."

#: The fields of a start, as the run's ``trigger`` gives them back.
TRIGGER_FIELDS = (
    "git_sha",
    "git_branch",
    "schema_override",
    "dbt_version_override",
    "threads_override",
    "target_name_override",
    "generate_docs_override",
    "timeout_seconds_override",
    "steps_override",
    "azure_pull_request_id",
    "github_pull_request_id",
    "gitlab_merge_request_id",
    "non_native_pull_request_id",
)


class ApiError(Exception):
    """An answer that is not a success.

    :param message: the ``user_message`` of the envelope.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def body(self) -> dict[str, Any]:
        """The envelope of the error; a 401 was seen with null where others have an empty text."""
        return {
            "status": {
                "code": self.code,
                "is_success": False,
                "user_message": self.message,
                "developer_message": None if self.code == 401 else "",
            },
            "data": None,
        }


def envelope(data: Any, extra: dict[str, Any] | None = None) -> dict[str, Any]:
    """A success; ``extra`` is on list endpoints only."""
    status = {"code": 200, "is_success": True, "user_message": "Success!", "developer_message": ""}
    body = {"status": status, "data": data}
    return body if extra is None else {**body, "extra": extra}


def run_time(seconds: float | None) -> str | None:
    """Times of runs have a space where others have a T; seen in real answers."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(sep=" ", timespec="microseconds")


def job_time(seconds: float) -> str:
    """Times of jobs, projects and environments."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="microseconds")


def clock_time(seconds: float) -> str:
    """ "HH:MM:SS"; hours may exceed 24."""
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def run_json(run: Run, world: World, related: Set[str], *, with_steps: bool) -> dict[str, Any]:
    """A run; what is not asked for in ``include_related`` is null or an empty list.

    :param with_steps: False on the list endpoint, which never gives steps.
    """
    reason = world.retry_not_supported_reason(run)
    job = world.jobs[run.job_id]
    shows_steps = with_steps and bool(related & {"run_steps", "debug_logs"})
    return {
        **_identity(run),
        **_flags(run),
        **_times(run, world.clock()),
        "blocked_by": world.blocked_by(run),
        "can_retry": reason is None,
        "retry_not_supported_reason": reason,
        "href": f"{world.base_url()}/deploy/{run.account_id}/projects/{run.project_id}/runs/{run.id}/",
        "trigger": trigger_json(run) if "trigger" in related else None,
        "job": job_json(job, world) if "job" in related else None,
        "environment": environment_json(world.environments[run.environment_id])
        if "environment" in related and with_steps
        else None,
        "repository": None,
        "run_steps": [step_json(step, run, "debug_logs" in related) for step in steps_of(run)]
        if shows_steps
        else [],
        "audit": audit_json(run) if "audit" in related else None,
    }


def _identity(run: Run) -> dict[str, Any]:
    checked_out = run.started_at is not None
    return {
        "id": run.id,
        "trigger_id": run.id + 3,
        "account_id": run.account_id,
        "environment_id": run.environment_id,
        "project_id": run.project_id,
        "job_definition_id": run.job_id,
        "job_id": run.job_id,
        "status": run.status,
        "dbt_version": run.dbt_version,
        "git_branch": (run.trigger.get("git_branch") or "main") if checked_out else None,
        "git_sha": (run.trigger.get("git_sha") or "8d1e0c6fb1d14e58ae5ff83ba0a5f4a9b1b4c1d2")
        if checked_out
        else None,
        "status_message": run.status_message,
        "owner_thread_id": None,
        "executed_by_thread_id": f"scheduler-run-0-{run.id}" if checked_out else None,
        "deferring_run_id": run.deferring_run_id,
        "artifacts_saved": run.is_terminal and any(step.artifact_paths() for step in steps_of(run)),
        "artifact_s3_path": f"prod/runs/{run.id}/artifacts/target" if run.is_terminal else None,
        "has_docs_generated": run.has_docs_generated,
        "has_sources_generated": run.has_sources_generated,
        "notifications_sent": run.is_terminal,
        "retrying_run_id": run.retrying_run_id,
        "used_repo_cache": None,
        "deprecation": None,
    }


def _flags(run: Run) -> dict[str, Any]:
    return {
        "status_humanized": HUMANIZED.get(run.status, f"Status {run.status}"),
        "in_progress": not run.is_terminal,
        "is_complete": run.is_terminal,
        "is_success": run.status == SUCCESS,
        "is_error": run.status == ERROR,
        "is_cancelled": run.status == CANCELLED,
        # Null was seen on queued and on finished runs: nobody can rely on it.
        "is_running": None,
    }


def _times(run: Run, now: float) -> dict[str, Any]:
    end = run.finished_at or now
    queued_s = max(0.0, (run.started_at or end) - run.created_at)
    running_s = max(0.0, end - run.started_at) if run.started_at is not None else 0.0
    spans = {"duration": queued_s + running_s, "queued_duration": queued_s, "run_duration": running_s}
    moments = ("created_at", "updated_at", "dequeued_at", "started_at", "finished_at")
    return {
        **{name: run_time(getattr(run, name)) for name in moments},
        **dict.fromkeys(("last_checked_at", "last_heartbeat_at", "should_start_at")),
        **{name: clock_time(span) for name, span in spans.items()},
        **{f"{name}_humanized": humanize(span) for name, span in spans.items()},
        "created_at_humanized": f"{humanize(now - run.created_at)} ago",
        "finished_at_humanized": f"{humanize(now - end)} ago" if run.finished_at else "0 minutes from now",
    }


def trigger_json(run: Run) -> dict[str, Any]:
    """What started the run."""
    return {
        "id": run.id + 3,
        "cause": run.trigger["cause"],
        "cause_category": run.trigger["cause_category"],
        "job_definition_id": run.job_id,
        "created_at": run_time(run.created_at),
        **{name: run.trigger.get(name) for name in TRIGGER_FIELDS},
    }


def audit_json(run: Run) -> dict[str, Any]:
    """Who started and who cancelled it; a run that ended by its timeout was cancelled by nobody."""
    by_person = run.trigger["cause_category"] == "ui"
    starter = ("user", "Ada Lovelace") if by_person else ("service_token", "airflow")
    canceller = run.cancelled_by
    return {
        "trigger": {"actor": {"id": "1", "type": starter[0], "name": starter[1]}},
        "cancellation": None
        if canceller is None
        else {
            "actor": {
                "id": "2",
                "type": "service_token" if canceller == "airflow" else "user",
                "name": canceller,
            }
        },
    }


def step_json(step: Step, run: Run, with_debug_logs: bool) -> dict[str, Any]:
    """One entry of ``run_steps``; without the debug logs their last 1,000 lines."""
    duration_s = max(0.0, (step.finished_at or 0.0) - (step.started_at or 0.0)) if step.finished_at else 0.0
    tail = "".join(step.debug_logs.splitlines(keepends=True)[-1000:])
    return {
        "id": step_id(run, step),
        "run_id": run.id,
        "account_id": run.account_id,
        "index": step.index,
        "status": step.status,
        "name": step.name,
        "logs": step.logs,
        "debug_logs": step.debug_logs if with_debug_logs else None,
        "truncated_debug_logs": "" if with_debug_logs else tail,
        "log_path": None,
        "debug_log_path": None,
        "created_at": run_time(step.started_at),
        "updated_at": run_time(step.finished_at or step.started_at),
        "started_at": run_time(step.started_at),
        "finished_at": run_time(step.finished_at),
        "status_humanized": HUMANIZED.get(step.status, f"Status {step.status}"),
        "status_color": {SUCCESS: "#00B37A", ERROR: "#FF5C5C"}.get(step.status, "#B2B2B2"),
        "duration": clock_time(duration_s),
        "duration_humanized": humanize(duration_s),
        "run_step_command": None
        if step.command is None
        else {"run_step_id": step.index, "dbt_command": step.command},
    }


def step_id(run: Run, step: Step) -> int:
    """The run can be told from it: at most 99 steps."""
    return run.id * 100 + step.index


def job_json(job: Job, world: World, most_recent: Sequence[tuple[str, Run | None]] = ()) -> dict[str, Any]:
    """A job; its most recent runs only when asked for."""
    return {
        "id": job.id,
        "account_id": job.account_id,
        "project_id": job.project_id,
        "environment_id": job.environment_id,
        "name": job.name,
        "description": "",
        "dbt_version": None if job.dbt_version == "versionless" else job.dbt_version,
        "execute_steps": list(job.execute_steps),
        "execution": {"timeout_seconds": job.timeout_seconds},
        "settings": {"threads": 4, "target_name": "default"},
        "generate_docs": False,
        "run_generate_sources": False,
        "state": 1,
        "triggers": {
            "schedule": False,
            "github_webhook": False,
            "git_provider_webhook": False,
            "on_merge": False,
        },
        "schedule": {
            "cron": "0 * * * *",
            "date": {"type": "every_day"},
            "time": {"type": "every_hour", "interval": 1},
        },
        "job_type": "other",
        "deferring_environment_id": None,
        "deferring_job_definition_id": None,
        "job_completion_trigger_condition": None,
        "run_failure_count": 0,
        "lifecycle_webhooks": False,
        "created_at": job_time(job.created_at),
        "updated_at": job_time(job.created_at),
        "next_run": None,
        "next_run_humanized": None,
        "cron_humanized": "Every hour",
        "environment": None,
        "most_recent_run": None,
        "most_recent_completed_run": None,
        **{
            name: None if run is None else run_json(run, world, frozenset(), with_steps=False)
            for name, run in most_recent
        },
    }


def project_json(project: Project) -> dict[str, Any]:
    """A project of v3."""
    return {
        "id": project.id,
        "account_id": project.account_id,
        "name": project.name,
        "description": "",
        "state": 1,
        "connection_id": None,
        "repository_id": None,
        "semantic_layer_config_id": None,
        "dbt_project_subdirectory": None,
        "docs_job_id": None,
        "freshness_job_id": None,
    }


def environment_json(environment: Environment) -> dict[str, Any]:
    """An environment of v3."""
    return {
        "id": environment.id,
        "account_id": environment.account_id,
        "project_id": environment.project_id,
        "name": environment.name,
        "dbt_version": "versionless",
        "type": "deployment",
        "deployment_type": "production" if environment.name == "Production" else None,
        "use_custom_branch": False,
        "custom_branch": None,
        "state": 1,
    }


def account_json(account_id: int, name: str) -> dict[str, Any]:
    """An account, the same in v2 and v3."""
    return {"id": account_id, "name": name, "state": 1, "plan": "enterprise", "run_slots": 5, "locked": False}
