"""REMEMBER as a task: the report of the last days as a file, and what it says in short as a message."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_provider_pipehooks.compat import memory, tries
from airflow_provider_pipehooks.core.arguments import Reader, as_name, as_object, as_text, one_of
from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.core.records import VERSION, VERSION_KEY
from airflow_provider_pipehooks.core.texts import short_hash
from airflow_provider_pipehooks.hooks.registry import SERVICES
from airflow_provider_pipehooks.notifications import labels
from airflow_provider_pipehooks.reporting.asked import as_window, as_zone, format_of
from airflow_provider_pipehooks.tasks.arguments import ReadsArguments

if TYPE_CHECKING:
    from airflow.sdk import BaseNotifier, Context

    from airflow_provider_pipehooks.notifications.outbox import Notice
    from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget
    from airflow_provider_pipehooks.reporting.figures import Kpis
    from airflow_provider_pipehooks.reporting.history import History

SENT_KEY = "pipehooks_report"
#: Services whose runs are remembered.
_REMEMBERED = tuple(name for name, row in SERVICES.items() if row.lists)
#: A first sync goes back as far as Databricks keeps runs, even for a report of a week.
_FIRST_SYNC_DAYS = 60.0


def _as_paths(value: Any, what: str) -> list[str]:
    """One path or several, each with an ending that says what is written to it."""
    paths = [as_name(each, what) for each in (value if isinstance(value, (list, tuple)) else [value])]
    for path in paths:
        format_of(path, what)
    return paths


def _as_sync(value: Any, what: str) -> Mapping[str, str | None]:
    """Which services are synced first, with which connection; None for the service's default one."""
    if isinstance(value, bool):
        return dict.fromkeys(_REMEMBERED) if value else {}
    wanted = as_object(value, what)
    for name, conn_id in wanted.items():
        one_of(*_REMEMBERED)(name, f"a service in {what}")
        if conn_id is not None:
            as_name(conn_id, f"{what}[{name!r}]")
    return wanted


