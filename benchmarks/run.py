"""``make bench``: ours and the official providers in turn against the same stand-in, imports, the hook call.

``python -m benchmarks.run [--service NAME] [--largest N] [--scale S]``; only a full run is written to
RESULTS.md. It takes about a quarter of an hour, most of it waiting.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.budgets import MANY, verdicts
from benchmarks.cases import OFFICIAL, OURS, SERVICES, Case, Figures
from benchmarks.results import machine, verdicts_table, waits_table, write_section
from benchmarks.waits import measure

HOW = """\
- Each row is a fresh process with one event loop that runs the triggers, without scheduler and database,
  against a fresh stand-in in another process, over TLS on loopback.
- Runs end evenly between 40 and 60 s after their start, in no order; ten runs share a job.
- Requests and TCP connections are counted by the stand-in.
- CPU is that of the process with the triggers while it waits, without imports and one wait to warm up; memory
  is its peak above what it had then.
- The loop is blocked when a sleep of 0.1 s takes more than 0.2 s, as the triggerer measures it; starved
  counts those of these in which the process itself worked for less: something else was busy.
- Restless: 5 % of the answers are spoiled (500, 503, 429, resets, garbage), a tenth of the waits comes later,
  a tenth is cancelled, and a tenth of the runs fails.
- `[workers] min_heartbeat_interval` is 0: else our trigger holds back an event in the first 6 s of a wait,
  which no wait here reaches."""
#: Run and quoted as they are; who else has something to measure adds a module here.
OTHERS = ("imports", "hook_call", "control_plane", "pipelines", "kpis")


def main() -> None:
    """Run what is asked for, print it, and keep it if it was everything."""
    args = arguments()
    cases = [
        case
        for case in all_cases(args.scale)
        if case.waits <= args.largest and args.service in (None, case.service)
    ]
    measured: dict[Case, Figures] = {}
    for number, case in enumerate(cases, 1):
        began = time.monotonic()
        measured[case] = measure(case)
        took_s = time.monotonic() - began
        print(f"{number}/{len(cases)} {case.title}: {short(measured[case])} ({took_s:.0f} s)", flush=True)
    sections = {"Waits": waits_section(measured)} | dict(others())
    print("\n".join(f"\n## {title}\n\n{text}" for title, text in sections.items()))
    if cases == list(all_cases(1.0)):
        for title, text in sections.items():
            write_section(title, text)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--service", choices=SERVICES, help="only this one")
    parser.add_argument("--largest", type=int, default=MANY, help="only cases of at most so many waits")
    parser.add_argument("--scale", type=float, default=1.0, help="shorten all times, for a quick look")
    return parser.parse_args()


def all_cases(scale: float) -> Iterator[Case]:
    """Official and ours side by side, so that a machine that gets slower does so for both."""
    for service in SERVICES:
        for provider, waits in ((OFFICIAL, 100), (OURS, 100), (OFFICIAL, 1000), (OURS, 1000), (OURS, MANY)):
            yield Case(service=service, provider=provider, waits=waits, scale=scale)
        yield Case(service=service, provider=OURS, waits=1000, poll_s=1.0, scale=scale)
        yield Case(service=service, provider=OURS, waits=MANY, restless=True, scale=scale)


def short(figures: Figures) -> str:
    return (
        f"{figures.requests:,} requests, {figures.cpu_s:.2f} CPU s, median {figures.latency_s(0.5):.2f} s, "
        f"{figures.memory_mb:.0f} MB, {figures.lost} lost"
    )


def waits_section(measured: dict[Case, Figures]) -> str:
    return "\n\n".join((machine(), HOW, waits_table(measured), verdicts_table(verdicts(measured))))


def others() -> Iterator[tuple[str, str]]:
    """What the other benchmarks print, each from a process of its own."""
    here = Path(__file__).parent
    for name in OTHERS:
        if (here / f"{name}.py").exists():
            command = [sys.executable, "-m", f"benchmarks.{name}"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=here.parent)
            text = done.stdout if done.returncode == 0 else f"{done.stdout}\n{done.stderr}"
            yield name.replace("_", " ").capitalize(), f"{machine()}\n\n```\n{text.strip()}\n```"


if __name__ == "__main__":
    main()
