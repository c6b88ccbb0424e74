"""The queue before slow receivers: in order, bounded, and not to be killed."""

from __future__ import annotations

import os
import sys
import threading
from functools import partial

import pytest

from airflow_provider_pipehooks.plugins import background as module
from airflow_provider_pipehooks.plugins.background import Background, background


@pytest.fixture
def gate() -> threading.Event:
    return threading.Event()


def test_jobs_are_done_in_order_in_another_thread() -> None:
    queue, done = Background(1000), []
    for number in range(500):
        queue.put(partial(lambda number: done.append((number, threading.current_thread().name)), number))
    assert queue.flush(10)
    assert done == [(number, "pipehooks-events") for number in range(500)]


def test_a_full_queue_drops_the_newest_counts_them_and_says_so_once(
    gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[object] = []
    queue, begun = Background(2), threading.Event()

    def hang() -> None:
        begun.set()
        gate.wait(60)

    queue.put(hang)
    assert begun.wait(10)
    for number in range(10):
        queue.put(partial(done.append, number))
    assert queue.dropped == 8
    gate.set()
    assert queue.flush(10)
    assert done == [0, 1]
    (line,) = [record.getMessage() for record in caplog.records if "too slow" in record.getMessage()]
    assert "2 events wait, 1 were dropped" in line


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_nothing_ends_the_thread(error: type[BaseException], caplog: pytest.LogCaptureFixture) -> None:
    queue, done = Background(10), []

    def fail() -> None:
        raise error("no")

    queue.put(fail)
    queue.put(lambda: done.append(1))
    assert queue.flush(10)
    assert done == [1]
    assert "A pipeline event was lost" in caplog.text


def test_flush_does_not_wait_for_ever(gate: threading.Event) -> None:
    queue = Background(10)
    queue.put(lambda: gate.wait(60))
    assert not queue.flush(0.01)
    gate.set()


def test_a_forked_process_has_a_queue_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """LocalExecutor forks tasks off the scheduler: there the thread is gone, and a full queue stays full."""
    monkeypatch.setattr(module, "_of_this_process", None)
    mine = background()
    if (pid := os.fork()) == 0:
        own = background()
        done = threading.Event()
        own.put(done.set)
        os._exit(0 if own is not mine and done.wait(10) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_events_are_told_before_the_process_ends() -> None:
    import subprocess

    program = (
        "import time; from airflow_provider_pipehooks.plugins.background import background\n"
        "background().put(lambda: (time.sleep(0.2), print('told')))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split()[-1] == "told"
