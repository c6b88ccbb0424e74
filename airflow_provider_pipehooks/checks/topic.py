"""Whether an alert reaches its topic: the login, the topic, a test message."""

from __future__ import annotations

import platform
import secrets
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_pipehooks.checks.findings import Finding, ok, told_of, warning, wrong
from airflow_provider_pipehooks.checks.subscriptions import subscription_findings
from airflow_provider_pipehooks.core.errors import ConfigurationError, PipehooksError
from airflow_provider_pipehooks.notifications.sns_delivery import TOPIC_VARIABLE, SnsTarget

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.sns import SnsHook

SUBJECT = "pipehooks: test of the alert path"
CONNECT_TIMEOUT_S = 5.0
READ_TIMEOUT_S = 10.0
#: May not look, which says nothing about sending: a role for alerts often may publish only.
_MAY_NOT_LOOK = frozenset({"AuthorizationError", "AccessDenied", "AccessDeniedException"})
_BAD_LOGIN = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


class TimelyTarget(SnsTarget):
    """A target whose every call comes to an end soon, whatever the connection says of timeouts."""

    @cached_property
    def hook(self) -> SnsHook:
        from airflow.providers.amazon.aws.hooks.sns import SnsHook
        from botocore.config import Config

        given = super().hook
        config = given.config.merge(
            Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                retries={"total_max_attempts": 2, "mode": "standard"},
            )
        )
        return SnsHook(aws_conn_id=self.aws_conn_id, region_name=self.region, config=config)  # type: ignore[no-untyped-call]


def alert_path_findings(
    target_arn: str | None, aws_conn_id: str | None, *, send_test: bool = False
) -> Iterator[Finding]:
    """The topic, the login, the subscriptions, and the test message if it is wanted.

    :param target_arn: None takes the Variable ``sns_arn``.
    """
    source = "--target-arn" if target_arn else f"Variable {TOPIC_VARIABLE}"
    try:
        target = TimelyTarget(target_arn, aws_conn_id=aws_conn_id)
    except ConfigurationError as err:
        yield wrong(source, str(err))
        return
    yield ok(source, f"It names {target.arn}, in region {target.region}.")
    login = login_finding(target)
    yield login
    if login.state == "WRONG":
        return
    yield from topic_findings(target.hook.get_conn(), target, is_proven=send_test)
    if send_test:
        yield sent_test(target)


def login_finding(target: SnsTarget) -> Finding:
    """Whether there are credentials; whether they are good, only SNS knows."""
    what = f"AWS login {target.aws_conn_id or 'of the environment'}"
    try:
        found = target.hook.get_session().get_credentials()
        is_there = bool(target.hook.conn_config)
    except Exception as err:
        return wrong(what, f"The connection cannot be used: {told_of(err)}. Correct its login and extra.")
    if found is None:
        missing = "" if is_there or not target.aws_conn_id else "There is no such connection. "
        return wrong(
            what,
            f"{missing}No AWS credentials were found: put a key into Login and Password of the connection, "
            "or give this machine a role.",
        )
    if target.aws_conn_id and not is_there:
        return warning(
            what,
            f"There is no such connection: the credentials of this machine are used ({found.method}). Other "
            "machines may have others, or none. Add it, or name another one: --aws-conn-id ID.",
        )
    return ok(what, f"Credentials were found ({found.method}).")


def topic_findings(client: Any, target: SnsTarget, *, is_proven: bool = False) -> Iterator[Finding]:
    """Whether the topic is there, and who hears it.

    :param client: boto3's, for SNS.
    :param is_proven: that this login may publish is going to be proven by a test message.
    """
    what = f"topic {target.arn}"
    name = target.arn.split(":", 5)[5]
    if ":" in name:
        topic = target.arn.rpartition(":")[0]
        yield wrong(what, f"This is the ARN of a subscription. Give the topic's: {topic}.")
        return
    if "/" in name:
        yield warning(what, "This is no topic, but one endpoint: only --send-test says if anybody hears it.")
        return
    try:
        client.get_topic_attributes(TopicArn=target.arn)
    except Exception as err:
        yield (trouble := _trouble(what, target, err))
        if trouble.state == "WRONG":
            return
    else:
        untold = "" if is_proven else " That this login may publish to it, only --send-test proves."
        yield ok(what, f"It exists.{untold}")
    try:
        pages = client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=target.arn)
        rows = [row for page in pages for row in page.get("Subscriptions", ())]
    except Exception as err:
        yield _trouble("subscriptions", target, err)
        return
    yield from subscription_findings(target.arn, rows)


def _trouble(what: str, target: SnsTarget, err: Exception) -> Finding:
    """Why it could not be looked at."""
    code = _code_of(err)
    if code == "NotFound":
        return wrong(
            what,
            f"There is no such topic in account {target.account}, region {target.region}: no alert is sent. "
            f"Create it, or correct the Variable {TOPIC_VARIABLE} or target_arn.",
        )
    if code in _MAY_NOT_LOOK:
        return warning(
            what, f"This login may not look at it ({code}). Only --send-test says if an alert arrives."
        )
    if code in _BAD_LOGIN:
        return wrong(
            what,
            f"AWS refuses the login of connection {target.aws_conn_id!r}: {told_of(err)}. Renew its key.",
        )
    return wrong(
        what,
        f"SNS in {target.region} could not be asked: {told_of(err)}. Look at the network, the proxy and the "
        f"extra of connection {target.aws_conn_id!r}.",
    )


def _code_of(err: Exception) -> str:
    """Of botocore's ClientError: ``{"Error": {"Code": str, "Message": str}}``."""
    response = getattr(err, "response", None)
    return str(response.get("Error", {}).get("Code")) if isinstance(response, Mapping) else ""


def sent_test(target: SnsTarget) -> Finding:
    """Send one message, which says that it is a test."""
    what = "test message"
    alert_id = secrets.token_hex(8)
    text = (
        f"This is a test of the way that alerts of Airflow take, sent by `pipehooks check --send-test` on "
        f"{platform.node()}. Nothing has failed.\n\nAlert id: {alert_id}\n"
    )
    try:
        message_id = target.publish(text, alert_id=alert_id, title=SUBJECT)
    except PipehooksError as err:
        return wrong(what, str(err))
    return ok(
        what,
        f"SNS took it as message {message_id}, alert id {alert_id}. SNS does not say if it arrives: look.",
    )
