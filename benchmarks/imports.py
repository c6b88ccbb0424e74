"""What importing all operators, sensors and notifiers costs at DAG parse, beside the official ones.

Counted above ``airflow.sdk``, by ``make bench``. Times are CPU seconds of a fresh process, the median of
several; the ratio is what counts, since machines are shared and noisy.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

OURS = (
    "airflow_provider_pipehooks.operators.dbt_cloud",
    "airflow_provider_pipehooks.operators.databricks_jobs",
    "airflow_provider_pipehooks.operators.sns_alert",
    "airflow_provider_pipehooks.operators.job_group",
    "airflow_provider_pipehooks.sensors.dbt_cloud",
    "airflow_provider_pipehooks.sensors.databricks_jobs",
    "airflow_provider_pipehooks.notifications.sns",
)
OFFICIAL = (
    "airflow.providers.dbt.cloud.operators.dbt",
    "airflow.providers.dbt.cloud.sensors.dbt",
    "airflow.providers.databricks.operators.databricks",
    "airflow.providers.amazon.aws.operators.sns",
    "airflow.providers.amazon.aws.notifications.sns",
)
MEASURE = """
import json, sys, time
import airflow.sdk
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator, TaskGroup, BaseNotifier, task
from importlib import import_module
modules, cpu = len(sys.modules), time.process_time()
for name in sys.argv[1:]:
    import_module(name)
print(json.dumps({"modules": len(sys.modules) - modules, "cpu_s": time.process_time() - cpu}))
"""
ROUNDS = 5
#: At most this much of ours above ``airflow.sdk``.
BUDGET = {"modules": 60, "cpu_s": 0.15}


def measure(names: tuple[str, ...]) -> dict[str, float]:
    """Modules and CPU seconds that the imports add, the median of several processes."""
    runs = []
    for _ in range(ROUNDS):
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *names], capture_output=True, text=True, check=True, timeout=120
        )
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {key: statistics.median(run[key] for run in runs) for key in BUDGET}


def main() -> None:
    ours, official = measure(OURS), measure(OFFICIAL)
    ratio = {key: ours[key] / official[key] for key in BUDGET}
    print(f"{'imports above airflow.sdk':<28}{'modules':>10}{'CPU s':>10}")
    for name, row in (("official providers", official), ("pipehooks", ours), ("at most", BUDGET)):
        print(f"{name:<28}{row['modules']:>10.0f}{row['cpu_s']:>10.3f}")
    print(f"{'ours / official':<28}{ratio['modules']:>10.3f}{ratio['cpu_s']:>10.3f}")
    print(f"met: {'yes' if all(ours[key] <= limit for key, limit in BUDGET.items()) else 'NO'}")


if __name__ == "__main__":
    main()
