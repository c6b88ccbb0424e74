"""Who we are to Databricks: tokens that are fetched, kept, shared and fetched anew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import AccessDenied, RemoteCallError
from airflow_provider_pipehooks.hooks import auth
from airflow_provider_pipehooks.hooks.databricks import AZURE_DATABRICKS, AZURE_MANAGEMENT, DatabricksHook
from airflow_provider_pipehooks.process_wide import forget
from airflow_provider_pipehooks.services.databricks_jobs import DatabricksJobs
from airflow_provider_pipehooks.standin import Fault, StandIn
from tests.hooks.recorder import Recorder, recording

Connect = Callable[..., None]
ENTRA = "/tenant/oauth2/v2.0/token"


@pytest.fixture(autouse=True)
def no_kept_tokens() -> Iterator[None]:
    """Neither from a test before nor for one after."""
    forget()
    yield
    forget()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Moved by hand: ``clock.now_s += 60``."""
    clock = SimpleNamespace(now_s=1_800_000_000.0)
    clock.time = lambda: clock.now_s
    monkeypatch.setattr(auth, "time", clock)
    return clock


@pytest.fixture
def principal(standin: StandIn, connections: Connect) -> Callable[..., None]:
    """A service principal of the workspace; the workspace takes no other token."""
    standin.databricks_jobs.tokens = set()

    def connect(secret: str = "s3cret-value", **extra: Any) -> None:
        standin.databricks_jobs.clients = {"client": secret}
        connections(
            "databricks_default",
            conn_type="pipehooks_databricks",
            host=standin.url,
            login="client",
            password=secret,
            extra=extra or {"service_principal_oauth": True},
        )

    return connect


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with recording('{"jobs": [], "access_token": "issued-token", "expires_in": "3600"}') as recorder:
        yield recorder


def ask(hook: DatabricksHook | None = None) -> None:
    (hook or DatabricksHook(retry_delay=0.01)).call(DatabricksJobs()._jobs())


def fetched(standin: StandIn) -> int:
    return standin.journal.count("POST", "token")


def test_a_service_principal_gets_a_token_for_its_calls(principal: Connect, standin: StandIn) -> None:
    principal()
    ask()
    (entry,) = standin.journal.find("POST", "/oidc/v1/token")
    assert entry.body == "grant_type=client_credentials&scope=all-apis"
    assert standin.journal.entries[-1].status == 200


def test_hooks_share_a_token(principal: Connect, standin: StandIn) -> None:
    principal()
    for _ in range(3):
        ask()
    assert fetched(standin) == 1


async def test_hooks_that_begin_together_fetch_one_token(principal: Connect, standin: StandIn) -> None:
    principal()
    hooks = [DatabricksHook() for _ in range(20)]
    await asyncio.gather(*(hook.acall(DatabricksJobs()._jobs()) for hook in hooks))
    for hook in hooks:
        await hook.aclose()
    assert fetched(standin) == 1
    assert standin.journal.count("GET") == 20


@pytest.mark.parametrize(
    ("after_s", "tokens"),
    [(3600 - auth.REFRESH_EARLY_S - 1, 1), (3600 - auth.REFRESH_EARLY_S, 2), (5000, 2)],
    ids=["well before", "shortly before", "after"],
)
def test_a_token_is_kept_until_shortly_before_it_expires(
    after_s: float, tokens: int, principal: Connect, standin: StandIn, clock: SimpleNamespace
) -> None:
    principal()
    ask()
    clock.now_s += after_s
    ask()
    assert fetched(standin) == tokens


def test_a_rotated_secret_does_not_get_the_token_of_the_old_one(principal: Connect, standin: StandIn) -> None:
    principal("old-secret")
    ask()
    principal("new-secret")
    ask()
    assert fetched(standin) == 2


def test_a_token_that_was_withdrawn_is_fetched_anew_after_rereading(
    principal: Connect, standin: StandIn
) -> None:
    principal()
    hook = DatabricksHook()
    ask(hook)
    standin.databricks_jobs.issued.clear()
    with pytest.raises(AccessDenied):
        ask(hook)
    hook.reread()
    ask(hook)
    assert fetched(standin) == 2


def test_a_token_endpoint_in_trouble_is_asked_again(principal: Connect, standin: StandIn) -> None:
    principal()
    standin.faults.add(Fault(path="/oidc/", status=503, times=2))
    ask()
    assert fetched(standin) == 3


def test_a_token_endpoint_in_trouble_is_no_denial(principal: Connect, standin: StandIn) -> None:
    principal()
    standin.faults.add(Fault(path="/oidc/", status=503))
    with pytest.raises(RemoteCallError, match="answered 503") as raised:
        ask()
    assert raised.value.retryable
    assert not isinstance(raised.value, AccessDenied)


def test_an_entra_principal_asks_for_databricks_only(principal: Connect, standin: StandIn) -> None:
    principal(azure_tenant_id="tenant", azure_ad_endpoint=standin.url)
    ask()
    (entry,) = standin.journal.find("POST", ENTRA)
    assert f"scope={AZURE_DATABRICKS}%2F.default" in entry.body
    assert "client_id=client" in entry.body


def test_an_entra_principal_outside_of_the_workspace_also_proves_that_it_manages_it(
    connections: Connect, recorder: Recorder
) -> None:
    connections(
        "databricks_default",
        conn_type="databricks",
        host=recorder.url,
        login="client",
        password="s3cret-value",
        extra={
            "azure_tenant_id": "tenant",
            "azure_ad_endpoint": recorder.url,
            "azure_resource_id": "/subscriptions/1",
        },
    )
    ask()
    first, second, call = recorder.requests
    assert (first.path, second.path) == (ENTRA, ENTRA)
    assert AZURE_MANAGEMENT.partition("//")[2].strip("/") in second.body
    assert call.headers["X-Databricks-Azure-SP-Management-Token"] == "issued-token"
    assert call.headers["X-Databricks-Azure-Workspace-Resource-Id"] == "/subscriptions/1"
    assert call.headers["Authorization"] == "Bearer issued-token"


def test_no_secret_is_shown_by_anything_that_is_printed(principal: Connect, standin: StandIn) -> None:
    principal("s3cret-value")
    hook = DatabricksHook()
    ask(hook)
    shown = f"{hook.target!r} {hook.target.auth!r} {list(auth.kept_tokens())!r}"
    assert "s3cret-value" not in shown
    assert "client" in shown
