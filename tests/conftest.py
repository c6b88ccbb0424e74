"""A fresh AIRFLOW_HOME for every session of tests, set before anything imports Airflow."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from airflow_provider_pipehooks.standin import StandIn
    from tests.dag_runs import Finished

_HOME = tempfile.mkdtemp(prefix="pipehooks-tests-")
os.environ.update(
    {
        "AIRFLOW_HOME": _HOME,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": os.path.join(_HOME, "dags"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{_HOME}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": os.path.join(_HOME, "logs"),
        # dag.test() has no scheduler that could mistake an early trigger for a second report.
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "0",
        "NO_PROXY": "127.0.0.1,localhost",
    }
)


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def airflow_db() -> None:
    """A migrated SQLite database, for tests that run a whole DAG."""
    from airflow.utils.db import initdb

    initdb()


@pytest.fixture(scope="session")
def serving() -> Iterator[StandIn]:
    from airflow_provider_pipehooks.standin import StandIn

    with StandIn() as standin:
        yield standin


@pytest.fixture
def standin(serving: StandIn) -> StandIn:
    """One stand-in for all tests, emptied before each."""
    serving.reset()
    return serving


@pytest.fixture
def connections(serving: StandIn, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The default connections to the stand-in; call it to change fields of one."""

    def connect(conn_id: str, **fields: object) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))

    connect(
        "dbt_cloud_default",
        conn_type="pipehooks_dbt_cloud",
        host=serving.url,
        login="1",
        password="dbt-token",
    )
    connect("databricks_default", conn_type="pipehooks_databricks", host=serving.url, password="dapi-token")
    return connect


@pytest.fixture
def run_dag(airflow_db: None) -> Callable[..., Finished]:
    """Run a DAG written in a test with the real task runner, and look at what it left."""
    from tests.dag_runs import run

    return run
