"""``pipehooks outbox``: the sender of an outbox as a process of its own, and a look at what lies there."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import time
from threading import Event

from airflow_provider_pipehooks.compat.failures import failed_between
from airflow_provider_pipehooks.compat.stored import with_stored
from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.notifications.outbox import Outbox
from airflow_provider_pipehooks.notifications.sender import LOOK_EVERY_S, sender_of
from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget
from airflow_provider_pipehooks.notifications.storm import Pace
from airflow_provider_pipehooks.notifications.sweep import GRACE_S, Sweep

_SHOWN = 20


def run(argv: list[str]) -> int:
    """``pipehooks outbox send [--once] [--sweep-to ARN]`` and ``pipehooks outbox list``.

    :return: 0 all well, 1 something could not be sent or read, 2 it was called wrongly.
    """
    parser = argparse.ArgumentParser(
        prog="pipehooks outbox", description="Alerts that lie in the outbox until they are sent."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    send = commands.add_parser("send", help="group what lies there, and send it; until it is ended")
    send.add_argument("--once", action="store_true", help="send what is there now, without waiting for more")
    send.add_argument(
        "--sweep-to",
        metavar="ARN",
        help="look for failed tasks that no callback told of, and tell of them on this topic; needs "
        "Airflow's database, so it runs beside the scheduler",
    )
    send.add_argument(
        "--sweep-dags", metavar="PATTERN", action="append", help="only those of these DAGs, such as sales_*"
    )
    send.add_argument(
        "--sweep-after",
        metavar="SECONDS",
        type=float,
        default=GRACE_S,
        help="how long after the end of a task a callback may still tell of it (%(default)g)",
    )
    show = commands.add_parser("list", help="what lies there")
    for command in (send, show):
        command.add_argument("--path", help="of the outbox; the option [pipehooks] outbox if not given")
    given = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        if given.command == "list":
            return _list(Outbox(given.path))
        with with_stored():
            return _send_once(given.path) if given.once else _send(given)
    except (ConfigurationError, OSError, ValueError) as err:
        print(f"pipehooks: {err}", file=sys.stderr)
        return 1


def _send_once(path: str | None) -> int:
    sender = sender_of(path, pace=Pace(group_wait=0, group_interval=0))
    outbox = sender.outbox
    if not outbox.lease(sender.owner):
        raise ConfigurationError(f"A sender is at work on {outbox.root}: it sends what is there.")
    print(f"{sender.look()} messages sent.")
    outbox.release(sender.owner)
    return 1 if outbox.new.names() or outbox.sending.names() else 0


def _send(given: argparse.Namespace) -> int:
    ended = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    sender = sender_of(given.path)
    if given.sweep_to:
        target = SnsTarget(given.sweep_to)
        scope = {"dags": given.sweep_dags or ("*",), "after_s": given.sweep_after}
        sender.sweep = Sweep(sender.outbox, target, failed_between, time.time, **scope)
    print(f"Sending what comes into {sender.outbox.root}. Ctrl-C ends it.", flush=True)
    while not ended.is_set():
        sender.look_or_log()
        ended.wait(LOOK_EVERY_S)
    sender.outbox.release(sender.owner)
    return 0


def _list(outbox: Outbox) -> int:
    notices = list(outbox.notices({}).values())
    at_work = "a sender is at work" if outbox.has_sender else "no sender is at work"
    oldest = f", the oldest {time.time() - notices[0].at:,.0f} s old" if notices else ""
    print(f"{outbox.root}: {len(notices):,} to be told{oldest}; {at_work}.")
    for notice in notices[:_SHOWN]:
        print(f"  {notice.title}")
    if (hidden := len(notices) - _SHOWN) > 0:
        print(f"  and {hidden:,} more")
    if unreadable := outbox.unreadable.names():
        print(f"{len(unreadable)} files in {outbox.unreadable} are no notices.")
    return 1 if unreadable else 0
