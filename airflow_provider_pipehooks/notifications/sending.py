"""The one way out for alerts: into the outbox first, and from there to people.

Where a sender is at work the alert is left to it, which makes one message of many. Without one it is
published at once, and its file is taken back; where that fails the file stays, for a sender to come.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_pipehooks import options
from airflow_provider_pipehooks.compat.masking import masked_text
from airflow_provider_pipehooks.core.errors import PipehooksError
from airflow_provider_pipehooks.core.texts import shorten
from airflow_provider_pipehooks.handlers.dotted import load
from airflow_provider_pipehooks.notifications.digest import Message, message_alone
from airflow_provider_pipehooks.notifications.forms import written
from airflow_provider_pipehooks.notifications.labels import GROUP_BY, MOST_ATTRIBUTES, SENT, SEVERITY
from airflow_provider_pipehooks.notifications.message import Alert, body, subject
from airflow_provider_pipehooks.notifications.outbox import MARKED, Notice, Outbox
from airflow_provider_pipehooks.notifications.reasons import cause_of, class_of, fingerprint
from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier

log = logging.getLogger(__name__)

_LONGEST_CAUSE = 200


def send(target: SnsTarget, alert: Alert, *, outbox: Outbox | None = None, **given: Any) -> str:
    """Send an alert in our words, or in the user's where they gave some.

    :param given: as :func:`notice_of` takes it.
    :return: SNS's message id; "" where the alert was left to the sender, or went another way.
    :raises PipehooksError: it could not be published; it stays in the outbox.
    """
    return send_notice(notice_of(alert, target, **given), target, outbox)


def send_notice(notice: Notice, target: SnsTarget, outbox: Outbox | None = None) -> str:
    """Leave a notice to the sender, or send it at once.

    :return: as :func:`send` does.
    :raises PipehooksError: it could not be published; it stays in the outbox.
    """
    laid = _put(outbox, notice)
    if laid is not None and laid[0].has_sender:
        log.info("Alert %s is left to the sender of %s", notice.alert_id, laid[0].root)
        return ""
    message = message_alone(notice)
    try:
        sent = publish(message, target)
    except PipehooksError as err:
        if laid is not None:
            log.error("Alert %s stays in %s: pipehooks outbox send sends it", notice.alert_id, laid[0].root)
        if not by_another_way(message, err):
            raise
        return ""
    if laid is not None:
        _take_back(*laid, notice)
    return sent


def publish(message: Message, target: SnsTarget) -> str:
    """Send a message to its topic.

    :return: SNS's message id.
    :raises PipehooksError: it was not taken.
    """
    return target.publish(
        written(message),
        alert_id=message.alert_id,
        title=message.title,
        attributes=message.attributes,
        group=message.group,
    )


def by_another_way(message: Message, because: Exception) -> bool:
    """Give a message that its topic did not take to the function of the option ``alert_fallback``.

    It is called with ``subject``, ``body`` and ``alert_id``. The message stays in the outbox, too.

    :return: whether there is one, and it did not raise.
    """
    path = options.read("alert_fallback")
    if not path:
        return False
    why = masked_text(f"Amazon SNS did not take this alert: {because}")
    try:
        load(path)(subject=message.title, body=f"{message.text}\n{why}\n", alert_id=message.alert_id)
    except Exception:
        log.exception("Alert %s: the other way %s failed, too", message.alert_id, path)
        return False
    log.warning("Alert %s was given to %s: %s", message.alert_id, path, why)
    return True


def alert_text(context: Mapping[str, Any]) -> dict[str, Any]:
    """What we would tell about a failed task or DAG run, for a callback of one's own.

    :param context: the callback's.
    :return: ``{"subject": str, "body": str, "alert_id": str, "labels": {...}, "alert": Alert}``.
    """
    from airflow_provider_pipehooks.notifications.failed_tasks import alert_of

    return words_of(alert_of(context))


def words_of(
    alert: Alert, *, text: str | None = None, title: str | None = None, severity: str = SEVERITY
) -> dict[str, Any]:
    """An alert as templates know it, in our words, or in the user's where they gave some."""
    return {
        "subject": masked_text(title or subject(alert)),
        "body": masked_text(text or body(alert)),
        "alert_id": alert.alert_id,
        "labels": labels_of(alert, severity),
        "alert": alert,
    }


def in_users_words(
    alert: Alert,
    render: Callable[[str, Mapping[str, Any]], object],
    *,
    message: str | None,
    subject: str | None,
    severity: str = SEVERITY,
) -> dict[str, Any]:
    """What the user's templates make of an alert; ours where one cannot be rendered, and why.

    :param render: renders a template with what :func:`words_of` gives.
    :return: ``{"text": str | None, "title": str | None, "severity": str}``, as :func:`send` takes them.
    """
    words = words_of(alert, severity=severity)
    told: dict[str, Any] = {"text": None, "title": None, "severity": severity}
    for name, template in (("text", message), ("title", subject)):
        if template is None:
            continue
        try:
            told[name] = str(render(template, words))
        except Exception as err:
            # A misspelt name in a template must not keep an alert back.
            log.exception("Alert %s goes in our own words: a template cannot be rendered", alert.alert_id)
            told["text"] = f"{words['body']}\nThe template {template!r:.200} cannot be rendered: {err!r}\n"
    return told


