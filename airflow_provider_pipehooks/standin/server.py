"""The stand-in as an object: a server in a background thread, on loopback."""

from __future__ import annotations

import contextlib
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import uvicorn

from airflow_provider_pipehooks.standin import (
    databricks_jobs,
    databricks_pipelines,
    databricks_sql,
    dbt_cloud,
    tls,
)
from airflow_provider_pipehooks.standin.app import build_app
from airflow_provider_pipehooks.standin.databricks_workspace import World as Workspace
from airflow_provider_pipehooks.standin.dbt_cloud.dbt_project import DbtProject
from airflow_provider_pipehooks.standin.faults import Faults, TransportProtocol
from airflow_provider_pipehooks.standin.journal import Journal

LOOPBACK = "127.0.0.1"


class StandIn:
    """dbt Cloud, Databricks Jobs, Pipelines and SQL statements in one local server.

    :param port: 0 takes a free one; it is kept when the server is stopped and started again.
    :param tls: speak https with a certificate of its own; trust ``ca_file``.
    :param dbt_project: a dbt project; triggered dbt jobs then really run dbt on it.
    :param speed: how much faster than real time runs move that take seconds.
    """

    def __init__(
        self, port: int = 0, tls: bool = False, dbt_project: str | Path | None = None, speed: float = 1.0
    ) -> None:
        self.host = "localhost" if tls else LOOPBACK
        self.port = port
        self.tls = tls
        self.journal = Journal()
        self.faults = Faults()
        self.dbt_cloud = dbt_cloud.World(clock=time.time, speed=speed, base_url=lambda: self.url)
        self.databricks_jobs = databricks_jobs.World(clock=time.time, speed=speed, base_url=lambda: self.url)
        self.databricks_pipelines = databricks_pipelines.World(
            clock=time.time, speed=speed, base_url=lambda: self.url
        )
        jobs = self.databricks_jobs
        self.databricks_workspace = Workspace(has_job=lambda job_id: job_id in jobs.jobs)
        self.databricks_sql = databricks_sql.World(clock=time.time, speed=speed)
        self.ca_file: Path | None = None
        self._dbt_project = None if dbt_project is None else Path(dbt_project)
        self._server: uvicorn.Server | None = None
        self._cleanup = contextlib.ExitStack()

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    def reset(self) -> None:
        """Forget runs, jobs, pipelines, faults, journal and tokens; the default jobs are made again."""
        self.dbt_cloud.reset()
        self.databricks_jobs.reset()
        self.databricks_workspace.reset()
        self.databricks_pipelines.reset()
        self.databricks_sql.reset()
        self.faults.clear()
        self.journal.clear()

    def start(self) -> StandIn:
        """Listen; returns when requests are answered.

        :raises OSError: the port is taken.
        """
        with contextlib.ExitStack() as cleanup:
            folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="pipehooks-standin-")))
            if self._dbt_project is not None:
                project = DbtProject(self._dbt_project, folder / "dbt", self.dbt_cloud)
                self.dbt_cloud.runner = project
                cleanup.callback(self._end_dbt, project)
            listener = cleanup.enter_context(listen(self.port))
            self.port = listener.getsockname()[1]
            cleanup.enter_context(self._serving(listener, folder))
            self._cleanup = cleanup.pop_all()
        return self

    def stop(self) -> None:
        """Stop listening and end every process; what is remembered stays."""
        self._cleanup.close()

    def _end_dbt(self, project: DbtProject) -> None:
        self.dbt_cloud.runner = None
        project.close()

    @contextlib.contextmanager
    def _serving(self, listener: socket.socket, folder: Path) -> Iterator[None]:
        server = uvicorn.Server(self._config(folder))
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="pipehooks-standin", daemon=True
        )
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.005)
        if not server.started:
            raise RuntimeError(f"The stand-in could not start on port {self.port}. Its log has the reason.")
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(timeout=10)

    def _config(self, folder: Path) -> uvicorn.Config:
        files: dict[str, Any] = {}
        if self.tls:
            certificate = tls.make(folder)
            self.ca_file = certificate.ca_file
            files = {"ssl_certfile": certificate.chain_file, "ssl_keyfile": certificate.key_file}
        return uvicorn.Config(
            build_app(self),
            http=TransportProtocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
            **files,
        )

    def __enter__(self) -> StandIn:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def listen(port: int) -> socket.socket:
    """A socket on loopback; nobody outside this machine can reach it."""
    # asyncio switches Nagle off only where the protocol is named; else each answer waits 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as err:
        listener.close()
        raise OSError(
            err.errno, f"Port {port} of {LOOPBACK} is taken. Choose another, or 0 for any."
        ) from err
    listener.listen(512)
    return listener
