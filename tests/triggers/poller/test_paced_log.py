"""Whether a log has room is asked of the real thing: a socket as Airflow makes one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
import structlog

from airflow_provider_pipehooks.compat.logs import log_has_room


class Factory:
    """As Airflow's factory of loggers: it knows what they write to."""

    def __init__(self, log_io: object) -> None:
        self.io = log_io

    def __call__(self) -> None:
        """Nobody asks it for a logger here."""


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The log that a trigger writes to, and where the triggerer's other process reads it."""
    here, there = socket.socketpair()
    before = structlog.get_config()["logger_factory"]
    structlog.configure(logger_factory=Factory(os.fdopen(here.fileno(), "wb", buffering=0, closefd=False)))
    try:
        yield here, there
    finally:
        structlog.configure(logger_factory=before)
        here.close()
        there.close()


def test_a_log_that_nobody_reads_has_no_room_long_before_a_write_waits(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    here, there = ends
    here.setblocking(False)
    line, written = b"x" * 400, 0
    while log_has_room():
        here.send(line)
        written += 1
    assert written > 10
    for _ in range(written):
        here.send(line)  # as many again do not fill it
    there.recv(1 << 20)
    assert log_has_room()


@pytest.mark.parametrize("log_io", [None, object(), open(os.devnull, "wb")])  # noqa: SIM115
def test_where_it_cannot_be_known_there_is_room(log_io: object) -> None:
    before = structlog.get_config()["logger_factory"]
    structlog.configure(logger_factory=Factory(log_io))
    try:
        assert log_has_room()
    finally:
        structlog.configure(logger_factory=before)
