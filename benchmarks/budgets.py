"""The budgets: which figures they compare, and the limit of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from benchmarks.cases import OFFICIAL, OURS, SERVICES, Case, Figures

Measured = Mapping[Case, Figures]
#: What one triggerer process should hold.
MANY = 10_000


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One budget, what was measured, and whether it is met."""

    budget: str
    limit: str
    measured: str
    is_met: bool


def verdicts(measured: Measured) -> Iterator[Verdict]:
    """Every budget whose cases were measured."""
    for service in SERVICES:
        for check in (compared, fast_polls, many, restless):
            yield from check(service, measured)


def find(
    measured: Measured, service: str, provider: str, waits: int, poll_s: float = 5.0, restless: bool = False
) -> Figures | None:
    """The figures of a case, at whatever scale."""
    wanted = (service, provider, waits, poll_s, restless)
    for case, figures in measured.items():
        if (case.service, case.provider, case.waits, case.poll_s, case.restless) == wanted:
            return figures
    return None


#: By service: the share of the official provider's requests and of its CPU that 1,000 waits may take.
SHARES = {"dbt_cloud": (1 / 40, 1 / 40), "databricks_jobs": (1 / 10, 1 / 20)}


def compared(service: str, measured: Measured) -> Iterator[Verdict]:
    ours, official = (find(measured, service, provider, 1000) for provider in (OURS, OFFICIAL))
    if ours is None or official is None:
        return
    requests, cpu = SHARES[service]
    what = f"{service}, 1,000 waits, poll 5 s: "
    yield share(f"{what}requests", requests, ours.requests, official.requests)
    yield share(f"{what}CPU of the triggerer", cpu, ours.cpu_s, official.cpu_s)
    mine, theirs = ours.latency_s(0.5), official.latency_s(0.5)
    yield at_most(f"{what}finish to event, median", mine, theirs, "s")


def fast_polls(service: str, measured: Measured) -> Iterator[Verdict]:
    ours, official = find(measured, service, OURS, 1000, 1.0), find(measured, service, OFFICIAL, 1000)
    if ours and official:
        what = f"{service}, 1,000 waits, poll 1 s: requests against official ones at 5 s"
        yield share(what, 1 / 20, ours.requests, official.requests)


def many(service: str, measured: Measured) -> Iterator[Verdict]:
    if figures := find(measured, service, OURS, MANY):
        what = f"{service}, {MANY:,} waits: "
        yield at_most(f"{what}cores", figures.cpu_s / figures.wall_s, 0.25, "")
        yield at_most(f"{what}memory above idle", figures.memory_mb, 200, "MB")
        yield nothing(f"{what}waits lost, reported twice or wrongly", astray(figures))
        yield nothing(f"{what}blocked event loop", figures.blocked - figures.starved)


def restless(service: str, measured: Measured) -> Iterator[Verdict]:
    if figures := find(measured, service, OURS, MANY, restless=True):
        what = f"{service}, {MANY:,} waits that come and go, {figures.faults:,} faults: "
        yield nothing(f"{what}waits lost, reported twice or wrongly", astray(figures))
        yield nothing(f"{what}blocked event loop", figures.blocked - figures.starved)


def astray(figures: Figures) -> int:
    return figures.lost + figures.repeated + figures.wrong


def share(budget: str, limit: float, ours: float, official: float) -> Verdict:
    """Ours over official, as one part in so many."""
    ratio = ours / official
    return Verdict(
        budget=budget, limit=f"1/{1 / limit:.0f}", measured=f"1/{1 / ratio:.1f}", is_met=ratio <= limit
    )


def at_most(budget: str, value: float, limit: float, unit: str) -> Verdict:
    shown = [f"{each:.4g} {unit}".strip() for each in (limit, value)]
    return Verdict(budget=budget, limit=shown[0], measured=shown[1], is_met=value <= limit)


def nothing(budget: str, count: int) -> Verdict:
    return Verdict(budget=budget, limit="0", measured=str(count), is_met=count == 0)


def ratio_to_official(case: Case, measured: Measured, read: Callable[[Figures], float]) -> str:
    """Ours over official in the same situation; empty where there is no official row."""
    official = find(measured, case.service, OFFICIAL, case.waits, case.poll_s, case.restless)
    if case.provider != OURS or official is None:
        return ""
    return f"{read(measured[case]) / read(official):.3f}"
