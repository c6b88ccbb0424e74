"""The world in which a row of the delivery lane is played: topics, outboxes, and the processes that tell."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from airflow_provider_pipehooks.demo.processes import free_port
from airflow_provider_pipehooks.notifications.message import Alert, FailedTask
from airflow_provider_pipehooks.notifications.outbox import Outbox
from tests.aws import client
from tests.notifications.faulty_sns import FaultySns

#: Of each trial, all of other causes.
FAILURES = 5
#: In which what is to become true does so; a row that takes longer has lost something.
PATIENCE_S = 600.0
LOOK_S = 0.1
#: Of the one that is renewed, and of the one that it is renewed with.
OLD_KEY, NEW_KEY = "AKIAOLD", "AKIANEW"
#: How often an outbox is sent by hand.
SENDINGS = 5

#: Of one process that has loaded everything: that takes seconds for each, and it is not what is tried.
FORKS = multiprocessing.get_context("forkserver")
LOADED = [
    "airflow.providers.amazon.aws.hooks.sns",
    "airflow_provider_pipehooks.notifications.command",
    "airflow_provider_pipehooks.notifications.sending",
    "tests.notifications.delivery_world",
]


class Late(Exception):
    """Something did not become true, or went wrong in a process."""


def until(is_so: Callable[[], bool], what: str) -> None:
    """:raises Late: it did not become so."""
    end_s = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > end_s:
            raise Late(f"{what}: not within {PATIENCE_S:.0f} s")
        time.sleep(LOOK_S)


def failure(trial: int, number: int) -> Alert:
    """One that a trial tells; each is about something else, so that each is a message with its own id."""
    task = FailedTask(task_id="load", exception=f"{'ABCDE'[number]}Error: trouble", try_number=1)
    return Alert(
        dag_id=f"dag_{trial}", dag_run_id=f"run_{number}", when=datetime.now(timezone.utc), tasks=(task,)
    )


#: Every start looks at all processes of this one, and of two that look at the same time one learns nothing.
_LOOKING = threading.Lock()


def _code_of(process: BaseProcess) -> int | None:
    with _LOOKING:
        return process.exitcode


# In processes of their own


def tell(
    settings: Mapping[str, str],
    log: str,
    topic: str,
    trial: int,
    numbers: Sequence[int],
    words: Mapping[str, Any],
) -> None:
    """A worker: tell failures one by one. Ends with the number of those that could not be sent at once.

    An error that is none of ours counts as more than all of them.
    """
    _become(settings, log)
    from airflow_provider_pipehooks.core.errors import PipehooksError
    from airflow_provider_pipehooks.notifications.sending import send
    from airflow_provider_pipehooks.notifications.sns_delivery import SnsTarget

    # The pauses of a throttled task, 7 s for each alert, would be most of the lane's time.
    target, refused = SnsTarget(topic, pauses_s=(0.1,)), 0
    for number in numbers:
        try:
            send(target, failure(trial, number), **words)
        except Exception as err:
            logging.getLogger(__name__).exception("Failure %s could not be sent at once", number)
            refused += 1 if isinstance(err, PipehooksError) else FAILURES + 1
    sys.exit(refused)


def pipehooks(settings: Mapping[str, str], log: str, *command: str) -> None:
    """The command ``pipehooks``, where there are too many of them to load each."""
    _become(settings, log)
    from airflow_provider_pipehooks.__main__ import main

    sys.exit(main(list(command)))


def _become(settings: Mapping[str, str], log: str) -> None:
    os.environ.update(settings)
    with open(log, "ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    logging.basicConfig(level=logging.INFO, force=True)


class World:
    """Topics, one for each trial, that a queue subscribes to; SNS; outboxes; and processes.

    All worlds are made before the first row: moto cannot take a subscription and a message at the same time.

    :param folder: made in a ``with``, as SNS and the processes.
    :param is_shared: all trials have one outbox, and one sender; else each has its own.
    """

    def __init__(
        self, moto_url: str, folder: Path, name: str, trials: int, *, is_shared: bool = True
    ) -> None:
        self.folder, self.trials, self.is_shared = folder, trials, is_shared
        self._moto_url = moto_url
        self._sqs, sns = client("sqs", moto_url), client("sns", moto_url)
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        told = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])
        self.topics = [sns.create_topic(Name=f"{name}_{trial}")["TopicArn"] for trial in range(trials)]
        # Raw: moto makes a key to sign with for each subscription, which takes longer than all else.
        raw = {"RawMessageDelivery": "true"}
        for topic in self.topics:
            queue = told["Attributes"]["QueueArn"]
            sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue, Attributes=raw)
        self.owed = {failure(trial, number).alert_id for trial in range(trials) for number in range(FAILURES)}
        self.arrived = Counter[str]()
        self._started: list[BaseProcess] = []

    def __enter__(self) -> World:
        self.folder.mkdir()
        self.sns = FaultySns(self._moto_url, free_port())
        self.use_key(NEW_KEY)
        self.sns.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            if _code_of(process) is None:
                process.kill()
                self.end_of(process)
        self.sns.__exit__()

    def use_key(self, key_id: str) -> None:
        """Write the connection anew, as whoever renews a credential does; it is no option of a process."""
        retries = {"mode": "standard", "total_max_attempts": 2}
        extra = {"endpoint_url": self.sns.url, "config_kwargs": {"retries": retries}}
        connection = {"conn_type": "aws", "login": key_id, "password": "a-secret-access-key", "extra": extra}
        unfinished = self._connections.with_suffix(".new.json")
        unfinished.write_text(json.dumps({"aws_default": connection}))
        unfinished.replace(self._connections)

    @property
    def _connections(self) -> Path:
        return self.folder / "connections.json"

    def _settings(self, trial: int = 0) -> dict[str, str]:
        backend = "airflow.secrets.local_filesystem.LocalFilesystemBackend"
        return {
            "AIRFLOW_HOME": str(self.folder / "airflow"),
            "AIRFLOW__SECRETS__BACKEND": backend,
            "AIRFLOW__SECRETS__BACKEND_KWARGS": json.dumps({"connections_file_path": str(self._connections)}),
            "AIRFLOW__PIPEHOOKS__OUTBOX": str(self.outbox(trial)),
            "AIRFLOW__PIPEHOOKS__ALERT_GROUP_WAIT": "0",
            "AIRFLOW__PIPEHOOKS__ALERT_GROUP_INTERVAL": "1",
            "NO_PROXY": "127.0.0.1,localhost",
        }

    # Its outboxes

    def outbox(self, trial: int = 0) -> Path:
        return self.folder / ("outbox" if self.is_shared else f"outbox_{trial}")

    @property
    def outboxes(self) -> list[Path]:
        return [self.outbox(trial) for trial in range(1 if self.is_shared else self.trials)]

    def have_senders(self) -> list[bool]:
        """Of each outbox, whether a sender is at work, or has died less than a minute ago."""
        return [Outbox(str(path)).has_sender for path in self.outboxes]

    @property
    def lies_there(self) -> int:
        """How many notices, and messages on their way."""
        folders = [path / part for path in self.outboxes for part in ("new", "sending")]
        return sum(len(list(folder.iterdir())) for folder in folders if folder.is_dir())

    # Its processes

    def begin(self, target: Callable[..., None], trial: int, *arguments: Any) -> BaseProcess:
        log = str(self.folder / f"{target.__name__}_{trial}.log")
        process = FORKS.Process(target=target, args=(self._settings(trial), log, *arguments))
        with _LOOKING:
            process.start()
        self._started.append(process)
        return process

    def end_of(self, process: BaseProcess) -> int:
        """Wait for a process.

        :return: its exit code; below 0 the signal that ended it.
        """
        until(lambda: _code_of(process) is not None, "a process has ended")
        code = _code_of(process)
        assert code is not None
        return code

    def worker(
        self, trial: int, numbers: Sequence[int] = range(FAILURES), words: Mapping[str, Any] | None = None
    ) -> BaseProcess:
        """Begin a worker that tells some failures of a trial.

        :param words: of the user's own: ``title`` and ``text``.
        """
        return self.begin(tell, trial, self.topics[trial], trial, numbers, words or {})

    def tell_all(self, words: Mapping[str, Any] | None = None) -> int:
        """A worker for each trial, at the same time, until they have ended.

        :return: how many failures could not be sent at once.
        :raises Late: a worker did not come to its end, or met an error that is none of ours.
        """
        workers = [self.worker(trial, words=words) for trial in range(self.trials)]
        codes = [self.end_of(worker) for worker in workers]
        if not all(0 <= code <= FAILURES for code in codes):
            raise Late(f"workers ended with {codes}")
        return sum(codes)

    @contextmanager
    def sender(self) -> Iterator[None]:
        """``pipehooks outbox send`` is at work."""
        with (self.folder / "sender.log").open("ab") as log:
            process = subprocess.Popen(_SEND, env={**os.environ, **self._settings()}, stdout=log, stderr=log)
        try:
            until(lambda: (self.outbox() / "sender.json").exists(), "a sender is at work")
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()

    def send_once(self) -> None:
        """``pipehooks outbox send --once``, and again while it says that something is left."""
        environment = {**os.environ, **self._settings()}
        with (self.folder / "once.log").open("ab") as log:
            for _ in range(SENDINGS):
                done = subprocess.run(
                    [*_SEND, "--once"], env=environment, stdout=log, stderr=log, check=False
                )
                if done.returncode == 0:
                    return

    @property
    def refusals(self) -> int:
        """How many messages the sender could not send, so far."""
        log = self.folder / "sender.log"
        return log.read_text(errors="replace").count(" was not taken") if log.exists() else 0

    # What people get

    def take(self) -> None:
        """Count what has arrived in the queue, by alert id."""
        all_of_it = {"QueueUrl": self._queue, "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"]}
        while got := self._sqs.receive_message(**all_of_it).get("Messages"):
            for message in got:
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
                self.arrived[message["MessageAttributes"]["alert_id"]["StringValue"]] += 1

    def is_told(self) -> bool:
        """Whether nothing is left that could still come, and all that is owed has."""
        if self.lies_there:
            return False
        self.take()
        return self.owed <= set(self.arrived)


_SEND = [sys.executable, "-m", "airflow_provider_pipehooks", "outbox", "send"]