def tell(
    notifier: Callable[[], BaseNotifier],
    context: Mapping[str, Any],
    alert: Alert,
    *,
    text: str | None = None,
    title: str | None = None,
    severity: str = SEVERITY,
) -> None:
    """Send an alert by another notifier, at once: what it is made of cannot lie in the outbox.

    :param notifier: makes one, whose templates know what :func:`words_of` gives, and what the context has.
    """
    notifier()({**context, **words_of(alert, text=text, title=title, severity=severity)})
    try:
        outbox = Outbox()
        if outbox.is_swept:
            outbox.remember_told(alert.alert_id, dict.fromkeys(alert.tells, alert.when.timestamp()))
    except Exception as err:
        log.warning("Alert %s may be told again, the outbox cannot be written: %r", alert.alert_id, err)


def resolve(target: SnsTarget, alert: Alert, outbox: Outbox | None = None) -> bool:
    """Tell that what failed has recovered, if it was told to fail. Only a sender tells of recoveries.

    :param target: for marks that do not say where their failure went.
    :return: whether there was anything to tell.
    """
    recovery = Notice(
        alert_id=alert.alert_id,
        at=alert.when.timestamp(),
        member=member_of(alert),
        group="",
        target=target_of(target),
        title=subject(alert),
        text=body(alert),
        is_failure=False,
        url=alert.url or "",
    )
    try:
        outbox = outbox or Outbox()
        marks = outbox.groups_failing(recovery.member)
        for mark in marks:
            outbox.put(replace(recovery, **{name: mark[name] for name in MARKED if name in mark}))
    except Exception as err:
        log.warning("The recovery of %s cannot be told: %r", recovery.member, err)
        return False
    return bool(marks)


def notice_of(
    alert: Alert,
    target: SnsTarget,
    *,
    text: str | None = None,
    title: str | None = None,
    attributes: Mapping[str, Any] | None = None,
    group_by: Sequence[str] = GROUP_BY,
    send_resolved: bool = False,
    severity: str = SEVERITY,
    form: str = "text",
) -> Notice:
    """A failure as it lies in the outbox.

    :param text: instead of our text; ``title`` instead of our subject line.
    :param attributes: the user's own, for subscription filters.
    :param group_by: labels; alerts that agree in them become one message, where a sender is at work.
    :param send_resolved: the recovery is to be told, too.
    :param form: ``text`` or ``json``.
    """
    words = words_of(alert, text=text, title=title, severity=severity)
    labels = words["labels"]
    grouped = {name: labels.get(name, "") for name in sorted(group_by)}
    return Notice(
        alert_id=alert.alert_id,
        at=alert.when.timestamp(),
        member=member_of(alert),
        group=" ".join(f"{name}={value}" for name, value in grouped.items()),
        target=target_of(target, form, grouped),
        title=words["subject"],
        text=words["body"],
        recovers=send_resolved,
        count=max(1, len(alert.tasks)),
        labels=labels,
        attributes=attributes_of(labels, attributes or {}),
        url=alert.url or "",
        tells=alert.tells,
    )


def target_of(
    target: SnsTarget, form: str = "text", grouped: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Where to, and how, as an outbox stores it.

    :param grouped: the labels that make the group; JSON has them.
    """
    told: dict[str, Any] = {"arn": target.arn, "aws_conn_id": target.aws_conn_id, "region": target.region}
    return told if form == "text" else {**told, "form": form, "labels": dict(grouped or {})}


def labels_of(alert: Alert, severity: str = SEVERITY) -> dict[str, str]:
    """What an alert may be grouped and filtered by: Alertmanager's labels."""
    labels = {"dag_id": alert.dag_id, "run_id": alert.dag_run_id, "fingerprint": fingerprint(alert)}
    labels |= {"severity": severity}
    if alert.tasks:
        task = alert.tasks[0]
        labels |= {"task_id": task.task_id, "class": class_of(task)}
        labels |= {"cause": masked_text(shorten(cause_of(task), _LONGEST_CAUSE))}
        if task.run is not None:
            labels["service"] = task.run.service
    return labels


def attributes_of(labels: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, Any]:
    """What subscriptions may filter by: the user's own, and as many labels as SNS then takes."""
    room = max(1, MOST_ATTRIBUTES - len(given))
    return {**{name: labels[name] for name in SENT[:room] if name in labels}, **given}


def member_of(alert: Alert) -> str:
    """What failed, whichever run of it: a task of a DAG, or the DAG."""
    if len(alert.tasks) == 1:
        return f"{alert.dag_id}.{alert.tasks[0].label}"
    return alert.dag_id


def _put(outbox: Outbox | None, notice: Notice) -> tuple[Outbox, str] | None:
    """Lay it into the outbox; one that cannot be written must not keep an alert back.

    An object store says so in its own words: a package that is missing, a login that is wrong.
    """
    try:
        outbox = outbox or Outbox()
        return outbox, outbox.put(notice)
    except Exception as err:
        log.warning("The outbox cannot be written, alert %s is sent at once: %r", notice.alert_id, err)
        return None


def _take_back(outbox: Outbox, name: str, notice: Notice) -> None:
    try:
        if outbox.is_swept:
            outbox.remember_told(notice.alert_id, dict.fromkeys(notice.tells, notice.at))
        outbox.take_back(name, notice)
    except Exception as err:
        log.warning("Alert %s was sent, and may be sent again: it cannot be deleted: %r", name, err)
