"""Delivery of one message to Amazon SNS.

Sending is left to the amazon provider's ``SnsHook``, so every kind of AWS login works; this module makes
the text fit, picks the region and explains errors.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_provider_pipehooks.compat.masking import masked_text
from airflow_provider_pipehooks.core.errors import AccessDenied, ConfigurationError, RemoteCallError
from airflow_provider_pipehooks.core.texts import without_secrets
from airflow_provider_pipehooks.notifications.attributes import fit_attributes, size_of
from airflow_provider_pipehooks.notifications.message import (
    MESSAGE_BYTES,
    safe_body,
    safe_subject,
)

if TYPE_CHECKING:
    from airflow.providers.amazon.aws.hooks.sns import SnsHook

log = logging.getLogger(__name__)

#: The Variable that DAGs of the tutorial keep their topic in.
TOPIC_VARIABLE = "sns_arn"
#: Refused before anything was sent, so that asking again cannot send twice. botocore repeats the plain
#: throttles by itself, but not KMSThrottling.
_THROTTLES = frozenset({"KMSThrottling", "Throttled", "Throttling", "ThrottlingException"})
_DENIED = frozenset({"AuthorizationError", "InvalidSecurity", "InvalidClientTokenId", "ExpiredToken"})
PAUSES_S = (1.0, 2.0, 4.0)


class SnsTarget:
    """A topic, or another target with an ARN, and the way to reach it.

    :param target_arn: None takes the Variable ``sns_arn``, read when sending.
    :param region_name: None takes the one in the ARN.
    :param sleep: what waits between two deliveries of a throttled alert.
    :param pauses_s: for how long it waits, each time; as often it is delivered again.
    :raises ConfigurationError: no target, not an ARN, or a region that is not the target's.
    """

    def __init__(
        self,
        target_arn: str | None,
        *,
        aws_conn_id: str | None = "aws_default",
        region_name: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self.arn = target_arn or _topic_of_variable()
        self.aws_conn_id = aws_conn_id
        self.region, self.account = _region_and_account(self.arn)
        self.sleep, self.pauses_s = sleep, pauses_s
        if region_name and region_name != self.region:
            raise ConfigurationError(
                f"SNS target {self.arn!r} is in region {self.region!r}, but region_name is {region_name!r}. "
                "Make them the same, or leave region_name out."
            )

    @cached_property
    def hook(self) -> SnsHook:
        from airflow.providers.amazon.aws.hooks.sns import SnsHook

        # The connection's own region is a default for everything it is used for; a topic is where it is.
        return SnsHook(aws_conn_id=self.aws_conn_id, region_name=self.region)  # type: ignore[no-untyped-call]

    def publish(
        self,
        text: str,
        *,
        alert_id: str,
        title: str | None = None,
        attributes: Mapping[str, Any] | None = None,
        group: str = "pipehooks",
    ) -> str:
        """Send one message; text and title are made to fit.

        :param group: for a FIFO topic, which keeps the order within a group.
        :param attributes: the user's own, for subscription filters; ``alert_id`` is added. What SNS would
            refuse is made to fit or left out, with a warning: an alert is not lost because of one.
        :return: SNS's message id.
        :raises ConfigurationError: the target does not exist, or there are no credentials.
        :raises AccessDenied: they may not publish here.
        :raises RemoteCallError: anything else that kept the message from being taken.
        """
        attrs = {**fit_attributes(attributes or {}), "alert_id": alert_id}
        title = safe_subject(masked_text(title or ""))
        # Json is ASCII only, so len() counts bytes.
        used = len(title or "") + sum(size_of(key, value) for key, value in attrs.items())
        message = {
            "target_arn": self.arn,
            "message": safe_body(masked_text(text), MESSAGE_BYTES - used),
            "subject": title,
            "message_attributes": attrs,
            **self._fifo(alert_id, group),
        }
        message_id = self._deliver(message)
        log.info("Sent alert %s to %s as message %s", alert_id, self.arn, message_id)
        return message_id

    def _fifo(self, alert_id: str, group: str) -> dict[str, str]:
        """FIFO topics want a group, and drop a second message of the same alert by themselves."""
        if not self.arn.endswith(".fifo"):
            return {}
        return {"message_group_id": group, "message_deduplication_id": alert_id}

    def _deliver(self, message: dict[str, Any]) -> str:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        for pause_s in (*self.pauses_s, None):
            try:
                return str(self.hook.publish_to_target(**message)["MessageId"])
            except ClientError as err:
                code = err.response.get("Error", {}).get("Code")
                if code not in _THROTTLES or pause_s is None:
                    raise self._explained(err) from err
                log.warning("SNS is throttling (%s); next try in %.0f s", code, pause_s)
                self.sleep(pause_s)
            except (BotoCoreError, ResponseParserError) as err:
                # The second is none of botocore's own: a page of something on the way.
                raise self._unsent(err) from err
        raise AssertionError("unreachable: the last delivery returns or raises")

    def _explained(self, err: Any) -> Exception:
        """botocore's error as one of ours: ``{"Error": {"Code", "Message"}, "ResponseMetadata": {...}}``."""
        error, code = err.response.get("Error", {}), err.response.get("Error", {}).get("Code")
        status = err.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if code == "NotFound":
            return ConfigurationError(
                f"SNS has no topic {self.arn!r} in account {self.account}, region {self.region}. "
                "Create it, or correct target_arn."
            )
        text = without_secrets(f"SNS did not take the alert for {self.arn!r}: {code}: {error.get('Message')}")
        if code in _DENIED:
            return AccessDenied(
                f"{text}. Look at the login of connection {self.aws_conn_id!r}.", status_code=status
            )
        return RemoteCallError(text, status_code=status, retryable=code in _THROTTLES or (status or 0) >= 500)

    def _unsent(self, err: Exception) -> Exception:
        """botocore's error before there was an answer."""
        from botocore.exceptions import NoCredentialsError

        if isinstance(err, NoCredentialsError):
            return ConfigurationError(
                f"No AWS credentials to send to {self.arn!r}: connection {self.aws_conn_id!r} has none, "
                "and neither has the environment."
            )
        return RemoteCallError(
            without_secrets(f"Could not send the alert to {self.arn!r}: {err}"), retryable=True
        )


def _topic_of_variable() -> str:
    from airflow.sdk import Variable

    arn = Variable.get(TOPIC_VARIABLE, default=None)
    if not arn:
        raise ConfigurationError(
            f"No SNS topic to send alerts to: give target_arn, or set the Variable {TOPIC_VARIABLE!r}."
        )
    return str(arn).strip()


def _region_and_account(arn: str) -> tuple[str, str]:
    """Of ``arn:partition:sns:region:account:name``."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != "sns" or not all(parts[3:]):
        raise ConfigurationError(f"{arn!r} is not the ARN of an SNS topic (arn:aws:sns:REGION:ACCOUNT:NAME).")
    return parts[3], parts[4]
