"""No alert is lost: ``python -m tests.notifications.delivery_lane [--trials 20] [--row NAME]``, five minutes.

Worker processes tell failures, ``pipehooks outbox send`` sends what stays, and SNS has its bad days. A queue
that subscribes to the topics gets what comes through, and alerts are counted by their id: owed, delivered,
doubled, lost. Prints a table, and exits with 1 if one was lost, or if a fault met nobody, proving nothing.
What is doubled came with the same id: SNS had taken it, and nobody but SNS knew.

A message broker that is away is no row: none is in the path of an alert. A worker that Celery cannot reach
runs no task, so nothing fails there that could be told.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from moto.server import ThreadedMotoServer

from tests.notifications.delivery_world import (
    FAILURES,
    FORKS,
    LOADED,
    NEW_KEY,
    OLD_KEY,
    Late,
    World,
    failure,
    pipehooks,
    until,
)
from tests.notifications.faulty_sns import Fault

#: Rows side by side: most of their time they wait for a pause to end.
AT_ONCE = 4
#: A control character of each kind, and what a terminal, a mail and SNS take amiss.
BAD_TITLE = "Airflow:\x00 a\x07\x1b[31m red\r\nBcc: x@example.com\x85\u2028 \ud800\x7f " + "long " * 40
#: A megabyte of them in UTF-8, and three in the JSON that SNS is sent.
EMOJI = "\N{GRINNING FACE}" * (2**20 // 4)
Words = Mapping[str, Any]


@dataclass(frozen=True)
class Row:
    """One kind of bad day.

    :param play: lets the failures happen in a world, and ends the fault; returns how many were refused.
    :param strikes: whether its fault has to meet somebody; if not, everything has to be sent at once.
    """

    name: str
    play: Callable[[World], int]
    strikes: bool = True
    is_shared: bool = True


def without_sender(fault: Fault, world: World, words: Words | None = None) -> int:
    """The fault lasts until every worker has given up, or not; a sender comes later."""
    world.sns.fault = fault
    refused = world.tell_all(words)
    world.sns.fault = Fault.NONE
    world.send_once()
    return refused


def with_sender(fault: Fault, world: World, words: Words | None = None) -> int:
    """The fault lasts until the sender was refused as often as there are trials; or it ends by itself."""
    with world.sender():
        world.sns.fault = fault
        world.tell_all(words)
        if fault not in (Fault.NONE, Fault.ANSWER_LOST):
            until(lambda: world.refusals >= world.trials, "the sender was refused")
            world.sns.fault = Fault.NONE
        until(world.is_told, "everything is told")
    return world.refusals


def expired_without_sender(world: World) -> int:
    world.sns.expired.add(OLD_KEY)
    world.use_key(OLD_KEY)
    refused = world.tell_all()
    world.use_key(NEW_KEY)
    world.send_once()
    return refused


def expired_with_sender(world: World) -> int:
    """The sender that was refused goes on with the new one."""
    world.sns.expired.add(OLD_KEY)
    world.use_key(OLD_KEY)
    with world.sender():
        world.tell_all()
        until(lambda: world.refusals >= world.trials, "the sender was refused")
        world.use_key(NEW_KEY)
        until(world.is_told, "everything is told")
    return world.refusals


def worker_killed(world: World) -> int:
    """The request of each failure has come, and is not yet with SNS, when its worker is killed."""
    world.sns.fault = Fault.HELD
    for number in range(FAILURES):
        workers = [world.worker(trial, [number]) for trial in range(world.trials)]
        for trial, worker in enumerate(workers):
            alert_id = failure(trial, number).alert_id
            until(partial(world.sns.has_held, alert_id), "the worker publishes")
            worker.kill()
            world.end_of(worker)
            world.sns.drop(alert_id)
    world.sns.fault = Fault.NONE
    world.send_once()
    return 0


def _kill_senders(world: World) -> None:
    """Each trial has a sender, which is killed when SNS has taken a message, before it knows that."""
    senders = [world.begin(pipehooks, trial, "outbox", "send") for trial in range(world.trials)]
    until(lambda: all(world.have_senders()), "senders are at work")
    world.sns.fault = Fault.ANSWER_HELD
    world.tell_all()
    for trial, sender in enumerate(senders):
        alert_ids = [failure(trial, number).alert_id for number in range(FAILURES)]
        until(partial(_any_held, world, alert_ids), "the sender publishes")
        sender.kill()
        world.end_of(sender)
        for alert_id in filter(world.sns.has_held, alert_ids):
            world.sns.drop(alert_id)
    world.sns.fault = Fault.NONE


def _any_held(world: World, alert_ids: list[str]) -> bool:
    return any(map(world.sns.has_held, alert_ids))


def sender_killed_and_another(world: World) -> int:
    """The next one begins at once, and waits for the lease of the dead one to end."""
    _kill_senders(world)
    senders = [world.begin(pipehooks, trial, "outbox", "send") for trial in range(world.trials)]
    until(world.is_told, "everything is told")
    for sender in senders:
        sender.terminate()
        world.end_of(sender)
    return 0


def sender_killed_and_once(world: World) -> int:
    """What lies there is sent by hand, as soon as the lease of the dead one has ended."""
    _kill_senders(world)
    until(lambda: not any(world.have_senders()), "the leases of the dead have ended")
    for sender in [world.begin(pipehooks, each, "outbox", "send", "--once") for each in range(world.trials)]:
        world.end_of(sender)
    return 0


def unwritable(world: World) -> int:
    """As on a disk that is full or read-only, for whoever is root, too: the outbox would be in a file."""
    world.outbox().write_text("")
    return world.tell_all()


def unwritable_with_sender(world: World) -> int:
    """It becomes so while a sender is at work: to leave an alert to it would lose it."""
    with world.sender():
        (world.outbox() / "new").write_text("")
        refused = world.tell_all()
        (world.outbox() / "new").unlink()
    return refused


def both(name: str, fault: Fault, words: Words | None = None) -> list[Row]:
    strikes = fault is not Fault.NONE
    return [
        Row(f"{name}, no sender", partial(without_sender, fault, words=words), strikes),
        Row(f"{name}, a sender", partial(with_sender, fault, words=words), strikes),
    ]


ROWS = [
    # First, since they wait for a lease of a minute.
    Row("sender killed before it deletes, another begins", sender_killed_and_another, is_shared=False),
    Row("sender killed before it deletes, sent by hand", sender_killed_and_once, is_shared=False),
    *both("SNS down", Fault.DOWN),
    *both("throttled", Fault.THROTTLED),
    *both("KMS throttled", Fault.KMS_THROTTLED),
    *both("503", Fault.UNAVAILABLE),
    *both("topic gone, then made", Fault.GONE),
    Row("credentials expired, then renewed, no sender", expired_without_sender),
    Row("credentials expired, then renewed, a sender", expired_with_sender),
    *both("answer lost after it was taken", Fault.ANSWER_LOST),
    *both("1 MB of emoji", Fault.NONE, {"text": EMOJI}),
    *both("control characters in the subject", Fault.NONE, {"title": BAD_TITLE}),
    Row("worker killed before it publishes", worker_killed),
    Row("outbox unwritable, no sender", unwritable, strikes=False),
    Row("outbox unwritable, a sender", unwritable_with_sender, strikes=False),
]


@dataclass
class Result:
    """What came of a row, in alerts.

    :param doubled: those that came more than once.
    """

    row: Row
    trials: int
    owed: int = 0
    delivered: int = 0
    doubled: int = 0
    lost: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        numbers = (self.trials, self.owed, self.delivered, self.doubled, self.lost, round(self.seconds))
        return _line(self.row.name, *map(str, numbers))


def _line(name: str, *columns: str) -> str:
    return f"{name:<48}" + "".join(f" | {column:>9}" for column in columns)


def run(row: Row, world: World) -> Result:
    """Play a row, and count."""
    began_s, result = time.monotonic(), Result(row, world.trials)
    with world:
        refused = 0
        try:
            refused = row.play(world)
        except Late as err:
            result.wrong.append(f"{err}; {world.lies_there} files lie in outboxes")
        world.take()
        came = set(world.arrived)
        result.owed, result.delivered = len(world.owed), len(world.owed & came)
        result.doubled = sum(count > 1 for count in world.arrived.values())
        result.lost = len(world.owed - came)
        if came - world.owed:
            result.wrong.append(f"{len(came - world.owed)} alerts that nobody owed")
        if row.strikes and not refused + world.sns.struck:
            result.wrong.append("the fault met nobody")
        if refused and not row.strikes:
            result.wrong.append(f"{refused} were not sent at once")
        if result.wrong or result.lost:
            result.wrong += islice(_complaints(world.folder), 40)
    result.seconds = time.monotonic() - began_s
    return result


_COMPLAINT = re.compile(r"Error|could not|cannot|not taken")


def _complaints(folder: Path) -> Iterator[str]:
    """What the processes said of what went wrong."""
    for log in sorted(folder.glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()
        yield from [f"{log.name}: {line}" for line in lines if _COMPLAINT.search(line)][:3]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--row", action="append", help="only rows whose name begins so")
    given = parser.parse_args()
    rows = [row for row in ROWS if row.name.startswith(tuple(given.row or [""]))]
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    results = []
    with tempfile.TemporaryDirectory() as folder, _moto() as moto_url, ThreadPoolExecutor(AT_ONCE) as pool:
        os.environ |= {"AIRFLOW_HOME": f"{folder}/airflow", "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
        FORKS.set_forkserver_preload(LOADED)
        print(_line("row", "trials", "owed", "delivered", "doubled", "lost", "s"))
        worlds = [
            World(moto_url, Path(folder, str(number)), f"row_{number}", given.trials, is_shared=row.is_shared)
            for number, row in enumerate(rows)
        ]
        for result in pool.map(run, rows, worlds):
            print(result, *(f"    {line}" for line in result.wrong), sep="\n", flush=True)
            results.append(result)
    good = not any(result.lost or result.wrong for result in results)
    print("right" if good else "WRONG: see above")
    return 0 if good else 1


@contextmanager
def _moto() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


if __name__ == "__main__":
    sys.exit(main())
