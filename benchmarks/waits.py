"""Measure one case: two fresh processes, the remote and the triggers, and what both saw put together."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.cases import Case, Figures
from benchmarks.remote import serve
from benchmarks.worker import PATIENCE_S, WARN_AFTER_S, wait

START_WITHIN_S = 120.0


class NoAnswer(RuntimeError):
    """A process of a case did not say in time what it should."""


def measure(case: Case) -> Figures:
    """Run one case, about a minute long at full scale.

    :raises NoAnswer: one of the two processes died or hangs.
    """
    with child(serve, case) as remote:
        where = heard(remote, START_WITHIN_S)
        with child(wait, case, where) as worker:
            heard(worker, START_WITHIN_S)
            remote.send("start")
            worker.send(heard(remote, START_WITHIN_S))
            report = heard(worker, case.lasts_s + 2 * PATIENCE_S)
        remote.send("stop")
        return figures(case, report, heard(remote, START_WITHIN_S))


@contextmanager
def child(work: Any, case: Case, *args: Any) -> Iterator[Connection]:
    """A fresh process, not a fork: it imports everything itself. It is ended if it does not end by itself."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=work, args=(case, there, *args), daemon=True)
    process.start()
    there.close()
    try:
        yield here
        process.join(timeout=10)
    finally:
        process.kill()
        process.join()


def heard(pipe: Connection, within_s: float) -> Any:
    """What a process says next."""
    try:
        if pipe.poll(within_s):
            return pipe.recv()
    except EOFError:
        raise NoAnswer("A process of the benchmark has died. Its traceback is above.") from None
    raise NoAnswer(f"A process of the benchmark said nothing for {within_s:.0f} s.")


def figures(case: Case, report: Mapping[str, Any], remote: Mapping[str, Any]) -> Figures:
    """Put together what the triggers reported and what the stand-in saw."""
    for error in report["errors"][:5]:
        print(f"  a trigger raised: {error}", flush=True)
    events: Sequence[tuple[int, float, str]] = report["events"]
    times = Counter(index for index, _, _ in events)
    staying = [index for index in range(case.waits) if case.leaves_after_s(index) is None]
    return Figures(
        requests=remote["requests"],
        connections=remote["connections"],
        faults=remote["faults"],
        cpu_s=report["cpu_s"],
        wall_s=report["wall_s"],
        latencies_s=tuple(sorted(at - remote["ends"][index] for index, at, _ in events)),
        memory_mb=report["memory_mb"],
        expected=len(staying),
        lost=sum(not times[index] for index in staying),
        repeated=sum(count - 1 for count in times.values()),
        wrong=sum(state != ("ERROR" if case.fails(index) else "SUCCESS") for index, _, state in events),
        blocked=len(report["blocks"]),
        longest_block_s=max((took_s for took_s, _ in report["blocks"]), default=0.0),
        starved=sum(cpu_s <= WARN_AFTER_S for _, cpu_s in report["blocks"]),
    )
