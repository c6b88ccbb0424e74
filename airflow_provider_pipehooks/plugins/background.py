"""HOOKS: where slow receivers run in processes that must not wait for them: scheduler and API server."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable
from queue import Full, Queue

from airflow_provider_pipehooks.options import read

log = logging.getLogger(__name__)

Job = Callable[[], object]

#: How long a process that ends waits for receivers that have not been told yet.
LAST_WORDS_S = 5.0
WARN_EVERY_S = 60.0


class Background:
    """One thread that does jobs in order, and a bounded queue before it.

    :param size: how many jobs may wait. When so many do, new ones are dropped and counted: what is known of
        the past stays whole, and in order.
    """

    def __init__(self, size: int) -> None:
        self.dropped = 0
        #: Of the jobs that wait or are done now, as those who put them say.
        self.weight = 0
        self._jobs: Queue[tuple[Job, int]] = Queue(maxsize=size)
        self._weighing = threading.Lock()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._warned_s = -WARN_EVERY_S

    def put(self, job: Job, *, weight: int = 0) -> None:
        """Have a job done soon; returns at once.

        :param weight: bytes that the job keeps until it is done.
        """
        try:
            self._jobs.put_nowait((job, weight))
        except Full:
            self._drop()
            return
        self._weigh(weight)
        if self._thread is None:
            self._start()

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything is done.

        :return: False when time was up first.
        """
        jobs = self._jobs
        with jobs.all_tasks_done:
            return jobs.all_tasks_done.wait_for(lambda: not jobs.unfinished_tasks, timeout_s)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="pipehooks-events", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            job, weight = self._jobs.get()
            try:
                job()
            except BaseException:
                # Nothing may end this thread: all later events would be lost.
                log.exception("A pipeline event was lost; the next ones are told")
            finally:
                del job
                self._weigh(-weight)
                self._jobs.task_done()

    def _weigh(self, weight: int) -> None:
        with self._weighing:
            self.weight += weight

    def _drop(self) -> None:
        self.dropped += 1
        now_s = time.monotonic()
        if now_s - self._warned_s >= WARN_EVERY_S:
            self._warned_s = now_s
            log.error(
                "Receivers of pipeline events are too slow: %s events wait, %s were dropped so far. Make the "
                "receivers faster, or raise [pipehooks] pipeline_event_queue_size.",
                self._jobs.maxsize,
                self.dropped,
            )


_of_this_process: Background | None = None


def background() -> Background:
    """The queue of this process."""
    global _of_this_process
    if _of_this_process is None:
        _of_this_process = Background(max(1, read("pipeline_event_queue_size")))
    return _of_this_process


def forget() -> None:
    """A forked process has the queue, but not the thread that empties it."""
    global _of_this_process
    _of_this_process = None


def _say_last_words() -> None:
    if _of_this_process is not None and not _of_this_process.flush(LAST_WORDS_S):
        log.warning("Some pipeline events were not told: their receivers took more than %s s", LAST_WORDS_S)


os.register_at_fork(after_in_child=forget)
atexit.register(_say_last_words)
