"""`pipehooks standin`: the stand-in in the foreground, until Ctrl-C."""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from airflow_provider_pipehooks.standin.server import StandIn

EXAMPLE_PROJECT = Path(__file__).with_name("example_project")


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(
        prog="pipehooks standin",
        description="Play dbt Cloud, Databricks Jobs and Pipelines on this machine.",
    )
    made.add_argument("--port", type=int, default=0, help="loopback port; 0, the default, takes a free one")
    made.add_argument("--tls", action="store_true", help="speak https with a certificate of its own")
    made.add_argument(
        "--dbt-project",
        type=Path,
        nargs="?",
        const=EXAMPLE_PROJECT,
        metavar="DIR",
        help="really run dbt on this project when a dbt job is triggered; the example project without DIR",
    )
    made.add_argument("--speed", type=float, default=1.0, help="how much faster than real time runs move")
    return made


def run(argv: Sequence[str]) -> int:
    """Serve until the process is asked to end.

    :param argv: the arguments after ``standin``.
    :return: the exit code: 0 after Ctrl-C or SIGTERM, 1 when it could not start.
    """
    args = parser().parse_args(argv)
    asked_to_end = threading.Event()
    previous = {each: signal.signal(each, ender(asked_to_end)) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        with StandIn(args.port, args.tls, args.dbt_project, args.speed) as standin:
            announce(standin)
            asked_to_end.wait()
    except (OSError, RuntimeError) as err:
        print(f"pipehooks standin: {err}", flush=True)
        return 1
    finally:
        for each, handler in previous.items():
            signal.signal(each, handler)
    return 0


def ender(event: threading.Event) -> Callable[[int, FrameType | None], None]:
    """A signal handler that sets the event; the server then ends in order."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        event.set()

    return handle


def announce(standin: StandIn) -> None:
    """Say where it listens and what to try."""
    lines = [f"Stand-in for dbt Cloud, Databricks Jobs and Pipelines: {standin.url}"]
    if standin.ca_file is not None:
        variables = (f"{name}={standin.ca_file}" for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"))
        lines.append(f"Trust its certificate: export {' '.join(variables)}")
    jobs = ", ".join(f"{job.id} {job.name!r}" for job in standin.dbt_cloud.jobs.values())
    lines += [f"dbt account 1, jobs {jobs}; any token is good.", "Ctrl-C ends it."]
    print("\n".join(lines), flush=True)
