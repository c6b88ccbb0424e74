"""Which failures another try may mend."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk import RetryAction, RetryRule

from airflow_provider_pipehooks.core.errors import (
    AccessDenied,
    ConfigurationError,
    NotFound,
    RemoteCallError,
    RunCancelled,
    RunFailed,
)
from airflow_provider_pipehooks.core.run import FailureKind, Run
from airflow_provider_pipehooks.core.run_state import RunState
from airflow_provider_pipehooks.operators.databricks_events import EventsNotHandled
from airflow_provider_pipehooks.operators.retry_policy import RetryPlatformErrors


def ended(kind: FailureKind, status: str = "x") -> Run:
    return Run(service="databricks_jobs", run_id=1, state=RunState.ERROR, status=status, kind=kind)


@pytest.mark.parametrize(
    ("error", "action"),
    [
        (RunFailed(ended("platform")), RetryAction.RETRY),
        (RunFailed(ended("quota")), RetryAction.RETRY),
        (RunFailed(ended("user")), RetryAction.FAIL),
        (RunFailed(ended("configuration")), RetryAction.FAIL),
        (RunCancelled(ended("cancelled", "TERMINATED CANCELED")), RetryAction.RETRY),
        (RunCancelled(ended("cancelled", "TERMINATED USER_CANCELED")), RetryAction.FAIL),
        (RemoteCallError("GET x answered 503", status_code=503, retryable=True), RetryAction.RETRY),
        (AccessDenied("GET x answered 403", status_code=403), RetryAction.FAIL),
        (NotFound("GET x answered 404", status_code=404), RetryAction.FAIL),
        (ConfigurationError("no job"), RetryAction.FAIL),
        (EventsNotHandled("the next try goes on"), RetryAction.DEFAULT),
        (ValueError("not ours"), RetryAction.DEFAULT),
    ],
)
def test_what_the_platform_did_is_tried_again(error: Exception, action: RetryAction) -> None:
    assert RetryPlatformErrors().evaluate(error, 1, 3).action is action


def test_the_delay_and_the_rules_are_the_users() -> None:
    policy = RetryPlatformErrors(
        classes=["user"],
        retry_delay=timedelta(minutes=5),
        rules=[RetryRule(exception=NotFound, action=RetryAction.RETRY)],
    )
    decided = policy.evaluate(RunFailed(ended("user")), 1, 3)
    assert (decided.action, decided.retry_delay) == (RetryAction.RETRY, timedelta(minutes=5))
    assert decided.reason == "user: another try may help"
    assert policy.evaluate(NotFound("x"), 1, 3).action is RetryAction.RETRY


def test_a_class_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not 'network'"):
        RetryPlatformErrors(classes=["network"])  # type: ignore[list-item]
