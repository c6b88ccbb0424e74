"""ALERT as a task of the DAG: ``notify_if_one_failed`` tells an SNS topic what failed upstream of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from airflow_provider_pipehooks.compat import memory, tries
from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.core.records import NUMBER, TEXT, VERSION, VERSION_KEY, known, reading
from airflow_provider_pipehooks.notifications.labels import FORMS, SEVERITIES, SEVERITY, one_of

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier, Context

    from airflow_provider_pipehooks.notifications.message import Alert

EndState = Literal["failed", "success"]
SENT_KEY = "pipehooks_alert"


class AlertSent(AirflowFailException):
    """The alert is out; the task fails, without another try, so that the DAG run does not turn green."""

    #: Tells an ``on_failure_callback`` that there is nothing more to tell.
    alert_was_sent = True


class SnsAlertOperator(BaseOperator):
    """Send one message that names every failed task upstream, then fail, so that the DAG run fails too.

    XComs: ``message_id`` of SNS and ``alert_id``, which is in the message as well.

    :param target_arn: the topic; None takes the Variable ``sns_arn``, read when sending.
    :param subject: instead of our subject line: a template, as for ``SnsAlertNotifier``.
    :param message: instead of our text: a template as well.
    :param message_attributes: added to ``alert_id``, ``state``, ``dag_id``, ``severity``, ``service``,
        ``class`` and ``fingerprint``; for subscription filters.
    :param region_name: None takes the one in the ARN.
    :param severity: as for ``SnsAlertNotifier``; ``form``, too.
    :param notifier: makes another notifier, as for ``SnsAlertNotifier``; ``message_id`` is then "".
    :param end_state: how the task ends once the message is sent. A task that succeeds at the end of a DAG
        makes the whole DAG run a success: Airflow looks at the last tasks only.
    :param more_than: of a mapped task, tell only when more than so many of its instances failed, or, below
        1, more than that share of them: 10, or 0.05. It needs ``trigger_rule="all_done"``, or a teardown.
    :param always: send, and succeed, when nothing upstream failed; otherwise the task is skipped.
    """

    template_fields: Sequence[str] = (
        "target_arn",
        "message_attributes",
        "aws_conn_id",
        "region_name",
    )
    ui_color = "#f7e0e0"
    #: Alerts do not report on each other.
    sends_alerts = True

    def __init__(
        self,
        *,
        target_arn: str | None = None,
        aws_conn_id: str | None = "aws_default",
        subject: str | None = None,
        message: str | None = None,
        message_attributes: Mapping[str, Any] | None = None,
        region_name: str | None = None,
        severity: str = SEVERITY,
        form: str = "text",
        notifier: Callable[[], BaseNotifier] | None = None,
        end_state: EndState = "failed",
        more_than: float = 0,
        always: bool = False,
        trigger_rule: str = "one_failed",
        retries: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(trigger_rule=trigger_rule, retries=retries, **kwargs)
        self.target_arn = target_arn
        self.aws_conn_id = aws_conn_id
        self.subject = subject
        self.message = message
        self.message_attributes = message_attributes
        self.region_name = region_name
        self.notifier = notifier
        self.severity, self.form = one_of(SEVERITIES, severity=severity), one_of(FORMS, form=form)
        self.end_state = one_of(("failed", "success"), end_state=end_state)
        self.more_than = _threshold(more_than)
        if more_than and trigger_rule == "one_failed":
            raise ConfigurationError(
                "more_than needs trigger_rule='all_done': at the first failure nobody knows how many there "
                "will be, and nothing would be told."
            )
        self.always = always

    def execute(self, context: Context) -> None:
        alert = self._alert(context)
        if not alert.tasks and not self.always:
            raise AirflowSkipException(f"No task upstream of {self.task_id!r} failed: no alert is sent.")
        sent = self._sent_before(context) or self._send(context, alert)
        for key, value in sent.items():
            context["ti"].xcom_push(key=key, value=value)
        self._end(alert, sent["alert_id"])

    def _alert(self, context: Context) -> Alert:
        """What failed upstream, directly or further up."""
        from airflow_provider_pipehooks.notifications import failed_tasks

        ref = failed_tasks.DagRunRef.of(context)
        states = failed_tasks.states_of(self.dag, ref, self.get_flat_relative_ids(upstream=True))
        if self.more_than:
            states = failed_tasks.without_few(states, self.more_than)
        failed = failed_tasks.failed_tasks(self.dag, ref, states)
        return ref.alert(
            failed,
            happened="failed" if failed else "has no failures",
            instances=failed_tasks.instances_of(states),
            unfinished=failed_tasks.count_unfinished(states),
        )

    def _send(self, context: Context, alert: Alert) -> dict[str, str]:
        """Send, and write down that it was done: ``{"message_id": str, "alert_id": str}``."""
        from airflow_provider_pipehooks.notifications.sending import in_users_words, send, tell
        from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget

        def render(template: str, words: Mapping[str, Any]) -> Any:
            known: Any = {**context, **words}
            return self.render_template(template, known)

        given = in_users_words(
            alert, render, message=self.message, subject=self.subject, severity=self.severity
        )
        message_id = ""
        if self.notifier is not None:
            tell(self.notifier, context, alert, **given)
        else:
            target = SnsTarget(self.target_arn, aws_conn_id=self.aws_conn_id, region_name=self.region_name)
            message_id = send(target, alert, attributes=self.message_attributes, form=self.form, **given)
        sent = {"message_id": message_id, "alert_id": alert.alert_id}
        # Before all else: whatever fails from here on must not lead to a second message.
        record = {VERSION_KEY: VERSION, "generation": tries.generation(context), **sent}
        memory.remember(context, SENT_KEY, record)
        return sent

    def _sent_before(self, context: Context) -> dict[str, str] | None:
        """The alert an earlier try has sent. After a clear there is something new to tell."""
        record = memory.recall(context, SENT_KEY)
        if not record:
            return None
        try:
            with reading("a sent alert", record):
                sent = known(record, {"generation": NUMBER, "message_id": TEXT, "alert_id": TEXT})
                generation, told = sent.pop("generation"), sent["alert_id"]
        except ValueError as err:
            self.log.warning("Whether an earlier try has sent the alert is not known, sending: %s", err)
            return None
        if generation != tries.generation(context):
            return None
        self.log.info("An earlier try has sent alert %s; not sending again", told)
        return {"message_id": "", **sent}

    def _end(self, alert: Alert, alert_id: str) -> None:
        names = ", ".join(task.label for task in alert.tasks[:10])
        more = f" and {len(alert.tasks) - 10} more" if len(alert.tasks) > 10 else ""
        if self.end_state == "success" or not alert.tasks:
            self.log.info("Alert %s was sent about: %s%s", alert_id, names or "no failure", more)
            return
        raise AlertSent(f"Alert {alert_id} was sent; failing because upstream failed: {names}{more}.")


def _threshold(more_than: Any) -> float:
    is_number = isinstance(more_than, (int, float)) and not isinstance(more_than, bool)
    if not is_number or not 0 <= more_than < math.inf:
        raise ConfigurationError(
            f"more_than is a number of instances, or a share below 1, not {more_than!r}."
        )
    return float(more_than)


def notify_if_one_failed(
    task_id: str = "notify_if_one_failed", *, as_teardown: bool = False, **kwargs: Any
) -> SnsAlertOperator:
    """The alert task of a DAG: put it downstream of what it should watch.

    :param as_teardown: a teardown of Airflow's, whose end does not count for the DAG run: it is green when
        the alert was sent, red when it could not be, skipped when there was nothing to tell; and the DAG run
        ends as the tasks before it did. It begins when all of them have ended.
    :param kwargs: of :class:`SnsAlertOperator`, such as ``target_arn`` and ``end_state``.
    :raises ConfigurationError: with ``as_teardown`` a ``trigger_rule`` or an ``end_state``, which follow
        from it.
    """
    if not as_teardown:
        return SnsAlertOperator(task_id=task_id, **kwargs)
    if given := {"trigger_rule", "end_state"} & set(kwargs):
        raise ConfigurationError(f"as_teardown=True decides the {min(given)}: leave that out.")
    alert = SnsAlertOperator(task_id=task_id, end_state="success", trigger_rule="all_done", **kwargs)
    # Its trigger rule becomes Airflow's own for teardowns, which waits for all upstream as well.
    alert.as_teardown()
    return alert
