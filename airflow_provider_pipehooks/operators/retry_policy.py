"""START again: a retry policy that tells trouble of the platform from a failure that another try repeats."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

from airflow.sdk import ExceptionRetryPolicy, RetryAction
from airflow.sdk.definitions.retry_policy import RetryDecision

from airflow_provider_pipehooks.core.errors import ConfigurationError, RemoteCallError, RunEnded
from airflow_provider_pipehooks.core.reasons import ReasonClass
from airflow_provider_pipehooks.notifications.reasons import class_of_error

if TYPE_CHECKING:
    from airflow.sdk import Context

#: What another try may mend by itself.
PASSES: tuple[ReasonClass, ...] = ("platform", "quota", "timeout", "cancelled_by_platform")
_KNOWN = get_args(ReasonClass)


class RetryPlatformErrors(ExceptionRetryPolicy):
    """Try again when the platform failed; fail at once when code, data or settings did.

    ``DatabricksRunNowOperator(..., retries=3, retry_policy=RetryPlatformErrors())``. Errors that are
    neither of a run nor of a call are left to ``rules`` and to the task's ``retries``.

    :param classes: of which another try may help, as :mod:`~airflow_provider_pipehooks.notifications.reasons`
        names them.
    :param retry_delay: before the next try; the task's own if not given.
    :param rules: Airflow's, looked at first.
    :raises ConfigurationError: a class that there is not.
    """

    def __init__(
        self,
        *,
        classes: Collection[ReasonClass] = PASSES,
        retry_delay: timedelta | None = None,
        rules: list[Any] | None = None,
        default: RetryAction = RetryAction.DEFAULT,
    ) -> None:
        super().__init__(rules=rules or [], default=default)
        if isinstance(classes, str) or (unknown := sorted(set(classes) - set(_KNOWN))):
            wrong = repr(classes) if isinstance(classes, str) else repr(unknown[0])
            raise ConfigurationError(f"classes is a list of {', '.join(_KNOWN)}, not {wrong}.")
        self.classes, self.retry_delay = frozenset(classes), retry_delay

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        decided = super().evaluate(exception, try_number, max_tries, context)
        if (
            not isinstance(exception, (RunEnded, RemoteCallError, ConfigurationError))
            or decided.reason is not None
        ):
            return decided
        kind = class_of_error(exception)
        if kind in self.classes:
            return RetryDecision(RetryAction.RETRY, self.retry_delay, f"{kind}: another try may help")
        return RetryDecision(RetryAction.FAIL, None, f"{kind}: another try would end the same")
