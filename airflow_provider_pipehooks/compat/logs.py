"""Where this process's log lines go: a triggerer's socket, a command's output (read in Airflow 3.3.2)."""

from __future__ import annotations

import logging
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import structlog


def log_has_room() -> bool:
    """Whether a log line can be written now without waiting.

    Linux calls a socket writable as long as three quarters of it are free, which is room for many lines.

    :return: True also where that cannot be known.
    """
    log_io: Any = getattr(structlog.get_config().get("logger_factory"), "io", None)
    # No file, one that is closed, or a system without poll.
    with suppress(AttributeError, OSError, ValueError):
        poll = select.poll()
        poll.register(log_io.fileno(), select.POLLOUT)
        return bool(poll.poll(0))
    return True


@contextmanager
def logs_beside_output() -> Iterator[None]:
    """In here what is logged goes to standard error: elsewhere it would be among a command's lines."""
    factory: Any = structlog.get_config().get("logger_factory")
    moved = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout
    ]
    # None is standard output; anything else is somewhere else already, or not Airflow's.
    is_output = getattr(factory, "io", factory) is None
    for handler in moved:
        handler.setStream(sys.stderr)
    if is_output:
        factory.io = sys.stderr
    try:
        yield
    finally:
        for handler in moved:
            handler.setStream(sys.stdout)
        if is_output:
            factory.io = None
