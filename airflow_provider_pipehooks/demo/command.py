"""`pipehooks demo`: start everything, make the DAG runs, show them and the alerts, end everything."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape

import airflow_provider_pipehooks
from airflow_provider_pipehooks.demo import processes
from airflow_provider_pipehooks.demo.processes import CannotStart

INTRODUCTION = """\
[bold]pipehooks demo[/]: six DAG runs on a real Airflow, on this machine only.
  dbt Cloud and Databricks are played by the stand-in, whose dbt jobs really run
  dbt; Amazon SNS is played by moto. It takes between one and two minutes.
  Ctrl-C ends it and everything it has started.
"""


#: Where an installed package has its DAGs.
INSTALLED = Path(airflow_provider_pipehooks.__file__).parent


class Interrupted(BaseException):
    """Somebody wants the demo to end. Not an Exception: nothing on the way may take it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(
        prog="pipehooks demo", description="Run the example DAGs on a real Airflow."
    )
    made.add_argument(
        "--keep",
        action="store_true",
        help="leave everything running at the end, to look around, until Ctrl-C; also KEEP=1",
    )
    return made


def run(argv: Sequence[str]) -> int:
    """Run the demo.

    :param argv: the arguments after ``demo``.
    :return: the exit code: 0 when every DAG run ended as it should, 1 when not or when something could not
        start, 128 and the signal's number when it was interrupted.
    """
    keep = parser().parse_args(argv).keep or os.environ.get("KEEP", "") not in ("", "0")
    console = Console(highlight=False)
    processes.keep_to_this_machine(os.environ)
    try:
        with interruptible():
            return demonstrate(console, keep=keep)
    except CannotStart as err:
        console.print(f"[bold red]The demo could not go on:[/] {escape(str(err))}", soft_wrap=True)
        return 1
    except ModuleNotFoundError as err:
        console.print(
            f"The demo needs {err.name!r}. Run: pip install 'airflow-provider-pipehooks\\[demo]'",
            soft_wrap=True,
        )
        return 1
    except Interrupted as err:
        console.print("\nInterrupted. Everything that the demo had started is ended.")
        return 128 + err.number


def demonstrate(console: Console, *, keep: bool) -> int:
    """Run the demo in its folder, which stays only when somebody may want to read what is in it.

    :return: the exit code.
    """
    dags = find_dags(Path(airflow_provider_pipehooks.__file__).parent)
    console.print(INTRODUCTION)
    home = Path.cwd() / ".demo" if INSTALLED in dags.parents else dags.parent / ".demo"
    try:
        with processes.folder(home):
            code = perform(console, home, dags, keep=keep)
        if keep:
            console.print("\nEnded.")
    except (Interrupted, ModuleNotFoundError):
        shutil.rmtree(home, ignore_errors=True)
        raise
    if code == 0 and not keep:
        shutil.rmtree(home, ignore_errors=True)
    return code


def perform(console: Console, home: Path, dags: Path, *, keep: bool) -> int:
    """Everything between an empty folder and the last line.

    :param home: where everything is written.
    :return: the exit code.
    """
    # They need the extra `demo`, and a second to import; `--help` needs none of them.
    from airflow_provider_pipehooks.demo import report, services
    from airflow_provider_pipehooks.demo.airflow import Airflow
    from airflow_provider_pipehooks.demo.follow import Follower
    from airflow_provider_pipehooks.demo.scenarios import SCENARIOS
    from airflow_provider_pipehooks.demo.view import view_for

    began = time.monotonic()
    airflow = Airflow(home, dags)
    with contextlib.ExitStack() as running:
        with console.status("Starting dbt Cloud, Databricks, SNS and Airflow ..."):
            airflow.start_database()
            played = running.enter_context(services.running())
            # What was entered last is left first: nothing disturbs the ending of the others.
            running.callback(processes.ignore_signals)
            airflow.start(played.connections())
            airflow.wait_for_dags({scenario.dag_id for scenario in SCENARIOS})
        report.say_where(console, airflow, played, time.monotonic() - began)
        with view_for(console) as view:
            follower = Follower(airflow, played, SCENARIOS, view.show, view.note)
            follower.start()
            seen = follower.to_the_end()
        alerts = played.new_alerts()
        wrong = report.say_what_happened(console, seen, alerts)
        report.say_alerts(console, alerts)
        report.say_where_to_look(console, airflow, keep=keep)
        report.say_end(console, wrong, len(seen), len(alerts), time.monotonic() - began, airflow.logs)
        if keep:
            report.store(alerts, home / "alerts")
            console.print("Still running. Ctrl-C ends it.")
            with contextlib.suppress(Interrupted):
                threading.Event().wait()
    return 1 if wrong else 0


def find_dags(package: Path) -> Path:
    """The folder of the example DAGs: beside the package in a checkout, in it where it is installed.

    :raises CannotStart: there is none.
    """
    for dags in (package.parent / "dags", package / "demo" / "dags"):
        if (dags / "dbt_cloud_nightly.py").is_file():
            return dags
    raise CannotStart(f"The example DAGs are missing from {package}. Install the package again.")


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first of Ctrl-C, SIGTERM and a closed terminal into an exception, and ignore what follows.

    A second Ctrl-C must not break off the ending of processes, which takes some seconds.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        processes.ignore_signals()
        raise Interrupted(number)

    previous = {each: signal.signal(each, handle) for each in processes.SIGNALS}
    try:
        yield
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)
