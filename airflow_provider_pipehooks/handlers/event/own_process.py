"""HOOKS: a process in which event hooks are called, so that a call that takes too long can be ended.

It is forked at the first call and kept for the next ones, and with it what the hooks' modules keep. The task
sends a call and waits for its outcome; meanwhile the hook may have it ask Airflow.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from socket import socket, socketpair
from threading import Lock
from typing import Any, NoReturn
from weakref import WeakSet

from airflow_provider_pipehooks.compat import supervisor

log = logging.getLogger(__name__)

#: Bytes before each message, that say how long it is.
_LENGTH = 8
#: A socket takes no longer waits than 24 days.
_ONE_WAIT_S = 3600.0

#: What no process may have that is forked from one that has it: the other side would not see the end.
_open: WeakSet[socket] = WeakSet()


def _close_copies() -> None:
    for end in list(_open):
        end.close()


os.register_at_fork(after_in_child=_close_copies)


class RemoteTraceback(Exception):
    """The cause of what a hook raised: where in its own process that was."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


class OwnProcess:
    """One process for several functions, called one at a time.

    :param limit_s: how long a call may take; longer, and the process is ended and the next call gets another.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._functions: list[Callable[..., Any]] = []
        self._pid: int | None = None
        self._channel: _Channel
        self._life: socket

    def calling(self, function: Callable[..., Any], name: str) -> Callable[[Mapping[str, Any]], None]:
        """A function that calls the given one there and drops what it returns; before the first call only.

        It raises what was raised there; a RuntimeError when that cannot be pickled, or the process ended; a
        TimeoutError.
        """
        self._functions.append(function)
        return partial(self._call, len(self._functions) - 1, name)

    def close(self) -> None:
        """End the process, if there is one; the next call would start another."""
        self._end()

    def _call(self, number: int, name: str, event: Mapping[str, Any]) -> None:
        self._start_if_none_runs()
        try:
            failure = self._outcome((number, dict(event)), time.monotonic() + self._limit_s)
        except _TimeIsUp:
            self._end()
            raise TimeoutError(
                f"Hook {name} took longer than {self._limit_s:g} s, and was ended where it was. Have it do "
                "less, or wait for less, or give EventHooks a larger timeout."
            ) from None
        except (EOFError, OSError):
            raise RuntimeError(f"Hook {name} has ended its process, {self._end()}.") from None
        except BaseException:
            # An outcome that nobody waited for would be taken for that of the next call.
            self._end()
            raise
        if failure is not None:
            _raise(failure)

    def _outcome(self, call: tuple[int, Any], deadline_s: float) -> Any:
        """None, or what was raised."""
        self._channel.send(call, deadline_s)
        while True:
            is_question, content = self._channel.receive(deadline_s)
            if not is_question:
                return content
            self._channel.send(_answer(content), deadline_s)

    def _start_if_none_runs(self) -> None:
        ended = _ending(self._pid, os.WNOHANG) if self._pid else ""
        if ended:
            log.warning("The process of event hooks ended between two calls, %s", ended)
            self._forget()
        if not self._pid:
            self._start()

    def _start(self) -> None:
        _flush()  # what is in a buffer would be written by both
        (ours, theirs), (life, watched) = socketpair(), socketpair()
        _open.update((ours, life))
        pid = os.fork()
        if not pid:
            _be_the_process(theirs, watched, self._functions)
        theirs.close()
        watched.close()
        self._pid, self._channel, self._life = pid, _Channel(ours), life

    def _end(self) -> str:
        """End the process if it still runs; how it ended."""
        if not self._pid:
            return ""
        ended = _ending(self._pid, os.WNOHANG)
        if not ended:
            os.kill(self._pid, signal.SIGKILL)
            ended = _ending(self._pid)
        self._forget()
        return ended

    def _forget(self) -> None:
        self._pid = None
        self._channel.end.close()
        self._life.close()


class _TimeIsUp(Exception):
    """The deadline of a call has passed."""


class _Channel:
    """One end of a socket pair: objects as pickles, each after its length."""

    def __init__(self, end: socket) -> None:
        self.end = end

    def send(self, what: Any, deadline_s: float = math.inf) -> None:
        pickled = pickle.dumps(what, pickle.HIGHEST_PROTOCOL)
        rest = memoryview(len(pickled).to_bytes(_LENGTH, "big") + pickled)
        while rest:
            rest = rest[self._when_ready(self.end.send, rest, deadline_s) :]

    def receive(self, deadline_s: float = math.inf) -> Any:
        length = int.from_bytes(self._exactly(_LENGTH, deadline_s), "big")
        return pickle.loads(self._exactly(length, deadline_s))

    def _exactly(self, length: int, deadline_s: float) -> bytearray:
        data = bytearray(length)
        rest = memoryview(data)
        while rest:
            count = self._when_ready(self.end.recv_into, rest, deadline_s)
            if not count:
                raise EOFError
            rest = rest[count:]
        return data

    def _when_ready(self, step: Callable[[memoryview], int], data: memoryview, deadline_s: float) -> int:
        while True:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise _TimeIsUp
            self.end.settimeout(min(left_s, _ONE_WAIT_S))
            with suppress(TimeoutError):
                return step(data)


# In the process


def _be_the_process(end: socket, watched: socket, functions: list[Callable[..., Any]]) -> NoReturn:
    """Everything that is left to do here; never returns to what the task was doing."""
    code = 1
    try:
        _open.update((end, watched))
        _prepare(watched)
        # The task's end is closed; or ours, in a process that a hook has forked and that returns from it.
        with suppress(EOFError, OSError):
            _serve(_Channel(end), functions)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        _flush()
        os._exit(code)


def _prepare(watched: socket) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGIO):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    with suppress(Exception):  # lines that are in a buffer would be lost when a hook is ended
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    # SIGIO, which ends us in the middle of a hook, when the task has closed its end or is no more.
    fcntl.fcntl(watched, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(watched, fcntl.F_SETFL, os.O_ASYNC)
    # In a task this is the socket to the supervisor: whoever reads from it takes answers that are not his.
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)


def _serve(channel: _Channel, functions: list[Callable[..., Any]]) -> None:
    """Call what is to be called until the task has closed its end."""
    # Held by whoever may use the channel: a thread that a hook has left running asks during the next call.
    turn = Lock()

    def ask(request: Any) -> supervisor.Answer:
        with turn:
            channel.send((True, request))
            answer, failure = channel.receive()
        if failure is not None:
            _raise(failure)
        found: supervisor.Answer = answer
        return found

    turn.acquire()
    supervisor.relay(ask)
    while True:
        number, event = channel.receive()
        turn.release()
        failure = _failure(functions[number], event)
        _flush()
        turn.acquire()
        channel.send((False, failure))


def _failure(function: Callable[..., Any], event: Any) -> Any:
    try:
        function(event)
    except BaseException as err:
        return _packed(err)
    return None


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


# Exceptions between processes, and how processes end


def _answer(request: Any) -> tuple[Any, Any]:
    try:
        return supervisor.answer(request), None
    except Exception as err:
        return None, _packed(err)


def _packed(err: BaseException) -> tuple[bytes, str, str]:
    """The exception, if it can be pickled; what it is called; its traceback."""
    try:
        pickled = pickle.dumps(err)
    except Exception:
        pickled = b""
    return pickled, repr(err), "".join(traceback.format_exception(err))


def _raise(failure: tuple[bytes, str, str]) -> NoReturn:
    pickled, called, text = failure
    error: Any = None
    with suppress(Exception):
        error = pickle.loads(pickled)
    try:
        raise RemoteTraceback(text)  # a task's log leaves out a cause that was not raised itself
    except RemoteTraceback as cause:
        raise error if isinstance(error, Exception) else RuntimeError(called) from cause


def _ending(pid: int, options: int = 0) -> str:
    """How a process that we have forked ended; empty while it runs."""
    try:
        ended, status = os.waitpid(pid, options)
    except ChildProcessError:
        return "and something else was told how"
    if not ended:
        return ""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"with exit code {code}"
    hint = ", as when memory runs out" if -code == signal.SIGKILL else ""
    return f"by signal {-code} ({signal.strsignal(-code)}{hint})"
