"""All figures of a million runs of 400 jobs; and of 100,000, beside pandas over their raw JSON.

``python -m benchmarks.kpis``. Each measurement is a process of its own: CPU of all its threads, the best of
five rounds, since a busy machine only adds; memory is the peak above what the process had with all it needs
imported. Pandas makes only counts, rates, quantiles and failures a day of what ours makes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import psutil

MANY, FEW, JOBS, DAYS = 1_000_000, 100_000, 400, 60
CPU_BUDGET_S, MEMORY_BUDGET_MB = 1.0, 200.0
ROUNDS = 5
BEGIN = datetime(2026, 9, 1, tzinfo=timezone.utc)


# What is measured, each in a process of its own


def ours(folder: Path) -> Callable[[], Any]:
    from airflow_provider_pipehooks.reporting.figures import Window
    from airflow_provider_pipehooks.reporting.history import History
    from airflow_provider_pipehooks.reporting.kpis import kpis

    window = Window(begin=BEGIN, end=BEGIN + timedelta(days=DAYS), zone="Europe/Berlin")
    kpis(History(str(folder / "none")), window)
    return lambda: kpis(History(str(folder / "history")), window)


def pandas(folder: Path) -> Callable[[], Any]:
    import pandas

    def figures() -> Any:
        with (folder / "raw.json").open() as lines:
            runs = pandas.json_normalize([json.loads(line) for line in lines])
        made = pandas.to_datetime(runs.start_time, unit="ms", utc=True)
        runs["took"] = (runs.end_time - runs.start_time - runs.queue_duration) / 1000
        runs["failed"] = runs["state.result_state"] == "FAILED"
        runs["cancelled"] = runs["state.result_state"] == "CANCELED"
        jobs = runs.groupby("job_id")
        good = runs[~runs.failed & ~runs.cancelled].groupby("job_id")
        return (
            jobs[["failed", "cancelled"]].mean(),
            good.took.quantile([0.5, 0.95]),
            jobs.queue_duration.quantile([0.5, 0.95]),
            runs.groupby(["job_id", made.dt.tz_convert("Europe/Berlin").dt.date]).failed.sum(),
            runs[runs.failed].groupby("state.state_message").size().nlargest(20),
            runs.groupby("trigger").size(),
        )

    return figures


MEASURED = {"ours": ours, "pandas": pandas}


def measure(name: str, folder: Path) -> None:
    """Print CPU seconds and MB."""
    figures = MEASURED[name](folder)
    Path("/proc/self/clear_refs").write_text("5")
    idle_mb = psutil.Process().memory_info().rss / 2**20
    spent = []
    for _ in range(ROUNDS):
        began_s = time.process_time()
        figures()
        spent.append(time.process_time() - began_s)
    peak_kb = next(
        int(line.split()[1])
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    print(min(spent), peak_kb / 1024 - idle_mb)


def measured(name: str, folder: Path) -> tuple[float, float]:
    command = [sys.executable, "-m", "benchmarks.kpis", name, str(folder)]
    here = Path(__file__).parent.parent
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=here)
    cpu_s, memory_mb = map(float, done.stdout.split()[-2:])
    return cpu_s, memory_mb


# The histories


def million(folder: Path) -> None:
    """Both services' runs, straight into files like those of a sync: a file a day, the raw JSON in them."""
    from airflow_provider_pipehooks.reporting.parquet import connect
    from airflow_provider_pipehooks.reporting.rows import COLUMNS

    with connect() as db:
        columns = ", ".join(f'"{name}" {kind}' for name, kind in COLUMNS.items())
        db.execute(f"CREATE TABLE runs ({columns})")
        db.execute(
            f"""INSERT INTO runs BY NAME SELECT
                CASE number % 2 WHEN 0 THEN 'databricks_jobs' ELSE 'dbt_cloud' END AS service,
                CASE number % 2 WHEN 0 THEN 'adb-1234567890.azuredatabricks.net' ELSE '12345' END AS account,
                (70403110257794 + number)::VARCHAR AS run_id, 1 AS attempt, '' AS task_key,
                (1000 + hash(number // 2) % {JOBS // 2} * 2 + number % 2)::VARCHAR AS job_id,
                'job ' || job_id AS job_name,
                CASE WHEN luck < 5 THEN 'error' WHEN luck < 7 THEN 'cancelled' ELSE 'success' END AS state,
                upper(state) AS status,
                CASE WHEN luck < 5 THEN 'user' WHEN luck < 7 THEN 'cancelled' END AS class,
                CASE WHEN luck < 7 THEN 'Table sales.orders_' || number || ' not found' END AS message,
                CASE WHEN luck < 7 THEN left(md5((hash(number + 2) % 50)::VARCHAR), 12) END AS fingerprint,
                CASE hash(number + 3) % 5 WHEN 0 THEN 'api' ELSE 'scheduled' END AS started_by,
                '{BEGIN.isoformat()}'::TIMESTAMPTZ
                    + to_microseconds(number * {DAYS} * 86400000000 // {MANY}) AS created_at,
                created_at + to_milliseconds((hash(number + 4) % 5000)::BIGINT) AS started_at,
                started_at + to_milliseconds((600000 * exp(0.1 * normal))::BIGINT) AS ended_at,
                'https://adb-1234567890.azuredatabricks.net/#job/' || job_id || '/run/' || run_id AS url,
                created_at + INTERVAL 1 DAY AS seen_at, repeat(md5(number::VARCHAR), 24) AS raw,
                0 AS again_s, 0 AS paused_s
            FROM (
                SELECT number, hash(number + 1) % 100 AS luck,
                    sqrt(-2 * ln((hash(number + 5) % 999999 + 1) / 1e6))
                    * cos(2 * pi() * (hash(number + 6) % 1000000) / 1e6) AS normal
                FROM range({MANY}) AS numbers (number)
            )"""
        )
        for day in range(DAYS):
            begin = BEGIN + timedelta(days=day)
            for service in ("databricks_jobs", "dbt_cloud"):
                part = folder / "history" / "runs" / f"service={service}" / f"day={begin:%Y-%m-%d}"
                part.mkdir(parents=True)
                of_day = f"service = '{service}' AND created_at::DATE = '{begin:%Y-%m-%d}'"
                db.execute(
                    f"COPY (SELECT * FROM runs WHERE {of_day}) TO '{part}/a.parquet' (COMPRESSION zstd)"
                )


