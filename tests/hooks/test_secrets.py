"""A remote that quotes what it was sent gives no secret away: not in an error, not in a log."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_pipehooks.core.errors import RemoteCallError
from airflow_provider_pipehooks.hooks.registry import open_service
from tests.hooks.raw import Raw, Send, whole

SECRET = "Zx9secretZx9secret"
BASIC = [base64.b64encode(f"{who}:{SECRET}".encode()).decode() for who in ("client", "ada@example.com")]

#: Service -> the connection, and each way to prove who we are.
LOGINS: dict[str, tuple[str, dict[str, Any]]] = {
    "dbt Cloud": ("dbt_cloud", {"conn_type": "dbt_cloud", "login": "1", "password": SECRET}),
    "a token": ("databricks_jobs", {"conn_type": "databricks", "password": SECRET}),
    "a password": (
        "databricks_jobs",
        {"conn_type": "databricks", "login": "ada@example.com", "password": SECRET},
    ),
    "client credentials": (
        "databricks_jobs",
        {
            "conn_type": "databricks",
            "login": "client",
            "password": SECRET,
            "extra": {"service_principal_oauth": True},
        },
    ),
    "Entra": (
        "databricks_jobs",
        {
            "conn_type": "databricks",
            "login": "client",
            "password": SECRET,
            "extra": {"azure_tenant_id": "tenant", "azure_ad_endpoint": "{url}"},
        },
    ),
}


@pytest.fixture
def echo() -> Iterator[Raw]:
    def answer(send: Send) -> None:
        request = raw.received.decode()
        if (basic := re.search(r"Basic (\S+)", request)) is not None:
            request += base64.b64decode(basic.group(1)).decode()  # some log what they have understood
        texts = ("message", "error_description", "error")
        body = {**dict.fromkeys(texts, request), "status": {"user_message": request}}
        if "/accounts/" not in request:
            del body["status"]
        whole(json.dumps(body).encode(), status=raw.status)(send)  # type: ignore[attr-defined]

    raw = Raw(answer)
    yield raw
    raw.close()


@pytest.mark.parametrize("status", ["200 OK", "400 No", "401 No", "403 No", "404 No", "500 No"])
@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_what_was_sent_as_proof_is_not_quoted(
    mode: str,
    login: str,
    status: str,
    echo: Raw,
    connections: Callable[..., None],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    service_name, fields = LOGINS[login]
    extra = {key: str(value).format(url=echo.url) for key, value in fields.get("extra", {}).items()}
    connections("conn", **{**fields, "host": echo.url, **({"extra": extra} if extra else {})})
    echo.status = status  # type: ignore[attr-defined]
    hook, service = open_service(service_name, "conn", hook_params={"retry_limit": 2, "retry_delay": 0})

    async def call() -> None:
        try:
            await hook.acall(service.get_run(5))
        finally:
            await hook.aclose()

    with pytest.raises(RemoteCallError) as raised:
        asyncio.run(call()) if mode == "async" else hook.call(service.get_run(5))
    told = "".join(traceback.format_exception(raised.value)) + caplog.text + "".join(capfd.readouterr())
    proofs = [SECRET, *BASIC]
    assert any(proof in echo.received.decode() for proof in proofs)
    assert not any(proof in told for proof in proofs)


@pytest.mark.parametrize(
    ("host", "said"),
    [("http://dbt.example.com", True), ("https://dbt.example.com", False), ("http://localhost:9", False)],
)
def test_a_token_that_goes_out_in_clear_is_told_of(
    host: str, said: bool, connections: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    connections("conn", conn_type="dbt_cloud", host=host, login="1", password=SECRET)
    hook, _ = open_service("dbt_cloud", "conn")
    assert hook.target.base_url == host
    assert ("sends its token to http://dbt.example.com without encryption" in caplog.text) is said
