"""The few errors of the package; each is a decision somebody takes.

An operator's retry policy can tell them apart by class: a :class:`RunFailed` is about the user's run, a
:class:`RemoteCallError` about reaching the remote, a :class:`ConfigurationError` about settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowException  # noqa: TID251  # a base class, which does nothing

from airflow_provider_pipehooks.core.run_state import RunState

if TYPE_CHECKING:
    from airflow_provider_pipehooks.core.run import Run


class PipehooksError(AirflowException):
    """Base of all errors of this package; ``except AirflowException`` catches them, as the official ones."""


class DbtCloudJobRunException(PipehooksError):
    """The official provider's name for a run that did not end well; ours are :class:`RunEnded`.

    Official names are bases of ours, so that ``except`` goes on to catch, and can be raised as ever.
    """


class DatabricksApiError(PipehooksError):
    """The official provider's name for a call that was refused; ours is :class:`RemoteCallError`."""

    def __init__(self, message: str, *, http_status_code: int | None = None) -> None:
        super().__init__(message)
        self.http_status_code = http_status_code


class DbtCloudTriggerEventException(PipehooksError):
    """The official provider's name for a trigger's event that cannot be read."""


class ConfigurationError(PipehooksError, ValueError):
    """A connection, Variable or argument is missing or wrong; trying again changes nothing."""


class DbtCloudResourceLookupError(ConfigurationError):
    """No dbt Cloud project, environment or job has a name, or several have."""


#: The official provider's name for a body that cannot be sent.
DatabricksOperatorPayloadError = ConfigurationError


class RemoteCallError(DatabricksApiError):
    """The remote refused a call, or did not answer it.

    :param status_code: of the answer; None when there was none (timeout, reset, name not found).
    :param retryable: asking again later can help.
    :param retry_after_s: what the remote asked for with ``Retry-After``.
    """

    status_code: int | None  # type: ignore[assignment]  # Airflow's own classes have one for its API

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        retryable: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, http_status_code=status_code)
        self.status_code = status_code
        self.retryable = retryable
        self.retry_after_s = retry_after_s

    @property
    def outcome_unknown(self) -> bool:
        """Whether a call that changes something may have been carried out all the same.

        A 429 was refused before it was looked at; a lost reply, a 5xx or a garbage body tell nothing.
        """
        return self.retryable and self.status_code != 429


class NotFound(RemoteCallError):
    """The remote does not know the object, or hides it from this token."""


class AccessDenied(RemoteCallError):
    """401 or 403: the token, or the host it was sent to."""


class RunEnded(DbtCloudJobRunException):
    """A run did not end well. Carries it as ``run``; the message says why."""

    def __init__(self, run: Run, message: str | None = None) -> None:
        super().__init__(message or explain(run))
        self.run = run

    def __reduce__(self) -> tuple[type[RunEnded], tuple[Run, str]]:
        # Exceptions cross process borders (executors, callbacks); the default would pass the text as the run.
        return type(self), (self.run, str(self))


class RunFailed(RunEnded):
    """The run ended in error."""


class RunCancelled(RunEnded):
    """Someone, or something other than its own time limit, cancelled the run, or it was skipped."""


class RunTimedOut(RunEnded):
    """The remote ended the run because of the run's own time limit."""


class WaitTimedOut(RunEnded):
    """The run is still going, but the time we may wait for it is over."""


def error_for(run: Run) -> RunEnded:
    """The error of a run that ended badly."""
    if run.kind == "timeout":
        return RunTimedOut(run)
    return RunCancelled(run) if run.state is RunState.CANCELLED else RunFailed(run)


_VERBS = {"error": "failed", "cancelled": "was cancelled", "skipped": "was skipped"}
#: More would bury the first one; the page of the run has them all.
SHOWN_FAILURES = 5


def explain(run: Run) -> str:
    """Why a run ended as it did, for a person: what, which values, where to look."""
    verb = _VERBS.get(run.outcome, run.outcome)
    lines = [f"{run.label}{f' ({run.name})' if run.name else ''} {verb}"]
    if run.cancelled_by:
        lines[0] += f" by {run.cancelled_by}"
    lines[0] += f": {run.message}" if run.message else "."
    lines += [f"  {failure.name}: {failure.message}" for failure in run.failures[:SHOWN_FAILURES]]
    if hidden := run.hidden(min(SHOWN_FAILURES, len(run.failures))):
        lines.append(f"  and {hidden} more")
    if run.url:
        lines.append(f"See {run.url}")
    return "\n".join(lines)