class RunReportOperator(ReadsArguments, BaseOperator):
    """Write the report of the history, and send what it says in short.

    It returns, as XCom, ``{"reports": [path, ...], "window", "services", "jobs", "reasons", "slower"}``: the
    figures of each service and the five worst of each kind, a few kilobytes. All figures are in a report that
    ends with ``.json`` or ``.csv``.

    :param window: the span of time until now: ``60d``, ``36h``, ``8w``, or a timedelta.
    :param out: where to: a path, an address such as ``s3://aws_default@bucket/{{ ds }}.html``, an
        ``ObjectStoragePath``, or a list of them. The ending says what is written: ``.html``, ``.png``,
        ``.json`` or ``.csv``. None takes ``reports/<dag_id>-<day>.html`` in the history's folder.
    :param service: only the runs of ``dbt_cloud`` or ``databricks_jobs``.
    :param job_id: only the runs of this job.
    :param time_zone: whose days are told apart.
    :param history: the history's folder; None takes the option ``[pipehooks] history``.
    :param sync: bring the history up to date first: True for all services by their default connections, or
        connections by service, ``{"dbt_cloud": "dbt_cloud_default"}``.
    :param summary: send what the report says in short, with where it lies.
    :param target_arn: the topic of that message; None takes the Variable ``sns_arn``, read when sending.
    :param message_attributes: added to ``alert_id``, ``state``, ``dag_id`` and ``severity``.
    :param region_name: None takes the one in the ARN.
    :param severity: as for ``SnsAlertNotifier``; ``form``, too.
    :param notifier: makes another notifier, which sends the message its way. Its templates know ``subject``,
        ``body``, ``alert_id`` and ``reports``.
    """

    readers: ClassVar[Mapping[str, Reader]] = {
        "window": as_window,
        "out": _as_paths,
        "service": one_of(*_REMEMBERED),
        "job_id": as_text,
        "time_zone": as_zone,
        "history": as_name,
        "sync": _as_sync,
    }
    template_fields: Sequence[str] = (
        "window",
        "out",
        "service",
        "job_id",
        "time_zone",
        "history",
        "sync",
        "target_arn",
        "message_attributes",
        "aws_conn_id",
        "region_name",
    )
    ui_color = "#dfe9f5"

    def __init__(
        self,
        *,
        window: str | timedelta = "60d",
        out: Any = None,
        service: str | None = None,
        job_id: str | int | None = None,
        time_zone: str = "UTC",
        history: str | None = None,
        sync: bool | Mapping[str, str | None] = False,
        summary: bool = True,
        target_arn: str | None = None,
        aws_conn_id: str | None = "aws_default",
        message_attributes: Mapping[str, Any] | None = None,
        region_name: str | None = None,
        severity: str = "info",
        form: str = "text",
        notifier: Callable[[], BaseNotifier] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.window = window
        # Airflow renders templates in texts only.
        self.out = [_plain(each) for each in out] if isinstance(out, (list, tuple)) else _plain(out)
        self.service = service
        self.job_id = job_id
        self.time_zone = time_zone
        self.history = history
        self.sync = sync
        self.summary = summary
        self.target_arn = target_arn
        self.aws_conn_id = aws_conn_id
        self.message_attributes = message_attributes
        self.region_name = region_name
        self.severity = labels.one_of(labels.SEVERITIES, severity=severity)
        self.form = labels.one_of(labels.FORMS, form=form)
        self.notifier = notifier
        self.check_literals()
        if self.is_known("sync") and self.is_known("service"):
            self._synced()

    def execute(self, context: Context) -> dict[str, Any]:
        from airflow_provider_pipehooks.compat.masking import masked_data
        from airflow_provider_pipehooks.reporting.history import History
        from airflow_provider_pipehooks.reporting.report import masked, render_report, write_report
        from airflow_provider_pipehooks.reporting.summary import as_json

        # Before the remotes are asked for an hour's worth of runs.
        self.check_literals()
        history, synced, now = History(self.argument("history")), self._synced(), datetime.now(timezone.utc)
        paths = self.argument("out") or [_default_path(history, context, now)]
        self._bring_up_to_date(history, synced)
        found = masked(self._figures(history, now))
        for path in paths:
            data = render_report(found, format_of(path, self.name_of("out")))
            write_report(path, data)
            self.log.info("Wrote %s, %d bytes", path, len(data))
        told = {"reports": paths, **masked_data(as_json(found))}
        if self.summary:
            self._send(context, found, paths)
        return told

    def _synced(self) -> Mapping[str, str | None]:
        """Which services are synced first: of a report about one service that one."""
        wanted, service = self.argument("sync") or {}, self.argument("service")
        if service is None or not wanted:
            return dict(wanted)
        if service not in wanted:
            raise ConfigurationError(
                f"{self.name_of('sync')} leaves out {service!r}, which the report is about: name its "
                "connection, or leave sync or service out."
            )
        return {service: wanted[service]}

    def _bring_up_to_date(self, history: History, synced: Mapping[str, str | None]) -> None:
        from airflow_provider_pipehooks.reporting.sync import sync_history

        days = max(_FIRST_SYNC_DAYS, self.argument("window") / timedelta(days=1))
        for service, conn_id in synced.items():
            done = sync_history(service, conn_id, history=history, days=days)
            self.log.info("%s: %d runs since %s are in the history", service, done.runs, done.since)

    def _figures(self, history: History, now: datetime) -> Kpis:
        from airflow_provider_pipehooks.reporting.figures import Window
        from airflow_provider_pipehooks.reporting.kpis import kpis

        days = self.argument("window") / timedelta(days=1)
        window = Window.last(days, now, self.argument("time_zone") or "UTC")
        return kpis(history, window, service=self.argument("service"), job_id=self.argument("job_id") or None)

    # The message

    def _send(self, context: Context, found: Kpis, paths: Sequence[str]) -> None:
        """Send what the report says, once: not again by a try after one that has sent it."""
        from airflow_provider_pipehooks.notifications.sending import send_notice
        from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget

        ti = context["ti"]
        of = (ti.dag_id, ti.run_id, ti.task_id, str(ti.map_index), str(tries.generation(context)))
        alert_id = short_hash(*of)
        before = memory.recall(context, SENT_KEY)
        if isinstance(before, Mapping) and before.get("alert_id") == alert_id:
            self.log.info("An earlier try has sent summary %s; not sending again", alert_id)
            return
        title, text = self._words(found, paths, alert_id)
        if self.notifier is not None:
            known: dict[str, Any] = {"subject": title, "body": text, "alert_id": alert_id, "reports": paths}
            self.notifier()({**context, **known})
        else:
            target = SnsTarget(self.target_arn, aws_conn_id=self.aws_conn_id, region_name=self.region_name)
            send_notice(self._notice(target, ti.dag_id, alert_id, title, text), target)
        memory.remember(context, SENT_KEY, {VERSION_KEY: VERSION, "alert_id": alert_id})

    def _words(self, found: Kpis, paths: Sequence[str], alert_id: str) -> tuple[str, str]:
        from airflow_provider_pipehooks.compat.masking import masked_text
        from airflow_provider_pipehooks.notifications.message import safe_subject
        from airflow_provider_pipehooks.reporting import summary

        text = f"{summary.body(found, ', '.join(paths))}Alert id: {alert_id}\n"
        return safe_subject(masked_text(summary.subject(found))) or "Airflow report", masked_text(text)

    def _notice(self, target: SnsTarget, dag_id: str, alert_id: str, title: str, text: str) -> Notice:
        """The summary as it lies in the outbox: a message of its own, which waits for no other."""
        import time

        from airflow_provider_pipehooks.notifications.outbox import Notice
        from airflow_provider_pipehooks.notifications.sending import attributes_of, target_of

        told = {"dag_id": dag_id, "severity": self.severity}
        return Notice(
            alert_id=alert_id,
            at=time.time(),
            member=f"{dag_id}.{self.task_id}",
            group=alert_id,
            target=target_of(target, self.form, told),
            title=title,
            text=text,
            waits=False,
            labels=told,
            attributes=attributes_of(told, self.message_attributes or {}),
        )


def _plain(path: Any) -> Any:
    """The text of an ``ObjectStoragePath``, or of another path."""
    return str(path) if isinstance(path, os.PathLike) or hasattr(path, "as_uri") else path


def _default_path(history: History, context: Context, now: datetime) -> str:
    return f"{history.root}/reports/{context['ti'].dag_id}-{now:%Y-%m-%d}.html"
