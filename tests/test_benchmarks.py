"""The benchmarks work: a handful of waits each, in seconds; what they cost is not judged here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.budgets import verdicts
from benchmarks.cases import OFFICIAL, OURS, SERVICES, Case, Figures
from benchmarks.waits import figures, measure

FIGURES = Figures(
    requests=10_000,
    connections=1,
    faults=0,
    cpu_s=10.0,
    wall_s=60.0,
    latencies_s=(1.0, 2.0, 3.0),
    memory_mb=50.0,
    expected=3,
    lost=0,
    repeated=0,
    wrong=0,
    blocked=0,
    longest_block_s=0.0,
    starved=0,
)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("provider", [OFFICIAL, OURS])
def test_a_case_reports_every_wait_once(service: str, provider: str) -> None:
    measured = measure(Case(service=service, provider=provider, waits=6, scale=0.02))
    assert (measured.expected, len(measured.latencies_s), measured.each_once) == (6, 6, True)
    assert measured.requests >= 6
    assert measured.connections >= 1
    assert measured.cpu_s > 0


@pytest.mark.parametrize("service", SERVICES)
def test_a_restless_case_counts_the_waits_that_stay(service: str) -> None:
    measured = measure(Case(service=service, provider=OURS, waits=20, restless=True, scale=0.02))
    assert (measured.expected, measured.each_once) == (18, True)


def test_lost_repeated_and_wrong_events_are_counted() -> None:
    case = Case(service="dbt_cloud", provider=OURS, waits=4)
    events = [(0, 101.0, "SUCCESS"), (1, 102.0, "ERROR"), (2, 101.5, "SUCCESS"), (2, 103.0, "SUCCESS")]
    report = {
        "events": events,
        "errors": [],
        "blocks": [(0.3, 0.29), (0.5, 0.1)],
        "cpu_s": 1,
        "wall_s": 2,
        "memory_mb": 3,
    }
    remote = {"requests": 5, "connections": 1, "faults": 0, "ends": [100.0] * 4}
    found = figures(case, report, remote)
    assert (found.expected, found.lost, found.repeated, found.wrong) == (4, 1, 1, 1)
    assert (found.blocked, found.starved, found.longest_block_s) == (2, 1, 0.5)
    assert found.latencies_s == (1.0, 1.5, 2.0, 3.0)


@pytest.mark.parametrize(("requests", "is_met"), [(250, True), (251, False)])
def test_a_budget_is_a_ratio_to_the_official_provider(requests: int, is_met: bool) -> None:
    official, ours = (
        Case(service="dbt_cloud", provider=provider, waits=1000) for provider in (OFFICIAL, OURS)
    )
    found = list(verdicts({official: FIGURES, ours: replace(FIGURES, requests=requests, cpu_s=0.1)}))
    assert [each.is_met for each in found] == [is_met, True, True]
    assert found[0].limit == "1/40"


def test_only_what_was_measured_is_judged() -> None:
    assert list(verdicts({Case(service="dbt_cloud", provider=OURS, waits=1000): FIGURES})) == []


def test_results_replace_their_own_section_only(tmp_path: Path) -> None:
    file = tmp_path / "RESULTS.md"
    for title, text in (
        ("Waits", "old\n\n- a list"),
        ("Imports", "kept"),
        ("Waits", "new"),
        ("Hooks", "more"),
    ):
        results.write_section(title, text, file)
    body = file.read_text().split("## ", 1)[1]
    assert body == "Waits\n\nnew\n\n## Imports\n\nkept\n\n## Hooks\n\nmore\n"
