"""What is alive is set aside a few times, however many waits come and go."""

from __future__ import annotations

from airflow_provider_pipehooks.triggers.poller.gc_freeze import Heap


def test_a_process_sets_aside_what_it_holds_with_the_first_wait_and_with_each_doubling() -> None:
    waits = 0
    at: list[int] = []
    heap = Heap(freeze=lambda: at.append(waits))
    for _ in range(3):  # they come, end, and come again
        for waits in range(1, 10_001):
            heap.holds(waits)
    assert at == [1, 1000, 2000, 4000, 8000]
