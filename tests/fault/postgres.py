"""A PostgreSQL server of one's own, on loopback, in a folder that is thrown away."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_pipehooks.demo.processes import CannotStart, free_port

#: PostgreSQL refuses to run as root.
_SOMEBODY = "postgres"


@contextmanager
def postgres(home: Path) -> Iterator[str]:
    """Start a server and make a database.

    :param home: an empty folder that others than root may reach.
    :return: its address for SQLAlchemy.
    :raises CannotStart: PostgreSQL is not on this machine.
    """
    port = free_port()
    data = home / "data"
    home.chmod(0o777)
    _run("initdb", "-D", str(data), "-A", "trust", "-U", "airflow")
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home} -c max_connections=200"
    )
    _run("pg_ctl", "-D", str(data), "-o", options, "-l", str(home / "log"), "-w", "start")
    try:
        _run("createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "airflow", "airflow")
        yield f"postgresql+psycopg2://airflow@127.0.0.1:{port}/airflow"
    finally:
        _run("pg_ctl", "-D", str(data), "-m", "fast", "stop")


def _run(program: str, *arguments: str) -> None:
    path = shutil.which(program)
    if path is None:
        raise CannotStart(f"{program} is not on this machine: install PostgreSQL, or leave --postgres out.")
    command: Sequence[str] = (path, *arguments)
    if os.geteuid() == 0:
        command = ("setpriv", f"--reuid={_SOMEBODY}", f"--regid={_SOMEBODY}", "--init-groups", *command)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