def raw_runs() -> Iterator[dict[str, Any]]:
    """Runs as a list of Databricks tells them."""
    random = Random(1)
    for number in range(FEW):
        start = int(BEGIN.timestamp() * 1000) + number * DAYS * 86_400_000 // FEW
        queued = random.randrange(5_000)
        end = start + queued + round(600_000 * random.lognormvariate(0, 0.1))
        job_id, run_id = 1000 + random.randrange(40), 70_403_110_257_794 + number
        result = random.choices(("SUCCESS", "FAILED", "CANCELED"), (93, 5, 2))[0]
        code = {"SUCCESS": "SUCCESS", "FAILED": "RUN_EXECUTION_ERROR", "CANCELED": "USER_CANCELED"}[result]
        message = "" if result == "SUCCESS" else f"Task load failed with message: table orders_{number % 20}."
        yield {
            "job_id": job_id,
            "run_id": run_id,
            "number_in_job": run_id,
            "creator_user_name": "airflow@example.com",
            "state": {
                "life_cycle_state": "TERMINATED",
                "result_state": result,
                "state_message": message,
                "user_cancelled_or_timedout": False,
            },
            "status": {
                "state": "TERMINATED",
                "termination_details": {"code": code, "type": "SUCCESS", "message": message},
            },
            "start_time": start,
            "end_time": end,
            "queue_duration": queued,
            "setup_duration": 0,
            "execution_duration": 0,
            "cleanup_duration": 0,
            "run_duration": end - start,
            "trigger": random.choice(("PERIODIC", "ONE_TIME")),
            "run_name": f"job {job_id}",
            "run_page_url": f"https://adb-1234567890.azuredatabricks.net/#job/{job_id}/run/{run_id}",
            "run_type": "JOB_RUN",
            "format": "MULTI_TASK",
        }


def same_runs(folder: Path) -> float:
    """As raw JSON, and in a history as a sync writes it.

    :return: CPU seconds of the second.
    """
    from airflow_provider_pipehooks.hooks.registry import calls_of
    from airflow_provider_pipehooks.reporting.history import History
    from airflow_provider_pipehooks.reporting.known import Known
    from airflow_provider_pipehooks.reporting.listing import Clock, Lister

    with (folder / "raw.json").open("w") as lines:
        lines.writelines(json.dumps(run) + "\n" for run in raw_runs())
    hook: Any = SimpleNamespace(target=SimpleNamespace(account_id=None, base_url="https://adb-1"))
    history, clock = History(str(folder / "history")), Clock(BEGIN + timedelta(days=DAYS), None)
    lister = Lister("databricks_jobs", hook, calls_of("databricks_jobs"), history, Known(), clock)
    began_s = time.process_time()
    with (folder / "raw.json").open() as lines:
        told = (json.loads(line) for line in lines)
        history.append(row for raw in told if (run := lister._parsed(raw)) for row in lister._rows(run, raw))
    return time.process_time() - began_s


def report() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="pipehooks-bench-") as name:
        many, few = Path(name) / "many", Path(name) / "few"
        few.mkdir()
        million(many)
        cpu_s, memory_mb = measured("ours", many)
        yield f"all figures of {MANY:,} runs of {JOBS} jobs in {DAYS} days"
        yield f"  CPU                      {cpu_s:>8.2f} s   at most {CPU_BUDGET_S:g}"
        yield f"  memory above idle        {memory_mb:>8.0f} MB  at most {MEMORY_BUDGET_MB:.0f}"
        written_s = same_runs(few)
        (cpu_s, memory_mb), (theirs_s, their_mb) = measured("ours", few), measured("pandas", few)
        size_mb = (few / "raw.json").stat().st_size / 2**20
        yield f"{FEW:,} runs, {size_mb:.0f} MB of raw JSON        ours    pandas     ratio"
        yield f"  CPU s                    {cpu_s:>8.2f}  {theirs_s:>8.2f}  {f'1/{theirs_s / cpu_s:.0f}':>8}"
        ratio = f"1/{their_mb / max(memory_mb, 1):.0f}"
        yield f"  memory above idle, MB    {memory_mb:>8.0f}  {their_mb:>8.0f}  {ratio:>8}"
        yield f"  once, when they are read and written to the history: {written_s:.1f} CPU s"


def main() -> None:
    os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="pipehooks-bench-"))
    if len(sys.argv) > 1:
        measure(sys.argv[1], Path(sys.argv[2]))
    else:
        print("\n".join(report()), flush=True)


if __name__ == "__main__":
    main()
