"""Event hooks with a timeout: called in a process of their own, which may end in any way."""

from __future__ import annotations

import asyncio
import faulthandler
import hashlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time import task_runner
from airflow.sdk.execution_time.comms import (
    CommsDecoder,
    ErrorResponse,
    GetVariable,
    MaskSecret,
    VariableResult,
    _RequestFrame,
    _ResponseFrame,
)
from airflow.sdk.log import mask_secret
from structlog.tracebacks import ExceptionDictTransformer

from airflow_provider_pipehooks.compat.masking import masked_text
from airflow_provider_pipehooks.core.errors import ConfigurationError
from airflow_provider_pipehooks.core.events import HookProgress
from airflow_provider_pipehooks.handlers.event import own_process
from airflow_provider_pipehooks.handlers.event.dispatching import EventDispatcher
from airflow_provider_pipehooks.handlers.event_hooks import EventHooks, on_event_hook
from tests.handlers.event.test_event_hooks import event

#: A limit that is reached in every call of the test; one that is reached in some of them; one that never is.
SHORT_S, MIXED_S, LONG_S = 0.2, 0.6, 60

Function = Callable[[dict[str, Any]], Any]


class Told:
    """A dispatcher, and what its hooks have told of themselves, whichever process they were in."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.progress: list[HookProgress] = []
        self._dispatchers: list[EventDispatcher] = []
        path.touch()

    def note(self, what: object) -> None:
        with self._path.open("a") as file:
            file.write(f"{what}\n")

    @property
    def notes(self) -> list[str]:
        return self._path.read_text().splitlines()

    def dispatcher(self, *hooks: Function, timeout: Any = LONG_S) -> EventDispatcher:
        made = EventHooks(hooks, timeout=timeout).dispatcher(record=self.progress.append)
        self._dispatchers.append(made)
        return made

    def call(self, hook: Function, *, times: int = 1, timeout: Any = LONG_S) -> list[str]:
        """What it notes when it is called with one event after the other."""
        with self.dispatcher(hook, timeout=timeout) as dispatcher:
            for number in range(1, times + 1):
                dispatcher.handle(event(number))
        return self.notes

    @property
    def states(self) -> list[str]:
        return [each.state for each in self.progress]

    @property
    def errors(self) -> list[Any]:
        return [each.error for each in self.progress if each.state == "FAILED"]

    def close(self) -> None:
        for each in self._dispatchers:
            each.close()


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    told = Told(tmp_path / "notes")
    yield told
    told.close()


def hang() -> None:
    time.sleep(600)


def is_child(pid: int) -> bool:
    """Whether it runs, or has ended and was not reaped."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
    except ChildProcessError:
        return False


# --- the same as in the task's process ----------------------------------------------------------------------


def test_the_order_is_kept_in_one_process_that_is_not_ours(told: Told) -> None:
    def first(event: Any) -> None:
        told.note(f"first {event['id']} {os.getpid()}")

    def second(event: Any) -> None:
        told.note(f"second {event['id']} {os.getpid()}")

    with told.dispatcher(first, second) as dispatcher:
        for number in range(1, 51):
            dispatcher.handle(event(number))
    calls = [note.split()[:2] for note in told.notes]
    assert calls == [[hook, str(number)] for number in range(1, 51) for hook in ("first", "second")]
    pids = {int(note.split()[2]) for note in told.notes}
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_without_a_timeout_it_is_the_tasks_own_process(told: Told) -> None:
    assert told.call(lambda event: told.note(os.getpid()), timeout=None) == [str(os.getpid())]


def test_what_the_hooks_keep_is_kept_there(told: Told) -> None:
    seen: list[str] = []

    def counts(event: Any) -> None:
        seen.append(event["id"])
        told.note(" ".join(seen))

    assert told.call(counts, times=3) == ["1", "1 2", "1 2 3"]
    assert seen == []


