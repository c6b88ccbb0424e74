"""A report over a million runs of 400 jobs on 60 days: CPU, memory, size.

``python -m benchmarks.report``. The history is made up, and read by processes of their own.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

from airflow_provider_pipehooks.reporting.rows import COLUMNS

RUNS, JOBS, DAYS = 1_000_000, 400, 60
#: From the history to the page, the figures among it; a page that a mail program takes.
CPU_BUDGET_S, SIZE_BUDGET = 3.0, 1_000_000
ROUNDS = 3
#: A job fails more often the lower its number; every seventh became slower half-way.
MADE_UP = f"""
    SELECT
        CASE WHEN job % 2 = 0 THEN 'databricks_jobs' ELSE 'dbt_cloud' END AS service,
        CASE WHEN job % 2 = 0 THEN 'adb-1.azuredatabricks.net' ELSE '1' END AS account,
        id::VARCHAR AS run_id, 1 AS attempt, '' AS task_key,
        (1000 + job)::VARCHAR AS job_id, 'load_shops_' || job AS job_name,
        CASE WHEN failed THEN 'error' ELSE 'success' END AS state,
        CASE WHEN failed THEN 'TERMINATED FAILED' ELSE 'TERMINATED SUCCESS' END AS status,
        CASE WHEN failed THEN ['user', 'platform', 'quota'][1 + reason % 3] END AS class,
        CASE WHEN failed THEN 'AnalysisException: table ' || reason || ' cannot be found' END AS message,
        CASE WHEN failed THEN printf('%012x', reason) END AS fingerprint,
        NULL AS cancelled_by, ['PERIODIC', 'ONE_TIME', 'RETRY'][1 + id % 3] AS started_by,
        made AS created_at, made + to_seconds(id % 60) AS started_at,
        made + to_seconds(60 + took) AS ended_at,
        'https://adb-1.azuredatabricks.net/?o=1#job/' || job || '/run/' || id AS url,
        made + INTERVAL 1 HOUR AS seen_at, made::DATE::VARCHAR AS day
    FROM (
        SELECT id, id % {JOBS} AS job, hash(id) % 1000 < 300 // (1 + id % {JOBS}) AS failed,
            (hash(id) % 90)::INT AS reason,
            (now() - to_seconds({DAYS} * 86400 * (1 - id / {RUNS}::DOUBLE)))::TIMESTAMPTZ AS made,
            200 + (hash(id) % 50)::INT
                + CASE WHEN id % {JOBS} % 7 = 0 AND id > {RUNS} / 2 THEN 100 ELSE 0 END AS took
        FROM (SELECT range AS id FROM range({RUNS}))
    )
"""
MEASURE = """
import json, re, sys, time
from datetime import datetime, timezone
from airflow_provider_pipehooks.reporting.figures import Window
from airflow_provider_pipehooks.reporting.history import History
from airflow_provider_pipehooks.reporting.kpis import kpis
from airflow_provider_pipehooks.reporting.report import render_report
start = time.process_time()
found = kpis(History(sys.argv[1]), Window.last(60, datetime.now(timezone.utc)))
counted = time.process_time()
page = render_report(found)
print(json.dumps({
    "start_s": start, "figures_s": counted - start, "page_s": time.process_time() - counted,
    "size": len(page),
    "runs": sum(each.runs for each in found.services), "jobs": len(found.jobs), "days": len(found.days),
    # What getrusage says holds for what this process was before it was started, too.
    "memory_mb": int(re.search("VmHWM: *\\t* *([0-9]+)", open("/proc/self/status").read())[1]) / 1024,
}))
"""


def make(folder: Path) -> None:
    """A history of so many runs; columns that are not made up are empty."""
    with duckdb.connect() as db:
        db.execute("SET TimeZone='UTC'")
        made = {row[0] for row in db.execute(f"DESCRIBE {MADE_UP}").fetchall()}
        columns = ", ".join(
            f"{name if name in made else 'NULL'}::{kind} AS {name}" for name, kind in COLUMNS.items()
        )
        db.execute(
            f"COPY (SELECT {columns}, day FROM ({MADE_UP})) TO '{folder / 'runs'}' "
            "(FORMAT parquet, COMPRESSION zstd, PARTITION_BY (service, day), WRITE_PARTITION_COLUMNS true)"
        )


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="pipehooks-report-") as name:
        make(Path(name))
        rounds = [
            json.loads(
                subprocess.run(
                    [sys.executable, "-c", MEASURE, name], capture_output=True, text=True, check=True
                ).stdout.splitlines()[-1]
            )
            for _ in range(ROUNDS)
        ]
    told = {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
    print(f"{told['runs']:,.0f} runs of {told['jobs']:.0f} jobs, {told['days']:,.0f} days of jobs")
    print(f"CPU: figures {told['figures_s']:.2f} s, page {told['page_s']:.2f} s")
    print(f"loading of Airflow and DuckDB before that: {told['start_s']:.2f} s")
    print(f"page {told['size'] / 1000:,.0f} kB, memory {told['memory_mb']:.0f} MB")
    is_met = told["figures_s"] + told["page_s"] <= CPU_BUDGET_S and told["size"] <= SIZE_BUDGET
    print("within the budget" if is_met else f"WRONG: at most {CPU_BUDGET_S} s and {SIZE_BUDGET:,} bytes")
    return 0 if is_met and told["runs"] >= RUNS * 0.99 else 1


if __name__ == "__main__":
    sys.exit(main())
