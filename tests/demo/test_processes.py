"""The demo leaves nothing behind: its folder, its ports and its processes."""

from __future__ import annotations

import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_pipehooks.demo import processes
from airflow_provider_pipehooks.demo.airflow import COMPONENTS, Airflow, AirflowDied, settings
from airflow_provider_pipehooks.demo.command import find_dags
from airflow_provider_pipehooks.demo.processes import CannotStart, folder, free_port, keep_to_this_machine

SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")
#: Ignores SIGTERM, and has a child in a session of its own that does the same.
STUBBORN = (
    sys.executable,
    "-c",
    "import os, signal, subprocess, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "if len(sys.argv) == 1:\n"
    "    code = open('/proc/self/cmdline').read().split('\\0')[2]\n"
    "    subprocess.Popen([sys.executable, '-c', code, 'child'], start_new_session=True)\n"
    "time.sleep(60)",
)


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """A demo that ends ignores signals from then on; the tests after it must not."""
    before = {each: signal.getsignal(each) for each in processes.SIGNALS}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


def wait_for_processes(home: Path, count: int) -> None:
    give_up = time.monotonic() + 10
    while len(processes.marked(home)) < count:
        assert time.monotonic() < give_up
        time.sleep(0.05)


def test_a_free_port_can_be_taken_on_loopback() -> None:
    with socket.socket() as server:
        port = free_port()
        server.bind(("127.0.0.1", port))
        assert server.getsockname() == ("127.0.0.1", port)


def test_airflow_listens_on_loopback_only(tmp_path: Path) -> None:
    """The log servers of scheduler and triggerer know no address but all of them."""
    made = settings(tmp_path, tmp_path / "dags", "http://127.0.0.1:4321")
    assert (made["AIRFLOW__API__HOST"], made["AIRFLOW__API__PORT"]) == ("127.0.0.1", "4321")
    assert made["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://127.0.0.1:4321/execution/"
    assert not [value for value in made.values() if "0.0.0.0" in value]
    for name in ("scheduler", "triggerer"):
        assert "--skip-serve-logs" in COMPONENTS[name]


def test_no_scheduled_run_begins_by_itself(tmp_path: Path) -> None:
    made = settings(tmp_path, tmp_path, "http://127.0.0.1:1")
    assert made["AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE"] == "False"


def test_settings_of_another_airflow_and_of_aws_are_left_out() -> None:
    environment = {"AIRFLOW__CORE__EXECUTOR": "x", "AIRFLOW_HOME": "y", "AWS_PROFILE": "z", "PATH": "/bin"}
    keep_to_this_machine(environment)
    hosts = "127.0.0.1,localhost"
    assert environment == {"PATH": "/bin", "NO_PROXY": hosts, "no_proxy": hosts}


def test_processes_end_with_the_folder(tmp_path: Path) -> None:
    with folder(tmp_path):
        processes.start(tmp_path, SLEEPER, {}, tmp_path / "logs" / "sleeper.log")
        wait_for_processes(tmp_path, 1)
    assert processes.marked(tmp_path) == []


def test_a_process_that_does_not_want_to_end_and_its_child_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "GRACE_S", 0.2)
    with folder(tmp_path):
        processes.start(tmp_path, STUBBORN, {}, tmp_path / "log")
        wait_for_processes(tmp_path, 2)
    assert processes.marked(tmp_path) == []


def test_what_a_killed_demo_left_is_cleared(tmp_path: Path) -> None:
    left = processes.start(tmp_path, SLEEPER, {}, tmp_path / "logs" / "old.log")
    (tmp_path / "lock").touch()
    (tmp_path / "airflow.db").write_text("old")
    with folder(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == ["lock"]
        left.wait(timeout=5)
    assert processes.marked(tmp_path) == []


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with folder(tmp_path):
        (tmp_path / "airflow.db").write_text("in use")
        with pytest.raises(CannotStart, match="Another demo is running"), folder(tmp_path):
            pass
        assert (tmp_path / "airflow.db").exists()


def test_a_folder_that_no_demo_made_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.md").write_text("the only copy")
    with pytest.raises(CannotStart, match="is not from a demo"), folder(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.md"]


def test_nothing_is_deleted_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "lock").touch()
    (tmp_path / "elsewhere" / "thesis.md").write_text("the only copy")
    (tmp_path / ".demo").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CannotStart, match=r"\.demo is a link"), folder(tmp_path / ".demo"):
        pass
    assert (tmp_path / "elsewhere" / "thesis.md").exists()


def test_a_dead_process_is_told_with_its_last_lines(tmp_path: Path) -> None:
    airflow = Airflow(tmp_path, tmp_path / "dags")
    talk = (sys.executable, "-c", "print('no space left on device'); raise SystemExit(3)")
    log = tmp_path / "logs" / "scheduler.log"
    airflow._processes["scheduler"] = processes.start(tmp_path, talk, {}, log)
    airflow._processes["scheduler"].wait(timeout=10)
    with pytest.raises(AirflowDied, match="scheduler ended with code 3") as told:
        airflow.check()
    assert "no space left on device" in str(told.value)
    assert str(log) in str(told.value)


def test_a_package_without_dags_says_so(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="DAGs are missing"):
        find_dags(tmp_path / "package")


@pytest.mark.parametrize("place", ["dags", "package/demo/dags"], ids=["checkout", "installed"])
def test_the_dags_are_found(place: str, tmp_path: Path) -> None:
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "dbt_cloud_nightly.py").touch()
    assert find_dags(tmp_path / "package") == tmp_path / place


def test_nothing_is_deleted_behind_a_link_to_the_folder_above(tmp_path: Path) -> None:
    inner = tmp_path / "elsewhere" / "demo"
    inner.mkdir(parents=True)
    (inner / "lock").touch()
    (inner / "thesis.md").write_text("the only copy")
    (tmp_path / ".demo").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CannotStart, match=r"\.demo is a link"), folder(tmp_path / ".demo" / "demo"):
        pass
    assert (inner / "thesis.md").exists()