def test_a_changed_event_is_nobody_elses(told: Told) -> None:
    def spoils(event: Any) -> None:
        event["origin"]["pipeline_id"] = "mine"

    given = event()
    with told.dispatcher(spoils, lambda event: told.note(event["origin"]["pipeline_id"])) as dispatcher:
        dispatcher.handle(given)
    assert told.notes == ["p"]
    assert given == event()


def test_what_it_returns_is_dropped(told: Told) -> None:
    def returns(event: Any) -> Any:
        told.note("called")
        return Event()

    assert told.call(returns) == ["called"]
    assert told.states == ["ENABLED"]


def test_a_hook_that_never_runs_is_a_failure(told: Told) -> None:
    async def later() -> None:
        """Nobody awaits it."""

    told.call(lambda event: later())
    assert "coroutine" in str(told.errors[0])


def test_an_event_of_5_mb(told: Told) -> None:
    text = "".join(str(number) for number in range(900_000))
    assert len(text) > 5_000_000
    with told.dispatcher(
        lambda event: told.note(hashlib.sha256(event["text"].encode()).hexdigest())
    ) as dispatcher:
        dispatcher.handle(event(text=text))
    assert told.notes == [hashlib.sha256(text.encode()).hexdigest()]


def test_from_a_thread(told: Told) -> None:
    thread = Thread(target=told.call, args=(lambda event: told.note(event["id"]),))
    thread.start()
    thread.join()
    assert told.notes == ["1"]
    assert told.errors == []


# --- too long -----------------------------------------------------------------------------------------------


def test_a_call_that_takes_too_long_is_ended_and_the_next_one_is_made(told: Told) -> None:
    seen: list[str] = []

    def hangs_once(event: Any) -> None:
        seen.append(event["id"])
        told.note(f"{os.getpid()} {' '.join(seen)}")
        if event["id"] == "2":
            hang()

    with told.dispatcher(hangs_once, timeout=MIXED_S) as dispatcher:
        for number in (1, 2):
            dispatcher.handle(event(number))
        first = int(told.notes[0].split()[0])
        assert not is_child(first)
        for number in (3, 4):
            dispatcher.handle(event(number))
    pids, calls = zip(*(note.split(maxsplit=1) for note in told.notes), strict=True)
    assert calls == ("1", "1 2", "3", "3 4"), "the fresh process has nothing of the ended one"
    assert pids[0] == pids[1] != pids[2] == pids[3]
    assert told.states == ["ENABLED", "FAILED"]
    [error] = told.errors
    assert isinstance(error, TimeoutError)
    assert "hangs_once took longer than 0.6 s" in str(error)
    assert "larger timeout" in str(error)


def test_calls_that_take_too_long_are_failures_that_count(told: Told) -> None:
    @on_event_hook(max_allowable_consecutive_failures=1)
    def hangs(event: Any) -> None:
        told.note(event["id"])
        hang()

    with told.dispatcher(hangs, timeout=SHORT_S) as dispatcher:
        for number in (1, 2, 3):
            dispatcher.handle(event(number))
        assert dispatcher.disabled == ["hangs"]
        assert dispatcher.calls == 2
    assert told.states == ["ENABLED", "FAILED", "FAILED", "DISABLED"]
    assert {type(error) for error in told.errors} == {TimeoutError}
    assert told.notes == ["1", "2"]


