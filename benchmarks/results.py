"""Tables in Markdown, and the file that keeps the latest results."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import psutil

from benchmarks.budgets import Measured, Verdict, ratio_to_official

RESULTS = Path(__file__).with_name("RESULTS.md")
TITLE = "# Results\n\nWritten by `make bench` and `make bench-triggerer`; each replaces its own sections."
PACKAGES = (
    "apache-airflow",
    "apache-airflow-providers-dbt-cloud",
    "apache-airflow-providers-databricks",
    "aiohttp",
)
WAITS = (
    "service",
    "trigger",
    "waits",
    "poll s",
    "requests",
    "of official",
    "TCP connections",
    "CPU s",
    "of official",
    "finish to event s, p50",
    "p99",
    "memory MB",
    "lost / twice / wrong",
    "blocked / starved",
    "longest s",
)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table whose columns are aligned, so that it also reads well on a terminal."""
    texts = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*texts, strict=True)]
    lines = [
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
        for row in texts
    ]
    return "\n".join([lines[0], f"|{'|'.join('-' * (width + 2) for width in widths)}|", *lines[1:]])


def waits_table(measured: Measured) -> str:
    return table(
        WAITS,
        (
            (
                case.service + (" (restless)" if case.restless else ""),
                case.provider,
                f"{case.waits:,}",
                f"{case.poll_s:g}",
                f"{figures.requests:,}",
                ratio_to_official(case, measured, lambda each: each.requests),
                f"{figures.connections:,}",
                f"{figures.cpu_s:.2f}",
                ratio_to_official(case, measured, lambda each: each.cpu_s),
                f"{figures.latency_s(0.5):.2f}",
                f"{figures.latency_s(0.99):.2f}",
                f"{figures.memory_mb:.0f}",
                f"{figures.lost} / {figures.repeated} / {figures.wrong}",
                f"{figures.blocked} / {figures.starved}",
                f"{figures.longest_block_s:.2f}",
            )
            for case, figures in measured.items()
        ),
    )


def verdicts_table(found: Iterable[Verdict]) -> str:
    head = ("budget", "at most", "measured", "met")
    return table(head, ((each.budget, each.limit, each.measured, yes_no(each.is_met)) for each in found))


def yes_no(is_met: bool) -> str:
    return "yes" if is_met else "NO"


def machine() -> str:
    """What the figures depend on: processor count, memory, kernel, versions; and when this was."""
    memory_gb = psutil.virtual_memory().total / 1024**3
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    kernel = platform.release().split("-")[0]
    return (
        f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC; {os.cpu_count()} cores, {memory_gb:.0f} GB, "
        f"{platform.system()} {kernel}, load {os.getloadavg()[1]:.1f} over the last 5 minutes; "
        f"Python {platform.python_version()}, {packages}."
    )


def write_section(title: str, text: str, path: Path = RESULTS) -> None:
    """Put a section into the file, in the place of an older one with the same title."""
    old = path.read_text() if path.exists() else ""
    sections = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n?)*)", old, re.MULTILINE)) | {title: text}
    parts = [TITLE, *(f"## {name}\n\n{content.strip()}" for name, content in sections.items())]
    path.write_text("\n\n".join(parts) + "\n")
