"""Sixty days of forty jobs, 100,000 runs, synced twice: ``python -m tests.reporting.scale_lane``.

Each sync is a process of its own, so that its memory is its own; the stand-in runs in this one. Prints a
table of runs, requests, seconds, MB on disk and peak memory, and ends with 1 if a row is not as the raw JSON
says, or a sync asked more than it may.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from math import ceil
from pathlib import Path
from typing import Any

from airflow_provider_pipehooks.reporting.compaction import compact
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.standin import StandIn
from tests.reporting.scale import PAGES, Past

_HEAD = ("service", "sync", "runs", "rows", "requests", "at most", "s", "MB on disk", "MB peak", "MB before")
_NEW = 1_000


def main() -> int:
    """:return: 0 all as it should be, 1 not."""
    parser = argparse.ArgumentParser(prog="python -m tests.reporting.scale_lane", description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--sync", nargs=2, metavar=("SERVICE", "PATH"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.sync:
        print(json.dumps(_sync(*given.sync)))
        return 0
    print(_line(_HEAD), flush=True)
    wrong = [text for service in PAGES for text in _try(service, given.runs)]
    print("\n".join(wrong[:20]) or "Every row is as the raw JSON says.")
    return 1 if wrong else 0


def _try(service: str, runs: int) -> list[str]:
    with StandIn() as standin, tempfile.TemporaryDirectory() as folder:
        past = Past(standin, service)
        past.fill(runs)
        first = _measured(past, folder, "first")
        wrong = [] if first["runs"] == runs else [f"{service}: {first['runs']} runs of {runs} were read"]
        standin.journal.clear()
        past.go_on(_NEW)
        most = ceil(_NEW / PAGES[service]) + ceil(len(past.open_ids) / PAGES[service]) + 1
        second = _measured(past, folder, "second", most)
        if second["requests"] > most:
            wrong.append(f"{service}: {second['requests']} requests, more than {most}")
        wrong += past.differences(History(folder))
        begun_s = time.monotonic()
        done = compact(History(folder))
        shown = ("", "", "", "", f"{time.monotonic() - begun_s:.1f}", _disk_mb(folder), "", "")
        print(_line((service, f"compact {done.before}:{done.after}", *shown)), flush=True)
        return wrong + past.differences(History(folder))


def _measured(past: Past, folder: str, name: str, most: int | None = None) -> dict[str, Any]:
    environment = {
        **os.environ,
        "AIRFLOW_CONN_DBT_CLOUD_DEFAULT": json.dumps(
            {
                "conn_type": "pipehooks_dbt_cloud",
                "host": past.standin.url,
                "login": "1",
                "password": "a-token",
            }
        ),
        "AIRFLOW_CONN_DATABRICKS_DEFAULT": json.dumps(
            {"conn_type": "pipehooks_databricks", "host": past.standin.url, "password": "a-token"}
        ),
    }
    command = [sys.executable, "-m", "tests.reporting.scale_lane", "--sync", past.service, folder]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    told["requests"] = past.requests()
    told["mb"] = _disk_mb(folder)
    names = ("runs", "rows", "requests")
    numbers = [f"{told[each]:,}" for each in names]
    memory = (f"{told['peak_mb']:.0f}", f"{told['before_mb']:.0f}")
    print(
        _line((past.service, name, *numbers, str(most or ""), f"{told['s']:.1f}", told["mb"], *memory)),
        flush=True,
    )
    return told


def _sync(service: str, folder: str) -> dict[str, Any]:
    """In a process of its own."""
    from airflow_provider_pipehooks.hooks.registry import open_hook, row_of
    from airflow_provider_pipehooks.reporting.sync import sync_history

    # All that is not of the sync: Airflow, and a connection read.
    open_hook(service, row_of(service).conn_id).target  # noqa: B018
    before_mb, begun_s = _peak_mb(), time.monotonic()
    done = sync_history(service, history=History(folder), now=datetime.now(timezone.utc))
    return {
        "runs": done.runs,
        "rows": done.rows,
        "s": time.monotonic() - begun_s,
        "before_mb": before_mb,
        "peak_mb": _peak_mb(),
    }


def _peak_mb() -> float:
    """Linux counts for getrusage what the process was that this one was forked from."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _disk_mb(folder: str) -> str:
    return f"{sum(path.stat().st_size for path in Path(folder).rglob('*.parquet')) / 1e6:.1f}"


def _line(cells: tuple[str, ...]) -> str:
    widths = (16, 18, 9, 9, 9, 8, 8, 11, 8, 9)
    return " ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


if __name__ == "__main__":
    sys.exit(main())