def test_a_hook_that_ignores_signals_is_ended(told: Told) -> None:
    def ignores(event: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        told.note(os.getpid())
        hang()

    told.call(ignores, timeout=SHORT_S)
    assert [type(error) for error in told.errors] == [TimeoutError]
    assert not is_child(int(told.notes[0]))


def test_an_event_that_is_not_taken_in_time_is_a_failure(told: Told) -> None:
    """The process is stopped, and the event is more than a socket holds."""
    with told.dispatcher(lambda event: told.note(os.getpid()), timeout=MIXED_S) as dispatcher:
        dispatcher.handle(event(1))
        os.kill(int(told.notes[0]), signal.SIGSTOP)
        dispatcher.handle(event(2, text="x" * 5_000_000))
    assert [type(error) for error in told.errors] == [TimeoutError]
    assert len(told.notes) == 1


# --- failures -----------------------------------------------------------------------------------------------


class HasCode(Exception):
    """Can be pickled as it is."""


class NeedsTwo(Exception):
    """Can be pickled, but not be read again."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def raises(error: BaseException) -> Function:
    def deep_inside(event: Any) -> None:
        raise error

    return deep_inside


@pytest.mark.parametrize("error", [ValueError("no", 5), KeyError("k"), HasCode({"code": 7})], ids=repr)
def test_what_can_be_pickled_comes_back_as_it_is(error: Exception, told: Told) -> None:
    told.call(raises(error))
    [came] = told.errors
    assert type(came) is type(error)
    assert came.args == error.args


def _local() -> Exception:
    class Local(Exception):
        """No module has it."""

    return Local("cannot be pickled")


def _with_a_lock() -> Exception:
    return ValueError(Event())


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (_local(), "Local('cannot be pickled')"),
        (_with_a_lock(), "ValueError(<threading.Event"),
        (NeedsTwo(1, 2), "NeedsTwo('1 and 2')"),
        (SystemExit(3), "sys.exit(3)"),
        (KeyboardInterrupt(), "KeyboardInterrupt()"),
        (GeneratorExit("odd"), "GeneratorExit('odd')"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_or_should_not_comes_back_as_its_name(
    error: BaseException, says: str, told: Told
) -> None:
    hook = raises(error)

    def fails_first(event: Any) -> None:
        told.note(os.getpid())
        if event["id"] == "1":
            hook(event)

    notes = told.call(fails_first, times=2)
    [came] = told.errors
    assert type(came) is RuntimeError
    assert says in str(came)
    assert notes[0] == notes[1], "the process lives on"


@pytest.mark.parametrize("error", [ValueError("no"), _local()], ids=["can be pickled", "cannot"])
def test_the_log_shows_where_it_was_raised(
    error: Exception, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    told.call(raises(error))
    assert "in deep_inside" in caplog.text
    assert "raise error" in caplog.text
    # As Airflow makes the log of a task.
    [came] = told.errors
    stacks = ExceptionDictTransformer(show_locals=False)((type(came), came, came.__traceback__))
    assert "in deep_inside" in "".join(stack["exc_value"] for stack in stacks)


def test_an_event_that_cannot_be_sent_is_a_failure(told: Told) -> None:
    with told.dispatcher(lambda event: told.note(event["id"])) as dispatcher:
        dispatcher.handle(event(1, odd=Event()))
        dispatcher.handle(event(2))
    assert told.states == ["ENABLED", "FAILED"]
    assert told.notes == ["2"]


# --- a process that ends ------------------------------------------------------------------------------------


def segfault() -> None:
    faulthandler.disable()  # pytest has it tell of each
    os.kill(os.getpid(), signal.SIGSEGV)


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (lambda: os._exit(3), "with exit code 3"),
        (lambda: os._exit(0), "with exit code 0"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "by signal 9 (Killed, as when memory runs out)"),
        (segfault, "by signal 11"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "by signal 15"),
        (lambda: os.kill(os.getpid(), signal.SIGINT), "by signal 2"),
    ],
    ids=["exit 3", "exit 0", "SIGKILL", "SIGSEGV", "SIGTERM", "SIGINT"],
)
def test_a_hook_that_ends_its_process_has_failed(end: Callable[[], None], says: str, told: Told) -> None:
    """Handlers that the task has set are not its own."""

    def ends(event: Any) -> None:
        told.note(os.getpid())
        if event["id"] == "1":
            end()
            hang()

    before = signal.signal(signal.SIGTERM, lambda *_: told.note("the task's handler"))
    try:
        notes = told.call(ends, times=2)
    finally:
        signal.signal(signal.SIGTERM, before)
    [error] = told.errors
    assert type(error) is RuntimeError
    assert f"Hook ends has ended its process, {says}" in str(error)
    assert len(set(notes)) == 2, "one call each, and each in another process"


def test_one_that_ends_between_two_calls_is_no_failure(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    with told.dispatcher(lambda event: told.note(os.getpid())) as dispatcher:
        dispatcher.handle(event(1))
        pid = int(told.notes[0])
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        dispatcher.handle(event(2))
    assert len(set(told.notes)) == 2
    assert told.errors == []
    assert "ended between two calls, by signal 9" in caplog.text


def test_one_that_something_else_has_reaped(told: Told) -> None:
    with told.dispatcher(lambda event: told.note(os.getpid())) as dispatcher:
        dispatcher.handle(event(1))
        pid = int(told.notes[0])
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        dispatcher.handle(event(2))
    assert len(set(told.notes)) == 2
    assert told.errors == []


def test_it_is_gone_after_close_which_may_be_said_twice(told: Told) -> None:
    dispatcher = told.dispatcher(lambda event: told.note(os.getpid()))
    dispatcher.close()
    dispatcher.handle(event())
    pid = int(told.notes[0])
    assert is_child(pid)
    for _ in range(2):
        dispatcher.close()
        with pytest.raises(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def test_close_where_there_is_no_process_changes_nothing() -> None:
    seen: list[Any] = []
    with EventHooks([seen.append]).dispatcher() as dispatcher:
        dispatcher.close()
        dispatcher.handle({"event_type": "flow_progress", "maturity_level": "STABLE"})
    assert len(seen) == 1


def test_what_interrupts_the_task_ends_the_call(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as Airflow's limit for the task, or Ctrl-C: its outcome would be taken for the next call's."""

    class Interrupts:
        def send(self, msg: Any) -> Any:
            raise KeyboardInterrupt

    def asks_first(event: Any) -> None:
        told.note(os.getpid())
        if event["id"] == "1":
            task_runner.SUPERVISOR_COMMS.send(GetVariable(key="k"))
            told.note("answered")

    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", Interrupts(), raising=False)
    with told.dispatcher(asks_first) as dispatcher:
        with pytest.raises(KeyboardInterrupt):
            dispatcher.handle(event(1))
        assert not is_child(int(told.notes[0]))
        dispatcher.handle(event(2))
    assert len(set(told.notes)) == 2
    assert "answered" not in told.notes


PARENT = """
import os, sys, time
from airflow_provider_pipehooks.handlers.event_hooks import EventHooks

def tells(event):
    print(os.getpid(), flush=True)
    if event["message"] == "hang":
        time.sleep(600)

event = {"maturity_level": "STABLE", "message": "go on"}
dispatchers = [EventHooks([tells], timeout=600).dispatcher() for _ in range(2)]
for dispatcher in dispatchers * 2:
    dispatcher.handle(event)
if sys.argv[1] == "in a call":
    dispatchers[0].handle({**event, "message": "hang"})
if sys.argv[1] != "at the end":
    print("idle", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("when", ["between calls", "in a call", "at the end"])
def test_it_is_gone_after_its_parent(when: str) -> None:
    """Killed, or at its end without close: whoever lives on holds the pipe that all of them print to."""
    lines = 5
    with subprocess.Popen([sys.executable, "-c", PARENT, when], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        told = [parent.stdout.readline() for _ in range(lines if when != "at the end" else 4)]
        if when != "at the end":
            parent.kill()
        try:
            assert parent.communicate(timeout=30)[0] == ""
        except subprocess.TimeoutExpired:
            for pid in set(told) - {"idle\n"}:
                os.kill(int(pid), signal.SIGKILL)
            raise
    assert len(set(told) - {"idle\n"}) == 2


# --- what it prints and what it starts ----------------------------------------------------------------------

HOOKS = """
import logging, time
from dlt import on_event_hook

@on_event_hook
def prints(event):
    for number in range(10_000):
        print("line", event["id"], number)
    print("ends here", event["id"], end="")

@on_event_hook(max_allowable_consecutive_failures=0)
def hangs(event):
    print()
    logging.getLogger("hook").warning("logged before it hangs")
    print("printed before it hangs")
    time.sleep(600)

print("Loaded.")
"""


def test_what_is_printed_and_logged_comes_out_in_order(tmp_path: Path) -> None:
    hooks, events = tmp_path / "my_hooks.py", tmp_path / "events.json"
    hooks.write_text(HOOKS)
    events.write_text('[{"id": 1, "maturity_level": "STABLE"}, {"id": 2, "maturity_level": "STABLE"}]')
    command = ["-m", "airflow_provider_pipehooks", "hooks", "replay", str(hooks), "--events", str(events)]
    whole = [sys.executable, *command, "--timeout", "5"]
    buffered = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        whole, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, env=buffered
    )
    first = [f"line 1 {number}" for number in range(10_000)] + ["ends here 1"]
    second = [f"line 2 {number}" for number in range(10_000)]
    lines = done.stdout.splitlines()
    began = lines.index(first[0])
    assert lines[began : began + len(first)] == first
    went_on = lines.index(second[0])
    logged, printed, *failed = lines[began + len(first) : went_on]
    assert "logged before it hangs" in logged
    assert printed == "printed before it hangs"
    assert "TimeoutError: Hook hangs took longer than 5 s" in "".join(failed)
    assert lines[went_on : went_on + len(second)] == second
    ended = lines[went_on + len(second) :]
    assert ended[0].startswith("ends here 22 events, 2 hooks, 3 calls, 1 failures"), "as it ended no line"
    assert "hangs: 1 failures, switched off at the end" in ended[-1]
    assert lines.count("Loaded.") == 1
    assert done.returncode == 1


def test_a_wrong_timeout_of_replay_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from airflow_provider_pipehooks import __main__

    (tmp_path / "h.py").write_text(HOOKS)
    (tmp_path / "e.json").write_text("[]")
    command = ["hooks", "replay", str(tmp_path / "h.py"), "--events", str(tmp_path / "e.json")]
    assert __main__.main([*command, "--timeout", "soon"]) == 2
    assert "timeout of EventHooks must be a number of seconds above 0" in capsys.readouterr().err


def test_a_signal_that_a_hook_handles_wakes_nobody_in_the_task(told: Told) -> None:
    """A loop of asyncio has a socket for them, which goes over into what is forked."""

    def handles(event: Any) -> None:
        signal.signal(signal.SIGUSR1, lambda *_: told.note("handled"))
        os.kill(os.getpid(), signal.SIGUSR1)

    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    before = signal.set_wakeup_fd(theirs.fileno())
    try:
        assert told.call(handles) == ["handled"]
        with pytest.raises(BlockingIOError):
            ours.recv(10)
    finally:
        signal.set_wakeup_fd(before)


def test_it_has_nothing_to_read(told: Told) -> None:
    """In a task, that is where the supervisor's answers come from."""
    ours, theirs = socket.socketpair()
    before = os.dup(0)
    os.dup2(theirs.fileno(), 0)
    try:
        ours.send(b"an answer")
        assert told.call(lambda event: told.note(os.read(0, 100))) == ["b''"]
        assert theirs.recv(100) == b"an answer"
    finally:
        os.dup2(before, 0)
        os.close(before)


def test_what_a_hook_has_forked_keeps_nobody_waiting(told: Told) -> None:
    """It holds nothing by which the end of the process would go unseen: neither by the call nor by close."""

    def forks(event: Any) -> None:
        if event["id"] == "1":
            pid = os.fork()
            if not pid:
                hang()
            told.note(pid)
        if event["id"] == "3":
            os._exit(3)

    with told.dispatcher(forks) as dispatcher:
        for number in (1, 2, 3, 4):
            dispatcher.handle(event(number))
    for pid in told.notes:
        os.kill(int(pid), signal.SIGKILL)
    assert ["with exit code 3" in str(error) for error in told.errors] == [True]


def test_a_forked_process_that_returns_from_the_hook_gives_no_outcome(
    told: Told, capfd: pytest.CaptureFixture[str]
) -> None:
    def forks(event: Any) -> None:
        pid = os.fork() if event["id"] == "1" else None
        if pid:
            os.waitpid(pid, 0)
            told.note(f"{event['id']} has seen it end")
        elif pid is None:
            raise ValueError(event["id"])

    told.call(forks, times=3)
    assert told.notes == ["1 has seen it end"]
    assert [str(error) for error in told.errors] == ["2", "3"]
    assert "Traceback" not in capfd.readouterr().err


def test_what_the_task_forks_does_not_keep_it(told: Told) -> None:
    """Another process of the task's has no copy of the end by which this one sees that the task is gone."""
    dispatcher = told.dispatcher(lambda event: told.note(os.getpid()))
    dispatcher.handle(event(1))
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        open_ends = [end for end in own_process._open if end.fileno() != -1]
        os.write(write, str(len(open_ends)).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 10) == b"0"
    os.close(read)
    os.close(write)
    dispatcher.handle(event(2))
    assert len(set(told.notes)) == 1


# --- asking Airflow -----------------------------------------------------------------------------------------


class Comms:
    """The task's channel to its supervisor, which is the task's alone."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.asked: list[Any] = []

    def send(self, msg: Any) -> Any:
        assert os.getpid() == self.pid
        self.asked.append(msg)
        if isinstance(msg, MaskSecret):
            return None
        denied = ErrorResponse(error=ErrorType.PERMISSION_DENIED, detail={"who": "you"})
        if msg.key == "denied":
            return denied
        if msg.key == "forbidden":
            raise AirflowRuntimeError(denied)
        if msg.key == "broken":
            raise EOFError("Request socket closed")
        return VariableResult(key=msg.key, value=f"the {msg.key}")


@pytest.fixture
def comms(monkeypatch: pytest.MonkeyPatch) -> Comms:
    comms = Comms()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", comms, raising=False)
    return comms


def channel() -> Any:
    return task_runner.SUPERVISOR_COMMS


def get(key: str) -> Any:
    return channel().send(GetVariable(key=key))


def test_a_variable_is_asked_for_by_the_task(comms: Comms, told: Told) -> None:
    def asks(event: Any) -> None:
        told.note(f"{Variable.get('one')}, {Variable.get('two')}")

    assert told.call(asks, times=2) == ["the one, the two"] * 2
    assert [each.key for each in comms.asked if isinstance(each, GetVariable)] == ["one", "two"] * 2
    assert channel() is comms


def test_it_is_told_as_airflow_tells_it_that_something_is_refused(comms: Comms, told: Told) -> None:
    def asks(event: Any) -> None:
        try:
            get("forbidden")
        except AirflowRuntimeError as err:
            told.note(f"{err.error.error.value} {err.error.detail}")
        with pytest.raises(EOFError, match="Request socket closed"):
            get("broken")
        with pytest.raises(PermissionError):
            Variable.get("denied")
        told.note(Variable.get("one"))

    assert told.call(asks) == ["PERMISSION_DENIED {'who': 'you'}", "the one"]
    assert told.errors == []


def test_coroutines_and_threads_ask_in_turn(comms: Comms, told: Told) -> None:
    keys = [str(number) for number in range(50)]

    async def all_at_once() -> list[str]:
        found = await asyncio.gather(*(channel().asend(GetVariable(key=key)) for key in keys))
        return [each.value for each in found]

    def asks(event: Any) -> None:
        told.note(asyncio.run(all_at_once()) == [f"the {key}" for key in keys])
        with ThreadPoolExecutor(8) as pool:
            told.note([found.value for found in pool.map(get, keys)] == [f"the {key}" for key in keys])

    assert told.call(asks) == ["True", "True"]
    assert told.errors == []


def test_a_thread_that_a_hook_leaves_behind_asks_during_the_next_calls(comms: Comms, told: Told) -> None:
    """Between two calls nobody answers, and what comes next is the next call."""
    left: list[Thread] = []
    keys = [str(number) for number in range(200)]

    def asks_on() -> None:
        told.note([get(key).value for key in keys] == [f"the {key}" for key in keys])

    def hook(event: Any) -> None:
        if event["id"] == "1":
            left.append(Thread(target=asks_on))
            left[0].start()
        if event["id"] == "100":
            left[0].join()

    assert told.call(hook, times=100, timeout=20) == ["True"]
    assert told.errors == []


def test_what_it_hides_is_hidden_in_the_task_and_by_the_supervisor(comms: Comms, told: Told) -> None:
    secret = "only-the-hook-knew-this-9371"
    assert masked_text(f"say {secret}") == f"say {secret}"
    told.call(lambda event: mask_secret(secret))
    assert [each.value for each in comms.asked] == [secret]
    assert masked_text(f"say {secret}") == "say ***"


def test_where_no_task_runs_nothing_is_replaced(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(task_runner, "SUPERVISOR_COMMS", raising=False)

    def looks(event: Any) -> None:
        told.note(hasattr(task_runner, "SUPERVISOR_COMMS"))

    assert told.call(looks) == ["False"]


class Supervisor:
    """The other end of Airflow's own channel; the answer to ``slow`` comes when it is too late."""

    def __init__(self) -> None:
        self._end, theirs = socket.socketpair()
        self.comms: Any = CommsDecoder(socket=theirs)
        self.answered: list[str] = []
        Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        import msgspec

        decoder = msgspec.msgpack.Decoder(_RequestFrame)
        while header := self._end.recv(4):
            request = decoder.decode(self._end.recv(int.from_bytes(header, "big")))
            body: Any = request.body
            if body["type"] == "MaskSecret":
                self._end.sendall(_ResponseFrame(id=request.id).as_bytes())
                continue
            if body["key"] == "slow":
                time.sleep(2 * MIXED_S)  # which is what is tested
            found = VariableResult(key=body["key"], value=f"the {body['key']}")
            # Before it is sent: who gets the last answer looks at once.
            self.answered.append(body["key"])
            self._end.sendall(_ResponseFrame(id=request.id, body=found.model_dump()).as_bytes())

    def close(self) -> None:
        self.comms.socket.close()
        self._end.close()


def test_an_answer_that_comes_too_late_is_nobody_elses(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """With Airflow's own channel: the hook is ended while the supervisor is at work for it."""
    real = Supervisor()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", real.comms, raising=False)

    def asks(event: Any) -> None:
        told.note(Variable.get(event["message"]))

    with told.dispatcher(asks, timeout=MIXED_S) as dispatcher:
        for number, key in enumerate(("one", "slow", "two"), start=1):
            dispatcher.handle(event(number, message=key))
    assert get("three").value == "the three", "the task's own question gets its own answer"
    assert told.notes == ["the one", "the two"]
    assert [type(error) for error in told.errors] == [TimeoutError]
    assert real.answered == ["one", "slow", "two", "three"]
    real.close()


# --- what may be asked for ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timeout", "seconds"), [(None, None), (30, 30), (0.5, 0.5), ("30", 30), (timedelta(minutes=1), 60)]
)
def test_a_timeout_is_seconds(timeout: Any, seconds: float | None) -> None:
    assert EventHooks([print], timeout=timeout).timeout == seconds


@pytest.mark.parametrize("timeout", [0, -1, True, "soon", float("nan"), float("inf"), timedelta(0), [5]])
def test_a_timeout_that_is_none_is_refused(timeout: Any) -> None:
    with pytest.raises(ConfigurationError, match="timeout of EventHooks must be a number of seconds above 0"):
        EventHooks([print], timeout=timeout)


def test_a_timeout_longer_than_a_socket_takes(told: Told) -> None:
    assert told.call(lambda event: told.note(event["id"]), timeout=timedelta(days=36_000)) == ["1"]


def test_airflows_refusal_cannot_be_unpickled() -> None:
    """Why it is sent as what it was made of; once this fails, that is no longer needed."""
    refused = AirflowRuntimeError(ErrorResponse(error=ErrorType.PERMISSION_DENIED))
    with pytest.raises(AttributeError):
        pickle.loads(pickle.dumps(refused))
