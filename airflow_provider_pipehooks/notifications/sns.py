"""ALERT by Amazon SNS as a callback: ``on_failure_callback`` of a task, a DAG, or a deadline."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.notifications.labels import (
    FORMS,
    GROUP_BY,
    LABELS,
    SEVERITIES,
    SEVERITY,
    one_of,
)

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import DAG, Context

    from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget

log = logging.getLogger(__name__)


class SnsAlertNotifier(BaseNotifier):
    """Tell an SNS topic why a task or a DAG run failed.

    The parameters are those of the amazon provider's ``SnsNotifier``; most of them can be left out here.

    :param target_arn: the topic; None takes the Variable ``sns_arn``, read when sending.
    :param message: instead of our text: a template that knows what the callback's context has, and
        ``subject``, ``body``, ``alert_id``, ``labels`` and ``alert``, see ``sending.words_of``. One that
        cannot be rendered is replaced by our text, which then says why.
    :param subject: instead of our subject line: a template as well.
    :param message_attributes: added to ``alert_id``, ``state``, ``dag_id``, ``severity``, ``service``,
        ``class`` and ``fingerprint``; for subscription filters.
    :param region_name: None takes the one in the ARN.
    :param notifier: makes another notifier, which sends the same text its way, such as
        ``lambda: SlackNotifier(text="{{ subject }} {{ body }}")``. Its templates know ``subject``, ``body``,
        ``alert_id``, ``labels`` and ``alert``; such alerts are sent at once, one by one.
    :param group_by: labels; alerts that agree in them become one message, where a sender is at work
        (``pipehooks outbox send``): ``fingerprint``, ``dag_id``, ``task_id``, ``class``, ``service``.
    :param severity: ``critical``, ``error``, ``warning`` or ``info``, as PagerDuty has them; an attribute of
        the message. Where a sender is at work, what is critical waits for no others, and what is news waits
        ``alert_group_interval`` for them.
    :param form: ``text``, or ``json`` for programs: ``{"pagerduty": {...}, "alertmanager": [{...}]}``, an
        event of PagerDuty's Events API v2 without its ``routing_key``, and what Alertmanager takes.
    :param send_resolved: tell the recovery, too. Give the same notifier as ``on_success_callback``: there it
        then tells nothing but recoveries, and only of what was told to fail.
    """

    template_fields: Sequence[str] = (
        "target_arn",
        "message_attributes",
        "aws_conn_id",
        "region_name",
    )

    def __init__(
        self,
        *,
        aws_conn_id: str | None = "aws_default",
        target_arn: str | None = None,
        message: str | None = None,
        subject: str | None = None,
        message_attributes: Mapping[str, Any] | None = None,
        region_name: str | None = None,
        group_by: Sequence[str] = GROUP_BY,
        send_resolved: bool = False,
        severity: str = SEVERITY,
        form: str = "text",
        notifier: Callable[[], BaseNotifier] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(group_by, str) or (unknown := sorted(set(group_by) - LABELS)):
            wrong = repr(group_by) if isinstance(group_by, str) else repr(unknown[0])
            raise ConfigurationError(f"group_by is a list of {', '.join(sorted(LABELS))}, not {wrong}.")
        self.group_by = tuple(group_by)
        self.severity, self.form = one_of(SEVERITIES, severity=severity), one_of(FORMS, form=form)
        self.send_resolved = send_resolved
        self.notifier = notifier
        self.aws_conn_id = aws_conn_id
        self.target_arn = target_arn
        self.message = message
        self.subject = subject
        self.message_attributes = message_attributes
        self.region_name = region_name

    def __call__(self, *args: Any) -> None:
        # Airflow renders the templates of a notifier in place, but one notifier serves many events.
        super(SnsAlertNotifier, copy.copy(self)).__call__(*args)

    def get_template_env(self, dag: DAG | None = None) -> jinja2.Environment:
        # dag.test() hands a DAG's callbacks the serialized DAG, which has no template environment.
        return super().get_template_env(dag if hasattr(dag, "get_template_env") else None)

    def notify(self, context: Context) -> None:
        # Here: every DAG file that has a callback would else load all of it when it is parsed.
        from airflow_provider_pipehooks.notifications.failed_tasks import alert_of
        from airflow_provider_pipehooks.notifications.sending import in_users_words, resolve, send, tell

        if getattr(context.get("exception"), "alert_was_sent", False):
            log.info("Nothing to tell: this task failed only because it had sent its alert")
            return
        alert = alert_of(context)
        if self.send_resolved and alert.happened == "succeeded" and self.notifier is None:
            resolve(self._target(), alert)
            return

        def render(template: str, words: Mapping[str, Any]) -> Any:
            known: Any = {**context, **words}
            return self.render_template(template, known, self.get_template_env(known.get("dag")))

        told = in_users_words(
            alert, render, message=self.message, subject=self.subject, severity=self.severity
        )
        if self.notifier is not None:
            tell(self.notifier, context, alert, **told)
            return
        send(
            self._target(),
            alert,
            attributes=self.message_attributes,
            group_by=self.group_by,
            send_resolved=self.send_resolved,
            form=self.form,
            **told,
        )

    def _target(self) -> SnsTarget:
        from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget

        return SnsTarget(self.target_arn, aws_conn_id=self.aws_conn_id, region_name=self.region_name)

    async def async_notify(self, context: Context) -> None:
        import asyncio

        # boto3 blocks, and the async client is an extra that is rarely installed.
        await asyncio.to_thread(self.notify, context)


def sns_on_failure(target_arn: str | None = None, **kwargs: Any) -> SnsAlertNotifier:
    """Callback for ``on_failure_callback`` of a task or a DAG.

    :param kwargs: of :class:`SnsAlertNotifier`.
    """
    return SnsAlertNotifier(target_arn=target_arn, **kwargs)
