"""What a command finds that Airflow keeps in its database: connections and Variables.

Airflow's task SDK looks there only in processes that Airflow itself has started, and ``airflow connections
test`` names itself one of them (Airflow 3.3); in all others only the environment and secrets backends count.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path


def with_stored() -> AbstractContextManager[None]:
    """In here the task SDK finds what is stored in the database, too; of the whole process."""
    return in_environment("_AIRFLOW_PROCESS_CONTEXT", "server")


@contextmanager
def in_environment(name: str, value: str) -> Iterator[None]:
    """Have an environment variable set for a while."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def stored_connections(conn_types: Iterable[str]) -> list[str]:
    """The ids of the connections of these types.

    :raises Exception: the database cannot be reached or read; SQLAlchemy's, or of a driver.
    """
    from airflow import settings
    from airflow.models.connection import Connection
    from sqlalchemy import select

    engine = settings.get_engine()  # type: ignore[no-untyped-call]
    if engine.name == "sqlite" and not Path(str(engine.url.database)).exists():
        # Asked, SQLite makes an empty one, where there is to be none: on a worker.
        raise FileNotFoundError(f"there is no {engine.url.database}")
    query = select(Connection.conn_id).where(Connection.conn_type.in_(tuple(conn_types)))
    # Not by a session, which could not be closed at the end of the process while it waits for an answer.
    with engine.connect() as database:
        return sorted(database.scalars(query))
