"""What a type checker says of a DAG: a misspelt or mistyped argument is seen before Airflow sees it.

``python -m tests.test_typing`` asks pyright as well, which npx fetches.
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from airflow.sdk import BaseOperator, BaseSensorOperator

from airflow_provider_pipehooks.handlers.state.stateful import StatefulOperator
from airflow_provider_pipehooks.operators.databricks_run import DatabricksRunOperator
from airflow_provider_pipehooks.operators.dbt_cloud_reads import _ReadsDbtCloud
from airflow_provider_pipehooks.tasks import typed

ROOT = Path(__file__).parent.parent
#: Lines that are right, then wrong ones.
RIGHT = """
from datetime import timedelta

from airflow_provider_pipehooks.operators.databricks_jobs import (
    DatabricksRunNowOperator,
    DatabricksSubmitRunOperator,
)
from airflow_provider_pipehooks.operators.dbt_cloud import (
    DbtCloudGetJobRunArtifactOperator,
    DbtCloudRunJobOperator,
)
from airflow_provider_pipehooks.sensors.dbt_cloud import DbtCloudJobRunSensor

DbtCloudRunJobOperator(task_id="a", job_id=1, check_interval=timedelta(minutes=1), retries=2, pool="p")
DbtCloudJobRunSensor(task_id="b", run_id=1, poke_interval=5, mode="reschedule", on_failure_callback=print)
DatabricksRunNowOperator(task_id="c", job_id=1, deferrable=True, databricks_retry_limit=5, pool="p")
DatabricksSubmitRunOperator(task_id="d", tasks=[{"task_key": "a"}], on_cancel="keep")
DbtCloudGetJobRunArtifactOperator(task_id="e", run_id="1", path="manifest.json", account_id=1)


class Mine(DbtCloudRunJobOperator):
    def __init__(self, *, select: str, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore
        self.check_interval = 5
"""
WRONG = {
    'DbtCloudRunJobOperator(task_id="a", jobid=1)': "jobid",
    'DbtCloudRunJobOperator(task_id="a", job_id=1, check_interval="often")': "check_interval",
    'DbtCloudRunJobOperator(task_id="a", job_id=1, retry=2)': "retry",
    "DbtCloudRunJobOperator(job_id=1)": "task_id",
    'DbtCloudJobRunSensor(task_id="b", run_id=1, soft_fails=True)': "soft_fails",
    'DatabricksRunNowOperator(task_id="c", job_id=1, polling_period=5)': "polling_period",
    'DatabricksRunNowOperator(task_id="c", job_id=1, on_cancel="stop")': "on_cancel",
    'DatabricksSubmitRunOperator(task_id="d", task=[{}])': "task",
    'DbtCloudGetJobRunArtifactOperator(task_id="e", run_id=1)': "path",
}
SOURCE = "\n".join([RIGHT.strip("\n"), *WRONG, ""])


def names_of(kind: Any) -> set[str]:
    return set(inspect.signature(inspect.unwrap(kind.__init__)).parameters) - {"self", "kwargs"}


@pytest.mark.parametrize(
    ("arguments", "kinds"),
    [
        (typed.TaskArguments, (BaseOperator, StatefulOperator)),
        (typed.SensorArguments, (BaseOperator, StatefulOperator, BaseSensorOperator)),
        (typed.DbtCloudArguments, (BaseOperator, StatefulOperator, _ReadsDbtCloud)),
        (typed.DatabricksRunArguments, (BaseOperator, StatefulOperator, DatabricksRunOperator)),
    ],
)
def test_every_argument_of_the_bases_is_named(arguments: type, kinds: tuple[Any, ...]) -> None:
    expected = set().union(*(names_of(kind) for kind in kinds))
    assert set(get_type_hints(arguments)) == expected


@pytest.mark.slow  # mypy reads Airflow: half a minute
def test_mypy_sees_each_wrong_argument_and_nothing_else(tmp_path: Path) -> None:
    complaints = by_line(mypy(tmp_path))
    first = SOURCE.splitlines().index(next(iter(WRONG))) + 1
    assert set(complaints) == set(range(first, first + len(WRONG)))
    for number, name in enumerate(WRONG.values()):
        assert any(f'"{name}"' in text for text in complaints[first + number])


def mypy(folder: Path) -> str:
    (folder / "dag.py").write_text(SOURCE)
    options = [
        "--config-file=",
        "--ignore-missing-imports",
        f"--cache-dir={folder}/cache",
        "--no-error-summary",
    ]
    command = [sys.executable, "-m", "mypy", *options, str(folder / "dag.py")]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout


def by_line(told: str) -> dict[int, list[str]]:
    """Errors in the text, by their line."""
    found: dict[int, list[str]] = {}
    for line, text in re.findall(r"dag\.py:(\d+):(?:\d+)?:? ?-? ?error: (.*)", told):
        found.setdefault(int(line), []).append(text)
    return found


def pyright(folder: Path) -> str:
    (folder / "dag.py").write_text(SOURCE)
    command = ["npx", "--yes", "pyright", "--pythonpath", sys.executable, str(folder / "dag.py")]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout


if __name__ == "__main__":
    for ask in (mypy, pyright):
        with tempfile.TemporaryDirectory() as name:
            answer = by_line(ask(Path(name)))
        seen = [line for line in WRONG if SOURCE.splitlines().index(line) + 1 in answer]
        others = len(answer) - len(seen)
        told = f"{len(seen)} of {len(WRONG)} wrong lines are seen, {others} right ones complained of"
        print(f"{ask.__name__}: {told}")
