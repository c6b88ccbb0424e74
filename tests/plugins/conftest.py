"""Airflow's own API server application with the control plane in it, called without a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_pipehooks.handlers import signals
from airflow_provider_pipehooks.handlers.signal.sending import is_on
from airflow_provider_pipehooks.handlers.signals import PipelineEvent
from airflow_provider_pipehooks.plugins import background as background_module
from airflow_provider_pipehooks.plugins.background import Background
from tests.plugins.page_world import Database

DAGS = Path(__file__).parent.parent / "fault" / "control_plane_dags"


@pytest.fixture
def signals_on(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Signals are sent, to receivers of this test alone."""
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__ENABLE_PIPELINE_EVENT_SIGNALS", "True")
    known = dict(signals.pipeline_event.receivers)
    signals.recent_failures.clear()
    is_on.cache_clear()
    yield
    is_on.cache_clear()
    fresh: Any = [each for key, each in signals.pipeline_event.receivers.items() if key not in known]
    for receiver in fresh:
        signals.pipeline_event.disconnect(receiver() if hasattr(receiver, "__callback__") else receiver)


@pytest.fixture
def told(signals_on: None) -> list[PipelineEvent]:
    """What receivers are told in this test."""
    events: list[PipelineEvent] = []

    def receive(sender: object, event: PipelineEvent) -> None:
        events.append(event)

    signals.pipeline_event.connect(receive, weak=False)
    return events


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> Background:
    """The process's queue for slow receivers, for this test alone."""
    mine = Background(1000)
    monkeypatch.setattr(background_module, "_of_this_process", mine)
    return mine


@pytest.fixture(scope="session")
def api_app(airflow_db: None) -> Any:
    """The whole application as ``airflow api-server`` makes it, and the DAGs that people operate on."""
    from airflow.api_fastapi.app import create_app, purge_cached_app

    from airflow_provider_pipehooks.plugins.control_plane import ControlPlane

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "of the tests " * 6)
        patch.setenv("AIRFLOW__API__SECRET_KEY", "of the tests " * 6)
        patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "admin:admin,viewer:viewer")
        purge_cached_app()
        app = create_app("core")
        app.add_middleware(ControlPlane)
        # As plugins are: inside of all others.
        app.user_middleware.append(app.user_middleware.pop(0))
        store_dags()
        yield app


def store_dags() -> None:
    """As the DAG processor does it."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db
    from airflow.utils.session import create_session

    with create_session() as session:
        DagBundlesManager().sync_bundles_to_db(session=session)
    bag = BundleDagBag(dag_folder=DAGS, bundle_path=DAGS, bundle_name="dags-folder")
    assert not bag.import_errors
    sync_bag_to_db(bag, "dags-folder", None)


@pytest.fixture
def call(api_app: Any) -> Callable[..., Any]:
    """Call the API as a user: ``call("admin", "PATCH", "dags/d", {...})``."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from starlette.testclient import TestClient

    client = TestClient(api_app)

    def call(user: str, method: str, path: str, body: Any = None) -> Any:
        headers = {"Content-Type": "application/json"}
        if user in ("admin", "viewer"):
            token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=user, role=user))
            headers["Authorization"] = f"Bearer {token}"
        elif user == "forger":
            headers["Authorization"] = "Bearer a.b.c"
        content = None if body is None else json.dumps(body)
        return client.request(method, f"/api/v2/{path}", content=content, headers=headers)

    return call


def by_name(patch: pytest.MonkeyPatch) -> None:
    """Users read different DAGs, for as long as the patch holds."""
    from airflow.api_fastapi import app

    for section in ("API_AUTH__JWT_SECRET", "API__SECRET_KEY"):
        patch.setenv(f"AIRFLOW__{section}", "of the tests " * 6)
    patch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "tests.plugins.by_name.ByName")
    patch.setattr(app._AuthManagerState, "instance", None)


@pytest.fixture(scope="session")
def page_app(airflow_db: None) -> Any:
    """The application as ``airflow api-server`` makes it, and the page in it."""
    from airflow.api_fastapi.app import create_app
    from starlette.routing import Mount

    from airflow_provider_pipehooks.plugins.page import page

    with pytest.MonkeyPatch.context() as patch:
        by_name(patch)
        app = create_app("core")
    # As plugins are: before Airflow's own routes, the last of which takes all.
    app.router.routes.insert(0, Mount("/pipehooks", page()))
    return app


@pytest.fixture
def database(airflow_db: None) -> Iterator[Database]:
    database = Database()
    database.clear()
    database.dag("ann_shops", "ann_stock", "bob_shops")
    yield database
    database.clear()


@pytest.fixture
def get(
    page_app: Any, database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Any]:
    """Ask for a page as a user, with the cookie of Airflow's UI: ``get("ann", "alerts?dag=ann_shops")``."""
    from airflow.api_fastapi.app import get_auth_manager, init_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from starlette.testclient import TestClient

    by_name(monkeypatch)
    init_auth_manager()
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__OUTBOX", str(tmp_path / "outbox"))
    monkeypatch.setenv("AIRFLOW__PIPEHOOKS__HISTORY", str(tmp_path / "history"))

    def ask(user: str, path: str = "", *, role: str = "viewer", by: str = "cookie") -> Any:
        token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username=user, role=role))
        client = TestClient(page_app, cookies={"_token": token} if by == "cookie" else {})
        headers = {"Authorization": f"Bearer {token}"} if by == "bearer" else {}
        return client.get(f"/pipehooks/{path}", headers=headers, follow_redirects=False)

    return ask
