"""`pipehooks demo` as a newcomer runs it: the real command, the real Airflow."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from airflow_provider_pipehooks.demo import processes

ROOT = Path(__file__).parents[2]
HOME = ROOT / ".demo"
LIMIT_S = 240

pytestmark = pytest.mark.slow


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start the command with its output in ``tmp_path/output``; ended, whatever the test does."""
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "KEEP"))}
        with (tmp_path / "output").open("w") as output:
            command = [sys.executable, "-m", "airflow_provider_pipehooks", "demo"]
            started.append(
                subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env=kept,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    text=True,
                    start_new_session=True,
                )
            )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
    processes.end_all(HOME)


def wait_for(output: Path, words: str, process: subprocess.Popen[str]) -> str:
    """The output, as soon as it has the words."""
    give_up = time.monotonic() + LIMIT_S
    while words not in (text := output.read_text()):
        assert process.poll() is None, text
        assert time.monotonic() < give_up, text
        time.sleep(0.2)
    return text


def assert_nothing_is_left(process: subprocess.Popen[str], output: str) -> None:
    assert processes.marked(HOME) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    ports = {int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)", output)}
    assert ports
    for port in ports:
        with socket.socket() as client:
            assert client.connect_ex(("127.0.0.1", port)) != 0
    assert not HOME.exists()


def test_every_dag_run_ends_as_it_should(demo: Callable[[], subprocess.Popen[str]], tmp_path: Path) -> None:
    process = demo()
    process.wait(timeout=LIMIT_S)
    output = (tmp_path / "output").read_text()
    assert process.returncode == 0, output
    assert output.strip().splitlines()[-1].startswith("Demo passed: 6 of 6 DAG runs")
    assert "Subject: Airflow: dbt_cloud_nightly failed: marts.verify" in output
    assert "test.analytics.order_amounts_are_not_negative: Got 2 results" in output
    assert "Subject: Airflow: mapped_jobs failed: run_job[6], run_job[14]" in output
    assert_nothing_is_left(process, output)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_demo_leaves_nothing(
    demo: Callable[[], subprocess.Popen[str]], tmp_path: Path, number: signal.Signals
) -> None:
    process = demo()
    # Half-way: Airflow is at work and dbt, too.
    wait_for(tmp_path / "output", "'staging' Running", process)
    process.send_signal(number)
    time.sleep(0.5)
    process.send_signal(number)  # an impatient second one breaks nothing off
    assert process.wait(timeout=60) == 128 + number
    output = (tmp_path / "output").read_text()
    assert "Interrupted. Everything that the demo had started is ended." in output
    assert_nothing_is_left(process, output)
