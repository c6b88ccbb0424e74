"""What the demo says besides the live view: where everything is, what happened, the alerts, how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.text import Text

from airflow_provider_pipehooks.demo.scenarios import SCENARIOS, judge

if TYPE_CHECKING:
    from airflow_provider_pipehooks.demo.airflow import Airflow
    from airflow_provider_pipehooks.demo.follow import Seen
    from airflow_provider_pipehooks.demo.services import Alert, Services

SENDER = "AWS Notifications <no-reply@sns.amazonaws.com>"


def say_where(console: Console, airflow: Airflow, services: Services, seconds: float) -> None:
    """Where the pieces listen."""
    console.print(f"Everything is up after {seconds:.0f} s:")
    console.print(f"  Airflow                   {airflow.url}")
    console.print(f"  dbt Cloud and Databricks  {services.standin.url}")
    console.print(f"  Amazon SNS                {services.moto_url}  {services.topic_arn}\n", soft_wrap=True)


def say_what_happened(
    console: Console, seen: Sequence[Seen], alerts: Sequence[Alert]
) -> Mapping[str, list[str]]:
    """One line for each DAG run, and what is wrong with it if something is.

    :return: scenario -> what is wrong, for those that did not go as they should.
    """
    console.print("\n[bold]What happened[/]")
    wrong = {}
    for each in seen:
        scenario = each.scenario
        mine = [alert for alert in alerts if alert.run_id == scenario.run_id]
        complaints = judge(scenario, each.state, mine)
        mark = Text("as expected", "green") if not complaints else Text("WRONG      ", "bold red")
        took = f"{each.seconds:3.0f} s" if each.seconds is not None else "    -"
        line = f"  {scenario.key:<14}{scenario.dag_id:<19}{each.state:<8}{took}  {scenario.story}"
        console.print(Text.assemble("  ", mark, line), soft_wrap=True)
        for complaint in complaints:
            console.print(Text(f"      {complaint}", "red"), soft_wrap=True)
        if complaints:
            wrong[scenario.key] = complaints
    console.print(
        "  (An alert task that has sent its alert ends as failed on purpose: Airflow looks at\n"
        "  the last tasks only, and would call the whole DAG run a success.)",
        soft_wrap=True,
    )
    return wrong


def say_alerts(console: Console, alerts: Sequence[Alert]) -> None:
    """The e-mails: some in full, the others by their subject."""
    console.print(f"\n[bold]The {len(alerts)} e-mails the subscribers of the topic got[/]")
    in_full = [scenario.run_id for scenario in SCENARIOS if scenario.shows_alert]
    for alert in alerts:
        if alert.run_id not in in_full:
            console.print(Text(f"  Subject: {alert.subject}  ({alert.run_id})"), soft_wrap=True)
    for run_id in in_full:
        for alert in alerts:
            if alert.run_id == run_id:
                say_mail(console, as_mail(alert))


def say_mail(console: Console, mail: str) -> None:
    """A mail in a frame in a terminal; elsewhere as it is, so that it can be searched and copied."""
    if console.is_terminal:
        console.print(Panel(Text(mail.rstrip("\n")), title="e-mail", title_align="left"))
        return
    lines = "".join(f"  | {line}\n" for line in mail.rstrip("\n").splitlines())
    console.print(Text(f"\n{lines}", end=""), soft_wrap=True)


def as_mail(alert: Alert) -> str:
    """The text that arrives; SNS puts a line for unsubscribing below it."""
    from airflow_provider_pipehooks.demo.services import SUBSCRIBER

    return f"From:    {SENDER}\nTo:      {SUBSCRIBER}\nSubject: {alert.subject}\n\n{alert.body}"


def say_where_to_look(console: Console, airflow: Airflow, *, keep: bool) -> None:
    """How to get at Airflow's pages."""
    console.print("\n[bold]Look around in Airflow[/]")
    if not keep:
        console.print("  pipehooks demo --keep  leaves it running at the end and says how to log in.")
        console.print("  In a checkout that is KEEP=1 make demo.\n")
        return
    from airflow_provider_pipehooks.demo.airflow import USER

    console.print(f"  {airflow.url}   user: {USER}   password: {escape(airflow.password)}")
    for scenario in SCENARIOS:
        console.print(f"  {airflow.url}/dags/{scenario.dag_id}/runs/{scenario.run_id}", soft_wrap=True)
    console.print(f"  the alerts: {airflow.home / 'alerts'}   the logs: {airflow.logs}\n", soft_wrap=True)


def say_end(
    console: Console, wrong: Mapping[str, list[str]], runs: int, alerts: int, seconds: float, logs: Path
) -> None:
    """The last line: all well, or what was not."""
    if not wrong:
        console.print(
            f"[bold green]Demo passed:[/] {runs} of {runs} DAG runs ended as they should, "
            f"{alerts} alerts were sent, in {seconds:.0f} s."
        )
        return
    said = "; ".join(f"{key}: {complaint}" for key, complaints in wrong.items() for complaint in complaints)
    console.print(
        f"[bold red]Demo failed:[/] {len(wrong)} of {runs} DAG runs did not go as expected. {escape(said)}. "
        f"Logs: {logs}",
        soft_wrap=True,
    )


def store(alerts: Sequence[Alert], folder: Path) -> None:
    """Write each alert into a file, as it was mailed."""
    folder.mkdir(exist_ok=True)
    for number, alert in enumerate(alerts, 1):
        (folder / f"{number:02}_{alert.run_id or 'unknown'}.txt").write_text(as_mail(alert), "utf-8")
