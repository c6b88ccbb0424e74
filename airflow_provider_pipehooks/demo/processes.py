"""The demo's folder, its port and its processes: nothing may be left when it ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path

import psutil  # a dependency of Airflow itself

from airflow_provider_pipehooks.standin.server import LOOPBACK

#: In the environment of everything that a demo starts: the demo's folder. Airflow's processes leave their
#: process groups and outlive their parents, but they keep this.
MARK = "PIPEHOOKS_DEMO"
#: How long a process may take to end by itself; its database is thrown away in any case.
GRACE_S = 3.0
#: In a demo's folder; held while it runs.
LOCK = "lock"
#: Ctrl-C, a request to end, a closed terminal.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class CannotStart(Exception):
    """The demo cannot begin; the text says why and what to do."""


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def folder(home: Path) -> Iterator[None]:
    """The demo's folder, empty; what a killed demo left there, files and processes, is cleared first.

    :raises CannotStart: another demo is using it, or it is none of a demo: what is in it would be deleted.
    """
    refuse_if_not_ours(home)
    home.mkdir(parents=True, exist_ok=True)
    with (home / LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as err:
            raise CannotStart(f"Another demo is running in {home}. End it with Ctrl-C first.") from err
        end_all(home)
        clear(home)
        try:
            yield
        finally:
            ignore_signals()
            end_all(home)


def refuse_if_not_ours(home: Path) -> None:
    """Every demo leaves its lock; whoever made a folder without one would miss what is in it."""
    for each in (home, home.parent):
        if each.is_symlink():
            raise CannotStart(
                f"{each} is a link, and the demo deletes what is in that folder. Remove the link."
            )
    if home.is_dir() and any(home.iterdir()) and not (home / LOCK).is_file():
        raise CannotStart(
            f"{home} is not from a demo, which would delete what is in it. Move it away, or run the demo in "
            f"another folder."
        )


def ignore_signals() -> None:
    """From now on the demo ends by itself, and soon: a second Ctrl-C must not leave something running."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)


def clear(home: Path) -> None:
    """Remove everything in the folder but the lock, which is in use."""
    for path in home.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != LOCK:
            path.unlink(missing_ok=True)


def keep_to_this_machine(environment: MutableMapping[str, str]) -> None:
    """Take out settings of another Airflow and of the user's AWS account, and use no proxy on loopback."""
    for name in [name for name in environment if name.startswith(("AIRFLOW", "AWS_"))]:
        del environment[name]
    for name in ("NO_PROXY", "no_proxy"):
        environment[name] = f"{LOOPBACK},localhost"


def start(
    home: Path, command: Sequence[str], settings: Mapping[str, str], log: Path
) -> subprocess.Popen[bytes]:
    """Start a process that carries the mark; its output goes to a file.

    It is a session of its own: a Ctrl-C in the terminal is for the demo alone, which then ends it in order.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    # Processes that rename themselves would overwrite their environment, and the mark with it.
    marked_environment = {**os.environ, MARK: str(home), "SPT_NOENV": "1", **settings}
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=home,
            env=marked_environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def marked(home: Path) -> list[psutil.Process]:
    """Every process that a demo in this folder has started, directly or not."""
    found = []
    for process in psutil.process_iter():
        # Ended meanwhile, or somebody else's.
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(home) and process.pid != os.getpid():
                found.append(process)
    return found


def end_all(home: Path) -> None:
    """End all processes of the folder: first asked to, then forced to; returns when there are none."""
    asked = marked(home)
    for process in asked:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    psutil.wait_procs(asked, timeout=GRACE_S)
    # Again until none is found: a process may have started another one meanwhile.
    for _ in range(10):
        left = marked(home)
        if not left:
            return
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=1)
